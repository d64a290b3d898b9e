"""Train a model: any objective, any data, one loop.

  python scripts/train.py --config=configs/digits.py:next_token --workdir=runs/next_token
  python scripts/train.py --config=configs/digits.py:noise_prediction --workdir=runs/noise --config.train.duration='20 epochs'

The same command goes on where a stopped run left off. Exit codes: 0 done, 2 wrong command line or config, 65 bad data or checkpoint,
70 the loss is not finite, 73 the directory is in use, 74 cannot write, 75 stopped by a signal and saved: run it again, 124 a step hangs.
Every process of a job of many runs the same command with --processes (docs/running.md).
"""

from genjax import cli
from genjax.training import processes, signals

FLAGS = [
    cli.Flag("workdir", "the run's directory, for example runs/digits", required=True),
    cli.Flag("overwrite", "move an existing run of this directory aside and begin anew", kind=bool),
    cli.Flag("force", "go on with an existing run although its config differs", kind=bool),
    cli.Flag("processes", processes.HELP, default="one"),
]


def main(args):
    processes.parse(args.processes)  # refused before jax is loaded

    with signals.ended_at_once(), processes.joined(args.processes):  # until the training itself listens, there is nothing to save
        run(args)


def run(args):
    from genjax.evaluation.monitors import monitors  # jax is loaded only once the command line is known to be right
    from genjax.training.loop import train

    train(args.config, args.workdir, monitors, overwrite=args.overwrite, force=args.force)


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="recipe")
