"""Claims: registered before they are run, corrected as a family, and the page is what the records say."""

import dataclasses
import io
import json
import math
import re
import runpy

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from genjax import config as configs
from genjax.comparison import cards, cells, claims, fairness, metrics, tables, verdict
from genjax.comparison.figures import claims_figure
from genjax.config import REPOSITORY, Choice
from genjax.errors import Preempted, UsageError

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


# Their statement is about an exact likelihood and a bound, of which one verdict cannot be found; their cards say which.
ONE_SIDED = {"c03_bits", "c25_grammar", "c26_repeated", "c26_tuned"}


@pytest.mark.parametrize("name", claims.names())
def test_every_claim_is_registered_whole(name):
    """Its comparison is fair, its arms exist, its settings are of use, not of training, and it can be found true or false.

    That depends on a metric that may be above the truth, where the likelihood of a side is a bound: that of any objective but next-token prediction.
    """
    claim = claims.load(name)
    loaded, training = claim.plan({}), configs.base_fields()
    bounded = metrics.METRICS[Choice(claim.config.metric).parts[0]].bounded
    loose = [bounded and loaded.arms[side.arm].objective != "next_token" for side in claim.sides]
    assert (len(verdict.reachable(*loose, claim.config.direction)) == 2) == (name not in ONE_SIDED)
    for side in claim.sides:
        assert all(training[field].late for field in side.use)
        configs.apply(loaded.arms[loaded.config.reference], training, side.use)
    assert claim.config.number and claim.config.aspect and len(loaded.seeds) == claim.config.seeds >= 3


ONE_EACH = {claims.load(name).config.compare: name for name in claims.names()}  # a claim of every comparison


@pytest.mark.parametrize("name", ONE_EACH.values())
def test_every_comparison_has_a_larger_tier(name):
    claim = claims.load(name)
    larger = claim.plan({}, "gpu")
    for name, arm in claim.plan({}).arms.items():
        assert larger.arms[name].model.width == 6 * arm.model.width and larger.arms[name].model.dtype == "bfloat16"


def test_the_metrics_are_the_choices():
    assert tuple(metrics.METRICS) == FIELDS["metric"].choices


def test_the_tiers_are_the_choices_and_train_in_folders_of_their_own():
    (tier,) = [flag for flag in runpy.run_path(str(REPOSITORY / "scripts" / "claims.py"))["FLAGS"] if flag.name == "tier"]
    assert tier.choices == tuple(claims.TIERS)
    claim = claims.load("c02_order")
    assert len({claims.workdir(claim, REPOSITORY, {}, name) for name in claims.TIERS}) == len(claims.TIERS)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "results" / "claims").glob("*.json")), ids=lambda path: path.stem)
def test_a_record_is_of_the_claim_as_it_is_registered(path):
    """A margin that was changed after the run would show here."""
    record = json.loads(path.read_text())
    assert claims.record_of(path.stem) == record
    sides = [side[0] if "readings" in record else side for side in record["values"]]
    assert len(sides[0]) == len(sides[1]) == record["registered"]["seeds"]
    assert record["overrides"] == {} and np.isfinite(sides).all()


def write_record(root, name, values, tier="cpu"):
    """A record whose first side has these values for its seeds, and the second 0."""
    claim = claims.load(name)
    record = {
        "name": name,
        "registered": claims.registered(claim),
        "compared": claims.compared(claim, {}, tier),
        "command": "cmd",
        "commit": "0123456789ab",
        "date": "2026-01-02T03:04",
        "hardware": "h",
        "versions": {"jax": "1"},
        "rules": {"match": ["train_flops"], "varies": [], "waive": {"sample.length": "they say so"}, "budget": {}},
        "unit": "bits/dim",
        "kinds": ["exact", "upper_bound"],
        "may_be_higher": [False, False],
        "values": [[[value] for value in values], [[0.0] for _ in values]],
        "overrides": {},
    }
    claims.keep(record, root / claims.results(tier))
    return record


def spread(value, error):
    """Three values with this mean and this standard error."""
    return value + error * math.sqrt(3) * np.array([-1.0, 0.0, 1.0])


def t_with(p):
    """How many errors from the margin have the two-sided p-value p with three seeds."""
    return -stats.t.ppf(p / 2, 2)


