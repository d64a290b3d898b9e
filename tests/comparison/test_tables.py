"""README and docs show what results/*.json say, and nothing else."""

import json
import math

import pytest

from genjax.comparison import tables
from genjax.config import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_tables_are_those_of_the_results(path):
    text = path.read_text()
    assert tables.rewrite(text, REPOSITORY) == text, "run: python scripts/results.py"


def test_several_seeds_are_one_row_with_its_interval(tmp_path):
    metric = {"arm": "a", "metric": "bits_per_dim", "stderr": 0.0123, "kind": "exact", "unit": "bits/dim"}
    record = {
        "metrics": [metric | {"value": 1.0 + seed, "seed": seed} for seed in (0, 1)],
        "intervals": {"a": {"value": 1.5, "low": 1.25, "high": 1.75, "seeds": 2, "items": 9}},
        **{"seeds": [0, 1], "command": "cmd", "date": "2026-01-02T03:04", "hardware": "h", "versions": {"jax": "1"}},
    }
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x.json").write_text(json.dumps(record))
    text = tables.rewrite("<!-- results/x.json -->\n<!-- end -->", tmp_path)
    assert text.count("\n| a |") == 1 and "| a | 1.500 [1.250, 1.750] | exact |" in text and "seed 0, 1" in text


def test_a_table_is_made_from_its_record(tmp_path):
    metric = {"arm": "a", "metric": "bits_per_dim", "value": 1.23456, "stderr": 0.0123, "kind": "upper_bound", "unit": "bits/dim", "seed": 0}
    record = {"name": "x", "metrics": [metric], "seeds": [0], "command": "cmd", "date": "2026-01-02T03:04", "hardware": "h", "versions": {"jax": "1"}}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x.json").write_text(json.dumps(record))
    text = tables.rewrite("before\n<!-- results/x.json -->\nold\n<!-- end -->\nafter", tmp_path)
    assert "| a | ≤ 1.235 ± 0.012 | upper bound |" in text and "old" not in text
    assert text.startswith("before\n") and text.endswith("\nafter") and "`cmd`, 2026-01-02" in text
    assert tables.rewrite(text, tmp_path) == text


def test_samplers_and_bounds_have_forms_of_their_own(tmp_path):
    def row(arm, metric, value, stderr=None):
        return {"arm": arm, "metric": metric, "value": value, "stderr": stderr, "kind": None, "unit": "", "seed": 0}

    metrics = [
        row(f"ddim(steps={n})", metric, value) for n in (16, 2) for metric, value in (("valid", n / 16), ("mean_count", 2), ("total_variation", 0.1))
    ]
    metrics += [row("bound", "excess_bits", 30.0, 0.5), row("bound", "predicted_excess_bits", 30.25, 0.125)]
    record = {"metrics": metrics, "seeds": [0], "command": "cmd", "date": "2026-01-02T03:04", "hardware": "h", "versions": {"jax": "1"}}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "x.json").write_text(json.dumps(record))
    places = "<!-- results/x.json as samplers -->\n<!-- end --> <!-- results/x.json as bounds -->\n<!-- end -->"
    text = tables.rewrite(places, tmp_path)
    assert text.index("| 2 | 0.125 / 2.00 / 0.100 |") < text.index("| 16 | 1.000 / 2.00 / 0.100 |")
    assert "| bound | 30.000 ± 0.500 | 30.250 ± 0.125 |" in text
    assert tables.rewrite(text, tmp_path) == text


def test_bits_against_compute_that_follow_a_power_law_are_told_so_and_foretold():
    """64 / sqrt(C): a quarter of the compute needs twice the bits."""
    rows = [
        {"arm": f"{flops} steps", "metric": name, "value": value, "stderr": 0.5, "kind": "upper_bound"}
        for flops in (16, 4, 1)
        for name, value in (("excess_bits", 64 / math.sqrt(flops)), ("train_flops", float(flops)))
    ]
    lines = tables.compute({"metrics": rows})
    assert lines[2:5] == [
        "| 1 steps | 1 | ≤ 64.00 ± 0.50 | 64.00 |",
        "| 4 steps | 4 | ≤ 32.00 ± 0.50 | 32.00 |",
        "| 16 steps | 16 | ≤ 16.00 ± 0.50 | 16.00 |",
    ]
    assert "FLOPs^-0.50. Without the largest run the exponent is -0.50, which foretells 16.0 bits" in lines[-1]
    assert lines[-1].endswith("10 bits take 41 FLOPs and 1 bit 4.1e+03.")


