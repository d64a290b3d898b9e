"""The variational bound: VDM's closed forms, the entropy of exactly known data, and honest standard errors."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import grid, likelihood
from genjax.diffusion.process import CURVES, Process
from genjax.diffusion.quantizer import Quantizer
from genjax.errors import UsageError

from .oracles import discrete, gaussian, keys, quadrature, quantised_gaussian

STD = 0.5
VDM = Process("linear", "vp", -5.0, 13.3)
# Data and noise whose second moments are exactly those of N(0, .25) and N(0, 1), uncorrelated: for the affine denoiser of Gaussian
# data, the mean over these four dimensions is the expectation.
X0 = np.array([[STD, STD, -STD, -STD]])
EPS = np.array([[1.0, -1.0, 1.0, -1.0]])


def expected_error(logsnr):
    """E|eps - eps_hat|^2 per dimension at logsnr [B]."""
    x0, eps = (jnp.asarray(np.repeat(v, len(logsnr), axis=0)) for v in (X0, EPS))
    return np.asarray(jax.jit(lambda logsnr: likelihood.eps_error(gaussian(STD, "vp"), "vp", x0, eps, logsnr))(logsnr)) / 4


@pytest.mark.parametrize("curve", CURVES)
def test_diffusion_loss_does_not_depend_on_the_curve(curve):
    """5.9560146336 nats a dimension for data N(0, .25) and gamma from -13.3 to 5, on every curve."""
    process = Process(curve, "vp", -5.0, 13.3)
    t, dt = quadrature(process.time(np.linspace(13.3, -5.0, 41)))  # pieces of t, short where the curve is steep
    loss = np.sum(dt * 0.5 * np.asarray(jax.jit(process.slope)(t)) * expected_error(process.logsnr(t)))
    closed = 0.5 * ((5.0 - math.log(STD**2 + math.exp(5.0))) - (-13.3 - math.log(STD**2 + math.exp(-13.3))))
    assert closed == pytest.approx(5.9560146336, abs=1e-9)
    assert float(loss) == pytest.approx(closed, abs=1e-9)


@pytest.mark.parametrize("steps, want", [(10, 15.7276), (100, 6.4857), (1000, 6.00624)])
def test_discrete_time_loss(steps, want):
    """VDM's L_T on the linear curve, the sum of equation (3)."""
    logsnr = grid.make("uniform_t", VDM, steps).logsnr
    loss = np.sum(0.5 * np.expm1(np.diff(logsnr)) * expected_error(logsnr[:-1]))
    assert float(loss) == pytest.approx(want, rel=5e-6)


def test_prior_term():
    """8.48e-4 nats a dimension, against N(0, 1)."""
    kl = likelihood.prior_kl(VDM, jnp.asarray(X0), 1.0)[0] / 4
    assert float(kl) == pytest.approx(8.48e-4, abs=5e-7)


QUANTIZER = Quantizer(16)
PROBABILITIES = quantised_gaussian(16, 1.0)
ENTROPY = 2.104833  # bits


def wide(quantizer):
    """Ends so far out that the prior and the decoder cost nothing: at the data end the noise is a tenth of a bin."""
    return Process("cosine", "vp", -9.0, 2 * math.log(1 / (0.1 * quantizer.bin_width)))


PROCESS = wide(QUANTIZER)


def ideal_terms(process, quantizer, std):
    """Prior, diffusion and reconstruction in bits, with E[x0 | x]. No Monte Carlo: every level, a trapezoidal rule over the noise, Gauss-Legendre
    over lambda. The data, a Gaussian of `std` levels that was rounded, are symmetric, so half of the levels, with every noise, stand for all.
    """
    probabilities, count = quantised_gaussian(quantizer.levels, std), quantizer.levels // 2
    eps, spacing = np.linspace(-8.0, 8.0, 161, retstep=True)
    mass = spacing * np.exp(-(eps**2) / 2) / math.sqrt(2 * math.pi)
    ints, eps = (jnp.asarray(v.ravel())[:, None] for v in np.meshgrid(np.arange(count), eps, indexing="ij"))
    denoise = discrete(np.asarray(quantizer.encode(jnp.arange(quantizer.levels))), probabilities, "vp")
    x0 = quantizer.encode(ints)
    mean = lambda rows: 2 * probabilities[:count] @ (np.asarray(rows).reshape(count, 161) @ mass)
    error = jax.jit(lambda logsnr: likelihood.eps_error(denoise, "vp", x0, eps, jnp.full(len(ints), logsnr)))
    levels = zip(*quadrature(np.linspace(process.logsnr_min, process.logsnr_max, 7)), strict=True)
    diffusion = sum(width / 2 * mean(error(logsnr)) for logsnr, width in levels)
    prior = mean(likelihood.prior_kl(process, x0, std * quantizer.bin_width))
    reconstruction = mean(likelihood.decoder_nats(quantizer, ints, eps, process.logsnr_max))
    return [float(term) / math.log(2) for term in (prior, diffusion, reconstruction)]


