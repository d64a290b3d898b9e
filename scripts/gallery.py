"""Make the gallery: train what is missing, measure it, draw, and keep the records and pictures that README.md and docs/gallery.md show.

  python scripts/gallery.py --list
  python scripts/gallery.py --name=spoken_digit_noise_prediction
  python scripts/gallery.py --all
  python scripts/gallery.py --pace                 (how long each training takes, from its first steps, on a machine that does nothing else)

The entries are the files of configs/gallery. One that is recorded as it is there is not run again (--again does), and one whose data are not there
is left out. Trainings lie in --workdir, and the same command goes on where a stopped one left off. `python scripts/results.py` then writes the pages.
"""

from pathlib import Path

from genjax import cli

FLAGS = [
    cli.Flag("name", "the entry, <file> or <file>_<variant> of configs/gallery"),
    cli.Flag("all", "every entry, one after the other", kind=bool),
    cli.Flag("list", "print the entries and what came of them", kind=bool),
    cli.Flag("pace", "tell from 6 seconds of every training, or of that of --name, how many minutes it takes", kind=bool),
    cli.Flag("again", "run although there is a record", kind=bool),
    cli.Flag("workdir", "where trainings lie", default="runs/gallery"),
]


def main(args):
    from genjax.comparison import gallery
    from genjax.config import require

    require(args.list + args.all + bool(args.name or args.pace) == 1, "give one of --name=ENTRY, --all, --list and --pace")
    chosen = [] if args.list else [gallery.load(args.name)] if args.name else gallery.entries().values()
    if args.pace:
        gallery.pace(chosen, seconds=6.0, again=args.again)
        return
    for entry in chosen:
        if gallery.record_of(entry) and not args.again:
            print(f"{entry.name} is recorded as it is; --again runs it anew")
            continue
        if entry.absent:
            print(f"left out: {entry.absent}")
            continue
        print(f"\n{entry.name}: {entry.config.shows}")
        gallery.run(entry, Path(args.workdir), f"python scripts/gallery.py --name={entry.name}")
    print(gallery.listing())


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="none")
