"""Say what a training will need before it is paid for: memory of a device, operations, bytes over the links, and the shortest time of a step.

  python scripts/plan.py --config=configs/digits.py:next_token --mesh=data:8 --hardware=h100
  python scripts/plan.py --config=configs/digits.py:next_token --data=tokens:4096:32000 --mesh=data:64,fsdp:16 --hardware=tpu_v5p

Only shapes are computed, so that it takes no device of that kind and no data. Times are bounds: everything overlaps, nothing waits.
"""

from genjax import cli
from genjax.training import mesh

FLAGS = [
    cli.Flag("mesh", "the devices, for example data:64,fsdp:16 or fsdp:8,tensor:4", required=True),
    cli.Flag("hardware", "what they are", required=True, choices=("h100", "h200", "tpu_v5p", "tpu_v5e")),
    cli.Flag("data", "data that are not there: tokens:LENGTH:VOCABULARY[:CLASSES] or image:HxWxC:LEVELS[:CLASSES]; default: the recipe's"),
]


def main(args):
    devices = mesh.parse(args.mesh)  # refused before jax is loaded

    from genjax.data.absent import absent
    from genjax.data.sources import open_source
    from genjax.training import planning

    spec = absent(args.data) if args.data else open_source(args.config.data.source, args.config.data.dir).spec
    print(planning.plan(args.config, spec, devices, args.hardware))


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="recipe")
