"""Levels, bins, the decoder and the unit: the constants that make bits/dim comparable."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from scipy.stats import logistic, norm

from genjax.diffusion.quantizer import Continuous, PaletteLevels, Quantizer
from genjax.errors import UsageError

from .oracles import keys, quantised_gaussian

COLOURS = ((0, 0, 0), (255, 0, 0), (0, 128, 255))


@pytest.mark.parametrize("levels, low, high", [(256, -1.0, 1.0), (2, 0.0, 1.0), (17, -0.5, 2.0), (65536, -1.0, 1.0)])
def test_decode_inverts_encode(levels, low, high, float32):
    quantizer = Quantizer(levels, low, high)
    ints, decode = np.arange(levels), jax.jit(quantizer.decode)
    encoded = quantizer.encode(ints)
    assert encoded.dtype == jnp.float32
    x = np.asarray(encoded)
    np.testing.assert_allclose([x[0], x[-1]], [low, high], atol=1e-6)
    np.testing.assert_allclose(np.diff(x), quantizer.bin_width, atol=3e-7)
    for shift in (-0.4, 0.0, 0.4):
        np.testing.assert_array_equal(decode(x + np.float32(shift * quantizer.bin_width)), ints)
    outside = np.where(ints % 2, high + 5.0, low - 5.0).astype(np.float32)
    np.testing.assert_array_equal(decode(outside), np.where(ints % 2, levels - 1, 0))


def test_eight_bit_images_have_the_bins_of_iddpm():
    """x/127.5 - 1 with half bins of 1/255: log2 127.5 = 6.9944 bits, not 7."""
    quantizer = Quantizer(256)
    np.testing.assert_allclose(quantizer.encode(jnp.array([0, 51, 255])), np.array([0, 51, 255]) / 127.5 - 1, atol=1e-15)
    assert -math.log2(quantizer.bin_width) == pytest.approx(6.9944, abs=5e-5)


def test_decoder_is_a_normalised_gaussian_over_the_levels():
    quantizer = Quantizer(16)
    mean, std = np.array([[0.2], [-1.0], [3.0]]), np.array([0.01, 0.3, 0.05])
    log_prob = np.asarray(jax.jit(quantizer.log_prob)(np.tile(np.arange(16), (3, 1)), np.tile(mean, (1, 16)), std))
    np.testing.assert_allclose(np.exp(log_prob).sum(axis=1), np.ones(3), rtol=1e-12)
    levels = np.linspace(-1, 1, 16)[None]
    want = norm.logpdf(levels, mean, std[:, None])
    np.testing.assert_allclose(log_prob - log_prob[:, :1], want - want[:, :1], rtol=1e-9)
    image = jax.eval_shape(quantizer.log_prob, jnp.zeros((2, 3, 4, 1), jnp.int32), jnp.zeros((2, 3, 4, 1)), 0.1)
    assert image.shape == (2, 3, 4, 1)


def by_enumeration(values, support, pmf, y, std):
    """E[x0 | y] [D, C] of points values[support] [n, D, C] and, in equation (4), log P(k | y') [D, K] of every dimension."""
    likelihood = norm.logpdf(y, values[support], std).sum(axis=-1)  # [n, D]
    joint = softmax(np.log(pmf) + likelihood.sum(axis=1))
    others = np.log(pmf)[:, None] + likelihood.sum(axis=1, keepdims=True) - likelihood
    odds = np.stack([logsumexp(np.where(support == k, others, -1e9), axis=0) for k in range(len(values))], axis=-1)
    return np.tensordot(joint, values[support], axes=1), odds


@pytest.mark.parametrize("std", [0.1, 0.7, 5.0])
@pytest.mark.parametrize("quantizer", [Quantizer(3), PaletteLevels(256, colours=COLOURS)], ids=["levels", "palette"])
def test_a_posterior_is_what_the_others_tell_times_what_a_value_says_of_itself(quantizer, std):
    """The mean of all that could be there, dimension by dimension as in equation (4): of points that are not independent."""
    random = np.random.default_rng(0)
    values = np.linspace(-1, 1, 3)[:, None] if quantizer.levels == 3 else np.array(COLOURS) / 127.5 - 1
    support, pmf = random.integers(0, 3, (7, 4)), random.dirichlet(np.ones(7))
    y = values[support[0]] + std * random.normal(size=(4, values.shape[1]))
    expected, odds = by_enumeration(values, support, pmf, y, std)
    assert quantizer.num_odds(values.shape[1]) == 3
    place = (1, 2, 2)  # rows, height and width
    for constant in (0.0, 9.0):
        given = odds + constant
        found = quantizer.posterior_mean(jnp.asarray(given.reshape(*place, 3)), jnp.asarray(y.reshape(*place, -1)), jnp.array([std]))
        np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-12)


