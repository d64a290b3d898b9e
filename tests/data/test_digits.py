"""The held-out digits: disjoint, balanced, and the same for ever."""

import hashlib

import numpy as np
import pytest
from sklearn.datasets import load_digits

from genjax.data.digits import split
from genjax.data.sources import open_source
from genjax.errors import UsageError


@pytest.fixture(scope="module")
def source():
    return open_source("digits")


@pytest.fixture(scope="module")
def original():
    return load_digits()


def all_rows(source, name):
    return source.splits[name].rows(np.arange(len(source.splits[name])))


def test_spec(source):
    spec = source.spec
    assert (spec.name, spec.key, spec.shape, spec.levels, spec.num_classes) == ("digits", "image", (8, 8, 1), 17, 10)
    assert (spec.train_size, spec.eval_size) == (len(source.splits["train"]), len(source.splits["eval"])) == (1438, 359)
    train = all_rows(source, "train")
    assert train["image"].dtype == np.uint8 and train["label"].dtype == np.int32
    assert train["image"].max() == 16


def test_splits_are_the_set(source, original):
    train, held_out = split(original.target)
    assert not set(train) & set(held_out)
    assert set(train) | set(held_out) == set(range(1797))
    for name, indices in (("train", train), ("eval", held_out)):
        rows = all_rows(source, name)
        np.testing.assert_array_equal(rows["image"][..., 0], original.images[indices])
        np.testing.assert_array_equal(rows["label"], original.target[indices])


def test_no_image_is_in_both_splits(source):
    train, held_out = ({image.tobytes() for image in all_rows(source, name)["image"]} for name in ("train", "eval"))
    assert len(train) == 1438 and len(held_out) == 359
    assert not train & held_out


def test_what_is_tuned_on_never_shows_the_held_out_images(source):
    tuning = open_source("digits:tuning")
    parts = [{image.tobytes() for image in all_rows(tuning, name)["image"]} for name in ("train", "eval")]
    assert (len(parts[0]), len(parts[1])) == (tuning.spec.train_size, tuning.spec.eval_size)
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == {image.tobytes() for image in all_rows(source, "train")["image"]}


def test_every_class_gives_a_fifth(source, original):
    held_out = np.bincount(all_rows(source, "eval")["label"], minlength=10)
    assert np.abs(held_out - 0.2 * np.bincount(original.target)).max() <= 0.5


def test_split_never_changes(original):
    # Every reported number on digits is about these rows: this digest is not to be updated.
    digest = hashlib.sha256(split(original.target)[1].astype("<i4").tobytes()).hexdigest()
    assert digest[:16] == "e47fd1f1a5ecf84f"


def test_digits_takes_no_other_argument():
    with pytest.raises(UsageError, match="to choose settings without the held-out images"):
        open_source("digits:mnist")
