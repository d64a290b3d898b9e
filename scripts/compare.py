"""Train the arms of a comparison with equal budgets, measure them with the same ruler, and write one report.

  python scripts/compare.py --config=configs/compare/digits.py --workdir=runs/demo
  python scripts/compare.py --config=configs/compare/digits.py --workdir=runs/short --config.train.duration='200 steps'

--config.FIELD=VALUE sets a training field of every arm. The same command goes on where a stopped one left off.
Writes report.html (self-contained), results.json and PNGs into the directory, and every arm's run into arms/.
"""

import shlex
import sys

from genjax import cli

FLAGS = [
    cli.Flag("config", "the comparison, for example configs/compare/digits.py", required=True),
    cli.Flag("workdir", "where to write, for example runs/demo", required=True),
]


def main(args):
    from genjax.comparison import plan

    loaded = plan.load(args.config, args.overrides)  # checked before jax is loaded

    from genjax.comparison.run import compare

    compare(loaded, args.workdir, shlex.join(["python", *sys.argv]))


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="overrides")
