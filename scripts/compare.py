"""Train the arms of a comparison with equal budgets, measure them with the same ruler, and write one report.

  python scripts/compare.py --config=configs/compare/digits.py --workdir=runs/demo
  python scripts/compare.py --config=configs/compare/digits.py --workdir=runs/short --config.train.duration='200 steps'

  python scripts/compare.py --config=configs/compare/digits.py --workdir=runs/five --seeds=5 --workers=2

--config.FIELD=VALUE sets a training field of every arm. The same command goes on where a stopped one left off.
Writes report.html (self-contained), report.md, results.json, items.npz and PNGs into the directory, and every training into arms/.
What differs between arms must be matched, declared (`varies`) or waived with a reason (`waive`) in the comparison's file; else it ends with code 2.
"""

import shlex
import sys

from genjax import cli

FLAGS = [
    cli.Flag("config", "the comparison, for example configs/compare/digits.py", required=True),
    cli.Flag("workdir", "where to write, for example runs/demo", required=True),
    cli.Flag("seeds", "trainings of every arm, with the same seeds for each; None: as the comparison says", kind=int),
    cli.Flag("workers", "trainings at a time, each in a process of its own", default=1, kind=int),
]


def main(args):
    from genjax.comparison import plan

    loaded = plan.load(args.config, args.overrides, args.seeds)  # checked before jax is loaded

    from genjax.comparison.run import compare

    compare(loaded, args.workdir, shlex.join(["python", *sys.argv]), workers=args.workers)


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="overrides")
