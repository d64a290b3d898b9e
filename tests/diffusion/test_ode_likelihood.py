"""Likelihood by the probability flow, against densities in closed form."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from genjax.diffusion import adaptive, ode_likelihood
from genjax.diffusion.process import Process, alpha_sigma
from genjax.diffusion.quantizer import Quantizer
from genjax.errors import UsageError

from .oracles import bent, gaussian, keys, mixture_16d, normal, quadrature, quantised_gaussian


def test_mixture_with_the_exact_trace():
    """16 dimensions, three components, sigma 80 -> .002, tolerance 1e-5.

    With the exact density at the noise end the error is the solver's alone.
    """
    scaling, mixture = "subvp", mixture_16d()
    process = Process("linear", scaling, -2 * math.log(80.0), -2 * math.log(0.002))
    y = jnp.asarray(mixture.sample(32))
    end = jax.jit(lambda y: ode_likelihood.latent(mixture.denoiser(scaling), process, y, None))(y)
    alpha = alpha_sigma(np.float64(process.logsnr_min), scaling)[0]
    clean = end.z * adaptive.norm(process.logsnr_min, scaling) / alpha  # y = x/alpha at the noise end
    log_prob = jax.jit(mixture.log_prob)
    log_prior = log_prob(clean, 80.0**2) + 16 * jnp.log(adaptive.norm(process.logsnr_min, scaling) / alpha)
    error = log_prior + end.log_det[:, 0] - log_prob(y, 0.002**2)
    assert float(jnp.mean(jnp.abs(error))) < 1e-3
    assert float(jnp.mean(end.nfe)) < 150


def test_gaussian_and_what_a_wrong_prior_costs():
    """Data N(0, .25): exact with prior_std; a prior N(0, sigma^2) errs by its own log-ratio at the latent, in closed form."""
    process = Process("cosine", "vp", -4.0, 10.0)
    y = normal(6, 4) / 2
    end = jax.jit(lambda y: ode_likelihood.latent(gaussian(0.5, "vp"), process, y, None, 1e-8, 1e-8))(y)
    right, wrong = (ode_likelihood.prior_nats(process, end.z, std) - end.log_det[:, 0] for std in (0.5, 0.0))
    total = 0.25 + math.exp(-10.0)
    exact = -norm.logpdf(y, 0.0, math.sqrt(total)).sum(axis=1)
    np.testing.assert_allclose(right, exact, atol=1e-6)
    wide = 0.25 + math.exp(4.0)  # the flow of a Gaussian scales: its variance at the noise end, in clean units
    latent = y * math.sqrt(wide / total)
    log_ratio = norm.logpdf(latent, 0.0, math.sqrt(wide)) - norm.logpdf(latent, 0.0, math.exp(2.0))
    np.testing.assert_allclose(wrong - exact, log_ratio.sum(axis=1), atol=1e-6)
    assert np.max(np.abs(wrong - exact)) > 0.005


def test_probes_are_unbiased_and_independent():
    """Hutchinson's estimate scatters about the exact trace as its probes scatter about each other."""
    process, y = Process("linear", "vp", -6.0, 6.0), normal(64, 6)
    call = jax.jit(lambda y, probes: ode_likelihood.continuous(bent("vp"), process, y, probes, 0.8, 1e-3, 1e-3))
    (exact, exact_nfe), (probed, nfe) = call(y, None), call(y, ode_likelihood.rademacher(keys(64), 8, (6,)))
    error, stderr = jnp.mean(probed, axis=1) - exact[:, 0], jnp.std(probed, axis=1, ddof=1) / 8**0.5
    assert abs(float(jnp.mean(error))) < 4 * float(jnp.sqrt(jnp.mean(stderr**2) / 64))
    assert 0.8 < float(jnp.sqrt(jnp.mean(error**2) / jnp.mean(stderr**2))) < 1.3
    assert float(jnp.mean(nfe)) < 1.2 * float(jnp.mean(exact_nfe))  # fixed probes leave the integrand smooth


