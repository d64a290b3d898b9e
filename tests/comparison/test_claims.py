"""Claims: registered before they are run, corrected as a family, and the page is what the records say."""

import json
import re

import numpy as np
import pytest

from genjax import config as configs
from genjax.comparison import claims, metrics, tables
from genjax.config import REPOSITORY, Choice
from genjax.errors import UsageError

FIELDS = configs.base_fields("CLAIM")
TINY = {
    "model.width": "16",
    "model.depth": "1",
    "model.heads": "2",
    "train.duration": "4",
    "train.steps_per_dispatch": "4",
    "evaluate.examples": "16",
    "noise_prediction.eval_times": "2",
    "logging.tensorboard": "false",
}


@pytest.mark.parametrize("name", claims.names())
def test_every_claim_is_registered_whole(name):
    """Its comparison is fair, its arms exist and its settings are of use, not of training."""
    claim = claims.load(name)
    loaded, training = claim.plan({}), configs.base_fields()
    for _, use in claim.sides:
        assert all(training[field].late for field in use)
        configs.apply(loaded.arms[loaded.config.reference], training, use)
    assert claim.config.number and claim.config.aspect and len(loaded.seeds) == claim.config.seeds >= 3


def test_the_metrics_are_the_choices():
    assert tuple(metrics.METRICS) == FIELDS["metric"].choices


@pytest.mark.parametrize("path", sorted((REPOSITORY / "results" / "claims").glob("*.json")), ids=lambda path: path.stem)
def test_a_record_is_of_the_claim_as_it_is_registered(path):
    """A margin that was changed after the run would show here."""
    record = json.loads(path.read_text())
    assert record["registered"] == configs.to_json(claims.load(path.stem).config)
    assert len(record["points"][0]) == len(record["points"][1]) == record["registered"]["seeds"]
    assert record["overrides"] == {}
    difference = np.mean(record["points"][0]) - np.mean(record["points"][1])
    assert record["effect"]["value"] == pytest.approx(difference, abs=1e-9)


def write_record(root, name, value, evidence):
    claim = claims.load(name)
    record = {
        "name": name,
        "registered": configs.to_json(claim.config),
        "command": "cmd",
        "date": "2026-01-02T03:04",
        "hardware": "h",
        "versions": {"jax": "1"},
        "rules": {"match": ["train_flops"], "varies": []},
        "unit": "bits/dim",
        "kinds": ["exact", "upper_bound"],
        "points": [[value] * 5, [0.0] * 5],
        "effect": {"value": value, "low": value - 0.1, "high": "inf", "seeds": 5, "items": 1},
        "evidence": evidence,
        "overrides": {},
    }
    claims.keep(record, root / claims.RESULTS)
    return record


def test_verdicts_are_corrected_over_the_whole_family_with_those_not_yet_run(tmp_path):
    family = len(claims.names())
    first, second = claims.names()[:2]
    write_record(tmp_path, first, 1.0, {"supported": 0.4 * 0.05 / family, "refuted": 1.0})
    write_record(tmp_path, second, 1.0, {"supported": 0.6 * 0.05 / (family - 1), "refuted": 1.0})
    found = {standing.claim.name: standing for standing in claims.standings(tmp_path)}
    assert found[first].word == "supported" and found[first].p == pytest.approx(0.04)
    assert found[second].word == "inconclusive" and found[second].p == pytest.approx(0.06)  # alone it would be 0.005
    assert {standing.word for name, standing in found.items() if name not in (first, second)} == {"not yet run"}


def test_a_record_of_another_registration_is_none(tmp_path):
    name = claims.names()[0]
    record = write_record(tmp_path, name, 1.0, {"supported": 0.001, "refuted": 1.0})
    assert claims.record_of(name, tmp_path) is not None
    record["registered"]["margin"] = 0.001
    claims.keep(record, tmp_path / claims.RESULTS)
    assert claims.record_of(name, tmp_path) is None


def test_the_page_tells_the_verdict_the_points_and_what_was_not_run(tmp_path):
    name = claims.names()[0]
    write_record(tmp_path, name, 1.25, {"supported": 1.0, "refuted": 1e-6})
    text = tables.rewrite("a\n<!-- claims -->\nold\n<!-- end -->\nb", tmp_path)
    assert "old" not in text and text.startswith("a\n") and text.endswith("\nb")
    card = text.split(f'<a id="{name}"></a>')[1].split("<a id=")[0]
    assert "refuted" in card and "1.25 [1.15, ∞]" in card and "1.25, 1.25, 1.25, 1.25, 1.25" in card and "`cmd`, 2026-01-02" in card
    others = text.count("Not yet run: `python scripts/claims.py --name=")
    assert others == len(claims.names()) - 1
    assert tables.rewrite(text, tmp_path) == text
    assert not re.search(r"\bNone\b", text)


def test_a_claim_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="no claim 'c99'"):
        claims.load("c99")


@pytest.mark.slow
@pytest.mark.parametrize("name", claims.names())
def test_every_claim_runs(name, tmp_path):
    """With tiny models and two seeds; its numbers mean nothing."""
    claim = claims.load(name)
    fields = configs.base_fields("CLAIM")
    metric, numbers = Choice(claim.config.metric).parts
    few = ", ".join(f"{key}=20" if key in ("samples", "pairs") else f"{key}={value:g}" for key, value in numbers.items())
    small = {"seeds": "2", "training": "", "metric": f"{metric}({few})" if few else metric}
    claim = claims.Claim(name, configs.check(configs.apply(claim.config, fields, small), fields))
    record = claims.run(claim, tmp_path, "cmd", TINY)
    assert np.isfinite(record["points"]).all() and len(record["points"][0]) == 2
    assert 0 <= record["evidence"]["supported"] <= 1
    json.dumps(record)
