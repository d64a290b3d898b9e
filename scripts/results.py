"""Write the tables of README.md and docs/, and the figure of the claims, anew from results/.

make results          # runs the demo in a folder of its own, keeps its numbers as results/digits.json, and calls this
python scripts/results.py
"""

from genjax import cli


def main(args):
    from genjax.comparison import claims
    from genjax.comparison.figures import claims_figure
    from genjax.comparison.tables import FIGURE, rewrite_pages
    from genjax.config import REPOSITORY

    rewrite_pages(REPOSITORY)
    figure = REPOSITORY / "docs" / FIGURE
    figure.parent.mkdir(exist_ok=True)
    figure.write_bytes(claims_figure([standing for standing in claims.standings() if standing.record is not None]))


if __name__ == "__main__":
    cli.run(main, __doc__, [], config="none")
