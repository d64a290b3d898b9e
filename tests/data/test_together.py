"""What several sources show of the same thing. Oracles: the sources by themselves, and the arrays that were put together."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from genjax.data.sources import open_source
from genjax.data.together import together_source
from genjax.errors import UsageError

SHORT, LONG = "moving:digits/frames=2", "moving:digits/frames=3"


@pytest.fixture(scope="module")
def both():
    return open_source(f"together:{SHORT}+{LONG}")


def test_a_row_is_a_row_of_each_source_of_one_class(both):
    parts = [open_source(SHORT), open_source(LONG)]
    assert [part.shape for part in both.spec.parts] == [(2, 12, 12, 1), (3, 12, 12, 1)] and both.spec.shape == (5 * 144, 1)
    for split, made in both.splits.items():
        rows = made.rows(np.arange(200))
        for source, arrays in zip(parts, both.spec.split(rows["array"]), strict=True):
            theirs = source.splits[split].rows(np.arange(len(source.splits[split])))
            known = {array.tobytes(): (label, source.words.decode(said)) for array, label, said in zip(*theirs.values(), strict=True)}
            for array, label, caption in zip(arrays, rows["label"], rows["caption"], strict=True):
                of, said = known[array.tobytes()]
                assert of == label and {*said.split()} <= {*both.words.decode(caption).split()}


def test_the_caption_has_every_word_once(both):
    rows = both.splits["train"].rows(np.arange(300))
    said = [both.words.decode(caption).split() for caption in rows["caption"]]
    assert both.spec.caption_length == 4 and {len(words) for words in said} == {2, 3}, "the digit, and one way or two"
    assert all(len({*words}) == len(words) for words in said)
    for caption, words in zip(rows["caption"], said, strict=True):
        np.testing.assert_array_equal(both.language.encode(" ".join(words)), caption)


def test_the_rows_of_a_smaller_source_take_turns():
    large, small = open_source(SHORT), open_source(LONG)
    few = dataclasses.replace(small, splits={split: _First(rows, 50) for split, rows in small.splits.items()})
    together = together_source("together:toy", "few+large", {"few": few, "large": large}.__getitem__)
    assert [len(together.splits[split]) for split in ("train", "eval")] == [len(large.splits[split]) for split in ("train", "eval")]
    for split in ("train", "eval"):
        first, second = together.splits[split].partners.T
        np.testing.assert_array_equal(second, np.arange(len(large.splits[split])))
        assert len(np.unique(first)) == 50, "all of them are there"
        labels = large.splits[split].rows(np.arange(len(second)))["label"]
        for label in range(10):
            times = np.bincount(first[labels == label], minlength=50)
            assert times[times > 0].max() - times[times > 0].min() <= 1, "and equally often"


class _First:
    """The first rows of others."""

    def __init__(self, rows, count):
        self.all, self.count = rows, count

    def __len__(self):
        return self.count

    def rows(self, indices):
        assert indices.max() < self.count
        return self.all.rows(indices)


@pytest.mark.parametrize("xp", [np, jnp])
def test_what_is_split_can_be_joined(both, xp):
    rows = xp.arange(3 * both.spec.num_dims).reshape(3, *both.spec.shape)
    arrays = both.spec.split(rows)
    assert [array.shape for array in arrays] == [(3, 2, 12, 12, 1), (3, 3, 12, 12, 1)]
    np.testing.assert_array_equal(both.spec.join(arrays), rows)
    alone = both.spec.parts[0]
    assert alone.join(alone.split(arrays[0])) is arrays[0]


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("digits+moving:digits", "digits has no classes with words"),
        ("moving:digits", "give several sources"),
        ("moving:digits+moving:digits", "give several sources, each once"),
        ("moving:shapes+moving:digits", "5 classes and moving:digits 10"),
    ],
)
def test_what_does_not_belong_together_is_refused(names, says):
    with pytest.raises(UsageError, match=says):
        open_source(f"together:{names}")
