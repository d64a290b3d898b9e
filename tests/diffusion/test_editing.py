"""Editing against Gaussian conditionals, which are known."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import editing, grid, solvers
from genjax.diffusion.process import SCALINGS, Process, alpha_sigma
from genjax.errors import UsageError

from .oracles import MILD, gaussian, in_clean_units, keys, normal

PROCESS = Process("cosine", "vp", -8.0, 10.0)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_posterior_sampling_is_exact_for_a_masked_gaussian(scaling):
    """E[x0 | x, m]: precisions add up, 1/sd^2 of the data, 1/s^2 of the noisy state, 1/r^2 of the measurement."""
    sd, r = 0.5, 0.2
    logsnr = np.linspace(-6.0, 6.0, 13)
    x, m = (normal(13, 4, seed=seed) for seed in (0, 1))
    mask = jnp.array([[1.0, 1.0, 0.0, 0.0]])
    denoise = editing.dps(gaussian(sd, scaling), lambda x0: mask * x0, mask * m, r, sd, scaling)
    alpha, sigma = (np.asarray(v)[:, None] for v in alpha_sigma(logsnr, scaling))
    precision = 1 / sd**2 + alpha**2 / sigma**2 + mask / r**2
    want = (x * alpha / sigma**2 + mask * m / r**2) / precision
    np.testing.assert_allclose(jax.jit(denoise)(x, logsnr), want, atol=1e-10)
    off = editing.dps(gaussian(sd, scaling), lambda x0: mask * x0, mask * m, r, sd, scaling, scale=0.0)
    np.testing.assert_allclose(jax.jit(off)(x, logsnr), jax.jit(gaussian(sd, scaling))(x, logsnr), atol=1e-14)


def correlated(rho):
    """Data N(0, [[1, rho], [rho, 1]])."""

    def posterior_mean(y, s2):
        # the covariance has eigenvectors (1, 1), (1, -1) with eigenvalues 1 +- rho
        gains = (1 + rho) / (1 + rho + s2[:, 0]), (1 - rho) / (1 - rho + s2[:, 0])
        total, difference = gains[0] * (y[:, 0] + y[:, 1]) / 2, gains[1] * (y[:, 0] - y[:, 1]) / 2
        return jnp.stack([total + difference, total - difference], axis=1)

    return in_clean_units(posterior_mean, "vp")


@pytest.mark.slow
def test_repaint_approaches_the_conditional_distribution():
    """x_2 given x_1 = 1.5 with correlation .8 is N(1.2, .36). Replacement alone falls short; resampling closes the gap."""
    rows, rho, points = 2000, 0.8, grid.make("uniform_logsnr", PROCESS, 40)
    known, mask = jnp.full((rows, 2), 1.5), jnp.array([[True, False]])
    start = solvers.initial(PROCESS, keys(rows), (2,), 1.0)
    means, variances = {}, {}
    for resamples in (1, 10):
        solver = editing.repaint(solvers.make("ddpm"), known, mask, resamples)
        done = jax.jit(lambda x, rows, solver=solver: solvers.sample(correlated(rho), solver, points, x, rows))(start, keys(rows))
        assert int(done.nfe) == 40 * resamples + 1
        means[resamples], variances[resamples] = float(jnp.mean(done.x[:, 1])), float(jnp.var(done.x[:, 1]))
        np.testing.assert_allclose(done.x[:, 0], 1.5, atol=0.1)
    assert means[10] == pytest.approx(1.2, abs=0.08) and variances[10] == pytest.approx(0.36, abs=0.06)
    assert abs(means[1] - 1.2) > 2 * abs(means[10] - 1.2)


def test_repaint_refuses_a_solver_with_a_past():
    for name in ("dpmpp_2m", "unipc"):
        with pytest.raises(UsageError, match="one-step"):
            editing.repaint(solvers.make(name), jnp.zeros((1, 2)), jnp.ones((1, 2), bool))


def test_sdedit_starts_at_the_noise_that_was_asked_for():
    x0 = jnp.full((50_000, 1), 0.7)
    rest, x = editing.sdedit(PROCESS, x0, 1.0, keys(50_000))
    x = np.asarray(x)
    alpha, sigma = alpha_sigma(1.0, "vp")
    assert (rest.logsnr_min, rest.logsnr_max) == (1.0, 10.0)
    np.testing.assert_allclose(x.mean(), 0.7 * alpha, atol=4 * sigma / math.sqrt(50_000))
    np.testing.assert_allclose(x.std(), sigma, rtol=4 / math.sqrt(100_000))
    with pytest.raises(UsageError, match="below"):
        editing.sdedit(PROCESS, x0, 11.0, keys(1))


@pytest.mark.parametrize("name, order", [("ddim", 1), ("heun", 3)])
def test_inversion_brings_data_back(name, order):
    """There and back on one grid: what does not return is twice the solver's error, except that an even leading term cancels."""
    x = np.linspace(-1.2, 1.2, 7)[:, None]
    errors = []
    for steps in (40, 160):
        points = grid.make("uniform_logsnr", PROCESS, steps, "stop")
        walk = jax.jit(lambda x, points: solvers.sample(MILD.denoiser("vp"), solvers.make(name), points, x, keys(7)).x)
        back = walk(walk(x, grid.reverse(points)), points)
        errors.append(np.max(np.abs(back - x)))
    assert math.log(errors[0] / errors[1], 4) == pytest.approx(order, abs=0.35)


def test_slerp_keeps_the_length_of_noise():
    a, b = (normal(3, 1000, seed=seed) for seed in (0, 1))
    np.testing.assert_allclose(editing.slerp(a, b, 0.0), a, atol=1e-12)
    np.testing.assert_allclose(editing.slerp(a, b, 1.0), b, atol=1e-12)
    length = np.linalg.norm(editing.slerp(a, b, 0.5), axis=1)
    np.testing.assert_allclose(length, math.sqrt(1000), rtol=0.1)
    np.testing.assert_allclose(np.linalg.norm((a + b) / 2, axis=1), math.sqrt(500), rtol=0.1)  # what a straight line does
    np.testing.assert_allclose(editing.slerp(a, a, 0.3), a, atol=1e-6)
