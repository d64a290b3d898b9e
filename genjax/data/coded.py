"""Pictures and sounds as few numbers: `coded:emoji`, `coded:patch=4/codes=1024+tfds:cifar10`, `coded:patch=4+spoken_digit`.

Every patch of a row, as many values along each axis, becomes the number of the nearest of a few patches, the code book, so that a picture of 32 x
32 pixels is 256 tokens of 512 values and not 3,072 of 256. The book is found by Lloyd's algorithm in patches of the training split (k-means; with
patches of one pixel it is the palette of Image GPT, Chen et al., 2020). What it loses no model sees: bits of codes are not those of what they stand
for, and compare with each other only.

Every number is whole and every sum exact, so the book is the same on every machine: a model's tokens mean the same wherever its run is read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from genjax.data.base import Arrays, Coded, Rows, Source
from genjax.data.options import options_before, read_options
from genjax.errors import UsageError
from genjax.types import Book

_SEED = 20261123
_LOOKED_AT = 512  # rows of the training split in which the book is found
_ROUNDS = 12
_CHUNK = 8192  # patches whose distances to all codes are held at once


@dataclasses.dataclass(frozen=True)
class PatchBook:
    """patches: uint8 [K, *(patch,) * axes, C], what the codes 0 to K - 1 stand for."""

    patches: np.ndarray

    def encode(self, rows: np.ndarray) -> np.ndarray:
        """int32 [n, *axes / patch], of rows uint8 [n, *axes, C] the nearest code of each patch, and the first of several."""
        side = self.patches.shape[1]
        plane = [size // side for size in rows.shape[1:-1]]
        return _nearest(_cut(rows, side), self.patches.reshape(len(self.patches), -1)).reshape(len(rows), *plane)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """uint8 [n, *axes, C] of codes int [n, *axes / patch]."""
        axes, (_, side, *_, channels) = codes.ndim - 1, self.patches.shape
        turned = [0, *(place for axis in range(axes) for place in (1 + axis, 1 + axes + axis)), 2 * axes + 1]
        return self.patches[codes].transpose(turned).reshape(len(codes), *(size * side for size in codes.shape[1:]), channels)

    @classmethod
    def of(cls, rows: np.ndarray, side: int, codes: int) -> PatchBook:
        """The book for patches of rows uint8 [n, *axes, C]: as many as asked for, or as there are different ones."""
        seen, count = np.unique(_cut(rows, side), axis=0, return_counts=True)
        book = seen if len(seen) <= codes else _means(seen, count, _spread(seen, count, codes))
        return cls(book.reshape(-1, *(side,) * (rows.ndim - 2), rows.shape[-1]))


@dataclasses.dataclass(frozen=True)
class CodedRows:
    """The rows of `parent` with `tokens` in place of their array, which is under `key`."""

    parent: Rows
    key: str
    book: PatchBook

    def __len__(self) -> int:
        return len(self.parent)

    def rows(self, indices: np.ndarray) -> Arrays:
        found = dict(self.parent.rows(indices))
        return found | {"tokens": self.book.encode(found.pop(self.key))}


def coded_source(name: str, argument: str, opened: Callable[[str], Source]) -> Source:
    """The arrays of a source as `tokens` int32 [n, *axes / patch], with their captions and classes.

    Args:
      name: as the config names it.
      argument: "source", or "patch=2/codes=512+source".
      opened: opens a source of that name.

    Raises:
      UsageError: an option that is none, a source of no arrays or of arrays that an oracle judges, or patches that do not fill them or are all alike.
    """
    options, of = options_before(argument)
    asked = read_options(name, options, {"patch": 2, "codes": 512})
    source, side = opened(of), asked["patch"]
    if not source.spec.ordered or source.spec.levels > 256 or source.spec.parts or source.prompts:
        raise UsageError(f"data source '{name}': {of} is none that code books are made for; digits, emoji, spoken_digit and tfds:<name> are")
    *axes, _ = source.spec.shape
    if any(size % side for size in axes):
        raise UsageError(f"data source '{name}': patches of {side} do not fill {' x '.join(map(str, axes))}: give a patch that divides that")
    train, figures = source.splits["train"], source.figures
    looked_at = np.linspace(0, len(train) - 1, min(len(train), _LOOKED_AT)).astype(int)
    book = PatchBook.of(train.rows(looked_at)[source.spec.key], side, asked["codes"])
    if len(book.patches) < 2:
        raise UsageError(f"data source '{name}': all patches are the same code; give codes=2 or more, of data that are not constant")
    plane = tuple(size // side for size in axes)
    told = Book(tuple(map(tuple, book.patches.reshape(len(book.patches), -1).tolist())), source.spec.levels)
    return dataclasses.replace(
        source,
        spec=dataclasses.replace(source.spec, name=name, key="tokens", shape=plane, levels=len(book.patches), unit="code", palette=(), book=told),
        splits={split: CodedRows(rows, source.spec.key, book) for split, rows in source.splits.items()},
        medium=Coded(source, book.decode),
        exact_nats=None,  # of the arrays, of which codes tell less
        told_nats=None,
        caption_nats=None,
        joint_nats=None,
        figures=None if figures is None else lambda data: figures(book.decode(data)),
    )


def _cut(rows: np.ndarray, side: int) -> np.ndarray:
    """The patches of rows [n, *axes, C], in their order: uint8 [n * prod(axes / side), side ** axes * C]."""
    n, *axes, channels = rows.shape
    parts = rows.reshape(n, *(size for axis in axes for size in (axis // side, side)), channels)
    turned = [0, *range(1, 2 * len(axes), 2), *range(2, 2 * len(axes) + 1, 2), 2 * len(axes) + 1]
    return np.ascontiguousarray(parts.transpose(turned).reshape(-1, side ** len(axes) * channels))


def _means(seen: np.ndarray, count: np.ndarray, book: np.ndarray) -> np.ndarray:
    """Lloyd's algorithm from `book` uint8 [K, D] in patches uint8 [n, D] that are there `count` times: each code the rounded mean of its patches."""
    for _ in range(_ROUNDS):
        nearest = _nearest(seen, book)
        size = np.bincount(nearest, count, len(book)).astype(np.int64)[:, None]
        total = np.stack([np.bincount(nearest, count * column, len(book)) for column in seen.T.astype(np.int64)], axis=1).astype(np.int64)
        book = np.where(size > 0, (2 * total + size) // np.maximum(2 * size, 1), book).astype(np.uint8)
    return book


def _spread(seen: np.ndarray, count: np.ndarray, codes: int) -> np.ndarray:
    """Where Lloyd's algorithm begins: patches drawn one after the other, each by its square distance from those before (k-means++, Arthur and
    Vassilvitskii, 2007), uint8 [codes, D] of patches uint8 [n, D] that are there `count` times."""
    random, values = np.random.RandomState(_SEED), seen.astype(np.float64)
    squares = np.sum(values * values, axis=1)
    chosen, distance = [int(np.argmax(count))], np.full(len(seen), np.inf)
    while len(chosen) < codes:
        distance = np.minimum(distance, squares - 2 * (values @ values[chosen[-1]]) + squares[chosen[-1]])
        mass = np.cumsum(count * distance)
        chosen.append(int(np.searchsorted(mass, random.random_sample() * mass[-1], side="right")))
    return seen[chosen]


def _nearest(patches: np.ndarray, book: np.ndarray) -> np.ndarray:
    """int32 [n], of patches uint8 [n, D] the place of the nearest in book uint8 [K, D]: the one that makes x.c - |c|^2/2 largest."""
    # Twice that is a whole number below 2 D 255^2, and whole numbers below 2^24 are exact in float32, in any order of addition.
    exact = np.float32 if 2 * book.shape[1] * 255**2 < 2**24 else np.float64
    codes = book.astype(exact)
    half = np.sum(codes * codes, axis=1) / 2
    chunks = [np.argmax(patches[at : at + _CHUNK].astype(exact) @ codes.T - half, axis=1) for at in range(0, len(patches), _CHUNK)]
    return np.concatenate([*chunks, np.zeros(0, np.int64)]).astype(np.int32)
