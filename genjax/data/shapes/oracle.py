"""The oracle: reads a picture back into facts, by one matrix product, on the device.

1. Every pixel becomes the palette's nearest colour, or unknown where that is farther than half the least distance between two colours.
2. The background is the one that more pixels of the cells' borders show.
3. Every cell is compared with all contents on that background, objects at any of 4x4 offsets: the one that disagrees in the fewest pixels is
   what the cell shows. With more than two wrong pixels it shows nothing that there is, and is not accepted.

A picture is valid if every cell is accepted. What it shows may be another scene than the one that was asked for: that is `follow`.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from genjax.data.shapes import scenes
from genjax.data.shapes.scenes import CELL, OBJECT_COLOURS, PALETTE, SHAPES, Tier
from genjax.types import Array

FARTHEST = 88.0  # levels; the least distance between two colours is 176.7
WRONG_PIXELS = 2  # of a cell that is still accepted
_OFFSETS = 4  # down and across


class Facts(NamedTuple):
    """What B pictures show.

    Attributes:
      background: int32 [B], 0 or 1.
      shape, colour: int32 [B, n] of each cell's object; SHAPES and OBJECT_COLOURS where the cell is empty.
      offset: int32 [B, n], 4 dy + dx of the mask in its cell; -1 where it is empty.
      accepted: bool [B, n], whether the cell shows something that there is.
    """

    background: Array
    shape: Array
    colour: Array
    offset: Array
    accepted: Array

    @property
    def valid(self) -> Array:
        """bool [B]."""
        return jnp.all(self.accepted, axis=-1)

    @property
    def k(self) -> Array:
        """Objects in accepted cells, int32 [B]."""
        return jnp.sum((self.shape < SHAPES) & self.accepted, axis=-1)


def _templates() -> tuple[np.ndarray, np.ndarray]:
    """Contents with every offset: one-hot pixels float32 [2 * 897, 64 * 9], and (background, shape, colour, offset) of each [2 * 897, 4]."""
    facts = [(b, SHAPES, OBJECT_COLOURS, -1) for b in range(2)]
    facts += [(b, s, c, o) for b in range(2) for s in range(SHAPES) for c in range(OBJECT_COLOURS) for o in range(_OFFSETS**2)]
    empty = [np.full((CELL, CELL), b) for b in range(2)]
    cells = np.array([empty[b] if o < 0 else scenes.cell(b, s, c, *divmod(o, _OFFSETS)) for b, s, c, o in facts])
    return np.eye(len(PALETTE), dtype=np.float32)[cells].reshape(len(cells), -1), np.array(facts, np.int32)


_PIXELS, _FACTS = _templates()
_BORDER = np.pad(np.zeros((CELL - 2, CELL - 2), bool), 1, constant_values=True).ravel()


def nearest(image: Array) -> Array:
    """Palette numbers int32 [B, H, W] of images [B, H, W, 3] in levels; len(PALETTE), "unknown", where no colour is near."""
    distance = jnp.linalg.norm(jnp.asarray(image, jnp.float32)[..., None, :] - jnp.asarray(PALETTE, jnp.float32), axis=-1)
    return jnp.where(jnp.min(distance, axis=-1) > FARTHEST, len(PALETTE), jnp.argmin(distance, axis=-1))


def read(tier: Tier, image: Array) -> Facts:
    """The facts of images [B, H, W, 3], levels 0 .. 255 of any numeric type."""
    return read_numbers(tier, nearest(image))


def read_numbers(tier: Tier, numbers: Array) -> Facts:
    """The facts of palette numbers [B, H, W]; len(PALETTE) is a pixel of unknown colour."""
    grid = numbers.reshape(-1, tier.side, CELL, tier.side, CELL)
    cells = jnp.swapaxes(grid, 2, 3).reshape(-1, tier.cells, CELL * CELL)
    border = cells[..., _BORDER]
    background = (jnp.sum(border == 1, axis=(1, 2)) > jnp.sum(border == 0, axis=(1, 2))).astype(jnp.int32)
    shown = (cells[..., None] == jnp.arange(len(PALETTE))).astype(jnp.float32).reshape(*cells.shape[:2], -1)
    agreement = shown @ _PIXELS.T
    agreement = jnp.where(_FACTS[:, 0] == background[:, None, None], agreement, -1.0)
    best = jnp.asarray(_FACTS)[jnp.argmax(agreement, axis=-1)]
    accepted = jnp.max(agreement, axis=-1) >= CELL * CELL - WRONG_PIXELS
    return Facts(background, best[..., 1], best[..., 2], best[..., 3], accepted)


def shown(tier: Tier, codes: np.ndarray) -> scenes.Scenes:
    """The scenes of true codes [n, h, w]."""
    facts = read_numbers(tier, jnp.asarray(scenes.decode(codes), jnp.int32))
    shape, colour, place = (np.asarray(part) for part in (facts.shape, facts.colour, facts.offset))
    offset = 2 * (place // 4 - 1) + place % 4 - 1
    return scenes.Scenes(np.asarray(facts.background), np.where(shape < scenes.SHAPES, scenes.content(shape, colour, offset), 0))


def same(found: Facts, known: Facts) -> Array:
    """bool [B]: whether two readings show the same background and the same objects at the same places."""
    cells = (found.shape == known.shape) & (found.colour == known.colour) & (found.offset == known.offset)
    return (found.background == known.background) & jnp.all(cells, axis=-1)


def facts(drawn: scenes.Scenes) -> Facts:
    """What scenes are known to show, without looking."""
    offset = (drawn.contents - 1) % scenes.OFFSETS
    place = np.where(drawn.contents > 0, (1 + offset // 2) * _OFFSETS + 1 + offset % 2, -1)
    known = (drawn.background, scenes.SHAPE_OF[drawn.contents], scenes.COLOUR_OF[drawn.contents], place, drawn.contents >= 0)
    return Facts(*map(jnp.asarray, known))
