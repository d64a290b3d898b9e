"""Verdicts and orders, read off effects whose interval is known."""

import math

import pytest
from scipy import stats

from genjax.comparison.verdict import Evidence, evidence, order, verdict
from genjax.errors import UsageError
from genjax.evaluation.statistics import Effect


def effect(low, high, seeds=5, **sides):
    """One whose 95 % interval is [low, high]."""
    return Effect((low + high) / 2, (high - low) / 2 / stats.norm.ppf(0.975), math.inf, seeds, 1, **sides)


def word(found, direction, margin):
    said = evidence(found, direction, margin)
    return verdict(said, said.p)


@pytest.mark.parametrize(
    "low, high, greater, less, equal",
    [
        (2.0, 3.0, "supported", "refuted", "refuted"),
        (0.5, 2.0, "inconclusive", "refuted", "inconclusive"),
        (-0.5, 0.5, "refuted", "refuted", "supported"),
        (-2.0, 2.0, "inconclusive", "inconclusive", "inconclusive"),
        (-2.0, -0.5, "refuted", "inconclusive", "inconclusive"),
        (-3.0, -2.0, "refuted", "supported", "refuted"),
    ],
)
def test_the_verdict_is_where_the_interval_lies_against_the_margin(low, high, greater, less, equal):
    """The margin is 1."""
    found = effect(low, high)
    assert [word(found, direction, 1.0) for direction in ("greater", "less", "equal")] == [greater, less, equal]


@pytest.mark.parametrize("direction", ["greater", "less", "equal"])
def test_one_seed_is_no_evidence_however_narrow(direction):
    assert word(effect(9.0, 9.1, seeds=1), direction, 1.0) == "inconclusive"


def test_a_bound_supports_what_it_bounds_and_nothing_else():
    """An upper bound less an exact figure: the true difference is at most what was measured."""
    low, high = effect(-3.0, -2.0, may_be_lower=True), effect(2.0, 3.0, may_be_lower=True)
    assert [word(low, direction, 1.0) for direction in ("greater", "less", "equal")] == ["refuted", "supported", "refuted"]
    assert [word(high, direction, 1.0) for direction in ("greater", "less", "equal")] == ["inconclusive"] * 3
    mirrored = effect(2.0, 3.0, may_be_higher=True), effect(-3.0, -2.0, may_be_higher=True)
    assert [word(found, "greater", 1.0) for found in mirrored] == ["supported", "inconclusive"]


def test_two_bounds_say_nothing_of_their_difference():
    found = effect(-3.0, -2.0, may_be_lower=True, may_be_higher=True)
    assert found.interval() == (-math.inf, math.inf)
    assert [word(found, direction, 1.0) for direction in ("greater", "less", "equal")] == ["inconclusive"] * 3


def test_a_corrected_p_value_can_take_the_verdict_back():
    found = Evidence(0.01, 0.99)
    assert found.p == 0.02
    assert verdict(found, 0.02) == "supported" and verdict(found, 0.06) == "inconclusive"


def test_a_margin_of_nothing_is_refused():
    with pytest.raises(UsageError, match="above 0"):
        evidence(effect(0, 1), "greater", 0.0)


def test_order_is_only_claimed_where_the_kinds_allow_it():
    assert order(effect(-0.3, -0.1), "a", "b").startswith("a is better")
    assert order(effect(0.1, 0.3), "a", "b").startswith("b is better")
    assert "not told apart" in order(effect(-0.1, 0.3), "a", "b")
    # a is an upper bound, b exact: below b decides, above b does not.
    assert order(effect(-0.3, -0.1, may_be_lower=True), "a", "b").startswith("a is better")
    assert "not comparable by this bound" in order(effect(0.1, 0.3, may_be_lower=True), "a", "b")
    assert "[-∞, " in order(effect(0.1, 0.3, may_be_lower=True), "a", "b")
    assert order(effect(-0.3, -0.1, seeds=1), "a", "b").endswith("of one seed.")
