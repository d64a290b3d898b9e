"""Fit the best size and the loss there against compute, from a comparison of sizes at several budgets.

  python scripts/compare.py --config=configs/compare/isoflop.py --workdir=runs/isoflop --workers=2
  python scripts/isoflop.py --workdir=runs/isoflop

The comparison has arms of several widths, `budget` says how often each is given the reference's compute, and its data have a known entropy: laws
are fitted to excess bits. Writes isoflop.json and isoflop.png into the directory.
"""

from genjax import cli

FLAGS = [cli.Flag("workdir", "where the comparison was run", required=True)]


def main(args):
    from genjax.comparison import isoflop
    from genjax.comparison.figures import isoflop_figure
    from genjax.training.workdir import Workdir, replace

    folder = Workdir(args.workdir)
    swept = isoflop.read(folder.read_json("results.json"))
    written = isoflop.record(swept)
    folder.write_json("isoflop.json", written)
    replace(folder.path / "isoflop.png", isoflop_figure(swept))
    print("\n".join(isoflop.text(written)))
    print(f"numbers   {folder.path / 'isoflop.json'}\nfigure    {folder.path / 'isoflop.png'}")


if __name__ == "__main__":
    cli.run(main, __doc__, FLAGS, config="none")
