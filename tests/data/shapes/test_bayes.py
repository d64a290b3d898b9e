"""The ideal models against enumeration, against the entropy, and against each other."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data.shapes import bayes, scenes
from genjax.data.shapes.scenes import TIERS, Scenes, Tier

S8, S16 = TIERS["s8"], TIERS["s16"]


@pytest.fixture(autouse=True)
def float64():
    with jax.enable_x64(True):
        yield


@functools.cache
def compiled(name, tier):
    """A function of `bayes` for a tier."""
    return jax.jit(functools.partial(getattr(bayes, name), tier))


def clean(tier, drawn):
    return bayes.to_unit(scenes.image(tier, drawn).astype(np.float64))


def noisy(tier, drawn, logsnr, seed=0):
    return clean(tier, drawn) + np.exp(-logsnr / 2) * np.random.default_rng(seed).standard_normal((len(drawn.background), *[tier.pixels] * 2, 3))


def enumerated_s8(y, logsnr):
    """E[x0 | y] and log p(y) by summing over all 450 scenes."""
    every = scenes.enumerate_all(S8)
    pictures, prior = clean(S8, every).reshape(450, -1), -scenes.bits(S8, every.k) * math.log(2)
    squared = ((y.reshape(len(y), 1, -1) - pictures) ** 2).sum(axis=-1)
    logs = prior - 0.5 * squared * np.exp(logsnr) - 0.5 * pictures.shape[1] * (math.log(2 * math.pi) - logsnr)
    top = logs.max(axis=1, keepdims=True)
    evidence = np.exp(logs - top).sum(axis=1)
    weights = np.exp(logs - top) / evidence[:, None]
    return (weights @ pictures).reshape(y.shape), np.log(evidence) + top[:, 0]


@pytest.mark.parametrize("logsnr", [-6.0, -2.0, 0.0, 3.0])
def test_on_s8_the_denoiser_and_the_density_are_those_of_the_450_scenes(logsnr):
    y = noisy(S8, scenes.sample(S8, 20), logsnr)
    at = jnp.full(20, logsnr)
    expected, density = enumerated_s8(y, logsnr)
    np.testing.assert_allclose(compiled("denoise", S8)(y, at), expected, atol=1e-9)
    np.testing.assert_allclose(compiled("log_density", S8)(y, at), density, rtol=1e-10)


@pytest.mark.parametrize("tier", [Tier("two by two, at most one", 2, 1), S16], ids=["K=1", "K=4"])
def test_the_recursion_is_the_sum_over_all_sets_of_occupied_cells(tier):
    phi = np.random.default_rng(0).normal(size=(3, 2, 4, 225)) * 3
    empty, filled = np.exp(phi[..., 0]), np.exp(phi[..., 1:]).mean(axis=-1)
    total = np.zeros(3)
    for chosen in itertools.product([0, 1], repeat=4):
        k = sum(chosen)
        if k <= tier.max_count:
            each = np.where(np.array(chosen), filled, empty).prod(axis=-1).sum(axis=-1)
            total += each / (2 * (tier.max_count + 1) * math.comb(4, k))
    np.testing.assert_allclose(compiled("log_evidence", tier)(phi), np.log(total), rtol=1e-12)


def test_the_gradient_of_the_evidence_is_the_posterior():
    """Of one cell, by Bayes' rule: the evidence with the cell's content fixed, over the evidence."""
    phi = np.random.default_rng(1).normal(size=(2, 2, 4, 225)) * 2
    found = compiled("posterior", S16)(phi)
    np.testing.assert_allclose(found.sum(axis=(1, 3)), 1, atol=1e-12)
    whole = compiled("log_evidence", S16)(phi)
    for background, cell, content in [(0, 0, 0), (1, 2, 0), (0, 3, 57), (1, 1, 224)]:
        fixed = np.full_like(phi, -1e6)
        fixed[:, background] = phi[:, background]
        fixed[:, :, cell] = -1e6
        fixed[:, background, cell, content] = phi[:, background, cell, content]
        expected = np.exp(compiled("log_evidence", S16)(fixed) - whole)
        np.testing.assert_allclose(found[:, background, cell, content], expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["s16", "s24"])
def test_the_density_gives_the_denoiser_by_tweedies_formula(name):
    tier, logsnr = TIERS[name], 0.5
    y, at = noisy(tier, scenes.sample(tier, 3), logsnr), jnp.full(3, logsnr)
    score = jax.jit(jax.grad(lambda y: jnp.sum(bayes.log_density(tier, y, at))))(jnp.asarray(y))
    np.testing.assert_allclose(compiled("denoise", tier)(y, at), y + np.exp(-logsnr) * score, atol=1e-9)


def test_without_noise_the_denoiser_returns_the_picture_and_in_noise_alone_the_mean():
    drawn = scenes.sample(TIERS["s32"], 4)
    picture = clean(TIERS["s32"], drawn)
    np.testing.assert_allclose(compiled("denoise", TIERS["s32"])(picture, jnp.full(4, 8.0)), picture, atol=1e-6)
    mean = clean(S8, scenes.enumerate_all(S8))
    weights = 2.0 ** -scenes.bits(S8, scenes.enumerate_all(S8).k)
    np.testing.assert_allclose(compiled("denoise", S8)(np.zeros((1, 8, 8, 3)), jnp.full(1, -25.0))[0], np.tensordot(weights, mean, 1), atol=1e-8)


def test_float32_is_as_good_as_float64():
    tier = TIERS["s32"]
    drawn = scenes.sample(tier, 4)
    for logsnr in (-6.0, 0.0, 6.0):
        y, at = noisy(tier, drawn, logsnr), np.full(4, logsnr)
        exact = np.asarray(compiled("denoise", tier)(y, at))
        with jax.enable_x64(False):
            rough = np.asarray(compiled("denoise", tier)(jnp.asarray(y, jnp.float32), jnp.asarray(at, jnp.float32)))
        assert rough.dtype == np.float32
        np.testing.assert_allclose(rough, exact, atol=2e-3)


# ---- codes ---------------------------------------------------------------------------------------------------------


def test_on_s8_the_marginals_are_those_of_the_450_scenes():
    every = scenes.enumerate_all(S8)
    codes, prior = scenes.codes(S8, every).reshape(450, 16), 2.0 ** -scenes.bits(S8, every.k)
    random = np.random.default_rng(0)
    row = random.choice(450, 20, p=prior)
    known = random.random((20, 16)) < np.linspace(0, 0.6, 20)[:, None]
    found = compiled("marginals", S8)(codes[row].reshape(20, 4, 4).astype(np.int32), known.reshape(20, 4, 4)).reshape(20, 16, 205)
    fits = ((codes[None] == codes[row][:, None]) | ~known[:, None]).all(axis=-1) * prior
    fits /= fits.sum(axis=1, keepdims=True)
    expected = np.einsum("bs,spv->bpv", fits, np.eye(205)[codes])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_on_two_cells_a_side_the_marginals_are_those_of_many_scenes():
    """A code's frequency among scenes drawn at random, within its error: nothing known, and an empty first row."""
    drawn = scenes.sample(S16, 200_000, seed=4)
    codes = scenes.codes(S16, drawn).reshape(-1, 64).astype(np.int32)
    first = np.arange(64) < 8
    row = np.flatnonzero((codes[:, first] == 0).all(axis=1))[0]
    for known in (np.zeros(64, bool), first):
        same = (codes[:, known] == codes[row, known]).all(axis=1)
        frequency = np.apply_along_axis(np.bincount, 0, codes[same], minlength=205).T / same.sum()
        found = np.asarray(compiled("marginals", S16)(codes[row].reshape(1, 8, 8), known.reshape(1, 8, 8))).reshape(64, 205)
        error = np.sqrt(found * (1 - found) / same.sum())
        assert same.sum() > 1000
        assert (np.abs(frequency - found) <= 6 * error + 1e-3).all()


