"""Draw samples from a trained model, of whatever objective.

  python scripts/sample.py --workdir=runs/noise
  python scripts/sample.py --workdir=runs/noise --label=3 --config.sample.count=64 --config.sample.guidance_scale=2
  python scripts/sample.py --workdir=runs/next_token --config.next_token.temperature=0.8

Writes a picture (or, for tokens, only the array) and an .npz with the samples in the units of the data. Sample i is a function of the
model, the seed and i: it does not depend on how many are drawn at once.
"""

from genjax import cli

FLAGS = [
    cli.Flag("workdir", "the trained run's directory", required=True),
    cli.Flag("out", "file name without ending; default: samples/samples_step<step> in the run's directory"),
    cli.Flag("label", "draw only this class; default: all classes in turn", kind=int),
    cli.Flag("step", "which checkpoint; default: the newest", kind=int),
    cli.Flag("weights", "the averaged parameters or those of the last step", default="ema", choices=("ema", "raw")),
]


def main(args):
    from genjax.evaluation.commands import sample

    sample(args.workdir, args.overrides, out=args.out, label=args.label, step=args.step, weights=args.weights)


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="overrides")