def test_a_diagonal_jacobian_needs_one_probe():
    """v^T J v is exact for Rademacher probes when J is diagonal: Gaussian data in independent dimensions."""
    process = Process("linear", "vp", -6.0, 6.0)
    y = normal(3, 2, 2) / 2
    call = jax.jit(lambda probes: ode_likelihood.continuous(gaussian(0.5, "vp"), process, y, probes, 0.5)[0])
    probed, exact = call(ode_likelihood.rademacher(keys(3), 2, (2, 2))), call(None)
    np.testing.assert_allclose(probed, np.broadcast_to(exact, (3, 2)), atol=1e-9)


QUANTIZER = Quantizer(16)
STD = QUANTIZER.bin_width  # of one level
PROCESS = Process("linear", "vp", -9.0, 2 * math.log(1 / (0.05 * STD)))  # noise of a twentieth of a level at the data end
TOTAL = math.sqrt(STD**2 + math.exp(-PROCESS.logsnr_max))  # the model's data density is N(0, TOTAL^2)


def test_bits_of_a_quantised_gaussian():
    """Data of one level's standard deviation: 2.167320 bits uniformly dequantised, 2.104833 exactly."""
    std = math.sqrt(STD**2 - math.exp(-PROCESS.logsnr_max))  # so that the model's data density is N(0, STD^2)
    model = lambda y: ode_likelihood.continuous(gaussian(std, "vp"), PROCESS, y, None, STD)[0][:, 0]
    y, width = quadrature((np.arange(17) - 8) * QUANTIZER.bin_width, nodes=6)  # the bins
    nats = np.asarray(jax.jit(model)(y[:, None])) @ (width.reshape(16, 6) * quantised_gaussian(16, 1.0)[:, None]).ravel()
    _, volume = jax.jit(QUANTIZER.dequantize_uniform)(np.zeros((1, 1), int), keys(1))
    assert (nats / QUANTIZER.bin_width - float(volume[0])) / math.log(2) == pytest.approx(2.167320, abs=2e-5)


@pytest.mark.parametrize("dequantization, num_probes", [("uniform", 0), ("normal", 1)])
def test_dequantised_likelihood_is_an_upper_bound_with_an_honest_error(dequantization, num_probes):
    """For every level: above -log of the model's mass of its bin, and equal to E_q[-log p + log q] by quadrature."""
    ints = jnp.repeat(jnp.arange(4, 8), 64)[:, None]
    options = dict(dequantization=dequantization, data_std=STD, num_probes=num_probes, rtol=1e-4, atol=1e-4)
    found = jax.jit(lambda ints, rows: ode_likelihood.discrete(gaussian(STD, "vp"), PROCESS, QUANTIZER, ints, rows, 4, **options))(ints, keys(256))
    centre = np.asarray(QUANTIZER.encode(np.arange(4, 8)))[:, None]
    half, noise = QUANTIZER.bin_width / 2, math.exp(-PROCESS.logsnr_max / 2)
    offset, width = quadrature(np.linspace(-half, half, 41))
    if dequantization == "uniform":
        q = np.full_like(offset, 1 / (2 * half))
    else:
        q = norm.pdf(offset, 0, noise) / (norm.cdf(half / noise) - norm.cdf(-half / noise))
    want = np.sum(width * q * (np.log(q) - norm.logpdf(centre + offset, 0, TOTAL)), axis=1)
    mass = norm.cdf(centre[:, 0] + half, 0, TOTAL) - norm.cdf(centre[:, 0] - half, 0, TOTAL)
    got, stderr = (np.asarray(v).reshape(4, 64) for v in (found.nats, found.stderr))
    mean, error = got.mean(axis=1), np.sqrt((stderr**2).mean(axis=1) / 64)
    np.testing.assert_array_less(np.abs(mean - want), 4 * error + 2e-3)
    assert np.all(mean + 4 * error > -np.log(mass)) and np.all(want > -np.log(mass))


def test_refusals():
    ints = jnp.zeros((1, 1), jnp.int32)
    with pytest.raises(UsageError, match="num_draws >= 2"):
        ode_likelihood.discrete(gaussian(0.5, "vp"), PROCESS, QUANTIZER, ints, keys(1), 1)
    with pytest.raises(UsageError, match="'uniform' or 'normal'"):
        ode_likelihood.discrete(gaussian(0.5, "vp"), PROCESS, QUANTIZER, ints, keys(1), 2, dequantization="none")
