"""What a model has to beat. Oracle: the tables of counts made by loops over examples, dimensions and levels, one example left out for real."""

import dataclasses
import math

import numpy as np
import pytest

from genjax.data.base import ArrayRows, Source
from genjax.data.sources import open_source
from genjax.evaluation.baselines import SMOOTHING, first, histogram, table
from genjax.types import DataSpec

SPEC = DataSpec("toy", "image", (2, 1, 1), 3, 2, 12, 7)


def make_source(spec: DataSpec = SPEC) -> Source:
    """Images whose first pixel goes with the class."""

    def rows(count: int, seed: int) -> ArrayRows:
        random = np.random.default_rng(seed)
        label = random.integers(0, 2, count)
        image = np.stack([np.where(random.uniform(size=count) < 0.8, label, 2), random.integers(0, 3, count)], axis=1)
        arrays = {"image": image.reshape(count, *spec.shape).astype(np.uint8)}
        return ArrayRows(arrays | ({"label": label.astype(np.int32)} if spec.num_classes else {}))

    return Source(spec, {"train": rows(spec.train_size, 0), "eval": rows(spec.eval_size, 1)})


def examples(source: Source, split: str, by_class: bool):
    arrays = source.splits[split].arrays
    labels = arrays["label"] if by_class else np.zeros(len(arrays["image"]), int)
    return [(tuple(image.reshape(-1)), int(label)) for image, label in zip(arrays["image"], labels, strict=True)]


def nats(seen, example, smoothing: float) -> float:
    values, label = example
    total = 0.0
    for dim, value in enumerate(values):
        alike = [other for other, other_label in seen if other_label == label]
        hits = sum(other[dim] == value for other in alike)
        total -= math.log((hits + smoothing) / (len(alike) + 3 * smoothing))
    return total


@pytest.mark.parametrize("by_class", [False, True], ids=["all", "by class"])
def test_histogram_is_the_loop(by_class):
    source = make_source()
    train, held_out = (examples(source, split, by_class) for split in ("train", "eval"))

    def left_out(smoothing: float) -> float:
        return np.mean([nats(train[:i] + train[i + 1 :], example, smoothing) for i, example in enumerate(train)])

    best = min(SMOOTHING, key=left_out)
    expected = np.array([nats(train, example, best) for example in held_out]) / 2 / math.log(2)
    baseline = histogram(source, first(source.splits["eval"]), by_class=by_class)
    np.testing.assert_allclose(baseline.value, expected.mean(), rtol=1e-10)
    np.testing.assert_allclose(baseline.stderr, expected.std(ddof=1) / math.sqrt(len(expected)), rtol=1e-10)
    assert best != SMOOTHING[0]


def test_probabilities_of_every_dimension_add_up_to_one():
    """All nine images as the held-out split: the probabilities of a product of histograms sum to one."""
    train = make_source().splits["train"]
    world = np.array([[a, b] for a in range(3) for b in range(3)], np.uint8).reshape(9, 2, 1, 1)
    values = []
    for image in world:
        one = Source(SPEC, {"train": train, "eval": ArrayRows({"image": image[None], "label": np.array([1], np.int32)})})
        values.append(2.0 ** (-2 * histogram(one, first(one.splits["eval"]), by_class=True).value))
    np.testing.assert_allclose(sum(values), 1.0, rtol=1e-10)


def test_table_begins_with_the_uniform_model():
    source = make_source()
    uniform, plain, by_class = table(source)
    assert uniform.value == math.log2(3)
    assert uniform.stderr == 0
    assert plain == histogram(source, first(source.splits["eval"]), by_class=False)
    assert by_class == histogram(source, first(source.splits["eval"]), by_class=True)
    assert by_class.value < uniform.value


def test_the_rows_are_those_that_models_are_measured_on():
    source = make_source()
    few = first(source.splits["eval"], 3)
    assert len(few["label"]) == 3
    assert table(source, 3)[1:] == [histogram(source, few, by_class=by_class) for by_class in (False, True)]
    assert table(source, 10**6) == table(source) != table(source, 3)


def test_table_without_classes_has_no_line_for_them():
    assert len(table(make_source(dataclasses.replace(SPEC, num_classes=0)))) == 2


def test_a_table_that_would_not_fit_is_not_made():
    large = dataclasses.replace(SPEC, levels=20_000_000)
    assert [baseline.name for baseline in table(dataclasses.replace(make_source(), spec=large))] == ["uniform over 20000000 levels"]


@pytest.mark.slow
def test_captions_alone_are_counted_word_by_word_as_far_as_they_are_learned():
    """Words counted wherever they stand need more than a caption is worth, and less than words that are all alike."""
    source = open_source("shapes_captions:s8")
    rows = first(source.splits["eval"])
    uniform, frequency = table(source)
    exact = source.exact_nats(rows).sum() / math.log(2) / rows["num_units"].sum()
    assert uniform.value == pytest.approx(math.log2(source.spec.levels))
    assert exact < frequency.value - 5 * frequency.stderr < uniform.value
