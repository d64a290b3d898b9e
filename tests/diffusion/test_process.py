"""Curves and scalings: exact ends, inverses, slopes, and the digits that float32 keeps."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion.process import CURVES, SCALINGS, Process, alpha_sigma, perturb, prior_std
from genjax.errors import UsageError

from .oracles import normal, quadrature

curves = pytest.mark.parametrize("curve", CURVES)
scalings = pytest.mark.parametrize("scaling", SCALINGS)


@scalings
def test_alpha_over_sigma_is_the_log_snr(scaling):
    logsnr = np.linspace(-25.0, 25.0, 201)
    alpha, sigma = alpha_sigma(logsnr, scaling)
    np.testing.assert_allclose(2 * np.log(alpha / sigma), logsnr, atol=1e-12)


def test_every_scaling_keeps_its_identity():
    logsnr = np.linspace(-25.0, 25.0, 201)
    identity = {
        "vp": lambda a, s: a**2 + s**2,
        "ve": lambda a, s: a,
        "flow": lambda a, s: a + s,
        "subvp": lambda a, s: a**2 + s,
    }
    assert identity.keys() == SCALINGS.keys()
    for scaling, one in identity.items():
        np.testing.assert_allclose(one(*alpha_sigma(logsnr, scaling)), 1.0, atol=1e-14)


@scalings
def test_float32_keeps_alpha_and_sigma(scaling, float32):
    """sqrt(1 - alpha^2) is 20 % wrong at t = 1e-6; read off lambda, the smallest sigma has all its digits."""
    logsnr = np.linspace(-25.0, 25.0, 201)
    exact = alpha_sigma(logsnr, scaling)
    assert exact[0].dtype == np.float64
    for value, want in zip(jax.jit(alpha_sigma, static_argnums=1)(logsnr, scaling), exact, strict=True):
        assert value.dtype == jnp.float32
        np.testing.assert_allclose(value, want, rtol=3e-6)


@curves
def test_ends_are_exact_and_time_is_the_inverse(curve, float32):
    process = Process(curve, "vp", -12.0, 13.3)
    t = np.linspace(0.0, 1.0, 1001, dtype=np.float32)
    logsnr = np.asarray(jax.jit(process.logsnr)(t))
    assert logsnr[0] == np.float32(13.3) and logsnr[-1] == -12.0
    assert np.all(np.diff(logsnr) < 0)
    np.testing.assert_allclose(jax.jit(process.time)(logsnr), t, atol=3e-7)


@curves
def test_float32_keeps_log_snr_near_both_ends(curve, float32):
    """Near t = 1 the curve needs 1 - u, which a float32 u has lost."""
    process = Process(curve, "vp", -20.0, 20.0)
    t = np.linspace(0.0, 1.0, 4097, dtype=np.float32)
    np.testing.assert_allclose(jax.jit(process.logsnr)(t), process.logsnr(t.astype(np.float64)), atol=2e-5)


@curves
@pytest.mark.parametrize("shift", [0.0, -2 * math.log(3.0)])
def test_slope_is_the_derivative_and_a_density(curve, shift):
    process = Process(curve, "vp", -9.0, 8.0, shift)
    t, step = np.linspace(0.01, 0.99, 99), 1e-6
    numeric = -(process.logsnr(t + step) - process.logsnr(t - step)) / (2 * step)
    logsnr, width = quadrature(np.linspace(-9.0, 8.0, 21))
    times = np.concatenate([t, [0.0, 1.0], process.time(logsnr)])
    slope, at_ends, at_nodes = np.split(np.asarray(jax.jit(process.slope)(times)), [99, 101])
    np.testing.assert_allclose(slope, numeric, rtol=1e-6)
    np.testing.assert_allclose(np.sum(width / at_nodes), 1.0, atol=1e-10)
    assert np.all(at_ends > 0)


def test_truncation_keeps_the_shape_of_the_curve():
    """Cosine: lambda = -2 log tan(pi u/2) has the density sech(lambda/2)/(2 pi), cut and normalised."""
    process = Process("cosine", "vp", -6.0, 4.0)
    logsnr = np.linspace(-6.0, 4.0, 50)
    shape = np.cosh(logsnr / 2) / jax.jit(process.slope)(process.time(logsnr))
    np.testing.assert_allclose(shape, shape[0], rtol=1e-9)


def test_flow_curve_is_linear_in_flow_time():
    process = Process("flow", "flow", -30.0, 30.0)
    t = np.linspace(0.01, 0.99, 99)
    alpha, sigma = alpha_sigma(process.logsnr(t), "flow")
    np.testing.assert_allclose(sigma, t, atol=1e-6)
    np.testing.assert_allclose(alpha, 1 - t, atol=1e-6)


def test_shift_of_a_flow_is_the_resolution_shift_of_sd3():
    """t' = s t / (1 + (s - 1) t), arXiv:2403.03206 eq. 23."""
    factor, t = 3.0, np.linspace(0.01, 0.99, 99)
    logsnr = CURVES["flow"].logsnr(t, 1 - t) - 2 * math.log(factor)
    shifted = factor * t / (1 + (factor - 1) * t)
    np.testing.assert_allclose(logsnr, CURVES["flow"].logsnr(shifted, 1 - shifted), atol=1e-12)
    process = Process("flow", "flow", -40.0, 40.0, shift=-2 * math.log(factor))
    np.testing.assert_allclose(alpha_sigma(process.logsnr(t), "flow")[1], shifted, atol=1e-7)


def test_linear_beta_has_the_constants_of_score_sde():
    curve = CURVES["linear_beta"]
    at = lambda u: float(np.exp(-curve.logsnr(np.float64(u), np.float64(1 - u)) / 2))
    assert at(1.0) == pytest.approx(152.167, abs=5e-4)
    assert at(1e-3) == pytest.approx(0.010486, abs=5e-7)


def test_karras_curve_is_linear_in_sigma_to_the_seventh_root():
    process = Process("karras", "ve", -2 * math.log(80.0), -2 * math.log(0.002))
    roots = alpha_sigma(process.logsnr(np.linspace(0.0, 1.0, 11)), "ve")[1] ** (1 / 7)
    np.testing.assert_allclose(np.diff(roots, 2), 0.0, atol=1e-13)


@scalings
def test_prior_std_is_the_std_of_the_noisiest_data(scaling):
    process = Process("linear", scaling, -3.0, 5.0)
    x0, eps = 0.5 * normal(400_000, 1), normal(400_000, 1, seed=1)
    x = perturb(process, x0, np.full(400_000, -3.0), eps)
    np.testing.assert_allclose(np.std(x), prior_std(process, 0.5), rtol=4 / math.sqrt(2 * x0.size))


@pytest.mark.parametrize(
    "wrong, says",
    [
        (dict(logsnr_min=-math.inf), "finite"),
        (dict(logsnr_max=math.inf), "finite"),
        (dict(logsnr_min=math.nan), "finite"),
        (dict(logsnr_min=9.0), "below"),
        (dict(curve="cosin"), "cosine"),
        (dict(scaling="vpp"), "vp"),
    ],
)
def test_refusals_are_sentences(wrong, says):
    with pytest.raises(UsageError, match=says):
        Process(**{**dict(curve="cosine", scaling="vp", logsnr_min=-8.0, logsnr_max=9.0), **wrong})
