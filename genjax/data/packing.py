"""From a stream of tokens to rows of one length: which pieces of it lie in a row, and which of their tokens are scored.

A piece is a range [start, stop) of the stream of at most T tokens, of which those from `scored` on are supervised and those before it are
context. A row holds one piece or several, each a segment of its own whose positions start at 0, so that none sees another; what is left is
padding. Windows of a long text are rows of one piece; documents are packed several to a row.

Scoring a range of the stream token by token, each once: the first piece scores T tokens and each later one `stride` more, with as many tokens of
context before them as fit. So a token has at least T - stride tokens of context, or all there are.
"""

from __future__ import annotations

import bisect
import dataclasses
from typing import NamedTuple

import numpy as np

from genjax.data.base import Arrays


class Stream(NamedTuple):
    """Tokens one after the other.

    Attributes:
      tokens: int32 [N].
      units: [N], raw units that each token stands for.
      ends: [documents], where each document ends.
      supervised: bool [N], false for tokens that are only there as context, in every piece.
    """

    tokens: np.ndarray
    units: np.ndarray
    ends: np.ndarray
    supervised: np.ndarray


class Pieces(NamedTuple):
    """start, scored, stop: int64 [P] each."""

    start: np.ndarray
    scored: np.ndarray
    stop: np.ndarray


def cover(start: int, stop: int, length: int, stride: int) -> Pieces:
    """The pieces that score every token of [start, stop) once."""
    ends = np.minimum(np.arange(start + length, max(stop, start + length) + stride, stride), stop)
    ends = ends[: 1 + np.searchsorted(ends, stop)]  # the first that reaches the end is the last
    scored = np.concatenate([[start], ends[:-1]])
    return Pieces(np.maximum(start, ends - length), scored, ends)


def join(parts: list[Pieces]) -> Pieces:
    return Pieces(*[np.concatenate(column) for column in zip(*parts, strict=True)])


def best_fit(lengths: np.ndarray, capacity: int) -> list[list[int]]:
    """Which items share a row: longest first, each into the fullest row that has room for it (best-fit decreasing).

    lengths: [P], each at most `capacity`. Rows come in the order of their first items.
    """
    rows: list[list[int]] = []
    with_room: dict[int, list[int]] = {}  # room left -> rows
    rooms: list[int] = []  # the keys, sorted
    for item in np.argsort(-lengths, kind="stable").tolist():
        at = bisect.bisect_left(rooms, lengths[item])
        if at == len(rooms):
            row, room = len(rows), capacity
            rows.append([])
        else:
            room = rooms[at]
            row = with_room[room].pop()
            if not with_room[room]:
                del with_room[room], rooms[at]
        rows[row].append(item)
        if left := room - int(lengths[item]):
            if left not in with_room:
                bisect.insort(rooms, left)
            with_room.setdefault(left, []).append(row)
    return sorted(sorted(row) for row in rows)


@dataclasses.dataclass(frozen=True)
class PackedRows:
    """Rows of `length` tokens; row r holds pieces first[r] ... first[r + 1] - 1."""

    stream: Stream
    pieces: Pieces
    first: np.ndarray
    length: int

    @classmethod
    def one_each(cls, stream: Stream, pieces: Pieces, length: int) -> PackedRows:
        """Every piece in a row of its own."""
        return cls(stream, pieces, np.arange(len(pieces.start) + 1), length)

    @classmethod
    def packed(cls, stream: Stream, pieces: Pieces, length: int) -> PackedRows:
        """As many pieces to a row as fit."""
        rows = best_fit(pieces.stop - pieces.start, length)
        order = np.concatenate([np.array(row, np.int64) for row in rows])
        return cls(stream, Pieces(*[column[order] for column in pieces]), np.cumsum([0, *map(len, rows)]), length)

    def __len__(self) -> int:
        return len(self.first) - 1

    def rows(self, indices: np.ndarray) -> Arrays:
        """The keys of text in `types.Batch`, for the rows at `indices` [n]."""
        n, counts = len(indices), self.first[indices + 1] - self.first[indices]
        piece = _ranges(self.first[indices], counts)
        start, lengths = self.pieces.start[piece], (self.pieces.stop - self.pieces.start)[piece]
        row_of_piece = np.repeat(np.arange(n), counts)
        before = np.cumsum(lengths) - lengths  # tokens of earlier pieces, in all rows
        offset = before - before[np.cumsum(counts) - counts][row_of_piece]

        source = _ranges(start, lengths)
        place = np.repeat(row_of_piece, lengths), _ranges(offset, lengths)
        supervised = self.stream.supervised[source] & (source >= np.repeat(self.pieces.scored[piece], lengths))
        return {
            "tokens": self._laid(place, n, self.stream.tokens[source], np.int32),
            "segment_ids": self._laid(place, n, np.repeat(_ranges(np.ones(n, np.int64), counts), lengths), np.int32),
            "positions": self._laid(place, n, _ranges(np.zeros(len(piece), np.int64), lengths), np.int32),
            "loss_mask": self._laid(place, n, supervised, np.float32),
            "num_units": self._laid(place, n, supervised * self.stream.units[source], np.float64).sum(axis=1).astype(np.float32),
        }

    def _laid(self, place: tuple[np.ndarray, np.ndarray], n: int, values: np.ndarray, dtype: type) -> np.ndarray:
        out = np.zeros((n, self.length), dtype)
        out[place] = values
        return out


@dataclasses.dataclass(frozen=True)
class Windows:
    """The training windows of a stream: every epoch cuts it elsewhere, by an offset in [0, length) drawn from (seed, epoch)."""

    stream: Stream
    length: int

    def __len__(self) -> int:
        return (len(self.stream.tokens) - self.length + 1) // self.length

    def rows(self, indices: np.ndarray) -> Arrays:
        return self._cut(0).rows(indices)

    def at_epoch(self, seed: int, epoch: int) -> PackedRows:
        """The windows of an epoch, whose order is the loader's."""
        return self._cut(int(np.random.default_rng([seed, epoch, 1]).integers(self.length)))

    def _cut(self, offset: int) -> PackedRows:
        start = offset + self.length * np.arange(len(self))
        return PackedRows.one_each(self.stream, Pieces(start, start, start + self.length), self.length)


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """start, start + 1, ..., start + length - 1 of every pair, one after the other."""
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