def test_two_values_of_a_cell_have_odds_of_their_own():
    """Channel by channel: those of the second say nothing of the first."""
    quantizer, std = Quantizer(4), jnp.array([0.5])
    y = jnp.asarray(np.random.default_rng(1).normal(size=(1, 5, 2)))
    odds = jnp.asarray(np.random.default_rng(2).normal(size=(1, 5, 8)))
    found = quantizer.posterior_mean(odds, y, std)
    alone = [quantizer.posterior_mean(odds[..., 4 * c : 4 * c + 4], y[..., c : c + 1], std) for c in range(2)]
    np.testing.assert_allclose(found, np.concatenate(alone, axis=-1), rtol=1e-12)


def test_decoder_keeps_its_digits_at_small_std(float32):
    """At lambda = 13.3 the exponents reach 1e6; the probability of the right level must still be right."""
    quantizer, std = Quantizer(256), math.exp(-13.3 / 2)
    ints = jnp.arange(256)[None]
    mean = quantizer.encode(ints) + 0.5 * quantizer.bin_width - 0.2 * std
    distance = quantizer.bin_width / std
    want = -np.log1p(np.exp(-0.5 * ((distance / 2 + 0.2) ** 2 - (distance / 2 - 0.2) ** 2)))
    np.testing.assert_allclose(quantizer.log_prob(ints, mean, std)[0, 20:-20], want, atol=2e-3)


@pytest.mark.parametrize("std", [0.0002, 0.02, 3.0])
def test_dequantised_normal_is_a_density_on_the_bin(std):
    quantizer = Quantizer(16)
    ints = np.full((20_000, 1), 5)
    x, minus_log_q = jax.jit(quantizer.dequantize_normal)(ints, keys(20_000), std)
    x, centre, half = np.asarray(x), float(quantizer.encode(5)), quantizer.bin_width / 2
    assert np.all(np.abs(x - centre) <= half)
    np.testing.assert_array_equal(jax.jit(quantizer.decode)(x), ints)
    edge = half / std
    mass = norm.cdf(edge) - norm.cdf(-edge)
    want = -norm.logpdf(x[:, 0], centre, std) + math.log(mass)
    np.testing.assert_allclose(minus_log_q, want, rtol=1e-9, atol=1e-9)
    uniform = (norm.cdf((x[:, 0] - centre) / std) - norm.cdf(-edge)) / mass  # the probability transform of the right density
    np.testing.assert_allclose([uniform.mean(), uniform.var()], [0.5, 1 / 12], atol=4 * 0.3 / math.sqrt(20_000))


def test_dequantised_uniform_fills_the_bin():
    quantizer = Quantizer(16)
    ints = np.full((20_000, 2), 5)
    x, minus_log_q = jax.jit(quantizer.dequantize_uniform)(ints, keys(20_000))
    position = (np.asarray(x) - float(quantizer.encode(5))) / quantizer.bin_width + 0.5
    assert np.all((position >= 0) & (position < 1))
    np.testing.assert_allclose(position.mean(), 0.5, atol=0.01)
    np.testing.assert_allclose(minus_log_q, 2 * math.log(quantizer.bin_width), rtol=1e-12)


@pytest.mark.parametrize("std, dequantised", [(25, 6.691143), (1, 2.167320)])
def test_bits_of_a_dequantised_gaussian(std, dequantised):
    """The Gaussian that was rounded, used as the continuous model in equation (2) of `quantizer`: above the entropy, which the ideal bound
    reaches (test_likelihood).
    """
    quantizer = Quantizer(256)
    probabilities = quantised_gaussian(256, std)
    _, minus_log_q = jax.jit(quantizer.dequantize_uniform)(np.arange(256)[:, None], keys(256))
    nodes, weights = np.polynomial.legendre.leggauss(8)  # the expectation over q, without its noise
    x = np.asarray(quantizer.encode(np.arange(256)))[:, None] + nodes[None] * quantizer.bin_width / 2
    nats = -norm.logpdf(x, 0.0, std * quantizer.bin_width) @ weights / 2 - np.asarray(minus_log_q)
    assert float(probabilities @ nats) / math.log(2) == pytest.approx(dequantised, abs=2e-6)


@pytest.mark.parametrize("wrong", [dict(levels=1), dict(levels=8, low=1.0, high=1.0), dict(levels=8, low=1.0, high=-1.0)])
def test_refusals(wrong):
    with pytest.raises(UsageError, match="at least 2 levels"):
        Quantizer(**wrong)


