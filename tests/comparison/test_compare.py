"""A whole comparison on tiny models, as its user runs it, and what its report and record say."""

import hashlib
import html.parser
import io
import json
import re
import subprocess

import jax
import numpy as np
import pytest
from PIL import Image

from genjax.comparison import ledger, plan, record
from genjax.comparison.run import compare
from genjax.data.sources import open_source
from genjax.evaluation import baselines, provenance

TINY = {
    "model.width": "16",
    "model.depth": "1",
    "model.heads": "2",
    "train.duration": "8",
    "train.steps_per_dispatch": "4",
    "evaluate.examples": "32",
    "noise_prediction.eval_times": "2",
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
    assert floor == {each.name: each.value for each in baselines.table(open_source("digits"), 32)}, "on the rows that models are measured on"
    whole = {each.name: each.value for each in baselines.table(open_source("digits"))}
    assert whole["uniform over 17 levels"] == pytest.approx(np.log2(17), abs=1e-12)
    assert whole["histogram of each dimension"] == pytest.approx(2.42, abs=0.03)  # the issue's figures, for another split
    assert whole["histogram of each dimension given the class"] == pytest.approx(2.16, abs=0.03)


@pytest.mark.slow
def test_a_second_call_trains_nothing_and_gives_the_same_numbers(compared, capsys):
    folder, loaded, _ = compared
    clock = {"samples_per_second", "train_seconds"}
    before = [row for row in rows(folder) if row["metric"] not in clock]
    compare(loaded, folder, COMMAND)
    assert [row for row in rows(folder) if row["metric"] not in clock] == before
    assert "training" not in capsys.readouterr().out.split("measuring")[0]


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


def test_the_report_is_markdown_too_with_the_same_figures(compared):
    folder, loaded, _ = compared
    text = (folder / "report.md").read_text()
    bits = {row["arm"]: row["value"] for row in rows(folder) if row["metric"] == "bits_per_dim"}
    for arm, config in loaded.arms.items():
        bound = "≤ " * (config.objective == "noise_prediction")
        assert f"| {arm} | {bound}{bits[arm]:.3f} | ± " in text
    assert "Matched: training FLOPs." in text and f"`{COMMAND}`" in text
    pictures = re.findall(r"!\[.*?\]\(<(.*?)>\)", text)
    assert {"bits.png", "curves.png"} < set(pictures) and all((folder / picture).exists() for picture in pictures)
    vendi = [f"{found['vendi']:.2f}" for found in json.loads((folder / "results.json").read_text())["originality"].values()]
    assert f" | {' | '.join(vendi)} |" in text and "| objective | next_token | noise_prediction | varies |" in text


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


def test_code_that_is_changed_is_told_and_a_record_is_no_code(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=b"]
    for name in ("code.py", "results/claims/a.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    clean = provenance.commit()
    assert len(clean) == 40
    (tmp_path / "results" / "claims" / "a.json").write_text("after")
    assert provenance.commit() == clean
    (tmp_path / "code.py").write_text("after")
    assert provenance.commit() == clean + "-dirty"


# ---- the ledger ----------------------------------------------------------------------------------------------------


def test_the_ledger_says_what_was_matched_and_what_was_declared_to_differ(compared):
    folder, _, path = compared
    found = {row["name"].strip(): row for row in json.loads((folder / "results.json").read_text())["ledger"]}
    assert found["FLOPs (counted, dense)"]["status"] == "matched"
    assert {found[name]["status"] for name in ("parameters", "examples seen", "dropout", "peak learning rate", "objective")} == {"varies"}
    assert {found[name]["status"] for name in ("weight decay", "parameter average (EMA)", "dtype of the computation", "guidance", "trunk")} == {
        "the same"
    }
    assert "matched" in path.read_text() and "Declared to differ" in path.read_text()


def test_parameters_examples_and_targets_of_the_ledger_are_those_of_the_models(compared):
    folder, loaded, _ = compared
    from genjax.training.setup import Run

    metrics = {(row["arm"], row["metric"]): row["value"] for row in rows(folder)}
    for name, config in loaded.arms.items():
        params = Run.build(config).abstract_state.params
        assert metrics[name, "parameters"] == sum(leaf.size for leaf in jax.tree.leaves(params))
        assert metrics[name, "train_examples"] == metrics[name, "train_steps"] * config.data.batch_size
        assert metrics[name, "supervised_targets"] == metrics[name, "train_examples"] * 64  # every pixel, for both
        assert metrics[name, "train_passes"] == pytest.approx(metrics[name, "train_examples"] / 1438)


def test_causal_attention_is_cheaper_for_a_kernel_that_knows_and_full_attention_is_not(compared):
    folder, _, _ = compared
    metrics = {(row["arm"], row["metric"]): row["value"] for row in rows(folder)}
    assert metrics["next_token", "mask_aware_train_flops"] < metrics["next_token", "train_flops"]
    assert metrics["noise_prediction", "mask_aware_train_flops"] == metrics["noise_prediction", "train_flops"]


def test_the_evaluation_set_is_known_by_its_rows():
    source = open_source("digits")
    rows = source.splits["eval"].rows(np.arange(50))
    expected = hashlib.sha256()
    for name in ("image", "label"):
        expected.update(f"{name} {rows[name].dtype} {rows[name].shape}".encode() + rows[name].tobytes())
    assert ledger.evaluation_set(source, 50) == expected.hexdigest()
    assert ledger.evaluation_set(source, 49) != expected.hexdigest()
    assert ledger.evaluation_set(source, None) == ledger.evaluation_set(source, 10**6)


def test_scenes_are_the_same_as_pictures_and_as_codes_and_others_are_not():
    known = {name: ledger.evaluated_scenes(open_source(name), 20) for name in ("shapes:s8", "shapes_codes:s8", "shapes_codes:s16", "digits")}
    assert known["shapes:s8"] == known["shapes_codes:s8"] and known["digits"] is None
    assert len({known["shapes:s8"], known["shapes_codes:s16"], ledger.evaluated_scenes(open_source("shapes:s8"), 19)}) == 3


def test_an_exact_figure_and_a_bound_are_ordered_only_where_the_bound_allows_it(compared):
    folder, _, _ = compared
    (pair,) = json.loads((folder / "results.json").read_text())["differences"]
    assert (pair["first"], pair["second"], pair["high"]) == ("next_token", "noise_prediction", "inf")  # the bound may be loose by any amount
    items = np.load(folder / "items.npz")
    assert list(items["arms"]) == ["next_token", "noise_prediction"] and items["bits"].shape == (2, 1, 32)
    assert pair["value"] == pytest.approx((items["bits"][0] - items["bits"][1]).mean())


@pytest.mark.slow
def test_seeds_are_cells_of_their_own_trained_in_processes_and_taken_up_again(tmp_path):
    loaded = plan.load("configs/compare/digits.py", TINY, seeds=2)
    path = compare(loaded, tmp_path, COMMAND, workers=2)
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["seeds"] == [0, 1] and np.load(tmp_path / "items.npz")["bits"].shape == (2, 2, 32)
    bits = {(row["arm"], row["seed"]): row["value"] for row in written["metrics"] if row["metric"] == "bits_per_dim" and row["seed"] is not None}
    assert len(set(bits.values())) == 4
    assert written["intervals"]["next_token"]["value"] == pytest.approx((bits["next_token", 0] + bits["next_token", 1]) / 2)
    assert "complete at step" in (tmp_path / "arms" / "next_token" / "seed_1" / "log.txt").read_text()
    before = np.load(tmp_path / "items.npz")["bits"]
    compare(loaded, tmp_path, COMMAND, workers=2)
    np.testing.assert_array_equal(np.load(tmp_path / "items.npz")["bits"], before)
    assert path.exists()