def test_verdicts_are_corrected_over_the_whole_family_with_those_not_yet_run(tmp_path):
    members = [name for name in claims.names() if claims.load(name).config.family == "digits"]
    family = sum(1 + claims.load(name).config.tried for name in members)
    assert family > len(members), "what was tried before counts"
    for name, p in zip(members, (0.8 * 0.05 / family, 1.2 * 0.05 / (family - 1)), strict=False):
        claim = claims.load(name)
        direction = {"greater": 1, "less": -1, "equal": 0}[claim.config.direction]
        beyond = claim.config.margin + 0.01 * t_with(p)
        write_record(tmp_path, name, spread(direction * beyond or beyond, 0.01))
    found = {standing.claim.name: standing for standing in claims.standings(tmp_path)}
    first, second = (found[name] for name in members[:2])
    assert first.p == pytest.approx(0.04, rel=0.05) and first.word == {"equal": "refuted"}.get(first.claim.config.direction, "supported")
    assert second.p == pytest.approx(0.06, rel=0.05) and second.word == "inconclusive"  # alone it would be found
    assert {standing.word for name, standing in found.items() if name not in members[:2]} == {"not yet run"}


def test_a_record_of_another_registration_is_none(tmp_path):
    name = claims.names()[0]
    record = write_record(tmp_path, name, spread(1.0, 0.1))
    assert claims.record_of(name, tmp_path) is not None
    record["registered"]["margin"] = 0.001
    claims.keep(record, tmp_path / claims.RESULTS)
    assert claims.record_of(name, tmp_path) is None


def test_a_record_of_another_comparison_is_none(tmp_path, monkeypatch):
    """A recipe that was changed since, or a rule of the comparison."""
    name = "c24_scattered"
    write_record(tmp_path, name, spread(1.0, 0.1))
    assert claims.record_of(name, tmp_path) is not None
    plan = claims.Claim.plan

    def with_another_rate(claim, overrides, tier="cpu"):
        return plan(claim, {"optimizer.learning_rate": "0.0123", **overrides}, tier)

    def with_a_waiver(claim, overrides, tier="cpu"):
        loaded = plan(claim, overrides, tier)
        return dataclasses.replace(loaded, rules=loaded.rules._replace(waive={"data.length": "because"}))

    for change in (with_another_rate, with_a_waiver):
        monkeypatch.setattr(claims.Claim, "plan", change)
        assert claims.record_of(name, tmp_path) is None


def test_a_record_of_another_default_is_none_and_of_other_words_is_one(tmp_path):
    """A field that a recipe does not set counts as well; one that was not there yet, and what is to be thought of a verdict, do not."""
    name = "c24_scattered"
    record = write_record(tmp_path, name, spread(1.0, 0.1))

    def kept():
        claims.keep(record, tmp_path / claims.RESULTS)
        return claims.record_of(name, tmp_path) is not None

    arm = record["compared"]["arms"]["raster"]
    del arm["optimizer.clip_norm"]
    arm["a.field.of.old"], record["registered"]["confounds"] = 1, "other words"
    assert kept()
    arm["optimizer.weight_decay"] += 1.0
    assert not kept()


def test_a_bound_is_held_against_a_bound_only(tmp_path):
    """Refused before anything is trained."""
    claim = claims.load("c03_bits")
    config = configs.altered(claim.config, {"metric": configs.Choice("bound_per_dim")})
    with pytest.raises(UsageError, match="here one is exact, the other upper_bound"):
        claims.run(claim._replace(config=config), tmp_path, "cmd", TINY)
    assert not (tmp_path / "arms").exists()


@pytest.mark.parametrize("direction", ["greater", "less", "equal"])
@pytest.mark.parametrize("loose", [(False, False), (True, False), (False, True), (True, True)])
def test_what_can_be_found_is_what_some_effect_is_found_to_be(direction, loose):
    """Tried with effects from far below to far above the margin."""
    found = set()
    for value in (-1e3, 0.0, 1e3):
        record = {"values": [spread(value, 0.1)[:, None], np.zeros((3, 1))], "may_be_higher": list(loose)}
        evidence = verdict.evidence(claims.effect_of(record), direction, 1.0)
        found.add(verdict.verdict(evidence, evidence.p))
    assert found - {"inconclusive"} == set(verdict.reachable(*loose, direction))