# ---- the logistic decoder ------------------------------------------------------------------------------------------


def test_logistic_decoder_is_the_mass_of_a_bin_and_the_end_bins_reach_to_infinity():
    quantizer = Quantizer(7)
    mean, scale = np.array([0.1, -1.3, 2.0])[:, None], np.array([0.05, 0.4, 1.5])[:, None]
    ints = np.tile(np.arange(7), (3, 1))
    log_prob = np.asarray(jax.jit(quantizer.logistic_log_prob)(ints, np.broadcast_to(mean, ints.shape), np.broadcast_to(scale, ints.shape)))
    edges = np.concatenate([[-np.inf], np.linspace(-1, 1, 7)[:-1] + 1 / 6, [np.inf]])
    mass = np.diff(logistic.cdf(edges[None], mean, scale), axis=1)
    np.testing.assert_allclose(np.exp(log_prob), mass, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(np.exp(log_prob).sum(axis=1), 1.0, rtol=1e-12)


def test_logistic_decoder_is_finite_far_out_where_the_difference_of_two_sigmoids_is_zero(float32):
    """A mean of -1 and level 100 of 256: log P is about -(distance)/s, and its gradient -1/s."""
    quantizer, scale = Quantizer(256), 0.001
    value, slope = jax.value_and_grad(lambda m: quantizer.logistic_log_prob(jnp.array(100), m, jnp.float32(scale)))(jnp.float32(-1.0))
    distance = 99.5 * 2 / 255
    np.testing.assert_allclose(value, -distance / scale, rtol=1e-4)  # and log(1 - e^(-7.8)), which is nothing here
    np.testing.assert_allclose(slope, 1 / scale, rtol=1e-4)


def test_the_level_of_the_mean_is_the_median():
    quantizer, mean = Quantizer(5), jnp.linspace(-1.4, 1.4, 57)
    log_prob = jax.vmap(lambda k: quantizer.logistic_log_prob(jnp.full(57, k), mean, jnp.full(57, 0.3)))(jnp.arange(5))
    mass, at = np.cumsum(np.exp(log_prob), axis=0), np.asarray(quantizer.decode(mean))
    assert (np.take_along_axis(mass, at[None], axis=0) > 0.5 - 1e-6).all()
    assert (np.where(at == 0, 0.0, np.take_along_axis(mass, np.maximum(at - 1, 0)[None], axis=0)[0]) < 0.5 + 1e-6).all()


def test_real_numbers_have_the_density_of_a_normal_and_no_bins():
    values, mean = np.array([[0.3, -2.0], [4.0, 0.0]]), np.array([[0.0, -1.0], [4.5, 0.2]])
    got = Continuous().log_prob(jnp.asarray(values), jnp.asarray(mean), jnp.array([0.5, 2.0]))
    np.testing.assert_allclose(got, norm.logpdf(values, mean, np.array([[0.5], [2.0]])), rtol=1e-12)
    for x, volume in (
        Continuous().dequantize_normal(jnp.asarray(values), keys(2), 0.1),
        Continuous().dequantize_uniform(jnp.asarray(values), keys(2)),
    ):
        np.testing.assert_array_equal(x, values)
        np.testing.assert_array_equal(volume, 0)


# ---- the palette ---------------------------------------------------------------------------------------------------


def test_levels_of_a_palette_are_its_colours_and_no_others():
    """P(colour | x) is the palette's, which the product over channels and 256 levels is not; what is decoded is the nearest colour."""
    palette, values = PaletteLevels(256, colours=COLOURS), Quantizer(256).encode(np.array(COLOURS))
    x = values[None, None, jnp.array([0, 1, 2, 1])] + 0.3 * jax.random.normal(jax.random.key(0), (5, 2, 4, 3))
    mine = np.stack([np.asarray(palette.log_prob(np.broadcast_to(colour, x.shape), x, jnp.asarray(0.4))) for colour in COLOURS])
    np.testing.assert_allclose(np.exp(mine).sum(axis=0), 1.0, rtol=1e-5)
    distance = np.sum((np.asarray(x)[..., None, :] - np.asarray(values)) ** 2, axis=-1)
    expected = np.exp(-distance / (2 * 0.4**2))
    np.testing.assert_allclose(np.exp(mine), np.moveaxis(expected / expected.sum(axis=-1, keepdims=True), -1, 0), rtol=1e-4)
    np.testing.assert_array_equal(palette.decode(x), np.array(COLOURS)[np.argmin(distance, axis=-1)])


def test_a_palette_without_colours_is_refused():
    with pytest.raises(UsageError, match="at least one colour"):
        PaletteLevels(256)
