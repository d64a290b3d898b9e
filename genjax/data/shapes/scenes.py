"""Scenes: how one is drawn, how probable it is, and how it becomes pixels or codes.

A canvas of n cells of 8x8 pixels holds k objects, each in a cell of its own:

    background ~ {black, gray};   k ~ {0 .. K};   the k occupied cells ~ all C(n, k) sets;
    each object: shape ~ 8, colour ~ 7, offset (dy, dx) ~ {1, 2}^2            all uniform and independent         (1)

so that a scene with k objects has exactly

    -log2 p = 1 + log2(K + 1) + log2 C(n, k) + k log2(8 * 7 * 4)  bits,                                           (2)

and the mean of (2) over k is the entropy of the data. Rendering is injective: (2) is also the information in the picture.

What a cell shows is one of 225 contents: 0 is empty, 1 + ((shape * 7 + colour) * 4 + offset) an object. Objects stay inside their cells and
cells begin at even pixels, so a 2x2 patch shows at most one colour besides the background. There are 205 such patches, the same in every
tier: a lossless code book with a quarter as many positions as pixels.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from genjax.data.shapes import counter

CELL = 8  # pixels a side
PATCH = 2

# 5x5 masks. Any two differ in at least 8 pixels, however they are shifted against each other (a test): a reader can mend two wrong pixels.
MASKS = {
    "square": "##### ##### ##### ##### #####",
    "circle": ".###. #...# #...# #...# .###.",
    "triangle": "..#.. ..#.. .#.#. #...# #####",
    "cross": "#...# .#.#. ..#.. .#.#. #...#",
    "plus": "..#.. ..#.. ##### ..#.. ..#..",
    "heart": ".#.#. ##### ##### .###. ..#..",
    "ell": "#.... #.... #.... #.... #####",
    "hourglass": "##### .###. ..#.. .###. #####",
}
COLOURS = {
    "red": (230, 25, 25),
    "green": (25, 230, 25),
    "blue": (25, 25, 230),
    "yellow": (230, 230, 25),
    "pink": (230, 25, 230),
    "cyan": (25, 230, 230),
    "white": (230, 230, 230),
}
BACKGROUNDS = {"black": (25, 25, 25), "gray": (128, 128, 128)}
SHAPE_NAMES, COLOUR_NAMES, BACKGROUND_NAMES = tuple(MASKS), tuple(COLOURS), tuple(BACKGROUNDS)
SHAPES, OBJECT_COLOURS, OFFSETS = len(MASKS), len(COLOURS), 4
CONTENTS = 1 + SHAPES * OBJECT_COLOURS * OFFSETS  # of a cell: 225

# The nine colours there are: backgrounds 0 and 1, then the objects' own.
PALETTE = np.array([*BACKGROUNDS.values(), *COLOURS.values()], np.uint8)


@dataclasses.dataclass(frozen=True)
class Tier:
    """A size of scenes: `side` cells a side and at most `max_count` objects."""

    name: str
    side: int
    max_count: int

    @property
    def cells(self) -> int:
        """n."""
        return self.side**2

    @property
    def counts(self) -> range:
        """The values of k."""
        return range(self.max_count + 1)

    @property
    def pixels(self) -> int:
        """Pixels a side."""
        return self.side * CELL

    @property
    def patches(self) -> int:
        """Codes a side."""
        return self.pixels // PATCH


TIERS = {tier.name: tier for tier in (Tier("s8", 1, 1), Tier("s16", 2, 4), Tier("s24", 3, 6), Tier("s32", 4, 8))}


class Scenes(NamedTuple):
    """N scenes: background [N] in {0, 1}, contents [N, n] of the cells, row by row, in [0, 225)."""

    background: np.ndarray
    contents: np.ndarray

    @property
    def k(self) -> np.ndarray:
        """k [N]."""
        return (self.contents > 0).sum(axis=-1)


# ---- probabilities -------------------------------------------------------------------------------------------------


def bits(tier: Tier, count: np.ndarray | int) -> np.ndarray:
    """Equation (2) for scenes with `count` objects, float64 of the same shape."""
    each = [1 + math.log2(tier.max_count + 1) + math.log2(math.comb(tier.cells, k)) + k * math.log2(CONTENTS - 1) for k in tier.counts]
    return np.array(each)[count]


def entropy(tier: Tier) -> float:
    """Bits of a scene on average: the mean of (2) over k."""
    return float(np.mean(bits(tier, np.array(tier.counts))))


def number_of_scenes(tier: Tier) -> int:
    """Distinct scenes, hence distinct pictures."""
    return 2 * sum(math.comb(tier.cells, k) * (CONTENTS - 1) ** k for k in tier.counts)


# ---- drawing -------------------------------------------------------------------------------------------------------


def draw(tier: Tier, state: np.ndarray, count: np.ndarray) -> Scenes:
    """A scene with count[i] objects from each state uint64 [N] of `counter`: equation (1) given k."""
    words = counter.words(state, tier.cells + 1)
    order, attributes = words[:, 1:], counter.below(words[:, 1:], CONTENTS - 1)
    # The k cells with the smallest words are occupied; the attributes are low bits, which do not move the order.
    last = np.take_along_axis(np.sort(order, axis=1), np.maximum(count - 1, 0)[:, None], axis=1)
    occupied = (order <= last) & (count > 0)[:, None]
    return Scenes(counter.below(words[:, 0], 2), np.where(occupied, 1 + attributes, 0))


def draw_count(counts: range, state: np.ndarray) -> np.ndarray:
    """k [N], uniform on a range, of each state uint64 [N]."""
    return counts.start + counter.below(counter.fold(state, 0), len(counts))


def sample(tier: Tier, rows: int, seed: int = 0) -> Scenes:
    """`rows` independent scenes."""
    state = counter.fold(counter.start(seed), np.arange(rows))
    return draw(tier, counter.fold(state, 1), draw_count(tier.counts, state))


def enumerate_all(tier: Tier) -> Scenes:
    """Every scene of a tier of one cell."""
    assert tier.cells == 1, "only scenes of one cell are few enough to be listed"
    background, contents = np.divmod(np.arange(2 * CONTENTS), CONTENTS)
    return Scenes(background, contents[:, None])


# ---- contents ------------------------------------------------------------------------------------------------------


def content(shape: np.ndarray | int, colour: np.ndarray | int, offset: np.ndarray | int) -> np.ndarray:
    """The content of a cell with an object; `offset` is 2 (dy - 1) + (dx - 1)."""
    return 1 + (np.asarray(shape) * OBJECT_COLOURS + colour) * OFFSETS + offset


# Shape and colour [225] of a content; of an empty cell, the numbers one past the last.
_OBJECT = (np.arange(CONTENTS) - 1) // OFFSETS
SHAPE_OF = np.where(np.arange(CONTENTS) > 0, _OBJECT // OBJECT_COLOURS, SHAPES)
COLOUR_OF = np.where(np.arange(CONTENTS) > 0, _OBJECT % OBJECT_COLOURS, OBJECT_COLOURS)


def mask(shape: int) -> np.ndarray:
    """bool [5, 5]."""
    return np.array([[pixel == "#" for pixel in row] for row in MASKS[SHAPE_NAMES[shape]].split()])


def cell(background: int, shape: int, colour: int, dy: int, dx: int) -> np.ndarray:
    """Palette numbers uint8 [8, 8] of an object whose mask begins at row dy and column dx."""
    pixels = np.full((CELL, CELL), background, np.uint8)
    pixels[dy : dy + 5, dx : dx + 5][mask(shape)] = len(BACKGROUNDS) + colour
    return pixels


def _templates() -> np.ndarray:
    objects = [(s, c, dy, dx) for s in range(SHAPES) for c in range(OBJECT_COLOURS) for dy in (1, 2) for dx in (1, 2)]
    return np.array([[np.full((CELL, CELL), b, np.uint8), *(cell(b, *each) for each in objects)] for b in range(len(BACKGROUNDS))])


# What a cell looks like: palette numbers uint8 [2, 225, 8, 8] by background and content.
TEMPLATES = _templates()


# ---- codes ---------------------------------------------------------------------------------------------------------
# 0, 1: a patch of background; 2 .. 8: a patch of one colour; then, for each background and colour, the 14 patterns of both.


def _code_book() -> np.ndarray:
    patterns = [[(bits >> i) & 1 for i in range(PATCH * PATCH)] for bits in range(1, 15)]
    flat = [[number] * PATCH * PATCH for number in range(len(PALETTE))]
    mixed = [[c if bit else b for bit in pattern] for b in range(2) for c in range(2, len(PALETTE)) for pattern in patterns]
    return np.array(flat + mixed, np.uint8).reshape(-1, PATCH, PATCH)


CODE_BOOK = _code_book()  # palette numbers uint8 [205, 2, 2]
CODES = len(CODE_BOOK)


def _digits(patches: np.ndarray) -> np.ndarray:
    """Patches [..., 2, 2] of palette numbers as one number in base 9."""
    return patches.reshape(*patches.shape[:-2], -1).astype(np.int64) @ (len(PALETTE) ** np.arange(PATCH * PATCH))


_CODE_OF = np.full(len(PALETTE) ** (PATCH * PATCH), -1, np.int16)
_CODE_OF[_digits(CODE_BOOK)] = np.arange(CODES)


def encode(pixels: np.ndarray) -> np.ndarray:
    """Codes int16 [N, H/2, W/2] of palette numbers [N, H, W]; -1 for a patch that is not in the book."""
    rows, height, width = pixels.shape
    patches = pixels.reshape(rows, height // PATCH, PATCH, width // PATCH, PATCH).swapaxes(2, 3)
    return _CODE_OF[_digits(patches)]


def decode(codes: np.ndarray) -> np.ndarray:
    """Palette numbers uint8 [N, 2 h, 2 w] of codes [N, h, w]."""
    rows, height, width = codes.shape
    return CODE_BOOK[codes].swapaxes(2, 3).reshape(rows, height * PATCH, width * PATCH)


CODE_TEMPLATES = encode(TEMPLATES.reshape(-1, CELL, CELL)).reshape(2, CONTENTS, CELL // PATCH, CELL // PATCH)


# ---- rendering -----------------------------------------------------------------------------------------------------


def _assemble(tier: Tier, cells: np.ndarray) -> np.ndarray:
    """Cells [N, n, a, a] as canvases [N, side * a, side * a]."""
    rows, size = len(cells), tier.side * cells.shape[-1]
    grid = cells.reshape(rows, tier.side, tier.side, *cells.shape[2:])
    return grid.swapaxes(2, 3).reshape(rows, size, size)


def palette_numbers(tier: Tier, scenes: Scenes) -> np.ndarray:
    """The picture as palette numbers uint8 [N, H, W]."""
    return _assemble(tier, TEMPLATES[scenes.background[:, None], scenes.contents])


def codes(tier: Tier, scenes: Scenes) -> np.ndarray:
    """The picture as codes int16 [N, H/2, W/2]."""
    return _assemble(tier, CODE_TEMPLATES[scenes.background[:, None], scenes.contents])


def image(tier: Tier, scenes: Scenes) -> np.ndarray:
    """The picture uint8 [N, H, W, 3]."""
    return PALETTE[palette_numbers(tier, scenes)]


def objects_shown(tier: Tier, codes: np.ndarray) -> np.ndarray:
    """How many cells of codes int [N, H/2, W/2] show an object: k [N] of true scenes."""
    numbers = decode(codes).reshape(-1, tier.side, CELL, tier.side, CELL)
    return (numbers >= len(BACKGROUNDS)).any(axis=(2, 4)).sum(axis=(1, 2))