@pytest.mark.parametrize("name, rows", [("s8", 450), ("s16", 24)])
def test_the_ideal_next_token_model_scores_the_exact_bits_of_every_scene(name, rows):
    tier = TIERS[name]
    drawn = scenes.enumerate_all(tier) if name == "s8" else scenes.sample(tier, rows, seed=6)
    nats = compiled("next_code_nats", tier)(scenes.codes(tier, drawn).astype(np.int32))
    np.testing.assert_allclose(nats.sum(axis=1) / math.log(2), scenes.bits(tier, drawn.k), atol=1e-9)
    if name == "s8":
        bits = 2.0 ** -scenes.bits(tier, drawn.k) @ nats.sum(axis=1) / math.log(2)
        assert bits == pytest.approx(5.904, abs=5e-4)


def test_the_next_code_has_a_distribution():
    codes = scenes.codes(S8, scenes.sample(S8, 5)).astype(np.int32)
    found = compiled("next_code", S8)(codes)
    assert found.shape == (5, 16, 205)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-12)
    np.testing.assert_allclose(found[:, 0], np.broadcast_to(found[0, 0], (5, 205)), atol=1e-12)  # nothing is known yet
    every = scenes.enumerate_all(S8)
    first = np.bincount(scenes.codes(S8, every)[:, 0, 0], weights=2.0 ** -scenes.bits(S8, every.k), minlength=205)
    np.testing.assert_allclose(found[0, 0], first, atol=1e-12)


def test_impossible_codes_have_finite_marginals():
    codes = np.random.default_rng(0).integers(0, 205, (5, 8, 8)).astype(np.int32)
    found = compiled("marginals", S16)(codes, np.random.default_rng(1).random((5, 8, 8)) < 0.5)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-9)


def test_any_order_of_revealing_gives_the_same_bits():
    """The chain rule, in four random orders: the marginals are those of one distribution."""
    drawn = Scenes(*(part[:4] for part in scenes.sample(S16, 40, seed=8)))
    codes = scenes.codes(S16, drawn).astype(np.int32)
    place = jnp.asarray(np.random.default_rng(0).random((4, 64)).argsort(axis=1).argsort(axis=1))

    @jax.jit
    def revealed(step):
        known = (place < step).reshape(4, 8, 8)
        own = jnp.take_along_axis(bayes.marginals(S16, codes, known), codes[..., None], axis=-1)[..., 0].reshape(4, 64)
        return jnp.log2(jnp.sum(jnp.where(place == step, own, 0), axis=1))

    total = -sum(np.asarray(revealed(step)) for step in range(64))
    np.testing.assert_allclose(total, scenes.bits(S16, drawn.k), atol=1e-9)
