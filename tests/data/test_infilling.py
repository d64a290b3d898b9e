"""Text with the suffix first: put back in order it is the text, and its bytes are counted once."""

import itertools
from typing import Any

import numpy as np
import pytest

from genjax.data import infilling
from genjax.data.base import Marks
from genjax.data.sources import open_source
from genjax.data.text import TextFormat
from genjax.errors import UsageError

LENGTH = 20
MARKED = Marks(257, 258, 259)  # after the bytes and the end of a document


@pytest.fixture
def folder(tmp_path):
    for number in range(30):
        (tmp_path / f"{number}.md").write_text(f"{number} é, {'-' * (3 * number)}\n" * 5)
    return f"text:{tmp_path}"


def opened(folder, middle, tokenizer=("byte", {}), packing="windows", length=LENGTH) -> Any:
    return open_source(folder, text=TextFormat(tokenizer, length, packing, middle=middle))


def in_order(tokens, marks):
    """By the marks alone: what is before the suffix of a row, the suffix, and what follows as text of its own."""
    tokens = tokens.tolist()
    places = [tokens.index(mark) for mark in marks]
    assert [tokens.count(mark) for mark in marks] == [1] * 3 and places == sorted(places) and places[0] == 0
    suffix, before = (tokens[a + 1 : b] for a, b in itertools.pairwise(places))
    return before, suffix, tokens[places[2] + 1 :]


def test_what_is_before_the_suffix_comes_after_it():
    """All 84 ways to cut six tokens three times."""
    start, stop, end = np.array([(a, b, c) for a in range(7) for b in range(a, 7) for c in range(b, 7)]).T
    marks, text = Marks.after(6), np.arange(6, dtype=np.int32)
    rows = infilling.suffix_first(np.tile(text, (len(start), 1)), stop, end, marks)
    for row, a, b, c in zip(rows, start, stop, end, strict=True):
        assert in_order(row, marks) == (text[:b].tolist(), text[b:c].tolist(), text[c:].tolist())
        asked = infilling.asked(text[:a], text[b:c], marks)
        np.testing.assert_array_equal(row, [*asked, *text[a:b], marks.end, *text[c:]])


def test_an_epoch_is_the_text_of_its_windows_whatever_the_order(folder):
    plain, source = (opened(folder, middle, length=length) for middle, length in ((0.0, LENGTH - 3), (0.5, LENGTH)))
    indices = np.arange(source.spec.train_size)
    assert (source.marks, source.spec.levels, source.spec.train_size) == (MARKED, 260, plain.spec.train_size)
    expected, rows = (each.splits["train"].at_epoch(3, 1).rows(indices) for each in (plain, source))
    moved = rows["tokens"][:, 0] == MARKED.suffix
    assert 0.3 < moved.mean() < 0.7
    np.testing.assert_array_equal(rows["num_units"], expected["num_units"])
    sizes = np.concatenate([source.tokenizer.sizes, np.zeros(4, np.int64)])
    np.testing.assert_array_equal((rows["loss_mask"] * sizes[rows["tokens"]]).sum(axis=1), expected["num_units"])
    for row, was in zip(np.flatnonzero(moved), expected["tokens"][moved], strict=True):
        tokens = rows["tokens"][row]
        assert list(itertools.chain(*in_order(tokens, MARKED))) == was.tolist()
        assert rows["loss_mask"][row].tolist() == [0.0] + [1.0] * (LENGTH - 1), "the mark that asks is not predicted, the others are"
        first = tokens.tolist().index(MARKED.end) + 1
        assert rows["segment_ids"][row].tolist() == [1] * first + [2] * (LENGTH - first)
        assert rows["positions"][row].tolist() == [*range(first), *range(LENGTH - first)]
    for name in ("tokens", "segment_ids", "loss_mask", "positions"):
        np.testing.assert_array_equal(rows[name][~moved, :-3], expected[name][~moved])
        assert not rows[name][~moved, -3:].any()


def test_every_epoch_cuts_elsewhere_and_a_window_does_not_depend_on_its_batch(folder):
    split = opened(folder, 1.0).splits["train"]
    indices = np.arange(len(split))
    first, again, other = (split.at_epoch(seed, epoch).rows(indices)["tokens"] for seed, epoch in ((0, 1), (0, 1), (0, 2)))
    np.testing.assert_array_equal(first, again)
    assert (first[:, 0] == MARKED.suffix).all() and (first != other).any()
    np.testing.assert_array_equal(split.at_epoch(0, 1).rows(indices[5:6])["tokens"], first[5:6])


def test_cuts_are_uniform_over_all_places(folder):
    split = opened(folder, 1.0).splits["train"]
    rows = [row for epoch in range(40) for row in split.at_epoch(0, epoch).rows(np.arange(len(split)))["tokens"]]
    lengths = np.array([[len(part) for part in in_order(row, MARKED)] for row in rows])
    assert (lengths.sum(axis=1) == LENGTH - 3).all()
    width = LENGTH - 3 + 1  # places
    between = np.array([width, *(2 * (width - n) for n in range(1, width))])
    behind = np.array([2 * (width - n) - 1 for n in range(width)])
    for part, chance in ((lengths[:, 1], between), (lengths[:, 2], behind)):
        seen, expected = np.bincount(part, minlength=width), len(lengths) * chance / width**2
        assert ((seen - expected) ** 2 / expected).sum() < 46, "chi squared of 17 degrees of freedom: 1 in 5,000"


def test_held_out_text_is_measured_as_it_stands(folder):
    plain, source = opened(folder, 0.0), opened(folder, 0.5)
    rows = [each.splits["eval"].rows(np.arange(each.spec.eval_size)) for each in (plain, source)]
    for name in rows[0]:
        np.testing.assert_array_equal(rows[0][name], rows[1][name])


def test_only_the_gap_is_worth_its_bytes():
    rows = {"tokens": np.array([[0, 1, 2, 1]]), "loss_mask": np.ones((1, 4)), "num_units": np.zeros(1)}
    found = infilling.only_gap(rows, np.array([1]), np.array([3]), np.array([1, 2, 3]))
    assert found["loss_mask"].tolist() == [[0, 1, 1, 0]] and found["num_units"].tolist() == [5]


@pytest.mark.parametrize(("options", "words"), [({"packing": "documents"}, "not of data.packing=documents"), ({"length": 3}, "has no others")])
def test_what_is_refused(options, words, folder):
    with pytest.raises(UsageError, match=words):
        opened(folder, 0.5, **options)
