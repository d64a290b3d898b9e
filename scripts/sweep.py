"""Train a recipe over and over with other settings and seeds, and write one table.

  python scripts/sweep.py --config=configs/digits.py:next_token --workdir=runs/lr --sweep='optimizer.learning_rate=1e-3,4e-3' --sweep='seed=0..2'
  python scripts/sweep.py --config=configs/digits.py:next_token --workdir=runs/size --zip --sweep='model.width=32,64' --sweep='model.depth=2,4'
  python scripts/sweep.py --config=configs/digits.py:next_token --workdir=runs/without --ablate --sweep='model.dropout=0' --sweep='seed=0..2'
  python scripts/sweep.py --config=configs/sweeps/digits.py --workdir=runs/learning_rate --launcher=slurm --slurm='--gres=gpu:1 --time=1:00:00'

Axes are crossed; --zip takes them together, --ablate changes one field at a time from the recipe. Seeds are crossed with everything.
All cells are checked before the first one starts. The same command goes on where a stopped sweep left off and runs what failed again; each cell is a
run of its own in cells/. Writes table.csv and table.html. Exit codes: 0 all cells are complete, 1 some failed, 2 wrong command line, 75 stopped.
"""

import runpy
from pathlib import Path

from genjax import cli
from genjax.config import base_fields, require
from genjax.errors import UsageError

FLAGS = [
    cli.Flag("config", "the recipe, or a file of configs/sweeps/", required=True),
    cli.Flag("workdir", "the sweep's directory, for example runs/sweep", required=True),
    cli.Flag("sweep", "an axis, field=value,value or field=0..4; give it once for every axis", many=True),
    cli.Flag("zip", "take the axes together instead of crossing them", kind=bool),
    cli.Flag("ablate", "change one field at a time from the recipe", kind=bool),
    cli.Flag(
        "launcher", "where cells run: here, as a job array of Slurm, or nowhere (only the table)", default="local", choices=("local", "slurm", "none")
    ),
    cli.Flag("workers", "cells at a time", kind=int, default=1),
    cli.Flag("slurm", "further options of sbatch, for example '--gres=gpu:1 --time=8:00:00'", default=""),
    cli.Flag("evaluate", "measure every trained cell with these arguments of evaluate.py, for example '--classifier=runs/classifier'"),
    cli.Flag("only", "the one cell to run, by name"),
    cli.Flag("dry_run", "print the commands of the cells that are to run; write nothing", kind=bool),
]


def main(args):
    from genjax.sweeps import cells
    from genjax.sweeps.launch import Options, words
    from genjax.sweeps.run import run

    require(not (args.zip and args.ablate), "--zip and --ablate are two ways to make cells: give one")
    require(args.workers >= 1, f"--workers={args.workers}: at least 1 cell must run at a time")
    options = Options(args.workers, words(args.slurm, "--slurm"))
    evaluate = None if args.evaluate is None else words(args.evaluate, "--evaluate")
    if evaluate is not None:
        check_evaluate(evaluate)
    mode = "zip" if args.zip else "ablate" if args.ablate else None
    sweep = cells.load(args.config, args.sweep, mode, args.overrides)
    run(sweep, args.workdir, launcher=args.launcher, options=options, only=args.only, evaluate=evaluate, dry_run=args.dry_run)


def check_evaluate(words):
    """Refuses what scripts/evaluate.py would refuse, before anything is trained."""
    flags = runpy.run_path(str(Path(__file__).with_name("evaluate.py")))["FLAGS"]
    try:
        cli.parse(["--workdir=cell", *words], "", flags, config="late", fields=base_fields())
    except UsageError as error:
        raise UsageError(f"--evaluate: {error}") from None


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="overrides")
