"""Scenes: golden numbers of the specification, the code book, the counter, and that what is drawn is what the closed form says."""

import itertools
import math

import numpy as np
import pytest

from genjax.data.shapes import counter, scenes, splits
from genjax.data.shapes.scenes import TIERS, Scenes

S8, S16 = TIERS["s8"], TIERS["s16"]
every_tier = pytest.mark.parametrize("tier", TIERS.values(), ids=lambda tier: tier.name)


@pytest.mark.parametrize("name, bits", [("s8", 5.904), ("s16", 20.254), ("s24", 32.241), ("s32", 44.628)])
def test_the_entropy_is_the_golden_one(name, bits):
    assert scenes.entropy(TIERS[name]) == pytest.approx(bits, abs=5e-4)


@pytest.mark.parametrize("name, count", [("s8", 450), ("s16", 5.1e9), ("s24", 2.1e16), ("s32", 1.6e23)])
def test_the_number_of_scenes_is_the_golden_one(name, count):
    assert float(f"{scenes.number_of_scenes(TIERS[name]):.2g}") == count


@pytest.mark.parametrize("name, positions", [("s8", 16), ("s16", 64), ("s24", 144), ("s32", 256)])
def test_the_number_of_positions_is_the_golden_one(name, positions):
    assert TIERS[name].patches ** 2 == positions


def test_probabilities_of_all_scenes_of_s8_add_up_to_one():
    every = scenes.enumerate_all(S8)
    bits = scenes.bits(S8, every.k)
    assert np.sum(2.0**-bits) == pytest.approx(1, abs=1e-12)
    assert np.sum(bits * 2.0**-bits) == pytest.approx(scenes.entropy(S8), abs=1e-12)


@every_tier
def test_probabilities_of_all_scenes_add_up_to_one(tier):
    number = [2 * math.comb(tier.cells, k) * 224**k for k in tier.counts]
    assert sum(n * 2.0 ** -scenes.bits(tier, k) for n, k in zip(number, tier.counts, strict=True)) == pytest.approx(1, abs=1e-9)


def test_s8_has_450_different_pictures():
    pictures = scenes.image(S8, scenes.enumerate_all(S8))
    assert pictures.shape == (450, 8, 8, 3)
    assert len({picture.tobytes() for picture in pictures}) == 450


def test_masks_differ_in_eight_pixels_however_they_are_shifted():
    def shifted(mask, dy, dx):
        canvas = np.zeros((15, 15), bool)
        canvas[dy : dy + 5, dx : dx + 5] = mask
        return canvas

    masks = [scenes.mask(shape) for shape in range(scenes.SHAPES)]
    for a, b in itertools.combinations(masks, 2):
        assert min((shifted(a, 5, 5) ^ shifted(b, dy, dx)).sum() for dy in range(11) for dx in range(11)) >= 8
    assert min(mask.sum() for mask in masks) >= 8  # as far from an empty cell


def test_any_two_contents_of_a_cell_differ_in_more_than_four_pixels():
    """So that two wrong pixels can be mended."""
    for templates in scenes.TEMPLATES.reshape(2, 225, 64):
        distance = (templates[:, None] != templates[None]).sum(axis=-1)
        assert distance[~np.eye(225, dtype=bool)].min() > 4


def test_palette_colours_are_far_apart():
    distance = np.linalg.norm(scenes.PALETTE[:, None].astype(float) - scenes.PALETTE[None], axis=-1)
    assert distance[~np.eye(9, dtype=bool)].min() == pytest.approx(176.7, abs=0.05)


def test_objects_touch_no_border_of_their_cell():
    for background, templates in enumerate(scenes.TEMPLATES):
        border = np.concatenate([templates[:, 0], templates[:, -1], templates[:, :, 0], templates[:, :, -1]], axis=1)
        assert (border == background).all()


def test_the_templates_use_all_205_codes_and_no_other_patch():
    assert scenes.CODES == 205
    assert scenes.CODE_TEMPLATES.min() == 0
    assert len(np.unique(scenes.CODE_TEMPLATES)) == 205
    assert len(np.unique(scenes.CODE_BOOK.reshape(205, 4), axis=0)) == 205


@every_tier
def test_codes_are_lossless(tier):
    drawn = scenes.sample(tier, 200)
    pixels, codes = scenes.palette_numbers(tier, drawn), scenes.codes(tier, drawn)
    assert codes.shape == (200, tier.patches, tier.patches)
    np.testing.assert_array_equal(scenes.encode(pixels), codes)
    np.testing.assert_array_equal(scenes.decode(codes), pixels)


def test_a_patch_of_two_object_colours_has_no_code():
    assert scenes.encode(np.array([[[2, 3], [0, 0]]], np.uint8)) == -1


