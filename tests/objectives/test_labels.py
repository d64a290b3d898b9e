"""Hiding the class in training, for both objectives by the one function that does it."""

import dataclasses

import jax
import numpy as np
import pytest

from genjax import rng
from genjax.errors import UsageError
from genjax.objectives.base import Given, hide
from tests.helpers import IMAGES, TOKENS, build, make_batch, random_params

ROWS, CLASSES = 20_000, 7
LABEL = (np.arange(ROWS) % CLASSES).astype(np.int32)
KEY = jax.random.key(2)


def hidden_labels(rate, ids, label):
    return np.asarray(hide(Given(label, None), CLASSES, rate, rng.rows(KEY, ids)).label)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_labels_are_hidden_at_the_rate_and_whole_otherwise(rate):
    out = hidden_labels(rate, np.arange(ROWS), LABEL)
    hidden = out == CLASSES
    np.testing.assert_array_equal(out[~hidden], LABEL[~hidden])
    sigma = np.sqrt(rate * (1 - rate) / ROWS)
    assert abs(hidden.mean() - rate) < 5 * sigma
    for number in range(CLASSES):  # whatever the class
        assert abs(hidden[number == LABEL].mean() - rate) < 5 * sigma * np.sqrt(CLASSES)


def test_hiding_goes_with_the_row():
    order = np.random.default_rng(0).permutation(ROWS)
    np.testing.assert_array_equal(hidden_labels(0.3, order, LABEL[order]), hidden_labels(0.3, np.arange(ROWS), LABEL)[order])


def test_ends_of_the_rate():
    assert hide(Given(LABEL, None), CLASSES, 0.0, None).label is LABEL
    np.testing.assert_array_equal(hidden_labels(1.0, np.arange(ROWS), LABEL), CLASSES)


def test_nothing_to_hide_without_classes():
    assert hide(Given(None, None), 0, 0.5, KEY[None]) == (None, None)


@pytest.mark.parametrize(("name", "spec"), [("next_token", TOKENS), ("noise_prediction", IMAGES)])
def test_training_hides_and_evaluation_never_does(name, spec):
    """With a drop rate of 1, the loss in training is that of rows without class, and the loss in evaluation is not."""
    objective = build(name, spec, conditioning__drop_rate=1.0)
    params, batch = random_params(objective.init), make_batch(spec, 8)
    nobody = batch | {"label": np.full(8, spec.num_classes, np.int32)}
    loss = jax.jit(lambda batch, train: objective.loss(params, batch, KEY, train=train).loss, static_argnums=1)
    np.testing.assert_allclose(loss(batch, True), loss(nobody, False), rtol=1e-6)
    assert abs(loss(batch, False) - loss(nobody, False)) > 1e-3 * abs(loss(batch, False))


@pytest.mark.parametrize(("name", "spec"), [("next_token", TOKENS), ("noise_prediction", IMAGES)])
def test_guidance_without_classes_is_refused(name, spec):
    with pytest.raises(UsageError, match="guidance_scale needs classes"):
        build(name, dataclasses.replace(spec, num_classes=0), sample__guidance_scale=2.0)
