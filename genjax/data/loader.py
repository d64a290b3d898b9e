"""Batches whose order is a pure function of (seed, step).

The train stream is infinite: the permutation of epoch 0, then that of epoch 1, and so on, where epoch e of a split of n rows is
`default_rng([seed, e]).permutation(n)`, of windows that begin elsewhere in every epoch where the split is a text (`base.EpochRows`). The
global batch of step s is stream positions [s*B, (s+1)*B), whatever the epoch borders, and process p of P takes the p-th contiguous slice of
it. So the data state of a run is its step: no replay when resuming, no state to save beside it, and the same order on any number of processes.

grain sees a random-access source whose item k is this process's part of batch k, assembled by one vectorised gather (10-30 us for 64
small images; example by example, grain is fifty times slower), and adds the thread that assembles ahead.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator

import numpy as np

from genjax.data.base import Arrays, EpochRows, Rows, Source
from genjax.errors import UsageError

_PREFETCH_BYTES = 64 * 2**20
_PREFETCH_BATCHES = 16


def train_batches(source: Source, batch_size: int, seed: int, *, start_step: int = 0, process_index: int = 0, process_count: int = 1) -> TrainBatches:
    """The endless batches of the train split from `start_step` on.

    Args:
      source: an opened data set.
      batch_size: rows of a global batch, over all processes; a multiple of `process_count`.
      seed: of the order, >= 0.
      start_step: the step of the first batch, >= 0; a resumed run gives the `position` it had reached.
      process_index, process_count: which slice of every batch this process takes.

    Returns:
      An iterator of batches [batch_size / process_count, ...]: the keys of the source, `id` (stream position modulo 2^32) and `weight` (1).

    Raises:
      UsageError: an argument is out of its range.
    """
    share = _share(batch_size, process_index, process_count)
    if seed < 0 or start_step < 0:
        raise UsageError(f"the data seed ({seed}) and the start step ({start_step}) must not be negative")
    return TrainBatches(_TrainStream(source.splits["train"], batch_size, seed, share), start_step)


class TrainBatches(Iterator[Arrays]):
    """The iterator that `train_batches` returns."""

    def __init__(self, stream: _TrainStream, start_step: int):
        import grain  # takes a second to import; evaluation does without it

        # One thread: the work is a gather that holds the interpreter's lock, more threads only contend for it.
        options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=stream.prefetch)
        self._iterator = iter(grain.MapDataset.source(stream).to_iter_dataset(options))
        self._iterator.set_state({"next_index": start_step})
        self._stream = stream

    @property
    def position(self) -> int:
        """The step of the next batch: all there is to save."""
        return self._iterator.get_state()["next_index"]

    def __next__(self) -> Arrays:
        return next(self._iterator)

    def take(self, k: int) -> Arrays:
        """The next k batches, stacked [k, B, ...]: the input of k steps in one dispatch."""
        batches = [next(self._iterator) for _ in range(k)]
        return {key: np.stack([batch[key] for batch in batches]) for key in batches[0]}

    def like(self, k: int) -> Arrays:
        """What `take` returns, as far as shapes and dtypes go, for what is compiled ahead of it; no batch is used up, and nothing is stacked."""
        return {key: np.broadcast_to(array, (k, *array.shape)) for key, array in self._stream[self.position].items()}

    def close(self) -> None:
        """Ends the prefetch thread, as dropping the object does too; `position` can still be read."""
        self._iterator.close()


def eval_batches(
    source: Source, batch_size: int, *, split: str = "eval", limit: int | None = None, process_index: int = 0, process_count: int = 1
) -> Iterator[Arrays]:
    """A split once, in order.

    Args:
      source: an opened data set.
      batch_size: rows of a global batch, over all processes; a multiple of `process_count`.
      split: "eval", or "train" to measure what was learned from.
      limit: only the first `limit` rows, >= 1; None means all.
      process_index, process_count: which slice of every batch this process takes.

    Returns:
      Batches [batch_size / process_count, ...], equally many in every process: the keys of the source, `id` (the row's index in the
      split) and `weight`. Where the last batch has no row left it repeats row 0 with weight 0.

    Raises:
      UsageError: an argument is out of its range.
    """
    share = _share(batch_size, process_index, process_count)
    if limit is not None and limit < 1:
        raise UsageError(f"the limit of evaluated rows is {limit}; it must be at least 1")
    rows = source.splits[split]
    size = len(rows) if limit is None else min(limit, len(rows))
    return (_eval_batch(rows, size, start + np.arange(share.start, share.stop)) for start in range(0, size, batch_size))


def _eval_batch(rows: Rows, size: int, positions: np.ndarray) -> Arrays:
    real = positions < size
    indices = np.where(real, positions, 0)
    return {**rows.rows(indices), "id": indices.astype(np.uint32), "weight": real.astype(np.float32)}


class _TrainStream:
    """grain's random-access source: item k is this process's part of batch k."""

    def __init__(self, rows: Rows, batch_size: int, seed: int, share: range):
        self._rows, self._batch_size, self._seed, self._share = rows, batch_size, seed, share
        # Two, because a batch across an epoch's border needs both sides of it.
        self._epoch = functools.lru_cache(maxsize=2)(self._shuffle)

    def __len__(self) -> int:
        return sys.maxsize // self._batch_size  # as good as endless, and every stream position fits 64 bits

    def __getitem__(self, index: int) -> Arrays:
        n, first = len(self._rows), index * self._batch_size
        start, stop = first + self._share.start, first + self._share.stop
        parts = []
        for number in range(start // n, (stop - 1) // n + 1):
            rows, order = self._epoch(number)
            parts.append(rows.rows(order[max(0, start - number * n) : stop - number * n]))
        return {
            **(parts[0] if len(parts) == 1 else {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}),
            "id": np.arange(start, stop).astype(np.uint32),
            "weight": np.ones(stop - start, np.float32),
        }

    @property
    def prefetch(self) -> int:
        """Batches to hold ready: a few small ones, and never much memory."""
        row = self._rows.rows(np.zeros(1, np.int64))
        batch_bytes = len(self._share) * sum(array.nbytes for array in row.values())
        return max(2, min(_PREFETCH_BATCHES, _PREFETCH_BYTES // batch_bytes))

    def _shuffle(self, epoch: int) -> tuple[Rows, np.ndarray]:
        rows = self._rows.at_epoch(self._seed, epoch) if isinstance(self._rows, EpochRows) else self._rows
        return rows, np.random.default_rng([self._seed, epoch]).permutation(len(rows))


def _share(batch_size: int, process_index: int, process_count: int) -> range:
    """The rows of a global batch that belong to this process."""
    if not 0 <= process_index < process_count:
        raise UsageError(f"process {process_index} of {process_count} does not exist")
    if batch_size < 1 or batch_size % process_count:
        raise UsageError(f"batch_size is {batch_size}; it must be a positive multiple of the {process_count} processes")
    rows = batch_size // process_count
    return range(process_index * rows, (process_index + 1) * rows)