def test_a_picture_is_made_pixel_by_pixel_from_its_objects():
    """A second renderer, as slow as it is plain."""
    drawn = scenes.sample(TIERS["s24"], 50, seed=3)
    for background, contents, picture in zip(*drawn, scenes.image(TIERS["s24"], drawn), strict=True):
        expected = np.empty((24, 24, 3), np.uint8)
        expected[:] = list(scenes.BACKGROUNDS.values())[background]
        for position, number in enumerate(contents):
            if number:
                rest, offset = divmod(number - 1, 4)
                shape, colour = divmod(rest, 7)
                top, left = 8 * (position // 3) + 1 + offset // 2, 8 * (position % 3) + 1 + offset % 2
                for y, line in enumerate(list(scenes.MASKS.values())[shape].split()):
                    for x, pixel in enumerate(line):
                        if pixel == "#":
                            expected[top + y, left + x] = list(scenes.COLOURS.values())[colour]
        np.testing.assert_array_equal(picture, expected)


@every_tier
def test_what_is_drawn_has_the_stated_distribution(tier):
    """Chi-squared of the background, the count, the occupied cell given one object, shape, colour and offset; p > 1e-4 each."""
    from scipy.stats import chi2

    drawn = scenes.sample(tier, 20_000, seed=1)
    single = drawn.contents[drawn.k == 1]
    objects = drawn.contents[drawn.contents > 0] - 1
    for values, n in (
        (drawn.background, 2),
        (drawn.k, tier.max_count + 1),
        (single.argmax(axis=1), tier.cells),
        (objects, 224),
        (2 * drawn.k + drawn.background, 2 * (tier.max_count + 1)),
    ):
        seen = np.bincount(values, minlength=n)
        expected = len(values) / n
        assert len(seen) == n
        assert n == 1 or chi2.sf(((seen - expected) ** 2 / expected).sum(), n - 1) > 1e-4


def test_pairs_of_cells_are_occupied_equally_often():
    drawn = scenes.sample(S16, 40_000, seed=2)
    two = drawn.contents[drawn.k == 2] > 0
    seen = np.bincount(two @ (1 << np.arange(4)), minlength=16)
    assert (seen > 0).sum() == 6
    np.testing.assert_allclose(seen[seen > 0] / len(two), 1 / 6, atol=4 * math.sqrt(5 / 36 / len(two)))


def test_the_words_of_a_state_never_change():
    """SplitMix64 from seed 1234567: the published sequence."""
    state = np.array([1234567], np.uint64)
    golden = np.array([0x9E3779B97F4A7C15], np.uint64)
    got = [int(counter.mix(state + golden * np.uint64(i))[0]) for i in range(1, 4)]
    assert got == [6457827717110365317, 3203168211198807973, 9817491932198370423]


# ---- splits --------------------------------------------------------------------------------------------------------


def anything(drawn):
    return np.ones(len(drawn.background), bool)


def test_splits_share_no_scene_that_can_be_held_out():
    rows = np.arange(20_000)
    ids = {split: splits.draw(S16, split, rows, 0, S16.counts, anything) for split in ("train", "val", "test")}
    seen = {split: set(splits.scene_id(drawn)[drawn.k > 0]) for split, drawn in ids.items()}
    assert not seen["train"] & seen["val"] and not seen["train"] & seen["test"] and not seen["val"] & seen["test"]
    shares = [splits.belongs(S16, scenes.sample(S16, 200_000), split).mean() for split in ("train", "val", "test")]
    # Empty scenes are in every split: a fifth.
    np.testing.assert_allclose(shares, np.array([0.98, 0.01, 0.01]) * 0.8 + 0.2, atol=0.002)


def test_every_split_has_the_entropy_of_the_data():
    for split in ("train", "val"):
        drawn = splits.draw(S16, split, np.arange(4000), 5, S16.counts, anything)
        bits = scenes.bits(S16, drawn.k)
        assert bits.mean() == pytest.approx(scenes.entropy(S16), abs=4 * bits.std() / math.sqrt(4000))


def test_a_row_is_the_same_in_any_batch():
    rows = np.array([5, 17, 3, 99])
    whole = splits.draw(S16, "val", np.arange(200), 7, S16.counts, anything)
    part = splits.draw(S16, "val", rows, 7, S16.counts, anything)
    np.testing.assert_array_equal(part.contents, whole.contents[rows])
    np.testing.assert_array_equal(part.background, whole.background[rows])
    other = splits.draw(S16, "val", rows, 8, S16.counts, anything)
    assert (other.contents != part.contents).any()


def test_held_out_pairs_are_a_partial_latin_square():
    shapes, colours = zip(*splits.HELD_OUT_PAIRS, strict=True)
    assert sorted(shapes) == list(range(8))
    assert set(np.bincount(colours, minlength=7)) <= {1, 2}


def test_a_held_out_binding_is_a_swap_of_colours_that_is_seen():
    for shape, colour, other, second in splits.HELD_OUT_BINDINGS:
        assert shape != other and colour != second
        assert (shape, second, other, colour) not in splits.HELD_OUT_BINDINGS
        contents = lambda a, b, c, d: np.array([[scenes.content(a, b, 0), 0, 0, scenes.content(c, d, 3)]])
        assert splits.has_binding(Scenes(np.zeros(1, int), contents(shape, colour, other, second)))[0]
        assert not splits.has_binding(Scenes(np.zeros(1, int), contents(shape, second, other, colour)))[0]


def test_pairs_are_found_as_slowly_as_plainly():
    drawn = scenes.sample(S16, 500)
    plain = [
        any(n and divmod((n - 1) // 4, 7) in splits.HELD_OUT_PAIRS for n in contents)  # (shape, colour)
        for contents in drawn.contents
    ]
    np.testing.assert_array_equal(splits.has_pair(drawn), plain)
    assert 0 < np.mean(plain) < 1
