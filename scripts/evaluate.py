"""Measure a trained model on the held-out split: bits per dimension, with kind and standard error.

  python scripts/evaluate.py --workdir=runs/noise
  python scripts/evaluate.py --workdir=runs/noise --classifier=runs/classifier --config.sample.count=1000
  python scripts/evaluate.py --workdir=runs/noise --config.noise_prediction.likelihood=ode
  python scripts/evaluate.py --workdir=runs/noise --config.noise_prediction.eval_times=64 --config.evaluate.examples=1000

  python scripts/evaluate.py --workdir=runs/shapes_noise --hidden_cell=3          (what it draws there, beside the exact posterior)
  python scripts/evaluate.py --workdir=runs/shapes_text --negation                (how often "no triangle" shows one)
  python scripts/evaluate.py --workdir=runs/shapes_noise --noise_levels           (at which noise levels its bits above the entropy are)
  python scripts/evaluate.py --workdir=runs/shapes_s8 --variety                   (how many different scenes it draws, beside independent draws)
  python scripts/evaluate.py --workdir=runs/drawer --describer=runs/captions      (the round trip: a picture, its words, their picture)
  python scripts/evaluate.py --workdir=runs/code --gap=16 --config.sample.count=256    (what it writes into gaps of held-out text)
  python scripts/evaluate.py --workdir=runs/moving_noise --redraw=2,6             (the first two frames are given: how often the others are right)

Of a model that is told of captions, `sample.count` held-out prompts are drawn and judged, category by category.

Prints a table and writes it into the run's directory, as evaluation_step<step>_<of what was measured>.json.
"""

import shlex
import sys

from genjax import cli
from genjax.config import require
from genjax.training import processes, signals

FLAGS = [
    cli.Flag("workdir", "the trained run's directory", required=True),
    cli.Flag("classifier", "the run of a trained classifier that judges samples of the model"),
    cli.Flag("planner", "of a model that draws plans of scenes, the run of one that writes them for prompts"),
    cli.Flag("describer", "of a model that is told of captions, the run that puts data into words: held-out data, drawn again, or what is drawn"),
    cli.Flag("hidden_cell", "of scenes of shapes, the cell that is drawn anew and compared with its posterior", kind=int),
    cli.Flag("negation", "of a model that is told of captions of shapes: ask for scenes without something", kind=bool),
    cli.Flag("redraw", "draw this part of sample.count held-out arrays anew: how often it becomes what it was, and the figures of the data"),
    cli.Flag("noise_levels", "of noise prediction on scenes of shapes: how far from the ideal denoiser it is at every noise level", kind=bool),
    cli.Flag("variety", "of scenes that can all be listed (shapes:s8): how many different ones it draws, beside independent draws", kind=bool),
    cli.Flag("gap", "of running text: fill gaps of so many tokens in `sample.count` held-out rows", kind=int),
    cli.Flag("step", "which checkpoint; default: the newest", kind=int),
    cli.WEIGHTS,
    cli.Flag("processes", processes.HELP, default="one"),
]


def main(args):
    processes.parse(args.processes)  # refused before jax is loaded
    require(args.classifier is None or args.processes == "one", "--classifier judges in one process: leave out --processes")
    with signals.ended_at_once(), processes.joined(args.processes):
        from genjax.evaluation.commands import evaluate

        options: dict = {"command": shlex.join(["python", *sys.argv])}
        options |= {"classifier": args.classifier, "planner": args.planner, "describer": args.describer, "cell": args.hidden_cell}
        options |= {"forbid": bool(args.negation), "by_level": bool(args.noise_levels), "varied": bool(args.variety)}
        options |= {"gap": args.gap, "redraw": args.redraw}
        evaluate(args.workdir, args.overrides, step=args.step, weights=args.weights, **options)


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="late")
