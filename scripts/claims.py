"""Run a registered claim: train what is missing, measure, and keep the record from which docs/claims.md is written.

  python scripts/claims.py --list
  python scripts/claims.py --name=c05_latency
  python scripts/claims.py --all --workers=2
  python scripts/claims.py --name=c14_encoder --tier=gpu

A claim that is recorded as it is registered is not run again (--again does). Trainings lie in --workdir, shared by the claims that need the same
ones, and the same command goes on where a stopped one left off. claims.html there tells all that is known of all claims. With --config.FIELD=VALUE
a claim is tried in another way, and not recorded.
"""

import shlex
import sys
from pathlib import Path

from genjax import cli

FLAGS = [
    cli.Flag("name", "the claim, a file of configs/claims"),
    cli.Flag("all", "every claim, one after the other", kind=bool),
    cli.Flag("list", "print what is registered and what was found", kind=bool),
    cli.Flag("tier", "how large the models are: cpu as registered, gpu for one GPU", default="cpu", choices=("cpu", "gpu")),
    cli.Flag("again", "run although there is a record", kind=bool),
    cli.Flag("workdir", "where trainings lie", default="runs/claims"),
    cli.Flag("workers", "trainings at a time, each in a process of its own", default=1, kind=int),
]


def main(args):
    from genjax.comparison import cards, claims
    from genjax.comparison.figures import claims_figure
    from genjax.comparison.tables import FIGURE, rewrite
    from genjax.config import REPOSITORY, require
    from genjax.evaluation.provenance import provenance
    from genjax.training.workdir import Workdir, replace

    require(args.list + args.all + bool(args.name) == 1, "give one of --name=CLAIM, --all and --list")
    chosen = [claims.load(name) for name in (claims.names() if args.all else [args.name] if args.name else [])]
    for claim in chosen:
        before = None if args.overrides else claims.record_of(claim.name, tier=args.tier)
        if before and not args.again:
            print(f"{claim.name} is recorded as registered; --again runs it anew")
            continue
        print(f"\n{claim.name}: {claim.config.hypothesis}")
        folder = claims.workdir(claim, Path(args.workdir), args.overrides, args.tier)
        usual = f"python scripts/claims.py --name={claim.name}" + f" --tier={args.tier}" * (args.tier != "cpu")
        command = shlex.join(["python", *sys.argv]) if args.overrides else usual
        record = claims.run(claim, folder, command, args.overrides, tier=args.tier, workers=args.workers)
        record = claims.read_again(before, record)
        claims.keep(record, folder if args.overrides else REPOSITORY / claims.results(args.tier))
        low, high = claims.effect_of(record).interval()
        print(f"  {claims.effect_of(record).value:.4g}, 95 % interval [{low:.4g}, {high:.4g}] {record['unit']}")
    standings = claims.standings()
    print(cards.listing(standings))
    if not args.list:
        folder = Workdir(args.workdir)
        folder.path.mkdir(parents=True, exist_ok=True)
        page = REPOSITORY / "docs" / "claims.md"
        figures = {FIGURE: claims_figure([standing for standing in standings if standing.record is not None])}
        replace(folder.path / "claims.html", cards.page(rewrite(page.read_text(), REPOSITORY), page.parent, provenance(), figures))
        print(f"page      {folder.path / 'claims.html'}\npython scripts/results.py writes docs/claims.md and its figure from the records")


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="overrides")
