"""What a user gives to edit: a picture, and the part of it that is to be drawn anew."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from genjax.config import require
from genjax.data.sources import Source
from genjax.errors import DataError
from genjax.evaluation import media, pictures
from genjax.types import DataSpec


def read_image(path: str, spec: DataSpec) -> np.ndarray:
    """A picture file as levels [H, W, C] of the data; DataError where it is none or of another size."""
    height, width, channels = spec.shape
    pixels = np.asarray(_open(path, spec).convert("L" if channels == 1 else "RGB"), np.float64).reshape(height, width, -1)
    return np.round(pixels[..., :channels] * (spec.levels - 1) / 255).astype(np.uint8)


def read_ends(text: str, source: Source) -> tuple[np.ndarray, np.ndarray | None]:
    """Two images, or other arrays, [2, ...] and their labels [2]: "3,17", rows of the held-out split, or "a.png,b.png", without labels."""
    names = [name.strip() for name in text.split(",")]
    require(len(names) == 2, f"--interpolate={text}: give two, as in 3,17 (rows of the held-out split) or a.png,b.png")
    if not all(name.isdecimal() for name in names):
        require(source.spec.key == "image", f"--interpolate={text}: only pictures are read from files, give two rows of the held-out split")
        return np.stack([read_image(name, source.spec) for name in names]), None
    held_out, numbers = source.splits["eval"], np.array([int(name) for name in names])
    require(int(numbers.max()) < len(held_out), f"--interpolate={text}: the held-out split has rows 0 to {len(held_out) - 1}")
    rows = held_out.rows(numbers)
    return rows[source.spec.key], rows.get("label")


def read_region(text: str, spec: DataSpec) -> np.ndarray:
    """bool [*axes, 1], true in a box or where a picture file is white; of rows of several arrays, in the one that is named.

    A box is where it begins along each axis and then where it ends (exclusive): top,left,bottom,right in an image. Of other arrays the last axes may
    be left out, and are whole: 2,6 are the frames 2 to 5 of a film.
    """
    if spec.parts:
        names = [part.name for part in spec.parts]
        require(text in names, f"--redraw={text}: a row has several arrays, name one of them: {', '.join(names)}")
        return spec.join([np.full((1, *part.shape), part.name == text) for part in spec.parts])[0]
    *sides, _ = spec.shape
    numbers, known = text.split(","), "x".join(map(str, sides))
    axes = len(numbers) // 2
    fits = len(numbers) == 2 * axes and (axes == 2 if spec.key == "image" else 1 <= axes <= len(sides))
    if spec.key == "image" and not fits:
        return np.asarray(_open(text, spec).convert("L"))[..., None] > 127
    require(
        fits and all(number.strip().isdecimal() for number in numbers),
        f"--redraw={text}: give four pixel numbers top,left,bottom,right, or a picture file"
        if spec.key == "image"
        else f"--redraw={text}: give where the box begins along the axes of {known}, and where it ends, or of the first axes only",
    )
    begin, end = np.array(numbers, int).reshape(2, axes)
    require(
        bool((begin < end).all() and (end <= sides[:axes]).all()),
        f"--redraw={text} is no box in images of {known}: give top,left,bottom,right with top < bottom and left < right"
        if spec.key == "image"
        else f"--redraw={text} is no box in arrays of {known}: it begins at 0 or later along each axis, and ends after that",
    )
    region = np.zeros((*sides, 1), bool)
    region[tuple(map(slice, begin, end))] = True
    return region


_ACROSS, _HEIGHT = 12, 64  # images side by side, and dots that each is about high


def before_and_after(before: np.ndarray, keep: np.ndarray | None, after: np.ndarray, source: Source) -> np.ndarray:
    """The data [n, ...] above what was kept of them (the rest gray) and what became of them, in bands of twelve or fewer side by side."""
    spec = source.spec
    gray = spec.join([np.full((1, *part.shape), part.levels // 2, np.uint8) for part in spec.arrays])
    rows = [before] if keep is None else [before, np.where(keep, before, gray)]
    shown, shades = [media.still(source, group) for group in (*rows, after)], dataclasses.replace(source.spec, levels=256)
    across = _ACROSS if shown[0].shape[2] < 48 else _ACROSS // 3
    bands = []
    for start in range(0, len(shown[0]), across):
        strips = [group[start : start + across] for group in shown]
        band = pictures.sheet(np.concatenate(strips), shades, len(strips[0]), height=_HEIGHT)
        bands.append(np.pad(band, ((0, _HEIGHT // 2), (0, 0), *[(0, 0)] * (band.ndim - 2)), constant_values=255))
    width = bands[0].shape[1]
    filled = [np.pad(band, ((0, 0), (0, width - band.shape[1]), *[(0, 0)] * (band.ndim - 2)), constant_values=255) for band in bands]
    return np.concatenate(filled)[: -_HEIGHT // 2]


def _open(path: str, spec: DataSpec) -> Image.Image:
    height, width, _ = spec.shape
    try:
        image = Image.open(Path(path))
        image.load()
    except (OSError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read as a picture: {error}") from error
    if image.size != (width, height):
        raise DataError(f"{path} is {image.size[0]}x{image.size[1]} pixels, and the model's images are {width}x{height}: resize it first")
    return image
