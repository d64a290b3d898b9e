"""Text with a gap, for a model that writes from left to right: what is after the gap comes first (arXiv:2207.14255, "SPM").

    prefix middle suffix   ->   SUFFIX suffix PREFIX prefix middle END                              (1)

The middle goes on from the prefix as in any text, so all that is new to learn is to arrive at the suffix, and no mark says where it begins: a row
of (1) is cut once, whatever the prefix is. With the middle behind the suffix, as is usual, a small model forgets the prefix over it.

The three marks are the last ids of the vocabulary. SUFFIX says that a row is written so; it is there to be seen and is never predicted. The other
marks are predicted and stand for no bytes, so a row in either order is worth the bytes of its text.

Training windows are cut three tokens short. Each is written as (1) with a given probability, cut at uniform places that every epoch draws anew;
any other has its three last places empty. What is written as (1) is a window up to one of these places, and the rest follows as text of its own: were
it all of every window, where the row ends would say where the middle does.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from genjax.data.base import Arrays, EpochRows, Marks, Rows

MARKS = len(Marks._fields)


def asked(prefix: np.ndarray, suffix: np.ndarray, marks: Marks) -> np.ndarray:
    """(1) up to the middle: int32 [n]."""
    return np.concatenate([[marks.suffix], suffix, [marks.prefix], prefix]).astype(np.int32)


def suffix_first(tokens: np.ndarray, stop: np.ndarray, end: np.ndarray, marks: Marks) -> np.ndarray:
    """(1) of the first end [n] tokens of texts int32 [n, W], whose suffixes begin at stop [n], and behind it the others: int32 [n, W + MARKS]."""
    at, stop, end = np.arange(tokens.shape[1]), stop[:, None], end[:, None]
    found = np.full((len(tokens), tokens.shape[1] + MARKS), marks.end, np.int32)
    np.put_along_axis(found, np.where(at < stop, at + end - stop + 2, np.where(at < end, at - stop + 1, at + MARKS)), tokens, axis=1)
    for mark, where in ((marks.suffix, 0 * stop), (marks.prefix, end - stop + 1), (marks.end, end + 2)):
        np.put_along_axis(found, where, mark, axis=1)
    return found


def as_asked(rows: Arrays, stop: np.ndarray, end: np.ndarray, marks: Marks) -> Arrays:
    """Rows of one window each, in which the last MARKS places are empty, as (1) and a segment of what is behind it; `loss_mask` and `num_units` are
    those of all of it."""
    tokens = suffix_first(rows["tokens"][:, :-MARKS], stop, end, marks)
    at, behind = np.arange(tokens.shape[1], dtype=np.int32), end[:, None].astype(np.int32) + MARKS
    return rows | {
        "tokens": tokens,
        "segment_ids": np.where(at < behind, np.int32(1), np.int32(2)),
        "positions": np.where(at < behind, at, at - behind),
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
        stop, end = np.sort((self.draws[indices, 1:] * (width + 1)).astype(np.int64), axis=1).T
        written = as_asked(plain, stop, end, self.marks)
        chosen = self.draws[indices, 0] < self.share
        return {name: np.where(chosen.reshape(-1, *[1] * (array.ndim - 1)), written[name], array) for name, array in plain.items()}


def _longer(array: np.ndarray) -> np.ndarray:
    return np.pad(array, ((0, 0), (0, MARKS))) if array.ndim > 1 else array
