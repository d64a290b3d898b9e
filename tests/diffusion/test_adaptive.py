"""The adaptive solver: Dormand-Prince's order, its tolerance, its accounting, and every row on its own."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import adaptive
from genjax.diffusion.process import Process, alpha_sigma

from .oracles import MILD, gaussian


def rotation(y, t):
    """dy/dt = (-y_1, y_0) (1 + t): a turn by t + t^2/2."""
    return (1 + t)[:, None] * jnp.stack([-y[:, 1], y[:, 0]], axis=1)


def turned(y, angle):
    c, s = math.cos(angle), math.sin(angle)
    return jnp.stack([c * y[:, 0] - s * y[:, 1], s * y[:, 0] + c * y[:, 1]], axis=1)


START = np.array([[1.0, 0.0], [0.3, -2.0], [0.0, 1e-3]])


@pytest.mark.parametrize("tolerance", [1e-4, 1e-8])
@pytest.mark.parametrize("start, end", [(0.0, 3.0), (3.0, 0.0)])
def test_error_follows_the_tolerance_in_both_directions(tolerance, start, end):
    done = jax.jit(lambda y: adaptive.integrate(rotation, y, start, end, tolerance, tolerance))(jnp.asarray(START))
    angle = (end + end**2 / 2) - (start + start**2 / 2)
    error = jnp.max(jnp.abs(done.y - turned(jnp.asarray(START), angle)))
    assert float(error) < 50 * tolerance


def test_the_stages_are_of_fifth_order():
    """Work for an accuracy: a fifth-order pair needs 10^(4/5) times the steps for 10^-4 of the tolerance."""
    call = jax.jit(lambda tolerance: adaptive.integrate(rotation, jnp.asarray(START[:1]), 0.0, 6.0, tolerance, tolerance).nfe[0])
    assert math.log10(call(1e-11) / call(1e-7)) == pytest.approx(4 / 5, abs=0.12)


def test_evaluations_and_rejections_are_those_of_the_row():
    """A kink forces rejections in one row only; each row has the counts that it has alone."""

    def drift(y, t):
        return y * jnp.where(y[:, 1:] > 0, 40.0 * jnp.abs(jnp.sin(9 * t))[:, None], 0.1)

    y = jnp.array([[1e-9, 1e-9], [1.0, -1.0]])
    integrate = jax.jit(lambda y: adaptive.integrate(drift, y, 0.0, 1.0))
    together = integrate(y)
    assert together.rejected[0] > 0 and together.rejected[1] == 0
    for row in (0, 1):
        alone = integrate(y[row : row + 1])
        np.testing.assert_allclose(alone.y[0], together.y[row], rtol=1e-12)
        assert alone.nfe[0] == together.nfe[row] and alone.rejected[0] == together.rejected[row]
    steps = (np.asarray(together.nfe) - 1) // 6
    np.testing.assert_array_equal(together.nfe, 1 + 6 * steps)
    assert np.all(steps > np.asarray(together.rejected))


def test_a_sample_that_does_not_arrive_is_nan():
    drift = lambda y, t: jnp.where(y > 5, jnp.nan, y)
    done = jax.jit(lambda y: adaptive.integrate(drift, y, 0.0, 1.0, max_attempts=50))(jnp.array([[1.0], [100.0]]))
    assert jnp.isfinite(done.y[0, 0]) and jnp.isnan(done.y[1, 0])
    np.testing.assert_allclose(done.y[0, 0], math.e, rtol=1e-4)


@pytest.mark.parametrize("scaling", ["vp", "flow"])
def test_the_probability_flow_maps_quantiles_to_quantiles(scaling):
    levels = np.linspace(0.02, 0.98, 25)
    process = Process("linear", scaling, -2 * math.log(10.0), -2 * math.log(0.05))
    (alpha_0, _), (alpha_1, _) = (alpha_sigma(np.float64(end), scaling) for end in (process.logsnr_min, process.logsnr_max))
    x = jnp.asarray(MILD.quantiles(levels, 10.0) * alpha_0)[:, None]
    done = jax.jit(lambda x: adaptive.sample(MILD.denoiser(scaling), process, x, 1e-7, 1e-7, "stop"))(x)
    np.testing.assert_allclose(done.x[:, 0] / alpha_1, MILD.quantiles(levels, 0.05), atol=2e-6)


def test_denoise_ends_with_one_more_evaluation(float32):
    process = Process("cosine", "vp", -10.0, 8.0)
    x = jnp.array([[0.7], [-0.2]])
    run = jax.jit(lambda x, final: adaptive.sample(gaussian(0.5, "vp"), process, x, final=final), static_argnums=1)
    stopped, done = run(x, "stop"), run(x, "denoise")
    np.testing.assert_array_equal(done.nfe, stopped.nfe + 1)
    np.testing.assert_allclose(done.x, gaussian(0.5, "vp")(stopped.x, jnp.full(2, 8.0)), rtol=1e-6)
    assert done.x.dtype == jnp.float32