def test_the_square_of_families_and_forms_takes_each_cell_from_its_claim(monkeypatch):
    given = {"masked": {"train_flops": 2e12, "examples": 64000}, "noise": {"train_flops": 3e12, "examples": 5000}}
    sides = {"registered": {"first": "masked --config.a=1", "second": "noise"}, "trained": given, "kinds": ["upper_bound", "upper_bound"]}
    records = {"c03_shapes": sides | {"values": [[[1.0, 3.0], [2.0, 6.0]], [[50.0], [60.0]]]}}
    monkeypatch.setattr(tables.claims, "record_of", lambda name, root: records.get(name))
    lines = tables.family_by_form(REPOSITORY).splitlines()
    assert lines[2:] == [
        "| next-token prediction | codes | not yet run | | |",
        "| next-token prediction | pixels | not yet run | | |",
        "| diffusion | codes | ≤ 3 (2 to 4) | 2e+12 | 64,000 |",
        "| diffusion | pixels | ≤ 55 (50 to 60) | 3e+12 | 5,000 |",
    ]


def test_excess_is_shown_with_its_kind(tmp_path):
    rows = [("excess_bits", 0.3234, 0.0104), ("parameters", 173792, None), ("train_flops", 2e13, None)]
    metrics = [
        {"arm": arm, "metric": name, "value": value, "stderr": stderr, "kind": kind, "unit": "", "seed": 0}
        for arm, kind in (("a", "exact"), ("b", "upper_bound"))
        for name, value, stderr in rows
    ]
    assert tables.excess({"metrics": metrics})[2:] == [
        "| a | 0.32 ± 0.01 | exact | 173,792 | 2e+13 |",
        "| b | ≤ 0.32 ± 0.01 | upper bound | 173,792 | 2e+13 |",
    ]


def test_a_frontier_is_a_row_a_setting():
    point = {"arm": "a", "settings": {"x.steps": "8"}, "quality": {"frechet_of_values": 0.5, "vendi": 3.0}, "nfe": 9, "sequential_depth": 9}
    point |= {"flops": 1e6, "timings": [{"batch": 1, "seconds": 0.1}]}
    assert tables.frontiers({"points": [point], "ordered_by": "frechet_of_values", "held_out": {"frechet_of_values": 0.25}})[2:] == [
        "| a, steps=8 | 0.500 | 3.000 | 9 | 1e+06 |",
        "| held-out data | 0.250 |  | | |",
    ]


def test_text_is_shown_in_bits_and_nats(tmp_path):
    metric = {"metric": "bits_per_byte", "stderr": 0.01, "unit": "bits/byte", "seed": 0}
    rows = [metric | {"arm": "a", "value": value, "kind": "upper_bound", "seed": seed} for seed, value in enumerate((1.0, 3.0))]
    costs = {"parameters": 1234, "train_flops": 2e9}
    rows += [metric | {"arm": "a", "metric": name, "value": value, "unit": "", "kind": None} for name, value in costs.items()]
    rows += [metric | {"arm": "a", "metric": "bits_per_byte_prior", "value": 9.0, "kind": "upper_bound"}]
    rows += [metric | {"arm": "gzip", "value": 4.0, "kind": "exact", "seed": None}]
    intervals = {"a": {"value": 2.0, "low": 1.5, "high": 2.5}}
    assert tables.text({"metrics": rows, "intervals": intervals}) == [
        "| | bits/byte | nats/byte | kind | parameters | training FLOPs |",
        "|---|---|---|---|---|---|",
        "| a | ≤ 2.000 [1.500, 2.500] | ≤ 1.386 | upper bound | 1,234 | 2e+09 |",
        "| gzip | 4.000 | 2.773 | exact |  |  |",
    ]


def test_the_record_of_shakespeare_reaches_the_goal_of_its_recipe():
    """nanoGPT's CPU setting, where its own code needs 1.886 nats a character: at most 1.60 for each of three seeds."""
    record = json.loads((REPOSITORY / "results" / "shakespeare.json").read_text())
    found = {arm: [m for m in record["metrics"] if (m["arm"], m["metric"]) == (arm, "bits_per_byte")] for arm in ("next_token", "masked_diffusion")}
    assert [m["seed"] for m in found["next_token"]] == [0, 1, 2]
    assert {m["kind"] for m in found["next_token"]} == {"exact"}
    assert max(m["value"] for m in found["next_token"]) * math.log(2) <= 1.60
    assert {m["kind"] for m in found["masked_diffusion"]} == {"upper_bound"}
