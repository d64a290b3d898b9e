"""Averages of parameters: warm-up, the power profile, and averages made after the fact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.errors import UsageError
from genjax.training import ema


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


def weights_of(decay, updates):
    """The weight of every past update in the average, by running it on one-hot parameters."""
    step = lambda average, n: (ema.update(average, jax.nn.one_hot(n, updates, dtype=average.dtype), decay(n)), None)
    return jax.lax.scan(step, jnp.zeros(updates), jnp.arange(updates))[0]


@pytest.mark.parametrize("sigma_rel, gamma", [(0.05, 16.972), (0.10, 6.937), (0.15, 3.558), (0.20, 1.826), (0.25, 0.720)])
def test_gamma_of_a_relative_width(sigma_rel, gamma):
    """Roots of equation (1), rounded in print."""
    assert ema.gamma(sigma_rel) == pytest.approx(gamma, abs=5e-4)


@pytest.mark.parametrize("sigma_rel", [0.0, -0.1, 0.3])
def test_widths_without_a_profile_are_refused(sigma_rel):
    with pytest.raises(UsageError, match="sigma_rel"):
        ema.gamma(sigma_rel)


@pytest.mark.parametrize("sigma_rel", [0.05, 0.2])
def test_power_average_has_its_relative_width(sigma_rel):
    gamma = ema.gamma(sigma_rel)
    weights = np.asarray(weights_of(lambda n: ema.power(n, sigma_rel), 4000))
    assert weights.sum() == pytest.approx(1.0)
    time = (np.arange(4000) + 1) / 4000
    mean = weights @ time
    assert np.sqrt(weights @ (time - mean) ** 2) == pytest.approx(sigma_rel, rel=3e-3)
    np.testing.assert_allclose(weights[500:] / weights[-1], time[500:] ** gamma, rtol=0.04)


def test_constant_average_forgets_its_start():
    weights = np.asarray(weights_of(lambda n: ema.constant(n, 0.99), 2000))
    assert 1 - weights.sum() < 1e-8  # what is left of the initial parameters
    np.testing.assert_allclose(weights[-1000:], 0.01 * 0.99 ** np.arange(999, -1, -1), rtol=1e-6)
    early = np.asarray(weights_of(lambda n: ema.constant(n, 0.9999), 50))
    assert 1 - early.sum() < 1e-7  # without the warm-up, .995 of it


def test_profile_products_are_integrals():
    """<p_a, p_b> of p(m) = (g + 1) m^g / n^(g + 1) on [0, n]."""
    nodes, quadrature = np.polynomial.legendre.leggauss(60)
    for n_a, g_a, n_b, g_b in [(100.0, 3.0, 100.0, 6.5), (60.0, 16.9, 100.0, 6.9), (100.0, 2.0, 35.0, 7.0)]:
        end = min(n_a, n_b)
        m = end * (nodes + 1) / 2
        profile = lambda n, g, m=m: (g + 1) * m**g / n ** (g + 1)
        want = end / 2 * np.sum(quadrature * profile(n_a, g_a) * profile(n_b, g_b))
        assert ema.profile_product(n_a, g_a, n_b, g_b) == pytest.approx(want, rel=1e-9)


def test_posthoc_average_is_the_average_that_was_not_tracked():
    """Two tracked averages stored 16 times give any width between and beyond them (EDM2, section 3.2)."""
    updates, stored_at = 1024, range(64, 1025, 64)
    random = np.random.default_rng(0)
    path = jnp.asarray(np.cumsum(random.standard_normal((updates, 3)), axis=0) / 10)

    def track(sigma):
        def step(average, n):
            average = ema.update(average, path[n], ema.power(n, sigma))
            return average, average

        return np.asarray(jax.lax.scan(step, jnp.zeros(3), jnp.arange(updates))[1])

    tracked = {sigma: track(sigma) for sigma in (0.05, 0.10)}
    snapshots = [{"w": tracked[sigma][n - 1]} for sigma in tracked for n in stored_at]
    counts = np.tile(list(stored_at), 2)
    gammas = np.repeat([ema.gamma(sigma) for sigma in tracked], len(stored_at))
    for sigma, at in [(0.07, 1024), (0.15, 1024), (0.10, 700)]:
        weights = ema.posthoc_weights(counts, gammas, at, ema.gamma(sigma))
        assert weights.sum() == pytest.approx(1.0, abs=1e-9)
        want = track(sigma)[at - 1]
        np.testing.assert_allclose(ema.posthoc(snapshots, weights)["w"], want, atol=0.02 * np.std(path))
    own = ema.posthoc_weights(counts, gammas, 1024, gammas[0])
    np.testing.assert_allclose(own, np.eye(len(counts))[15], atol=1e-6)
    with pytest.raises(UsageError, match="stored until update 1024"):
        ema.posthoc_weights(counts, gammas, 1025, gammas[0])


def test_types_are_kept():
    average, params = {"w": jnp.zeros(3, jnp.float32)}, {"w": jnp.ones(3, jnp.bfloat16)}
    assert ema.update(average, params, ema.constant(10_000, 0.999))["w"].dtype == jnp.float32
    assert ema.posthoc([average, average], np.array([0.5, 0.5]))["w"].dtype == np.float32
