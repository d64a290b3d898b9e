"""Write the tables of README.md and docs/ anew from results/*.json.

make results          # runs the demo in a folder of its own, keeps its numbers as results/digits.json, and calls this
python scripts/results.py
"""

from genjax import cli


def main(args):
    from genjax.comparison.tables import rewrite_pages
    from genjax.config import REPOSITORY

    rewrite_pages(REPOSITORY)


if __name__ == "__main__":
    cli.run(main, __doc__, [], config="none")
