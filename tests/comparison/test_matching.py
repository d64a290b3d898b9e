"""Lengths of training that give every arm the same of what is to match. Oracle: costs of a step that are made up."""

import dataclasses
import json

import pytest

from genjax import config as configs
from genjax.comparison import ledger, matching, plan, reads
from genjax.errors import UsageError
from genjax.training.flops import Operations

SHORT = {"train.duration": "8 steps"}
COST = {"next_token": 350.0, "noise_prediction": 70.0}


@pytest.fixture
def matched(tmp_path, monkeypatch):
    """match -> {arm: account}, for a reference of 8 steps; every quantity that does not match is declared to differ."""
    monkeypatch.setattr(ledger.Step, "of", classmethod(lambda cls, run: cls(Operations(COST[run.config.objective], 0.0, 0.0), 1.0)))

    def match(*names, tolerance=0.02, budget=None):
        loaded = plan.load("configs/compare/digits.py", SHORT)
        free = {"train_flops", "examples", "supervised_targets", "parameters"} - set(names)
        rules = loaded.rules._replace(match=names, varies=tuple(free), tolerance=tolerance, budget=budget or {})
        return {name: found for name, (_, found) in matching.match(dataclasses.replace(loaded, rules=rules), tmp_path).items()}

    return match


def test_equal_operations_give_the_cheaper_arm_more_steps(matched):
    found = matched("train_flops")
    assert {name: account.steps for name, account in found.items()} == {"next_token": 8, "noise_prediction": 40}
    assert {account.flops for account in found.values()} == {2800.0}


def test_an_arm_that_is_held_against_two_is_given_the_budget_of_both(matched):
    found = matched("train_flops", budget={"noise_prediction": 2.0})
    assert {name: account.steps for name, account in found.items()} == {"next_token": 8, "noise_prediction": 80}
    with pytest.raises(UsageError, match=r"to match in examples and do not"):  # 512, and 5120 where 1024 are meant
        matched("train_flops", "examples", budget={"noise_prediction": 2.0})
    found = matched("examples", budget={"noise_prediction": 2.0})
    assert [account.examples for account in found.values()] == [512, 1024]


def test_equal_examples_and_equal_targets_give_equal_steps(matched):
    for names in (("examples",), ("supervised_targets", "examples")):
        found = matched(*names)
        assert {account.steps for account in found.values()} == {8} and {account.examples for account in found.values()} == {512}


def test_equal_seconds_use_what_was_measured_once(matched, tmp_path):
    (tmp_path / "step_seconds.json").write_text(json.dumps({"next_token": 0.3, "noise_prediction": 0.1}))
    assert {name: account.steps for name, account in matched("wall_clock").items()} == {"next_token": 8, "noise_prediction": 24}


def test_what_lengths_cannot_make_equal_is_refused(matched):
    with pytest.raises(UsageError, match=r"to match in examples and do not, by more than 2%: examples \(next_token 512, noise_prediction 2560\)"):
        matched("train_flops", "examples")
    with pytest.raises(UsageError, match="to match in parameters"):
        matched("train_flops", "parameters", tolerance=0.001)


def test_nothing_that_length_decides_leaves_lengths_alone(matched):
    assert {account.steps for account in matched("parameters", tolerance=0.5).values()} == {8}


@pytest.mark.slow
def test_seconds_are_measured_and_kept(tmp_path):
    loaded = plan.load("configs/compare/digits.py", SHORT)
    runs = {name: matching.Run.build(config) for name, config in loaded.arms.items()}
    seconds = matching.step_seconds(runs, tmp_path)
    assert all(0 < each < 60 for each in seconds.values())
    assert matching.step_seconds({}, tmp_path) == seconds


@pytest.mark.parametrize(
    ("field", "value", "who"),
    [
        ("next_token.temperature", "0.5", "next_token"),
        ("noise_prediction.weighting", "simple", "noise_prediction"),
        ("noise_prediction.logsnr_min", "-2", "noise_prediction"),
        ("model.tied_head", "true", "next_token"),
    ],
)
def test_one_value_for_all_arms_of_what_only_one_of_them_reads_is_refused(field, value, who, tmp_path):
    """The arms do not differ in it, and yet it treats only one of them in another way."""
    with pytest.raises(UsageError, match=rf"--config\.{field}: of the arms only {who} read it, so one value for all is no equal treatment"):
        matching.match(plan.load("configs/compare/digits.py", SHORT | {field: value}), tmp_path)


def test_what_every_line_sets_alike_and_only_one_of_them_reads_is_refused(tmp_path):
    loaded = plan.load("configs/compare/digits.py", SHORT)
    with pytest.raises(UsageError, match=r"--config\.next_token\.top_p: of the arms only next_token read it"):
        matching.match(dataclasses.replace(loaded, alike={"next_token.top_p": "0.9"}), tmp_path)


def test_all_that_a_network_is_built_from_is_read():
    """Groups that are handed on whole, too: the sizes of a U-Net."""
    loaded = plan.load("configs/compare/digits_networks.py", SHORT)
    read = {name: reads.read_by_objective(config, matching.Run.build(config).source.spec) for name, config in loaded.arms.items()}
    sizes = {path for path, _ in configs.leaves(loaded.arms["unet"]) if path.startswith("unet.")}
    assert sizes and sizes <= read["unet"] and not sizes & read["trunk"]


def test_an_arm_that_cannot_be_built_is_named(tmp_path):
    loaded = plan.load("configs/compare/digits_orders.py", SHORT)
    arms = loaded.arms | {"scattered": ledger.with_fields(loaded.arms["scattered"], {"next_token.scan": "random(sed=0)"})}
    with pytest.raises(UsageError, match=r"arm 'scattered': .*did you mean 'seed'"):
        matching.match(dataclasses.replace(loaded, arms=arms), tmp_path)


def test_a_setting_of_an_objective_that_none_of_the_arms_has_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"--config\.masked_diffusion\.steps: none of the arms of .*digits.py reads it"):
        matching.match(plan.load("configs/compare/digits.py", SHORT | {"masked_diffusion.steps": "8"}), tmp_path)


def test_the_ledger_tells_what_only_one_objective_reads():
    """Where both arms have the field, it is no difference between them, and only one of them is changed by it."""
    arms = plan.load("configs/compare/digits.py", SHORT | {"noise_prediction.weighting": "simple"}).arms
    assert "weighting=simple" in ledger.learning(arms["noise_prediction"]) and "weighting" not in ledger.learning(arms["next_token"])
