"""The oracle reads true pictures without a mistake, mends what it should, and fails loudly where it cannot."""

import functools

import jax
import numpy as np
import pytest

from genjax.data.shapes import oracle, scenes
from genjax.data.shapes.scenes import TIERS, Scenes

S16 = TIERS["s16"]


@functools.cache
def reader(tier):
    return jax.jit(functools.partial(oracle.read, tier))


def look(tier, images, batch=500):
    """The facts of many images, in batches of one size."""
    parts = [jax.tree.map(np.asarray, reader(tier)(images[start : start + batch])) for start in range(0, len(images), batch)]
    return oracle.Facts(*map(np.concatenate, zip(*parts, strict=True)))


def assert_read(found, drawn):
    known = oracle.facts(drawn)
    assert np.asarray(oracle.same(found, known)).all()
    for got, expected in zip(found, known, strict=True):
        np.testing.assert_array_equal(got, expected)


def same_attributes(found, drawn):
    """bool [B]: background, shapes and colours are all right."""
    known = oracle.facts(drawn)
    return np.all((found.shape == known.shape) & (found.colour == known.colour), axis=1) & np.asarray(found.background == known.background)


def with_noise(images, std, seed=0):
    noisy = images + std * np.random.default_rng(seed).standard_normal(images.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def certify(tier, rows):
    """All of the specification's certainties about true scenes."""
    drawn = scenes.sample(tier, rows, seed=11)
    images = scenes.image(tier, drawn)
    assert_read(look(tier, images), drawn)
    for std in (10, 20):
        found = look(tier, with_noise(images, std))
        assert same_attributes(found, drawn).all() and found.valid.all()


@pytest.mark.parametrize("name, rows", [("s8", 500), ("s16", 1000), ("s24", 500)])
def test_true_scenes_are_read_exactly_and_noise_of_20_levels_does_not_matter(name, rows):
    certify(TIERS[name], rows)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", TIERS)
def test_twenty_thousand_true_scenes_a_tier_are_read_exactly(name):
    certify(TIERS[name], 20_000)


def test_more_objects_than_any_split_shows_are_read_exactly():
    tier = TIERS["s24"]
    contents = np.random.default_rng(0).integers(1, scenes.CONTENTS, (100, tier.cells))
    drawn = Scenes(np.arange(100) % 2, contents)
    assert_read(look(tier, scenes.image(tier, drawn)), drawn)


def test_one_object_more_less_or_other_is_read_as_what_it_is():
    drawn = scenes.sample(S16, 600, seed=12)
    random = np.random.default_rng(0)
    rows, cell = np.arange(600), random.integers(0, 4, 600)
    old = drawn.contents[rows, cell]
    shape, colour, offset = np.where(old > 0, scenes.SHAPE_OF[old], 0), np.where(old > 0, scenes.COLOUR_OF[old], 0), np.maximum(old - 1, 0) % 4
    edits = {
        "recolour": scenes.content(shape, (colour + random.integers(1, 7, 600)) % 7, offset),
        "reshape": scenes.content((shape + random.integers(1, 8, 600)) % 8, colour, offset),
        "delete": np.zeros(600, int),
    }
    for kind, new in edits.items():
        contents = drawn.contents.copy()
        contents[rows, cell] = np.where(old > 0, new, random.integers(1, 225, 600))  # in an empty cell, something
        edited = Scenes(drawn.background, contents)
        found = look(S16, scenes.image(S16, edited), 600)
        assert_read(found, edited)
        assert not same_attributes(found, drawn).any(), kind
    flipped = Scenes(1 - drawn.background, drawn.contents)
    assert_read(look(S16, scenes.image(S16, flipped), 600), flipped)


def test_two_wrong_pixels_of_a_picture_are_mended():
    drawn = scenes.sample(S16, 500, seed=13)
    random = np.random.default_rng(1)
    numbers = scenes.palette_numbers(S16, drawn).reshape(500, -1)
    for _ in range(2):
        numbers[np.arange(500), random.integers(0, 256, 500)] = random.integers(0, 9, 500)
    found = look(S16, scenes.PALETTE[numbers.reshape(500, 16, 16)])
    assert found.valid.all() and same_attributes(found, drawn).all()


def test_noise_is_not_valid():
    palette = scenes.PALETTE[np.random.default_rng(2).integers(0, 9, (1000, 16, 16))]
    levels = np.random.default_rng(3).integers(0, 256, (1000, 16, 16, 3), np.uint8)
    assert not look(S16, palette).valid.any()
    assert not look(S16, levels).valid.any()


def test_heavy_noise_fails_loudly():
    """Where attributes are misread, the picture is not valid: the specification's 49.4 % and 0 % at 30 and 40 levels."""
    drawn = scenes.sample(S16, 1000, seed=14)
    images = scenes.image(S16, drawn)
    valid = [look(S16, with_noise(images, std)).valid.mean() for std in (30, 40)]
    assert 0.35 < valid[0] < 0.65
    assert valid[1] < 0.02


def test_a_gray_veil_is_unknown_and_not_valid():
    """Half way between a colour and the background no colour is near."""
    drawn = scenes.sample(S16, 200, seed=15)
    full = Scenes(np.zeros(200, int), np.maximum(drawn.contents, 1))
    empty = Scenes(np.zeros(200, int), np.zeros_like(drawn.contents))
    half = (scenes.image(S16, full).astype(int) + scenes.image(S16, empty)) // 2
    assert not look(S16, half.astype(np.uint8), 200).valid.any()
