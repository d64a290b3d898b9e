"""Fits of isoFLOP sweeps, on sweeps with known exponents."""

import numpy as np
import pytest

from genjax.comparison.isoflop import PowerLaw, Runs, compute_ratio, fit, interval, parabola, read, record, resamples, text
from genjax.errors import UsageError


def sweep(noise=0.0, a=0.5, b=0.2, k=0.05, sizes=7, seed=0):
    """L = 30 C^-b + k (ln N - ln(0.1 C^a))^2."""
    random = np.random.default_rng(seed)
    flops = np.repeat(10.0 ** np.arange(12, 16), sizes)
    size = 0.1 * flops**a * np.tile(np.geomspace(0.3, 4.0, sizes), 4)
    loss = 30 * flops**-b + k * np.log(size / (0.1 * flops**a)) ** 2
    return Runs(flops, size, loss * (1 + noise * random.normal(size=loss.shape)))


def test_known_exponents_come_back():
    found = fit(sweep())
    np.testing.assert_allclose([found.size.exponent, found.size.factor], [0.5, 0.1], rtol=1e-7)
    np.testing.assert_allclose([found.loss.exponent, found.loss.factor], [-0.2, 30], rtol=1e-7)


def test_the_interval_holds_the_exponent_in_most_sweeps():
    held = 0
    for seed in range(20):
        drawn = resamples(sweep(0.01, seed=seed), draws=60, seed=seed)
        low, high = interval(found.loss.exponent for found in drawn)
        held += low <= -0.2 <= high
        assert len(drawn) > 54
    assert held >= 15  # 95 % of 20 is 19; 14 or fewer has a chance of 1 in 3,000


def test_a_law_is_inverted():
    law = PowerLaw(30.0, -0.2)
    assert law.inverse(law(3e13)) == pytest.approx(3e13)


def test_a_family_that_needs_sixteen_times_the_compute_has_the_ratio_16_at_every_quality():
    first, second = PowerLaw(30.0 * 16**0.2, -0.2), PowerLaw(30.0, -0.2)
    for loss in (0.05, 0.1, 0.3):
        assert compute_ratio(first, second, loss) == pytest.approx(16)
    assert compute_ratio(PowerLaw(30.0, -0.1), second, 0.05) > compute_ratio(PowerLaw(30.0, -0.1), second, 0.1)  # a flatter law falls behind


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda runs: runs._replace(loss=-runs.loss), "no minimum"),
        (lambda runs: Runs(*(values[runs.size > 0.12 * runs.flops**0.5] for values in runs[:3])), "lies outside"),
        (lambda runs: Runs(*(values[:7] for values in runs[:3])), "two budgets"),
        (lambda runs: Runs(*(values[[0, 1, *range(7, 28)]] for values in runs[:3])), "fewer than three sizes"),
        (lambda runs: runs._replace(loss=runs.loss - 2), "positive"),
    ],
)
def test_a_sweep_that_cannot_be_fitted_is_refused_with_a_sentence(change, says):
    with pytest.raises(UsageError, match=says):
        fit(change(sweep()))


def test_the_bottom_of_a_parabola():
    size = np.array([1.0, np.e, np.e**2])
    np.testing.assert_allclose(parabola(size, 3 + 2 * (np.log(size) - 0.7) ** 2), (np.exp(0.7), 3.0), rtol=1e-10)


def comparison_of(swept, unit="excess_bits", **kinds):
    """A comparison's record with the runs of two sweeps, as scripts/compare.py writes them; the reference has the smallest budget."""
    arms, budget, metrics = {}, {}, []
    for objective, runs in swept.items():
        for number, (flops, size, loss) in enumerate(zip(*runs[:3], strict=True)):
            name = f"{objective} {number}"
            arms[name] = {"objective": objective, "model": {"width": size, "norm": "rms"}, "train": {"duration": str(flops)}}
            budget[name] = flops / 1e12
            metrics += [{"arm": name, "metric": "train_flops", "value": flops * 1.01}, {"arm": name, "metric": "parameters", "value": size}]
            metrics += [{"arm": name, "metric": unit, "value": loss, "seed": seed, "kind": kinds.get(objective, "exact")} for seed in range(2)]
    reference = next(iter(arms))
    metrics[0]["value"] = 1e12
    del budget[reference]
    return {"config": {"comparison": {"reference": reference}, "arms": arms}, "rules": {"budget": budget}, "metrics": metrics}


def test_a_comparison_is_read_by_the_compute_that_was_meant_and_the_laws_and_their_ratio_come_back():
    dearer = sweep()._replace(loss=sweep().loss * 16**0.2)  # what needs sixteen times the compute
    swept = read(comparison_of({"a": dearer, "b": sweep()}))
    np.testing.assert_allclose(swept["b"].flops, np.repeat(sweep().flops, 2))
    np.testing.assert_allclose(swept["b"].loss, np.repeat(sweep().loss, 2))
    written = record(swept, draws=20)
    assert written["laws"]["a"]["loss"]["exponent"] == pytest.approx(-0.2) and written["laws"]["a"]["fitted"] == 1.0
    (ratio,) = written["compute_ratios"]
    assert ratio["ratio"] == pytest.approx(16) and np.allclose(ratio["interval"], 16)
    assert any("needs 16 times" in line for line in text(written))


def test_a_ratio_of_bounds_says_no_more_than_they_do():
    """Who has a bound needs no more compute than the bound says; of two bounds nothing follows."""
    dearer = sweep()._replace(loss=sweep().loss * 16**0.2)
    told = {}
    for name, kinds in {"a": {"a": "upper_bound"}, "b": {"b": "upper_bound"}, "both": {"a": "upper_bound", "b": "upper_bound"}}.items():
        written = record(read(comparison_of({"a": dearer, "b": sweep()}, **kinds)), draws=20)
        told[name] = text(written)
        assert {laws["kind"] for laws in written["laws"].values()} == {"upper_bound", "exact"} - ({"exact"} if name == "both" else set())
    assert "needs at most 16 times" in told["a"][-1] and "needs at least 16 times" in told["b"][-1]
    assert "nothing is known of the likelihoods" in told["both"][-1] and "bound: excess bits" in "".join(told["both"])


def test_arms_that_differ_in_more_than_size_are_sweeps_of_their_own():
    comparison = comparison_of({"a": sweep()})
    for number, name in enumerate(comparison["config"]["arms"]):
        comparison["config"]["arms"][name]["model"]["norm"] = "rms" if number < 14 else "layer"
    assert set(read(comparison)) == {"a (a 0)", "a (a 14)"}


def test_what_is_not_known_is_not_told():
    far = sweep()._replace(loss=sweep().loss * 1000)
    (ratio,) = record({"a": far, "b": sweep()}, draws=5)["compute_ratios"]
    assert "ratio" not in ratio
    broken = record({"a": sweep()._replace(loss=-sweep().loss), "b": sweep()}, draws=5)
    assert "no minimum" in broken["not_fitted"]["a"] and broken["compute_ratios"] == [] and len(text(broken)) == 3
    with pytest.raises(UsageError, match="above a known entropy"):
        read(comparison_of({"a": sweep()}, unit="bits_per_dim"))
