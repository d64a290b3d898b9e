"""Sheets of images. Oracle: every pixel of the sheet, asked for its place."""

import numpy as np
import pytest

from genjax.evaluation.pictures import sheet, to_uint8
from genjax.types import DataSpec


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_of_a_sheet_is_where_it_belongs(channels):
    spec = DataSpec("toy", "image", (3, 4, channels), 6, 0, 1, 1)
    images = np.random.default_rng(0).integers(0, 6, (7, *spec.shape))
    columns, factor, gap = 3, 2, 1  # a height of 7 fits 3 pixels twice
    picture = sheet(images, spec, columns, height=7)
    assert picture.dtype == np.uint8
    down, across = 3 * factor + gap, 4 * factor + gap
    assert picture.shape == (3 * down - gap, 3 * across - gap, *([3] if channels == 3 else []))
    for y, x in np.ndindex(picture.shape[:2]):
        number = y // down * columns + x // across
        inside = y % down < 3 * factor and x % across < 4 * factor and number < 7
        expected = np.round(images[number, y % down // factor, x % across // factor] * 51) if inside else 255
        np.testing.assert_array_equal(picture[y, x], np.squeeze(expected))


def test_levels_go_from_black_to_white():
    levels = np.arange(17).reshape(1, 1, 17, 1)
    pixels = to_uint8(levels, 17)[0, 0, :, 0]
    assert (pixels[0], pixels[8], pixels[16]) == (0, 128, 255)
    assert (np.diff(pixels.astype(int)) > 0).all()
    np.testing.assert_array_equal(to_uint8(np.arange(256).reshape(1, 16, 16, 1), 256).reshape(-1), np.arange(256))


def test_other_numbers_of_channels_show_the_first():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 3, 5))
    np.testing.assert_array_equal(to_uint8(images, 256), images[..., :1])