def test_a_clock_that_was_read_once_decides_nothing_and_all_its_readings_count():
    """Five seeds that agree, and readings that do not."""
    once = {"values": [[[2.0, 2.1, 2.0, 1.9, 2.0]], [[0.0] * 5]], "may_be_higher": [False, False], "readings": [{"date": "a"}]}
    assert verdict.evidence(claims.effect_of(once), "greater", 1.0).p == 1.0
    again = once | {"values": [[[-2.0, -2.1, -2.0, -1.9, -2.0]], [[0.0] * 5]], "readings": [{"date": "b"}]}
    both = claims.read_again(once, again)
    assert [reading["date"] for reading in both["readings"]] == ["a", "b"] and claims.effect_of(both).value == pytest.approx(0.0)
    assert verdict.evidence(claims.effect_of(both), "greater", 1.0).p > 0.5
    alike = claims.read_again(once, once | {"readings": [{"date": "b"}]})
    assert verdict.evidence(claims.effect_of(alike), "greater", 1.0).supported < 0.01
    plain = {"values": [[[1.0]], [[0.0]]]}
    assert claims.read_again(None, again) is again and claims.read_again(plain, plain) is plain, "what is no clock is measured anew"


def test_what_was_tried_stays_tried(tmp_path):
    name = claims.names()[0]
    record = write_record(tmp_path, name, spread(1.0, 0.1))
    before = next(standing.p for standing in claims.standings(tmp_path) if standing.claim.name == name)
    claims.keep(record | {"tried": 7}, tmp_path / claims.RESULTS)
    assert next(standing.p for standing in claims.standings(tmp_path) if standing.claim.name == name) > before


def test_a_bound_leaves_the_side_open_on_which_it_may_be_loose(tmp_path):
    name = claims.names()[0]
    record = write_record(tmp_path, name, spread(1.0, 0.1))
    half = 0.1 * stats.t.ppf(0.975, 2)
    np.testing.assert_allclose(claims.effect_of(record).interval(), [1 - half, 1 + half], rtol=0.03)
    assert claims.effect_of(record | {"may_be_higher": [True, False]}).interval()[0] == -math.inf
    assert claims.effect_of(record | {"may_be_higher": [False, True]}).interval()[1] == math.inf


def test_the_page_tells_the_verdict_the_points_and_what_was_not_run(tmp_path):
    name = claims.names()[0]
    write_record(tmp_path, name, [1.249, 1.25, 1.251])
    text = tables.rewrite("a\n<!-- claims -->\nbefore this\n<!-- end -->\nb", tmp_path)
    assert "before this" not in text and text.startswith("a\n") and text.endswith("\nb")
    card = text.split(f'<a id="{name}"></a>')[1].split("<a id=")[0]
    assert "; waived: sample.length, since they say so." in card
    claim = claims.load(name).config
    assert f"*Is it so?* **{claim.if_refuted}**" in card and claim.if_refuted in text.split("<a id=")[0]
    assert "refuted" in card and "Difference 1.25 [1.2" in card and "1.25, 1.25, 1.25" in card and "`cmd`, 2026-01-02" in card
    others = text.count("Not yet run: `python scripts/claims.py --name=")
    assert others == len(claims.names()) - 1
    assert tables.rewrite(text, tmp_path) == text
    assert not re.search(r"\bNone\b", text)


def test_what_a_larger_tier_found_stands_beside_the_verdict(tmp_path):
    first, second = claims.names()[:2]
    write_record(tmp_path, first, [1.249, 1.25, 1.251])
    for name in (first, second):
        write_record(tmp_path, name, [-2.5, -2.5, -2.5], "gpu")
    told = cards.markdown(claims.standings(tmp_path))
    shown = {name: told.split(f'<a id="{name}"></a>')[1].split("<a id=")[0] for name in (first, second)}
    for card in shown.values():
        assert "*Larger.* Difference −2.5 [−2.5, −2.5] bits/dim: `cmd`, 2026-01-02, h (tier `gpu`)." in card
    assert "Difference 1.25" in shown[first] and "not yet run" in shown[second], "verdicts are told of the registered tier"


def test_the_page_of_html_holds_every_card_and_is_escaped(tmp_path):
    name = claims.names()[0]
    record = write_record(tmp_path, name, [1.249, 1.25, 1.251])
    claims.keep(record | {"command": "cmd <b>&", "unit": "bits/<dim>"}, tmp_path / claims.RESULTS)
    text = tables.rewrite("# Title\n\na <script> & **b** [c](c.md)\n\n![x](y/z.png)\n\n<!-- claims -->\n<!-- end -->\n", tmp_path)
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "z.png").write_bytes(b"png")
    page = cards.page(text, tmp_path, {"date": "2026-01-02T03", "commit": "0123"}, {}).decode()
    for each in claims.names():
        assert f'<h3 id="{each}">' in page and f'<a href="#{each}">' in page
    assert "<code>cmd &lt;b&gt;&amp;</code>" in page and "bits/&lt;dim&gt;" in page and "<em>Measured.</em> Difference 1.25" in page
    assert "a &lt;script&gt; &amp; <strong>b</strong> <span>c</span>" in page and "<!--" not in page and "{#" not in page
    assert 'src="data:image/png;base64,cG5n"' in page and "http" not in page, "it needs nothing else"
    assert 'base64,Z2l2ZW4="' in cards.page(text, tmp_path, {"date": "", "commit": ""}, {"y/z.png": b"given"}).decode()


