"""Write the parameters of a trained model as safetensors, without optimizer and averages.

  python scripts/export.py --workdir=runs/noise --out=exported/noise
  python scripts/sample.py --workdir=exported/noise --label=3
  python scripts/export.py --workdir=runs/gpt2 --out=exported/gpt2 --layout=gpt2      (for Hugging Face's transformers)

Writes model.safetensors and config.json into --out, which sample.py and evaluate.py take as --workdir, unless the layout is another's.
train.py begins with what is there if it is told --config.train.init_from=exported/noise.
"""

from genjax import cli

FLAGS = [
    cli.Flag("workdir", "the trained run's directory", required=True),
    cli.Flag("out", "the folder to write", required=True),
    cli.Flag("layout", "genjax, or gpt2: that of Hugging Face's GPT-2, for a model that is one", default="genjax"),
    cli.Flag("step", "which checkpoint; default: the newest", kind=int),
    cli.WEIGHTS,
]


def main(args):
    from genjax.evaluation.commands import export

    export(args.workdir, args.overrides, out=args.out, layout=args.layout, step=args.step, weights=args.weights)


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="late")
