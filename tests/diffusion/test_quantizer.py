"""Levels, bins, the decoder and the unit: the constants that make bits/dim comparable."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from genjax.diffusion.quantizer import PaletteLevels, Quantizer
from genjax.errors import UsageError

from .oracles import keys, quantised_gaussian


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


@pytest.mark.parametrize("std, exact, dequantised", [(25, 6.691044, 6.691143), (1, 2.104833, 2.167320)])
def test_bits_of_a_quantised_gaussian(std, exact, dequantised):
    """The Gaussian that was rounded, used as the continuous model in equation (2) of `quantizer`."""
    quantizer = Quantizer(256)
    probabilities = quantised_gaussian(256, std)
    _, minus_log_q = jax.jit(quantizer.dequantize_uniform)(np.arange(256)[:, None], keys(256))
    nodes, weights = np.polynomial.legendre.leggauss(8)  # the expectation over q, without its noise
    x = np.asarray(quantizer.encode(np.arange(256)))[:, None] + nodes[None] * quantizer.bin_width / 2
    nats = -norm.logpdf(x, 0.0, std * quantizer.bin_width) @ weights / 2 - np.asarray(minus_log_q)
    assert float(probabilities @ nats) / math.log(2) == pytest.approx(dequantised, abs=2e-6)
    entropy = -np.sum(probabilities * np.log(np.maximum(probabilities, 1e-300)))
    assert entropy / math.log(2) == pytest.approx(exact, abs=3e-6)


@pytest.mark.parametrize("wrong", [dict(levels=1), dict(levels=8, low=1.0, high=1.0), dict(levels=8, low=1.0, high=-1.0)])
def test_refusals(wrong):
    with pytest.raises(UsageError, match="at least 2 levels"):
        Quantizer(**wrong)


COLOURS = ((0, 0, 0), (255, 0, 0), (0, 128, 255))


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