def test_a_refusal_names_the_side_that_has_more(tmp_path):
    for value, more in ((0.9, "masked_diffusion_tokens"), (-0.9, "next_token_tokens")):
        write_record(tmp_path, "c14_objective", spread(value, 1e-6))
        standing = next(standing for standing in claims.standings(tmp_path) if standing.claim.name == "c14_objective")
        assert f"*Is it so?* **`{more}` draws more pictures that are valid" in "\n".join(cards.card(standing))


def test_a_claim_that_is_not_there_is_refused():
    with pytest.raises(UsageError, match="no claim 'c99'"):
        claims.load("c99")


def test_a_side_is_an_arm_with_what_helps_it_and_how_it_is_used():
    side = claims._side("c", "drawer --planner=planner --config.sample.count=5")
    assert (side.arms, side.use, side.name) == (["drawer", "planner"], {"sample.count": "5"}, "drawer, planner planner")
    with pytest.raises(UsageError, match="--planner=arm, --describer=arm"):
        claims._side("c", "drawer --critic=other")


def test_the_figure_shows_every_claim_that_was_run(tmp_path):
    for name, value in zip(claims.names()[:3], (-100.0, 0.0, 100.0), strict=True):
        write_record(tmp_path, name, spread(value, 0.1))
    measured = [standing for standing in claims.standings(tmp_path) if standing.record is not None]
    few, more = (Image.open(io.BytesIO(claims_figure(shown))).size for shown in (measured[:1], measured))
    assert more[0] > 800 and more[1] > few[1]


def tiny(claim):
    """TINY without the fields in which the claim's arms differ."""
    arms = {name: dict(configs.leaves(arm)) for name, arm in claim.plan({}).arms.items()}
    apart = set(fairness.differing(arms)) - {"train.duration"}
    return {name: value for name, value in TINY.items() if name not in apart}


def small(name):
    """A claim with two seeds, a few samples and nothing that it says of training."""
    claim = claims.load(name)
    metric, numbers = Choice(claim.config.metric).parts
    few = ", ".join(f"{key}=20" if key in ("samples", "pairs") else f"{key}={value:g}" for key, value in numbers.items())
    fields = {"seeds": "2", "training": "", "metric": f"{metric}({few})" if few else metric}
    return claims.Claim(name, configs.check(configs.apply(claim.config, FIELDS, fields), FIELDS))


@pytest.mark.slow
def test_a_claim_that_was_stopped_goes_on_to_the_numbers_of_one_that_was_not(tmp_path, monkeypatch):
    """Four trainings, of which the third is stopped: the other two are not made again."""
    claim, trained, train = small("c02_order"), [], cells.Cell.train

    def be_stopped(cell):
        trained.append((cell.arm, cell.seed))
        if len(trained) == 3:
            raise Preempted("stopped")
        return train(cell)

    monkeypatch.setattr(cells.Cell, "train", be_stopped)
    with pytest.raises(Preempted):
        claims.run(claim, tmp_path / "stopped", "cmd", TINY)
    went_on = claims.run(claim, tmp_path / "stopped", "cmd", TINY)
    assert len(trained) == 5 and len(set(trained)) == 4 and trained[2] == trained[3]
    whole = claims.run(claim, tmp_path / "whole", "cmd", TINY)
    assert went_on["values"] == whole["values"]
    same = lambda record: {key: value for key, value in record.items() if key not in ("date", "readings", "trained")}
    assert same(went_on) == same(whole)


@pytest.mark.slow
@pytest.mark.parametrize("name", claims.names())
def test_every_claim_runs(name, tmp_path):
    """With tiny models and two seeds; its numbers mean nothing. What is asked of valid pictures alone may find none."""
    claim = small(name)
    try:
        record = claims.run(claim, tmp_path, "cmd", tiny(claim))
    except UsageError as refusal:
        assert Choice(claim.config.metric).parts[0] in ("shown", "hidden_cell") and "train longer" in str(refusal)
        return
    assert np.isfinite(record["values"]).all() and len(record["values"][0]) == 2
    assert claims.effect_of(record).seeds == 2
    json.dumps(record)
