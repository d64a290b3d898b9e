"""Draw samples from a trained model, of whatever objective.

  python scripts/sample.py --workdir=runs/noise
  python scripts/sample.py --workdir=runs/noise --label=3 --config.sample.count=64 --config.sample.guidance_scale=2
  python scripts/sample.py --workdir=runs/next_token --config.next_token.temperature=0.8

  python scripts/sample.py --workdir=runs/noise --image=held_out --redraw=0,0,4,8      (inpainting: the upper half anew)
  python scripts/sample.py --workdir=runs/noise --image=mine.png --label=3              (SDEdit, from noise_prediction.edit_logsnr)
  python scripts/sample.py --workdir=runs/noise --interpolate=3,17                       (between two held-out images, or two PNGs)
  python scripts/sample.py --workdir=runs/noise --config.sample.guide=runs/weak --config.sample.guidance_scale=2   (autoguidance)
  python scripts/sample.py --workdir=runs/noise --film                                  (noising and denoising, as strips and GIFs)

  python scripts/sample.py --workdir=runs/shapes_text --prompt='a red circle left of a blue square and no triangle'
  python scripts/sample.py --workdir=runs/drawer --planner=runs/planner --prompt='more hearts than circles'   (one plans, the other draws)
  python scripts/sample.py --workdir=runs/shapes_questions --image=x.png --question='how many hearts?'
  python scripts/sample.py --workdir=runs/shapes_captions --image=x.png                  (described, by a model that does so)
  python scripts/sample.py --workdir=runs/said --image=held_out                           (sounds, films and pictures, put into words)
  python scripts/sample.py --workdir=runs/hybrid --image=held_out --describe               (by a model that draws as well)
  python scripts/sample.py --workdir=runs/shakespeare --prompt='ROMEO:' --config.sample.length=500 --config.sample.count=2
  python scripts/sample.py --workdir=runs/code --prompt=$'def f(x):\\n' --suffix='    return y'         (what stands between)
  python scripts/sample.py --workdir=runs/translation --prompt='A man sits on a bench.' --config.sample.count=1
  python scripts/sample.py --workdir=runs/chat --chat                                     (a line is a prompt, its answer is written below)

Writes a picture or a text (for other tokens, only the array) and an .npz with the samples in the units of the data. Sample i is a function of the
model, the seed and i: it does not depend on how many are drawn at once.
"""

import sys

from genjax import cli
from genjax.config import require
from genjax.training import processes, signals

FLAGS = [
    cli.Flag("workdir", "the trained run's directory", required=True),
    cli.Flag("out", "file name without ending; default: samples/samples_step<step> in the run's directory"),
    cli.Flag("label", "draw only this class; default: all classes in turn", kind=int),
    cli.Flag("prompt", "what a text begins with, or the caption that a picture is asked for with"),
    cli.Flag("prompt_file", "the UTF-8 file that holds it"),
    cli.Flag("suffix", "what a text ends with: what is written stands between --prompt and it"),
    cli.Flag("planner", "the run of a model that plans the scene of --prompt; this one draws the plan"),
    cli.Flag("chat", "answer the lines of the terminal, one after the other, for a model of prompts with answers", kind=bool),
    cli.Flag("image", "edit or describe instead of draw: held_out, or a PNG of the size of the data"),
    cli.Flag("question", "of --image, what to answer about it; of a model that plans, the caption"),
    cli.Flag("describe", "of --image, put it into words, by a model that draws as well", kind=bool),
    cli.Flag("redraw", "of --image, the part to draw anew: top,left,bottom,right in pixels, or a PNG that is white there"),
    cli.Flag("interpolate", "draw the way between two images: 3,17 (rows of the held-out split) or a.png,b.png"),
    cli.Flag("film", "show how the model works: strips and GIFs of noising and denoising, or of writing", kind=bool),
    cli.Flag("step", "which checkpoint; default: the newest", kind=int),
    cli.WEIGHTS,
    cli.Flag("processes", processes.HELP, default="one"),
]


def main(args):
    processes.parse(args.processes)  # refused before jax is loaded
    alone = args.chat or args.film or args.image is not None or args.interpolate is not None
    require(args.processes == "one" or not alone, "--processes is for samples: chat, films and edits are made in one process")
    with signals.ended_at_once(), processes.joined(args.processes):
        run(args)


def run(args):
    require(args.image is not None or args.redraw is None, "--redraw is a part of --image: give both")
    require(
        not args.film or (args.image is None and args.label is None), "--film shows the model at work on held-out data: give no --image or --label"
    )

    require(args.interpolate is None or (args.image is None and not args.film), "--interpolate is a picture of its own: give no --image or --film")
    require(args.planner is None or bool(args.planner), "--planner is empty: give the directory of a run")
    others = (args.prompt, args.prompt_file, args.planner, args.interpolate)
    require(
        args.question is None or not (args.chat or args.film or any(other is not None for other in others)),
        "--question is of --image, or of a model that plans: give no --prompt, --planner, --chat, --film or --interpolate",
    )
    require(args.question is None or args.image != "held_out", "--image=held_out is for edits: give a picture file with --question")
    require(
        not args.describe or (args.image is not None and args.question is None), "--describe puts --image into words: give --image, and no --question"
    )

    from genjax.evaluation import commands, texts

    prompt = texts.read_prompt(args.prompt, args.prompt_file)
    require(
        not prompt or (args.image is None and args.interpolate is None and not args.film),
        "--prompt is the beginning of a text, or a caption: give no --image, --interpolate or --film",
    )

    alone = args.chat or args.film or args.image is not None or args.interpolate is not None or args.question is not None or args.planner is not None
    require(not args.suffix or not alone, "--suffix is the end of a text: give it with --prompt alone")
    require(
        not args.chat or not (prompt or args.image is not None or args.interpolate is not None or args.film or args.out or args.label is not None),
        "--chat reads its prompts line by line and writes to the terminal: give no other flags of what to draw",
    )
    require(not args.chat or args.planner is None, "--chat answers in words: give no --planner")
    if args.chat:
        commands.chat(args.workdir, args.overrides, lines=sys.stdin, step=args.step, weights=args.weights)
        return

    drawn = not (args.film or args.interpolate is not None or args.image is not None)
    require(args.planner is None or drawn, "--planner plans what is drawn for --prompt: give no --film, --interpolate or --image")
    options = {"out": args.out, "step": args.step, "weights": args.weights}
    if args.film:
        commands.film(args.workdir, args.overrides, **options)
    elif args.interpolate is not None:
        commands.interpolate(args.workdir, args.overrides, ends=args.interpolate, label=args.label, **options)
    elif args.image is not None or args.question is not None:
        options |= {"redraw": args.redraw, "describe": bool(args.describe), "label": args.label}
        commands.look(args.workdir, args.overrides, image=args.image, question=args.question, **options)
    else:
        commands.sample(args.workdir, args.overrides, label=args.label, prompt=prompt, planner=args.planner, suffix=args.suffix or "", **options)


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="late")
