"""The order of the data against its definition, written out once more and as plainly as possible."""

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import genjax
from genjax.data.base import Source
from genjax.data.loader import eval_batches, train_batches
from genjax.errors import DataError, UsageError


def take(batches, n):
    return list(itertools.islice(batches, n))


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for key in a:
        assert a[key].dtype == b[key].dtype
        np.testing.assert_array_equal(a[key], b[key])


def order_by_definition(n, seed, stop):
    """The rows at stream positions 0, 1, ..., stop - 1."""
    stream = [np.random.default_rng([seed, epoch]).permutation(n) for epoch in range(stop // n + 1)]
    return np.concatenate(stream)[:stop]


@pytest.mark.parametrize("n, batch_size", [(12, 4), (10, 4), (7, 7), (5, 12), (3, 20), (1, 2)])
def test_order_is_the_definition(counting_source, n, batch_size):
    batches = take(train_batches(counting_source(n), batch_size, seed=3), 9)
    rows = np.concatenate([batch["tokens"][:, 0] for batch in batches])
    np.testing.assert_array_equal(rows, order_by_definition(n, 3, 9 * batch_size))
    np.testing.assert_array_equal(np.concatenate([batch["label"] for batch in batches]), rows % 3)
    np.testing.assert_array_equal(np.concatenate([batch["id"] for batch in batches]), np.arange(9 * batch_size))


def test_every_row_once_an_epoch(counting_source):
    rows = np.concatenate([batch["tokens"][:, 0] for batch in take(train_batches(counting_source(30), 12, seed=0), 10)])
    epochs = rows.reshape(4, 30)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(30), (4, 1)))
    assert len({tuple(epoch) for epoch in epochs}) == 4, "every epoch has an order of its own"


def test_order_is_pinned(counting_source):
    # If this fails after an upgrade of NumPy, its permutations changed: runs cannot be resumed or compared across that upgrade.
    batch = next(train_batches(counting_source(1000), 8, seed=0))
    assert batch["tokens"][:, 0].tolist() == [459, 206, 222, 162, 711, 814, 350, 890]


def test_batch_types(counting_source):
    batch = next(train_batches(counting_source(9), 4, seed=0))
    assert {key: (value.dtype, value.shape) for key, value in batch.items()} == {
        "tokens": (np.int32, (4, 1)),
        "label": (np.int32, (4,)),
        "id": (np.uint32, (4,)),
        "weight": (np.float32, (4,)),
    }
    np.testing.assert_array_equal(batch["weight"], 1.0)


def test_no_label_key_without_labels(counting_source):
    source = counting_source(9, labels=False)
    assert "label" not in next(train_batches(source, 4, seed=0))
    assert "label" not in next(eval_batches(source, 4))


@pytest.mark.parametrize("process_count", [2, 4])
def test_processes_share_one_order(counting_source, process_count):
    source = counting_source(10)
    for make, steps in ((lambda **kw: train_batches(source, 8, 1, **kw), 7), (lambda **kw: eval_batches(source, 4, **kw), 2)):
        whole = take(make(), steps)
        parts = [take(make(process_index=p, process_count=process_count), steps) for p in range(process_count)]
        for step, batch in enumerate(whole):
            assert_equal(batch, {key: np.concatenate([part[step][key] for part in parts]) for key in batch})


def test_start_step_is_skipping(counting_source):
    source = counting_source(10)
    for skipped in (0, 1, 5, 23):
        expected = take(train_batches(source, 4, 7), skipped + 3)[skipped:]
        resumed = train_batches(source, 4, 7, start_step=skipped)
        assert resumed.position == skipped
        for batch in expected:
            assert_equal(next(resumed), batch)
        assert resumed.position == skipped + 3


def test_resume_from_position_is_exact(counting_source):
    source = counting_source(50)
    uninterrupted = take(train_batches(source, 16, 2), 20)
    first = train_batches(source, 16, 2)
    seen = take(first, 6)
    first.close()
    second = train_batches(source, 16, 2, start_step=first.position)
    for a, b in zip(seen + take(second, 14), uninterrupted, strict=True):
        assert_equal(a, b)


