"""Text with a gap, for a model that writes from left to right: the middle comes last (arXiv:2207.14255).

    prefix middle suffix   ->   PREFIX prefix SUFFIX suffix MIDDLE middle END                       (1)

The four marks are the last ids of the vocabulary. PREFIX says that a row is written so; it is there to be seen and is never predicted. The other
marks are predicted and stand for no bytes, so a row in either order is worth the bytes of its text.

Training windows are cut four tokens short. Each is written as (1) with a given probability, cut at two places that are uniform and independent, drawn
anew in every epoch; any other has its four last places empty.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from genjax.data.base import Arrays, EpochRows, Marks, Rows

MARKS = len(Marks._fields)


def asked(prefix: np.ndarray, suffix: np.ndarray, marks: Marks) -> np.ndarray:
    """(1) up to MIDDLE: int32 [n]."""
    return np.concatenate([[marks.prefix], prefix, [marks.suffix], suffix, [marks.middle]]).astype(np.int32)


def middle_last(tokens: np.ndarray, start: np.ndarray, stop: np.ndarray, marks: Marks) -> np.ndarray:
    """(1) of texts int32 [n, W] whose middles are [start, stop), both [n]: int32 [n, W + MARKS]."""
    count, width = tokens.shape
    at, start, stop = np.arange(width), start[:, None], stop[:, None]
    place = np.where(at < start, at + 1, np.where(at < stop, at + width - stop + 3, at - stop + start + 2))
    found = np.full((count, width + MARKS), marks.end, np.int32)
    np.put_along_axis(found, place, tokens, axis=1)
    for mark, where in ((marks.prefix, 0 * start), (marks.suffix, start + 1), (marks.middle, width + start - stop + 2)):
        np.put_along_axis(found, where, mark, axis=1)
    return found


def as_asked(rows: Arrays, start: np.ndarray, stop: np.ndarray, marks: Marks) -> Arrays:
    """Rows of one window each, in which the last MARKS places are empty, as (1); `loss_mask` and `num_units` are those of all of it."""
    width = rows["tokens"].shape[1] - MARKS
    tokens = middle_last(rows["tokens"][:, :width], start, stop, marks)
    return rows | {
        "tokens": tokens,
        "segment_ids": np.ones_like(tokens),
        "positions": np.broadcast_to(np.arange(width + MARKS, dtype=np.int32), tokens.shape),
        "loss_mask": (tokens != marks.prefix).astype(np.float32),
    }


def only_gap(rows: Arrays, start: np.ndarray, stop: np.ndarray, sizes: np.ndarray) -> Arrays:
    """The same rows of text with nothing supervised but [start, stop), for tokens that stand for `sizes` bytes [V]."""
    at = np.arange(rows["tokens"].shape[1])
    gap = (at >= start[:, None]) & (at < stop[:, None])
    return rows | {"loss_mask": gap.astype(np.float32), "num_units": np.sum(gap * sizes[rows["tokens"]], axis=1).astype(np.float32)}


@dataclasses.dataclass(frozen=True)
class MiddleLast:
    """The windows of `parent`, a `share` of them as (1), in rows that are MARKS longer."""

    parent: EpochRows
    share: float
    marks: Marks

    def __len__(self) -> int:
        return len(self.parent)

    def rows(self, indices: np.ndarray) -> Arrays:
        return self.at_epoch(0, 0).rows(indices)

    def at_epoch(self, seed: int, epoch: int) -> Rows:
        """The windows of an epoch; a window's numbers depend on its own place alone."""
        draws = np.random.default_rng([seed, epoch, 2]).random((len(self), 3))
        return _Drawn(self.parent.at_epoch(seed, epoch), draws, self.share, self.marks)


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """One epoch; draws: [N, 3], uniform in [0, 1): which rows, and where they are cut."""

    parent: Rows
    draws: np.ndarray
    share: float
    marks: Marks

    def __len__(self) -> int:
        return len(self.parent)

    def rows(self, indices: np.ndarray) -> Arrays:
        plain = {name: _longer(array) for name, array in self.parent.rows(indices).items()}
        width = plain["tokens"].shape[1] - MARKS
        start, stop = np.sort((self.draws[indices, 1:] * (width + 1)).astype(np.int64), axis=1).T
        written = as_asked(plain, start, stop, self.marks)
        chosen = self.draws[indices, 0] < self.share
        return {name: np.where(chosen.reshape(-1, *[1] * (array.ndim - 1)), written[name], array) for name, array in plain.items()}


def _longer(array: np.ndarray) -> np.ndarray:
    return np.pad(array, ((0, 0), (0, MARKS))) if array.ndim > 1 else array
