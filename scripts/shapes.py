"""What is known about the data set shapes: perfect models, measured, and the pictures of docs/shapes.md.

  python scripts/shapes.py                     (everything; about 6 minutes on 2 CPU cores)
  python scripts/shapes.py --only=pictures     (a minute)
  python scripts/shapes.py --drawn=runs/next_token,runs/noise     (what trained models that are told of captions draw for the same prompts)

Writes results/shapes_perfect.json, the pictures in docs/shapes/, and the tables of README.md and docs/ anew.
"""

import shlex
import sys
from pathlib import Path

from genjax import cli

FLAGS = [
    cli.Flag("only", "do only a part", default="all", choices=("all", "pictures", "perfect")),
    cli.Flag("drawn", "runs of models that draw what captions say, with commas: only docs/shapes/drawn.png is written"),
    cli.Flag("samples", "samples of each sampler", kind=int, default=512),
    cli.Flag("bound_examples", "scenes whose bound is measured", kind=int, default=768),
    cli.Flag("out", "the repository's root, where results/ and docs/ lie", default="."),
]


def main(args):
    from genjax.comparison import shapes_perfect
    from genjax.comparison.tables import rewrite
    from genjax.evaluation import shapes_pictures

    root = Path(args.out)
    pictures = root / "docs" / "shapes"
    if args.drawn:
        shapes_pictures.drawn(args.drawn.split(","), pictures / "drawn.png")
        return
    if args.only in ("all", "pictures"):
        shapes_pictures.write(pictures)
    if args.only in ("all", "perfect"):
        (root / "results").mkdir(parents=True, exist_ok=True)
        pictures.mkdir(parents=True, exist_ok=True)
        command = shlex.join(["python", *sys.argv])
        result = shapes_perfect.measure(command, root / "results" / "shapes_perfect.json", args.samples, args.bound_examples)
        shapes_perfect.figure(result, pictures / "perfect.png")
        page = root / "docs" / "shapes.md"
        if page.exists():
            page.write_text(rewrite(page.read_text(), root))


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="none")