def test_far_jump_reads_nothing_in_between(counting_source):
    class Watched:
        def __init__(self, rows):
            self.parent, self.read = rows, 0

        def __len__(self):
            return len(self.parent)

        def rows(self, indices):
            self.read += len(indices)
            return self.parent.rows(indices)

    source = counting_source(1000)
    watched = Watched(source.splits["train"])
    batches = train_batches(Source(source.spec, source.splits | {"train": watched}), 64, 0, start_step=10**8)
    batch = next(batches)
    batches.close()
    assert watched.read < 64 * 64
    np.testing.assert_array_equal(batch["id"], (64 * 10**8 + np.arange(64)) % 2**32)
    epoch, offset = divmod(64 * 10**8, 1000)
    np.testing.assert_array_equal(batch["tokens"][:, 0], np.random.default_rng([0, epoch]).permutation(1000)[offset : offset + 64])


def test_take_stacks_consecutive_batches(counting_source):
    source = counting_source(10)
    singles = take(train_batches(source, 4, 5), 6)
    batches = train_batches(source, 4, 5)
    for start, k in ((0, 1), (1, 3), (4, 2)):
        stacked = batches.take(k)
        for i in range(k):
            assert_equal({key: value[i] for key, value in stacked.items()}, singles[start + i])
        assert batches.position == start + k


def test_seeds_differ(counting_source):
    a, b = (next(train_batches(counting_source(1000), 64, seed))["tokens"] for seed in (0, 1))
    assert (a != b).mean() > 0.9


@pytest.mark.parametrize("size, batch_size, limit, rows", [(10, 4, None, 10), (8, 4, None, 8), (3, 8, None, 3), (10, 4, 6, 6), (10, 4, 99, 10)])
def test_eval_covers_the_split_in_order(counting_source, size, batch_size, limit, rows):
    batches = list(eval_batches(counting_source(1, size), batch_size, limit=limit))
    assert all(batch["tokens"].shape == (batch_size, 1) for batch in batches)
    everything = {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}
    assert everything["weight"].sum() == rows
    real = everything["weight"] == 1
    np.testing.assert_array_equal(everything["tokens"][real, 0], np.arange(rows))
    np.testing.assert_array_equal(everything["id"][real], np.arange(rows))
    np.testing.assert_array_equal(everything["tokens"][~real], 0)
    np.testing.assert_array_equal(everything["weight"][~real], 0)


def test_batches_are_the_callers_own(counting_source):
    source = counting_source(4)
    for batch in (next(train_batches(source, 4, 0)), next(eval_batches(source, 4))):
        batch["tokens"][:] = -1
    assert source.splits["train"].rows(np.arange(4))["tokens"].min() == 0


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda s: train_batches(s, 0, 0), "batch_size is 0"),
        (lambda s: train_batches(s, 6, 0, process_count=4), "multiple of the 4"),
        (lambda s: train_batches(s, 4, 0, process_index=2, process_count=2), "process 2 of 2"),
        (lambda s: train_batches(s, 4, -1), "negative"),
        (lambda s: train_batches(s, 4, 0, start_step=-1), "negative"),
        (lambda s: eval_batches(s, 4, limit=0), "at least 1"),
    ],
)
def test_bad_arguments(counting_source, call, words):
    with pytest.raises(UsageError, match=words):
        call(counting_source(8))


def test_an_error_in_the_data_keeps_its_sentence(counting_source):
    class Broken:
        def __len__(self):
            return 100

        def rows(self, indices):
            if len(indices) > 1:
                raise DataError("the shard is cut short")
            return {"tokens": np.zeros((1, 1), np.int32)}

    source = counting_source(4)
    with pytest.raises(DataError) as caught:
        next(train_batches(Source(source.spec, source.splits | {"train": Broken()}), 4, 0))
    assert str(caught.value) == "the shard is cut short"


@pytest.mark.slow
def test_a_forgotten_iterator_is_silent_at_exit():
    program = (
        "from genjax.data.sources import open_source\n"
        "from genjax.data.loader import train_batches\n"
        "batches = train_batches(open_source('digits'), 64, 0)\n"
        "next(batches), train_batches(open_source('digits'), 64, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=Path(genjax.__file__).parents[1], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
