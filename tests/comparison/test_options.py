"""The list of options in docs/diffusion.md. That it is the one that the code has is a test of all tables (test_tables)."""

import re

import pytest

from genjax import config as configs
from genjax.comparison import options, tables
from genjax.config import REPOSITORY, Choice
from genjax.errors import UsageError
from genjax.registry import bind

ROW = re.compile(r"\| `(\w+)` \| `(\w+)\((.+)\)` \| (.+) \|")


def rows():
    return ROW.findall(options.markdown())


def test_a_row_tells_the_defaults_and_what_may_be_given(tmp_path):
    text = options.markdown()
    assert "| `solver` | `ddim(eta=0)` | eta: a number at least 0 and at most 1 |\n" in text
    assert "| `inpaint` | `repaint(resamples=10)` | resamples: a whole number at least 1 |\n" in text
    assert "| `time_sampler` | `lognormal_sigma(mean=-1.2,std=1.2)` | mean: a number; std: a number above 0 |\n" in text
    assert "`ddpm" not in text, "it has no options"
    page = tables.rewrite("a\n<!-- options -->\nold\n<!-- end -->\nb", tmp_path)
    assert page == f"a\n<!-- options -->\n{text}<!-- end -->\nb"


def test_every_choice_with_options_has_a_row_and_can_be_written_as_it_stands_there():
    of = "noise_prediction."
    fields = {path.removeprefix(of): field for path, field in configs.base_fields().items() if path.startswith(of)}
    assert options.TABLES.keys() == {key for key, field in fields.items() if field.kind is Choice}
    for key, name, written, _ in rows():
        bind(options.TABLES[key], Choice(f"{name}({written})").parts, key)
    named = {(key, name) for key, name, *_ in rows()}
    for key, table in options.TABLES.items():
        assert set(fields[key].choices) == set(table)
        for name in table.keys() - {name for at, name in named if at == key}:
            with pytest.raises(UsageError, match="It has none"):
                bind(table, (name, {"no_such_option": 1.0}), key)


def test_the_page_says_what_every_option_is():
    """Below the table, in a line that begins with the key."""
    page = (REPOSITORY / "docs" / "diffusion.md").read_text().split("<!-- options -->")[1]
    said = dict(re.findall(r"^- `(\w+)`: (.*(?:\n  .*)*)", page.split("<!-- end -->")[1], re.MULTILINE))
    for key, _, written, _ in rows():
        for option in re.findall(r"(\w+)=", written):
            assert f"`{option}`" in said[key], f"{key}: {option}"
