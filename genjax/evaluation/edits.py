"""What a user gives to edit: a picture, and the part of it that is to be drawn anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from genjax.config import require
from genjax.data.sources import Source
from genjax.errors import DataError
from genjax.evaluation.pictures import sheet
from genjax.types import DataSpec


def read_image(path: str, spec: DataSpec) -> np.ndarray:
    """A picture file as levels [H, W, C] of the data; DataError where it is none or of another size."""
    height, width, channels = spec.shape
    pixels = np.asarray(_open(path, spec).convert("L" if channels == 1 else "RGB"), np.float64).reshape(height, width, -1)
    return np.round(pixels[..., :channels] * (spec.levels - 1) / 255).astype(np.uint8)


def read_ends(text: str, source: Source) -> tuple[np.ndarray, np.ndarray | None]:
    """Two images [2, H, W, C] and their labels [2]: "3,17", rows of the held-out split, or "a.png,b.png", without labels."""
    names = [name.strip() for name in text.split(",")]
    require(len(names) == 2, f"--interpolate={text}: give two, as in 3,17 (rows of the held-out split) or a.png,b.png")
    if not all(name.isdigit() for name in names):
        return np.stack([read_image(name, source.spec) for name in names]), None
    held_out, numbers = source.splits["eval"], np.array([int(name) for name in names])
    require(int(numbers.max()) < len(held_out), f"--interpolate={text}: the held-out split has rows 0 to {len(held_out) - 1}")
    rows = held_out.rows(numbers)
    return rows["image"], rows.get("label")


def read_region(text: str, spec: DataSpec) -> np.ndarray:
    """bool [H, W, 1], true in a box "top,left,bottom,right" (the last two exclusive) or where a picture file is white."""
    height, width, _ = spec.shape
    numbers = text.split(",")
    if len(numbers) != 4:
        return np.asarray(_open(text, spec).convert("L"))[..., None] > 127
    require(all(number.strip().isdigit() for number in numbers), f"--redraw={text}: give four pixel numbers top,left,bottom,right, or a picture file")
    top, left, bottom, right = map(int, numbers)
    require(
        0 <= top < bottom <= height and 0 <= left < right <= width,
        f"--redraw={text} is no box in images of {height}x{width}: give top,left,bottom,right with top < bottom and left < right",
    )
    region = np.zeros((height, width, 1), bool)
    region[top:bottom, left:right] = True
    return region


_ACROSS, _HEIGHT = 12, 64  # images side by side, and dots that each is about high


def before_and_after(before: np.ndarray, keep: np.ndarray | None, after: np.ndarray, spec: DataSpec) -> np.ndarray:
    """Images [n, H, W, C] above what was kept of them (the rest gray) and what became of them, in bands of twelve side by side."""
    rows = [before] if keep is None else [before, np.where(keep, before, spec.levels // 2)]
    bands = []
    for start in range(0, len(before), _ACROSS):
        strips = [group[start : start + _ACROSS] for group in (*rows, after)]
        band = sheet(np.concatenate(strips), spec, len(strips[0]), height=_HEIGHT)
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
