"""Fits of isoFLOP sweeps, on sweeps with known exponents."""

import numpy as np
import pytest

from genjax.comparison.isoflop import PowerLaw, Runs, bootstrap, compute_ratio, fit, parabola
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
        low, high, fitted = bootstrap(sweep(0.01, seed=seed), lambda f: f.loss.exponent, draws=60, seed=seed)
        held += low <= -0.2 <= high
        assert fitted > 0.9
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
        (lambda runs: Runs(*(values[runs.size > 0.12 * runs.flops**0.5] for values in runs)), "lies outside"),
        (lambda runs: Runs(*(values[:7] for values in runs)), "two budgets"),
        (lambda runs: Runs(*(values[[0, 1, *range(7, 28)]] for values in runs)), "fewer than three sizes"),
        (lambda runs: runs._replace(loss=runs.loss - 2), "positive"),
    ],
)
def test_a_sweep_that_cannot_be_fitted_is_refused_with_a_sentence(change, says):
    with pytest.raises(UsageError, match=says):
        fit(change(sweep()))


def test_the_bottom_of_a_parabola():
    size = np.array([1.0, np.e, np.e**2])
    np.testing.assert_allclose(parabola(size, 3 + 2 * (np.log(size) - 0.7) ** 2), (np.exp(0.7), 3.0), rtol=1e-10)
