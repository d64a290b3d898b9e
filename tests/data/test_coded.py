"""Pictures as numbers of patches. Oracles: pictures of few patches, which are coded without loss, and distances by brute force."""

import dataclasses

import numpy as np
import pytest

from genjax.data.base import ArrayRows, Sound, Source, hold_out
from genjax.data.coded import PatchBook, coded_source
from genjax.data.sources import open_source
from genjax.errors import UsageError
from genjax.evaluation import media
from genjax.types import DataSpec


def _random(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_pictures_of_few_patches_are_coded_without_loss():
    few, at = _random(5, 2, 2, 3), np.random.default_rng(1).integers(0, 5, (30, 4, 3))
    pictures = np.stack([np.concatenate([np.concatenate([few[k] for k in row], axis=1) for row in plane]) for plane in at])
    book = PatchBook.of(pictures, 2, 64)
    codes = book.encode(pictures)
    assert len(book.patches) == 5 and codes.shape == (30, 4, 3) and codes.dtype == np.int32
    np.testing.assert_array_equal(book.decode(codes), pictures)
    np.testing.assert_array_equal(book.patches[codes], few[at])


@pytest.mark.parametrize("side", [2, 8], ids=["float32", "float64"])
def test_a_code_is_that_of_the_nearest_patch(side):
    pictures, book = _random(3, 8, 16, 3), PatchBook(_random(20, side, side, 3, seed=1))
    codes = book.encode(pictures)
    for n, row, column in np.ndindex(codes.shape):
        patch = pictures[n, row * side : (row + 1) * side, column * side : (column + 1) * side].astype(int)
        assert codes[n, row, column] == np.argmin(((book.patches.astype(int) - patch) ** 2).sum(axis=(1, 2, 3)))


def test_the_book_is_where_lloyds_algorithm_ends():
    """Four groups of colours: each code is the mean of its group, rounded."""
    rng = np.random.default_rng(2)
    group = rng.integers(0, 4, (50, 6, 6))
    pictures = (np.array([[10, 10, 10], [240, 20, 20], [20, 230, 30], [200, 200, 250]])[group] + rng.integers(-4, 5, (50, 6, 6, 3))).astype(np.uint8)
    book = PatchBook.of(pictures, 1, 4)
    codes = book.encode(pictures)
    assert len(np.unique(codes[group == 0])) == 1 and len(np.unique(codes)) == 4
    for code in range(4):
        np.testing.assert_array_equal(book.patches[code, 0, 0], np.floor(pictures[codes == code].mean(axis=0) + 0.5))


def test_a_source_of_codes_keeps_what_it_is_made_of():
    digits, coded = open_source("digits"), open_source("coded:patch=4/codes=32+digits")
    assert (coded.spec.key, coded.spec.shape, coded.spec.levels) == ("tokens", (2, 2), 32)
    assert (coded.spec.num_classes, coded.spec.train_size, coded.spec.eval_size) == (10, digits.spec.train_size, digits.spec.eval_size)
    for split in ("train", "eval"):
        at = np.arange(20)
        mine, theirs = coded.splits[split].rows(at), digits.splits[split].rows(at)
        np.testing.assert_array_equal(mine["label"], theirs["label"])
        assert "image" not in mine and mine["tokens"].shape == (20, 2, 2)
        drawn = coded.decoded(mine["tokens"])
        assert drawn.shape == theirs["image"].shape and np.abs(drawn.astype(int) - theirs["image"]).mean() < np.abs(theirs["image"] - 8.0).mean() / 2


def test_what_a_code_stands_for_is_told():
    """Each picture is the points of its codes, patch by patch, and a point is as many levels as the source has."""
    coded = open_source("coded:patch=4/codes=32+digits")
    tokens = coded.splits["eval"].rows(np.arange(5))["tokens"]
    points = np.array(coded.spec.book.points)
    assert coded.spec.book.levels == open_source("digits").spec.levels == 17 and points.shape == (32, 16)
    for row, picture in zip(tokens, coded.decoded(tokens), strict=True):
        for (down, right), code in np.ndenumerate(row):
            np.testing.assert_array_equal(picture[4 * down : 4 * down + 4, 4 * right : 4 * right + 4].reshape(-1), points[code])


def test_sounds_and_films_have_codes_too():
    """Four values, or 2 x 2 x 2, are a patch; where there are but few different ones, nothing is lost."""
    for side, few in ((4, _random(5, 4, 1)), (2, _random(5, 2, 2, 2, 1))):
        at = np.random.default_rng(1).integers(0, 5, (30, *(3,) * (few.ndim - 2)))
        rows = PatchBook(few).decode(at)
        assert rows.shape == (30, *(3 * side,) * (few.ndim - 2), 1)
        first = rows[(slice(None), *(slice(side),) * (few.ndim - 2))]
        np.testing.assert_array_equal(first, few[at.reshape(30, -1)[:, 0]])
        np.testing.assert_array_equal(PatchBook.of(rows, side, 5).decode(PatchBook.of(rows, side, 5).encode(rows)), rows)


def test_codes_are_shown_and_heard_as_what_they_stand_for():
    digits, coded = open_source("digits"), open_source("coded:patch=4/codes=32+digits")
    tokens = coded.splits["eval"].rows(np.arange(6))["tokens"]
    np.testing.assert_array_equal(media.sheet(coded, tokens, 3), media.sheet(digits, coded.decoded(tokens), 3))
    assert digits.plain is digits and coded.plain.spec == digits.spec and digits.decoded(tokens) is tokens

    spec = DataSpec("toy sounds", "array", (64, 1), 256, 0, 18, 2)
    sounds = Source(spec, hold_out(ArrayRows({"array": _random(20, 64, 1)})), medium=Sound(2000, lambda levels: levels / 128 - 1.0))
    coded = coded_source("coded:toy", "patch=4/codes=30+toy", lambda _: sounds)
    tokens = coded.splits["eval"].rows(np.arange(2))["tokens"]
    assert media.recordings(coded, tokens) == media.recordings(sounds, coded.decoded(tokens)) != {}


def test_the_book_is_of_the_training_split_alone():
    digits = open_source("digits")
    other = dataclasses.replace(digits, splits=digits.splits | {"eval": digits.splits["train"]})
    books = [coded_source("coded:x", "patch=4/codes=32+x", lambda _, source=source: source).splits["eval"].book for source in (digits, other)]
    np.testing.assert_array_equal(books[0].patches, books[1].patches)


def test_what_has_no_codes():
    with pytest.raises(UsageError, match="none that code books are made for"):
        open_source("coded:moving:shapes")
    with pytest.raises(UsageError, match="none that code books are made for"):
        open_source("coded:shapes:s8")
    with pytest.raises(UsageError, match="patches of 3 do not fill 8 x 8"):
        open_source("coded:patch=3+digits")
    with pytest.raises(UsageError, match="'sides' is no option"):
        open_source("coded:sides=3+digits")
    with pytest.raises(UsageError, match="the kinds are"):
        open_source("coded:")
