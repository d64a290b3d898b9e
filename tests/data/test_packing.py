"""Rows of a stream, against loops that do the same one token at a time."""

import numpy as np
import pytest

from genjax.data.loader import train_batches
from genjax.data.packing import PackedRows, Stream, Windows, best_fit, cover, join
from tests.data.conftest import source_of

STREAM = Stream(np.arange(100, 143, dtype=np.int32), (np.arange(43) % 4).astype(np.uint8), np.array([5, 6, 29, 43]), np.ones(43, bool))


@pytest.mark.parametrize("length", [1, 2, 5, 8])
@pytest.mark.parametrize("count", [1, 2, 4, 5, 7, 8, 9, 10, 23])
def test_every_token_is_scored_once_with_as_much_context_as_promised(count, length):
    for stride in range(1, length + 1):
        times, first = np.zeros(count, int), 7
        for number, (start, scored, stop) in enumerate(zip(*cover(first, first + count, length, stride), strict=True)):
            assert first <= start <= scored < stop <= first + count and stop - start <= length
            times[scored - first : stop - first] += 1
            assert stop - scored <= (stride if number else length)
            assert scored - start >= min(scored - first, length - stride)
        assert (times == 1).all()


def naive_best_fit(lengths, capacity):
    rows = []
    for item in sorted(range(len(lengths)), key=lambda item: (-lengths[item], item)):
        room = [capacity - sum(lengths[other] for other in row) for row in rows]
        fitting = [left for left in room if left >= lengths[item]]
        if fitting:
            rows[room.index(min(fitting))].append(item)
        else:
            rows.append([item])
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_best_fit_is_the_loop_up_to_which_of_two_equal_rows_is_filled(seed):
    lengths = np.random.default_rng(seed).integers(1, 13, 60)
    rows, naive = best_fit(lengths, 12), naive_best_fit(lengths.tolist(), 12)
    assert sorted(item for row in rows for item in row) == list(range(60))
    filled = lambda rows: sorted(sum(int(lengths[item]) for item in row) for row in rows)
    assert max(filled(rows)) <= 12
    assert filled(rows) == filled(naive)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def naive_rows(packed, indices):
    for index in indices:
        row = {name: np.zeros(packed.length) for name in ("tokens", "segment_ids", "positions", "loss_mask")} | {"num_units": 0.0}
        place = 0
        for segment, piece in enumerate(range(packed.first[index], packed.first[index + 1]), 1):
            start, scored, stop = (column[piece] for column in packed.pieces)
            for position, source in enumerate(range(start, stop)):
                row["tokens"][place] = packed.stream.tokens[source]
                row["segment_ids"][place], row["positions"][place] = segment, position
                row["loss_mask"][place] = source >= scored
                row["num_units"] += (source >= scored) * packed.stream.units[source]
                place += 1
        yield row


@pytest.mark.parametrize("stride", [3, 8])
@pytest.mark.parametrize("make", [PackedRows.one_each, PackedRows.packed])
def test_rows_are_those_of_the_loop(make, stride):
    starts = np.concatenate([[0], STREAM.ends[:-1]])
    packed = make(STREAM, join([cover(start, stop, 8, stride) for start, stop in zip(starts, STREAM.ends, strict=True)]), 8)
    indices = np.random.default_rng(0).permutation(len(packed))
    indices = np.concatenate([indices, indices[:3]])
    got = packed.rows(indices)
    for at, row in enumerate(naive_rows(packed, indices)):
        for name, values in row.items():
            np.testing.assert_array_equal(got[name][at], values)
    assert {name: (values.dtype, values.shape[1:]) for name, values in got.items()} == {
        "tokens": (np.int32, (8,)),
        "segment_ids": (np.int32, (8,)),
        "positions": (np.int32, (8,)),
        "loss_mask": (np.float32, (8,)),
        "num_units": (np.float32, ()),
    }
    once = packed.rows(np.arange(len(packed)))
    np.testing.assert_array_equal(np.sort(once["tokens"][once["loss_mask"] > 0]), STREAM.tokens)
    assert once["num_units"].sum() == STREAM.units.sum()


def test_documents_share_rows_and_windows_do_not():
    pieces = cover(0, 5, 8, 8), cover(5, 6, 8, 8)
    assert [len(make(STREAM, join(list(pieces)), 8)) for make in (PackedRows.one_each, PackedRows.packed)] == [2, 1]


def test_the_windows_of_an_epoch_lie_side_by_side_and_begin_elsewhere_in_the_next():
    windows, offsets = Windows(STREAM, 8), set()
    assert len(windows) == 4
    for epoch in range(40):
        rows = windows.at_epoch(3, epoch).rows(np.arange(4))
        offset = rows["tokens"][0, 0] - STREAM.tokens[0]
        np.testing.assert_array_equal(rows["tokens"].reshape(-1), STREAM.tokens[offset : offset + 32])
        assert (rows["loss_mask"] == 1).all() and (rows["segment_ids"] == 1).all()
        offsets.add(int(offset))
        np.testing.assert_array_equal(windows.at_epoch(3, epoch).rows(np.arange(4))["tokens"], rows["tokens"])
    assert offsets == set(range(8))


def test_the_loader_takes_the_windows_of_each_epoch_in_its_order():
    windows = Windows(STREAM, 8)
    source = source_of(windows, windows.at_epoch(0, 0), 8)
    batches = train_batches(source, 3, seed=5)
    got = np.concatenate([next(batches)["tokens"] for _ in range(8)])
    expected = [windows.at_epoch(5, epoch).rows(np.random.default_rng([5, epoch]).permutation(4))["tokens"] for epoch in range(6)]
    np.testing.assert_array_equal(got, np.concatenate(expected))
    resumed = train_batches(source, 3, seed=5, start_step=6)
    np.testing.assert_array_equal(next(resumed)["tokens"], got[18:21])
