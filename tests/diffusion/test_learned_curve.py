"""The learned curve: monotone with exact ends, no effect on the bound, and a gradient that only lowers the variance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import learned_curve
from genjax.diffusion.process import Process

from .oracles import normal, quadrature

PROCESS = Process("linear", "vp", -5.0, 13.3)
STD2 = 0.25


def wild(seed):
    """Parameters far from the start."""
    params = learned_curve.init(jax.random.key(seed), width=16)
    return {name: np.asarray(value) + 2 * np.asarray(normal(*value.shape, seed=seed)) for name, value in params.items()}


curve_at = jax.jit(lambda params, t: learned_curve.logsnr_and_slope(params, PROCESS, t))


@pytest.mark.parametrize("seed", [0, 1])
def test_curve_falls_between_exact_ends_with_its_own_slope(seed):
    t = np.linspace(0.0, 1.0, 101)
    logsnr, slope = (np.asarray(v) for v in curve_at(wild(seed), t))
    np.testing.assert_allclose([logsnr[0], logsnr[-1]], [13.3, -5.0], atol=1e-12)
    assert np.all(slope > 0) and np.all(np.diff(logsnr) < 0)
    before, after = (np.asarray(curve_at(wild(seed), t + step)[0]) for step in (-1e-6, 1e-6))
    np.testing.assert_allclose(slope[1:-1], (before - after)[1:-1] / 2e-6, rtol=1e-6)


def test_it_starts_near_the_line():
    logsnr, _ = curve_at(learned_curve.init(jax.random.key(0)), np.linspace(0.0, 1.0, 11))
    np.testing.assert_allclose(logsnr, np.linspace(13.3, -5.0, 11), atol=0.5)


def loss_rows(params, logsnr, slope):
    """VDM's loss of Gaussian data with a denoiser of the wrong width params["std2"], in expectation over the noise."""
    k = params["std2"] / (params["std2"] + jnp.exp(-logsnr))
    return 0.5 * slope * (k**2 + (1 - k) ** 2 * STD2 * jnp.exp(logsnr))


def with_nothing_else(*args):
    return loss_rows(*args), None


def first_of(function):
    return lambda *args: function(*args)[0]


def test_the_bound_does_not_depend_on_the_curve():
    """5.9560146336 for any learned curve too."""
    t, dt = quadrature(np.linspace(0.0, 1.0, 101))
    rows = jax.jit(loss_rows)
    for seed in (0, 1):
        value = np.asarray(rows({"std2": STD2}, *curve_at(wild(seed), t))) @ dt
        assert float(value) == pytest.approx(5.9560146336, abs=1e-9)


def test_one_backward_pass_gives_both_gradients():
    """Towards the mean loss in the network's parameters, towards the mean squared loss in the curve's."""
    t, curve, network = jnp.linspace(0.02, 0.98, 33), wild(0), {"std2": jnp.asarray(0.4)}

    def mean(of):
        return lambda network, curve: jnp.mean(of(network, *learned_curve.logsnr_and_slope(curve, PROCESS, t)))

    losses = first_of(learned_curve.least_variance(with_nothing_else))
    value, (of_network, of_curve) = jax.jit(jax.value_and_grad(mean(losses), argnums=(0, 1)))(network, curve)
    assert float(value) == pytest.approx(float(jax.jit(mean(loss_rows))(network, curve)), rel=1e-12)
    want_network = jax.jit(jax.grad(mean(loss_rows)))(network, curve)
    want_curve = jax.jit(jax.grad(mean(lambda *args: loss_rows(*args) ** 2), argnums=1))(network, curve)
    for got, want in ((of_network, want_network), (of_curve, want_curve)):
        jax.tree.map(lambda g, w: np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-12), got, want)


def test_training_the_curve_lowers_the_variance_and_keeps_the_mean():
    t, network = (jnp.arange(400) + 0.5) / 400, {"std2": jnp.asarray(STD2)}
    losses = first_of(learned_curve.least_variance(with_nothing_else))
    of = lambda curve: losses(network, *learned_curve.logsnr_and_slope(curve, PROCESS, t))
    step = lambda curve, _: (jax.tree.map(lambda p, g: p - 0.05 * g, curve, jax.grad(lambda c: jnp.mean(of(c)))(curve)), of(curve))
    _, values = jax.jit(lambda curve: jax.lax.scan(step, curve, length=200))(learned_curve.init(jax.random.key(0), width=16))
    before, after = np.asarray(values)[[0, -1]]
    assert after.var() < 0.3 * before.var()
    assert after.mean() == pytest.approx(before.mean(), rel=1e-3)
