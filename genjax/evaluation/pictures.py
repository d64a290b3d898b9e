"""Sheets of images for people to look at."""

from __future__ import annotations

import numpy as np

from genjax.types import DataSpec


def sheet(images: np.ndarray, spec: DataSpec, columns: int, *, height: int = 40) -> np.ndarray:
    """Images [n, H, W, C] in levels as one picture uint8 [rows * size, columns * size(, 3)], row by row, with thin gaps.

    Every image is enlarged by a whole factor to about `height` pixels, without smoothing: a pixel stays a pixel.
    """
    pixels = to_uint8(images, spec.levels)
    factor = max(1, height // pixels.shape[1])
    pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    gap = max(1, factor // 2)
    pixels = np.pad(pixels, ((0, -len(pixels) % columns), (0, gap), (0, gap), (0, 0)), constant_values=255)
    rows = pixels.reshape(-1, columns, *pixels.shape[1:]).transpose(0, 2, 1, 3, 4)
    return np.squeeze(rows.reshape(-1, columns * pixels.shape[2], pixels.shape[3])[:-gap, :-gap])


def to_uint8(images: np.ndarray, levels: int) -> np.ndarray:
    """Levels [..., C] in [0, levels) as uint8 with 1 or 3 channels, the highest level white."""
    pixels = np.round(np.asarray(images, np.float64) * (255.0 / (levels - 1))).astype(np.uint8)
    return pixels if pixels.shape[-1] in (1, 3) else pixels[..., :1]
