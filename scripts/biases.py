"""Measure how far guidance and inpainting are from the distributions that they are named after, where those are known.

python scripts/biases.py      # a few minutes; writes results/diffusion_biases.json and the table of docs/diffusion.md
"""

from genjax import cli

FLAGS = [
    cli.Flag("rows", "samples a row of the table", kind=int, default=20_000),
    cli.Flag("steps", "solver steps a sample", kind=int, default=256),
    cli.Flag("out", "the record's folder; default: results/, and the table is written anew"),
]


def main(args):
    from pathlib import Path

    from genjax.comparison import biases
    from genjax.comparison.tables import rewrite_pages
    from genjax.config import REPOSITORY

    folder = REPOSITORY / "results" if args.out is None else Path(args.out)
    biases.write(folder / "diffusion_biases.json", "python scripts/biases.py", args.rows, args.steps)
    if args.out is None:
        rewrite_pages(REPOSITORY)


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="none")
