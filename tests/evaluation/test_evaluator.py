"""Measuring a model. Oracles: the objective itself, asked row by row; and the number that a model which knows nothing must get."""

import functools
import math

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from genjax import rng
from genjax.evaluation.evaluator import Evaluator
from genjax.training.parallel import Parallel
from genjax.training.setup import Run
from tests.helpers import IMAGES, TOKENS, build, config, fresh_params, make_source, random_params

NAMES = {"next_token": TOKENS, "noise_prediction": IMAGES}
HELD_OUT = IMAGES.eval_size  # 10 rows
BATCHES = (4, 16)  # one that leaves a rest, one that is larger than the split


class Measured:
    """The evaluators of an objective with random parameters, one for each batch size."""

    def __init__(self, name: str):
        self.spec, self.source, self.objective = NAMES[name], make_source(NAMES[name]), build(name, NAMES[name])
        self.params = random_params(self.objective.init, scale=1.0)
        self.name = name

    @functools.cache  # noqa: B019
    def evaluator(self, batch_size: int) -> Evaluator:
        mesh = jax.make_mesh((1, 1, 1), ("data", "fsdp", "tensor"), axis_types=(AxisType.Auto,) * 3)
        return Evaluator(Run(config(self.name, data__eval_batch_size=batch_size), self.source, self.objective, Parallel("jit", mesh)))


@pytest.fixture(scope="module", params=NAMES)
def measured(request):
    return Measured(request.param)


def test_bits_are_those_of_the_rows_asked_directly(measured):
    """All rows of the split in one batch without padding, by the objective: the mean over rows, in bits a dimension."""
    rows = measured.source.splits["eval"].rows(np.arange(HELD_OUT))
    batch = rows | {"id": np.arange(HELD_OUT, dtype=np.uint32), "weight": np.ones(HELD_OUT, np.float32)}
    result = jax.jit(measured.objective.likelihood)(measured.params, batch, rng.stream(0, "likelihood"))
    expected = np.asarray(result.nats, np.float64) / measured.spec.num_dims / math.log(2)
    for batch_size in BATCHES:
        bits = measured.evaluator(batch_size).bits(measured.params)
        np.testing.assert_allclose(bits.value, expected.mean(), rtol=1e-5)
        np.testing.assert_allclose(bits.stderr, expected.std(ddof=1) / math.sqrt(HELD_OUT), rtol=1e-4)
        assert set(bits.terms) == set(result.terms)
        for name, nats in result.terms.items():
            np.testing.assert_allclose(bits.terms[name], np.mean(nats) / measured.spec.num_dims / math.log(2), rtol=1e-4, atol=1e-6)
        assert (bits.examples, bits.kind) == (HELD_OUT, result.kind)


def test_a_part_of_the_split_is_its_beginning(measured):
    """Seven rows leave a padded batch; were its padding counted, the batch size would show."""
    few = [measured.evaluator(batch_size).bits(measured.params, 7) for batch_size in BATCHES]
    np.testing.assert_allclose(few[0].value, few[1].value, rtol=1e-5)
    np.testing.assert_allclose(few[0].stderr, few[1].stderr, rtol=1e-4)
    assert few[0].examples == few[1].examples == 7
    assert abs(few[0].value - measured.evaluator(BATCHES[0]).bits(measured.params).value) > 1e-4


def test_samples_do_not_depend_on_batch_size_and_count(measured):
    whole = measured.evaluator(BATCHES[1]).draw(measured.params, 10)
    assert whole.data.shape == (10, *measured.spec.shape)
    np.testing.assert_array_equal(whole.label, np.arange(10) % measured.spec.num_classes)
    small = measured.evaluator(BATCHES[0])
    np.testing.assert_array_equal(small.draw(measured.params, 10).data, whole.data)
    np.testing.assert_array_equal(small.draw(measured.params, 3).data, whole.data[:3])
    later = small.draw(measured.params, 5, first=4)
    np.testing.assert_array_equal(later.data, whole.data[4:9])
    np.testing.assert_array_equal(later.label, whole.label[4:9])
    assert len(np.unique(whole.data.reshape(10, -1), axis=0)) > 5


def test_samples_of_one_class(measured):
    drawn = measured.evaluator(BATCHES[0]).draw(measured.params, 5, label=1)
    np.testing.assert_array_equal(drawn.label, 1)
    mixed = measured.evaluator(BATCHES[0]).draw(measured.params, 5)
    np.testing.assert_array_equal(drawn.data[mixed.label == 1], mixed.data[mixed.label == 1])


def test_samples_carry_their_cost(measured):
    drawn = measured.evaluator(BATCHES[0]).draw(measured.params, 1)
    expected = TOKENS.num_dims if measured.name == "next_token" else config(measured.name).noise_prediction.steps + 1
    assert drawn.nfe == drawn.sequential_depth == expected


def test_a_model_that_knows_nothing_has_the_log_of_the_levels():
    measured = Measured("next_token")
    bits = measured.evaluator(BATCHES[0]).bits(fresh_params(measured.objective))
    np.testing.assert_allclose(bits.value, math.log2(TOKENS.levels), rtol=1e-6)
    assert bits.stderr < 1e-6
    assert bits.kind == "exact"


@pytest.mark.parametrize(
    "objective, source, fields, worth",
    [
        ("next_token", "shapes_codes:s8", {}, "exact_nats"),
        ("next_token", "shapes_codes:s8", {"conditioning__text": "tokens"}, "told_nats"),
        ("hybrid", "shapes:s8", {"conditioning__text": "tokens"}, "joint_nats"),
    ],
)
def test_rows_are_held_against_what_the_likelihood_is_of(objective, source, fields, worth):
    """Data alone, data given captions, or both together."""
    run = Run.build(config(objective, data__source=source, **fields))
    rows = run.source.splits["eval"].rows(np.arange(5))
    assert run.exact_nats is not None and set(run.exact_terms) == ({"words", "picture"} if objective == "hybrid" else set())
    for name, nats in run.exact_terms.items():
        np.testing.assert_array_equal(nats(rows), {"words": run.source.caption_nats, "picture": run.source.told_nats}[name](rows))
    np.testing.assert_array_equal(run.exact_nats(rows), getattr(run.source, worth)(rows))
