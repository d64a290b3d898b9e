"""Write the parameters of a trained model as safetensors, without optimizer and averages.

  python scripts/export.py --workdir=runs/noise --out=exported/noise
  python scripts/sample.py --workdir=exported/noise --label=3

Writes model.safetensors and config.json into --out, which sample.py and evaluate.py take as --workdir.
"""

from genjax import cli

FLAGS = [
    cli.Flag("workdir", "the trained run's directory", required=True),
    cli.Flag("out", "the folder to write", required=True),
    cli.Flag("step", "which checkpoint; default: the newest", kind=int),
    cli.WEIGHTS,
]


def main(args):
    from genjax.evaluation.commands import export

    export(args.workdir, args.overrides, out=args.out, step=args.step, weights=args.weights)


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="late")
