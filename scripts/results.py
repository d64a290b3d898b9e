"""Write the tables of README.md and docs/ anew from results/*.json.

make results          # runs the demo in a folder of its own, keeps its numbers as results/digits.json, and calls this
python scripts/results.py
"""

from genjax import cli


def main(args):
    from genjax.comparison.tables import rewrite
    from genjax.config import REPOSITORY

    for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]:
        text = path.read_text()
        if (new := rewrite(text, REPOSITORY)) != text:
            path.write_text(new)
            print(f"rewritten {path.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    cli.run(main, __doc__, [], config="none")
