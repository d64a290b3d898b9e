"""A whole comparison on tiny models, as its user runs it, and what its report and record say."""

import html.parser
import io
import json
import types

import numpy as np
import pytest
from PIL import Image

from genjax.comparison import plan, record
from genjax.comparison.run import compare, match
from genjax.data.sources import open_source

TINY = {
    "model.width": "16",
    "model.depth": "1",
    "model.heads": "2",
    "train.duration": "8",
    "train.steps_per_dispatch": "4",
    "evaluate.examples": "32",
    "noise_prediction.eval_times": "2",
    "noise_prediction.steps": "2",
    "logging.tensorboard": "false",
}
COMMAND = "python scripts/compare.py --config=<script>alert(1)</script>"


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "demo"
    loaded = plan.load("configs/compare/digits.py", TINY)
    return folder, loaded, compare(loaded, folder, COMMAND)


def rows(folder):
    return json.loads((folder / "results.json").read_text())["metrics"]


def test_the_arms_get_equal_training_flops_and_what_differs_is_their_length(compared):
    folder, _, _ = compared
    spent = {row["arm"]: row["value"] for row in rows(folder) if row["metric"] == "train_flops"}
    steps = {row["arm"]: row["value"] for row in rows(folder) if row["metric"] == "train_steps"}
    per_step = {arm: spent[arm] / steps[arm] for arm in spent}
    # Steps are whole, so the budgets can differ by half a step of the arm that was adjusted.
    assert abs(spent["noise_prediction"] - spent["next_token"]) <= 0.5 * per_step["noise_prediction"]
    assert steps["next_token"] == 8 and steps["noise_prediction"] > 8


def test_the_counted_flops_are_xlas(compared):
    folder, _, _ = compared
    counted = {row["arm"]: row["value"] for row in rows(folder) if row["metric"] == "train_flops"}
    for row in rows(folder):
        if row["metric"] == "xla_train_flops":
            assert row["value"] == pytest.approx(counted[row["arm"]], rel=0.02)


def test_match_examples_gives_equal_steps():
    loaded = plan.load("configs/compare/digits.py", TINY)
    loaded = plan.Plan(loaded.recipe, types.SimpleNamespace(match="examples", reference="next_token"), loaded.arms)
    assert {budget.steps for _, budget in match(loaded).values()} == {8}


def test_the_record_has_the_schema_of_results(compared):
    folder, _, _ = compared
    written = json.loads((folder / "results.json").read_text())
    assert {"name", "command", "commit", "date", "hardware", "versions", "seeds", "config", "metrics", "notes"} <= set(written)
    assert written["command"] == COMMAND and written["seeds"] == [0]
    for row in written["metrics"]:
        assert set(row) == {"arm", "metric", "value", "stderr", "kind", "unit", "seed"}
    kinds = {row["arm"]: row["kind"] for row in written["metrics"] if row["metric"] == "bits_per_dim"}
    assert kinds["next_token"] == "exact" and kinds["noise_prediction"] == "upper_bound"


def test_the_table_holds_the_baselines_of_the_issue(compared):
    folder, _, _ = compared
    floor = {row["arm"]: row["value"] for row in rows(folder) if row["seed"] is None}
    assert floor["uniform over 17 levels"] == pytest.approx(np.log2(17), abs=1e-12)
    assert floor["histogram of each dimension"] == pytest.approx(2.42, abs=0.03)  # the issue's figures, for another split
    assert floor["histogram of each dimension given the class"] == pytest.approx(2.16, abs=0.03)


def test_a_second_call_trains_nothing_and_gives_the_same_numbers(compared, capsys):
    folder, loaded, _ = compared
    clock = {"samples_per_second", "train_seconds"}
    before = [row for row in rows(folder) if row["metric"] not in clock]
    compare(loaded, folder, COMMAND)
    assert [row for row in rows(folder) if row["metric"] not in clock] == before
    assert "from step 8" in capsys.readouterr().out


class Page(html.parser.HTMLParser):
    """Collects what a page loads and its pictures."""

    def __init__(self):
        super().__init__()
        self.loads, self.pictures, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "action"):
                (self.pictures if value.startswith("data:image/png;base64,") else self.loads).append(value)


def test_the_report_is_one_escaped_page_with_its_pictures_inside(compared):
    _, _, path = compared
    text = path.read_text()
    page = Page()
    page.feed(text)
    assert page.loads == [] and "script" not in page.tags and "@import" not in text and "url(" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert len(page.pictures) == 5  # three sheets and two figures
    assert "upper bound" in text and "not ranked" in text


def test_the_sheets_show_one_column_a_class(compared):
    folder, _, _ = compared
    source = open_source("digits")
    sheet = np.asarray(Image.open(folder / "samples_real.png"))
    held_out = source.splits["eval"].rows(np.arange(source.spec.eval_size))
    size = 8 * 5 + 2  # 8 pixels enlarged five times, and a gap
    for digit in range(10):
        first = held_out["image"][held_out["label"] == digit][0, ..., 0]
        shown = sheet[0:40:5, digit * size : digit * size + 40 : 5]
        np.testing.assert_array_equal(shown, np.round(first * (255 / 16)))


def test_an_arrow_marks_the_bound_and_figures_are_pictures(compared):
    folder, _, _ = compared
    for name in ("bits", "curves"):
        assert Image.open(io.BytesIO((folder / f"{name}.png").read_bytes())).size[0] > 800


def test_the_commit_is_named(tmp_path):
    name = record.commit()
    assert name == "unknown" or len(name.removesuffix("-dirty")) == 40