def test_many_draws_have_a_standard_error(float32):
    """Of K even draws of a straight line: (12 K^2)^-1/2 times its height, where K^2 is no 32-bit number."""
    count = 100_000
    line = jnp.linspace(0.0, 1.0, count)[:, None]
    error = math.sqrt((1 / (count - 1)) ** 2 / (2 * count) + 1 / (12 * count**2))  # and what steps of a line look like to equation (4)
    assert float(likelihood.spread_stderr(line, line)[0]) == pytest.approx(error, rel=1e-3)


@pytest.mark.parametrize("levels, std, entropy", [(16, 1.0, ENTROPY), pytest.param(256, 25.0, 6.691044, marks=pytest.mark.slow)])
def test_bound_of_the_ideal_denoiser_is_the_entropy(levels, std, entropy):
    """With noise ends far enough out, prior, diffusion and reconstruction add up to -log P."""
    quantizer, probabilities = Quantizer(levels), quantised_gaussian(levels, std)
    exact = -np.sum(probabilities * np.log2(np.maximum(probabilities, 1e-300)))
    assert exact == pytest.approx(entropy, abs=3e-6), "the published figure"
    assert sum(ideal_terms(wide(quantizer), quantizer, std)) == pytest.approx(exact, abs=2e-6)


@pytest.mark.parametrize("low, high", [(-9.0, 1.0), (4.0, PROCESS.logsnr_max)])
def test_a_range_that_is_cut_short_looks_better_than_possible_until_its_other_terms_are_paid(low, high):
    """A famous mistake: the diffusion term over a truncated range of noise, reported as the likelihood. It lies below the entropy."""
    prior, diffusion, reconstruction = ideal_terms(Process("cosine", "vp", low, high), QUANTIZER, 1.0)
    assert diffusion < ENTROPY - 0.1
    assert prior + diffusion + reconstruction > ENTROPY + 1e-5  # a bound again; the arithmetic is good to 2e-6


def expected_error_at(ints, std, logsnr):
    """E|eps - eps_hat|^2 of the denoiser of N(0, std^2) at given data: eps - eps_hat = k eps - (1 - k) x0 alpha/sigma."""
    k = std**2 / (std**2 + np.exp(-logsnr[:, None]))
    return (k**2 + (1 - k) ** 2 * np.exp(logsnr[:, None]) * np.asarray(QUANTIZER.encode(ints)) ** 2).sum(axis=1)


@pytest.mark.parametrize("density, options", [("uniform_logsnr", {}), ("logit_normal", {"std": 4.0})])
def test_the_estimate_is_unbiased_and_its_standard_error_honest(density, options):
    """One example under many keys: the mean is the integral, the scatter is the standard error that each estimate reports."""
    std, ints = 0.15, np.random.default_rng(0).choice(16, (1, 16), p=PROBABILITIES)
    estimate = jax.jit(
        lambda ints, rows: likelihood.variational_bound(gaussian(std, "vp"), PROCESS, QUANTIZER, ints, rows, 16, density=density, **options)
    )
    bound = estimate(np.tile(ints, (256, 1)), keys(256))
    assert bound.nats.shape == bound.stderr.shape == (256,)
    scatter, reported = float(np.std(bound.nats)), float(np.sqrt(np.mean(np.square(bound.stderr))))
    assert 0.75 < reported / scatter < 1.5
    logsnr = np.linspace(PROCESS.logsnr_min, PROCESS.logsnr_max, 20_001)
    want = 0.5 * np.trapezoid(expected_error_at(ints, std, logsnr), logsnr)
    assert float(np.mean(bound.diffusion)) == pytest.approx(want, abs=4 * scatter / 16)
    if not options:  # the estimate of an example does not depend on its batch
        part = estimate(np.tile(ints, (3, 1)), keys(256)[:3])
        for one, all_of_them in zip(part, bound, strict=True):
            np.testing.assert_allclose(one, all_of_them[:3], rtol=1e-12)


def test_discrete_bound_is_unbiased_and_its_standard_error_honest():
    std, ints = 0.15, np.random.default_rng(0).choice(16, (1, 32), p=PROBABILITIES)
    points = grid.make("uniform_logsnr", PROCESS, 20)
    bound = jax.jit(lambda ints, rows: likelihood.discrete_bound(gaussian(std, "vp"), PROCESS, points, QUANTIZER, ints, rows))(
        np.tile(ints, (128, 1)), keys(128)
    )
    scatter, reported = float(np.std(bound.nats)), float(np.sqrt(np.mean(np.square(bound.stderr))))
    assert 0.75 < reported / scatter < 1.5
    want = 0.5 * np.sum(np.expm1(np.diff(points.logsnr)) * expected_error_at(ints, std, points.logsnr[:-1]))
    assert float(np.mean(bound.diffusion)) == pytest.approx(want, abs=4 * scatter / math.sqrt(128))


def test_float32_stays_float32(float32):
    call = lambda ints, rows: likelihood.variational_bound(gaussian(0.15, "vp"), PROCESS, QUANTIZER, ints, rows, 4)
    assert {v.dtype for v in jax.eval_shape(call, jnp.zeros((2, 5), jnp.int32), keys(2))} == {jnp.dtype("float32")}


def test_one_draw_is_refused():
    with pytest.raises(UsageError, match="num_times >= 2"):
        likelihood.variational_bound(gaussian(0.5, "vp"), PROCESS, QUANTIZER, jnp.zeros((1, 1), int), keys(1), 1)
