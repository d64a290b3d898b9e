"""Sample the trained arms of a comparison with many settings: quality against evaluations, operations, waiting time and samples a second.

  python scripts/compare.py --config=configs/compare/digits.py --workdir=runs/demo
  python scripts/frontier.py --config=configs/compare/digits.py --workdir=runs/demo
  python scripts/frontier.py --config=configs/compare/digits.py --workdir=runs/demo --classifier=runs/classifier

The settings are `frontier` in the comparison's file. Writes frontier.json and frontier.png into the directory; the report shows them when
scripts/compare.py is run again.
"""

import shlex
import sys
from pathlib import Path

from genjax import cli

FLAGS = [
    cli.Flag("config", "the comparison, for example configs/compare/digits.py", required=True),
    cli.Flag("workdir", "where its arms are trained", required=True),
    cli.Flag("classifier", "the directory of a trained classifier that judges the samples too"),
    cli.Flag("samples", "samples of each setting that the quality is measured on", default=500, kind=int),
]


def main(args):
    from genjax.comparison import plan

    loaded = plan.load(args.config, args.overrides)

    from genjax.comparison import frontier
    from genjax.comparison.figures import frontier_figure
    from genjax.training.workdir import replace

    written = frontier.run(loaded, args.workdir, shlex.join(["python", *sys.argv]), count=args.samples, classifier=args.classifier)
    replace(Path(args.workdir) / "frontier.png", frontier_figure(written))
    for row in frontier.text(frontier.read(written)):
        print("  ".join(f"{cell:<20}" for cell in row))
    print(f"at equal quality {written['at_equal_quality']}, crossover batch {written['crossover_batch']}")
    print(f"numbers   {Path(args.workdir) / 'frontier.json'}\nfigure    {Path(args.workdir) / 'frontier.png'}")


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="overrides")
