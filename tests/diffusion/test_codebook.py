"""Categories as points: the decoder by its definition, and the bound of independent, uniform tokens, whose perfect model is known."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import likelihood
from genjax.diffusion.codebook import Codebook
from genjax.diffusion.process import Process, alpha_sigma, bcast

V, D, T = 5, 4, 3
VECTORS = np.random.default_rng(0).normal(size=(V, D))


@pytest.fixture
def codes(precision):
    return Codebook.of(jnp.asarray(VECTORS))


def test_the_vectors_are_of_length_root_d_and_are_their_own_nearest(codes):
    np.testing.assert_allclose(np.linalg.norm(codes.table, axis=1), math.sqrt(D), rtol=1e-12)
    np.testing.assert_array_equal(codes.decode(codes.encode(jnp.arange(V)[None])), np.arange(V)[None])


def test_the_decoder_is_equation_2(codes):
    random = np.random.default_rng(1)
    ints, mean, std = random.integers(0, V, (6, T)), random.normal(size=(6, T, D)), random.uniform(0.2, 2, 6)
    squared = ((mean[:, :, None] - np.asarray(codes.table)) ** 2).sum(-1)
    weights = np.exp(-squared / (2 * std[:, None, None] ** 2))
    expected = np.log(np.take_along_axis(weights / weights.sum(-1, keepdims=True), ints[..., None], -1)[..., 0])
    np.testing.assert_allclose(codes.log_prob(jnp.asarray(ints), jnp.asarray(mean), jnp.asarray(std)), expected, rtol=1e-10)


def test_the_bound_of_uniform_tokens_is_their_entropy_under_the_perfect_denoiser_and_counts_what_is_counted(codes):
    """What one noisy vector says of its own token is all there is to know: ln V a token, up to what the ends of log-SNR cut off."""
    process = Process("linear", "vp", -9.0, 6.0)

    def denoise(x, logsnr):
        alpha, sigma = alpha_sigma(logsnr, "vp")
        return codes.mean(codes.logits(x / bcast(alpha, x), sigma / alpha))

    rows = 4000
    ints = jnp.asarray(np.random.default_rng(2).integers(0, V, (rows, T)))
    counted = jnp.broadcast_to(jnp.array([1.0, 0.0, 1.0]), (rows, T))
    keys = jax.random.split(jax.random.key(0), rows)
    whole, part = jax.jit(
        lambda: [likelihood.variational_bound(denoise, process, codes, ints, keys, 8, counted=which) for which in (None, counted)]
    )()
    for found, tokens in ((whole, T), (part, 2)):
        error = np.std(found.nats) / math.sqrt(rows)
        assert error < 0.03 * tokens
        assert abs(np.mean(found.nats) - tokens * math.log(V)) < 4.5 * error + 0.003
    assert np.mean(whole.reconstruction) < 0.01 and abs(np.mean(whole.prior)) < 0.003
