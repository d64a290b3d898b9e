"""Text with a gap, for a model that writes from left to right: what is after the gap comes first (arXiv:2207.14255, "SPM").

    prefix middle suffix   ->   SUFFIX suffix PREFIX prefix middle END                              (1)

The middle goes on from the prefix as in any text, so all that is new to learn is to arrive at the suffix, and no mark says where it begins: a row
of (1) is cut once, whatever the prefix is. With the middle behind the suffix, as is usual, a small model forgets the prefix over it.

The three marks are the last ids of the vocabulary. SUFFIX says that a row is written so; it is there to be seen and is never predicted. The other
marks are predicted and stand for no bytes, so a row in either order is worth the bytes of its text.

Training windows are cut three tokens short. Each is written as (1) with a given probability, cut at a uniform place that every epoch draws anew;
any other has its three last places empty.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from genjax.data.base import Arrays, EpochRows, Marks, Rows

MARKS = len(Marks._fields)


def asked(prefix: np.ndarray, suffix: np.ndarray, marks: Marks) -> np.ndarray:
    """(1) up to the middle: int32 [n]."""
    return np.concatenate([[marks.suffix], suffix, [marks.prefix], prefix]).astype(np.int32)


def suffix_first(tokens: np.ndarray, stop: np.ndarray, marks: Marks) -> np.ndarray:
    """(1) of texts int32 [n, W] whose suffixes begin at stop [n]: int32 [n, W + MARKS]."""
    count, width = tokens.shape
    at, stop = np.arange(width), stop[:, None]
    found = np.full((count, width + MARKS), marks.end, np.int32)
    np.put_along_axis(found, np.where(at < stop, at + width - stop + 2, at - stop + 1), tokens, axis=1)
    for mark, where in ((marks.suffix, 0 * stop), (marks.prefix, width - stop + 1)):
        np.put_along_axis(found, where, mark, axis=1)
    return found


def as_asked(rows: Arrays, stop: np.ndarray, marks: Marks) -> Arrays:
    """Rows of one window each, in which the last MARKS places are empty, as (1); `loss_mask` and `num_units` are those of all of it."""
    width = rows["tokens"].shape[1] - MARKS
    tokens = suffix_first(rows["tokens"][:, :width], stop, marks)
    return rows | {
        "tokens": tokens,
        "segment_ids": np.ones_like(tokens),
        "positions": np.broadcast_to(np.arange(width + MARKS, dtype=np.int32), tokens.shape),
        "loss_mask": (tokens != marks.suffix).astype(np.float32),
    }


def only_gap(rows: Arrays, start: np.ndarray, stop: np.ndarray, sizes: np.ndarray) -> Arrays:
    """The same rows of text with nothing supervised but [start, stop), for tokens that stand for `sizes` bytes [V]."""
    at = np.arange(rows["tokens"].shape[1])
    gap = (at >= start[:, None]) & (at < stop[:, None])
    return rows | {"loss_mask": gap.astype(np.float32), "num_units": np.sum(gap * sizes[rows["tokens"]], axis=1).astype(np.float32)}


@dataclasses.dataclass(frozen=True)
class SuffixFirst:
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
        draws = np.random.default_rng([seed, epoch, 2]).random((len(self), 2))
        return _Drawn(self.parent.at_epoch(seed, epoch), draws, self.share, self.marks)


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """One epoch; draws: [N, 2], uniform in [0, 1): which rows, and where they are cut."""

    parent: Rows
    draws: np.ndarray
    share: float
    marks: Marks

    def __len__(self) -> int:
        return len(self.parent)

    def rows(self, indices: np.ndarray) -> Arrays:
        plain = {name: _longer(array) for name, array in self.parent.rows(indices).items()}
        width = plain["tokens"].shape[1] - MARKS
        written = as_asked(plain, (self.draws[indices, 1] * (width + 1)).astype(np.int64), self.marks)
        chosen = self.draws[indices, 0] < self.share
        return {name: np.where(chosen.reshape(-1, *[1] * (array.ndim - 1)), written[name], array) for name, array in plain.items()}


def _longer(array: np.ndarray) -> np.ndarray:
    return np.pad(array, ((0, 0), (0, MARKS))) if array.ndim > 1 else array
