"""The classifier before it has learnt, and what its numbers are for."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.errors import UsageError
from tests.helpers import IMAGES, build, fresh_params, make_batch, random_params

KEY = rng.stream(0, "likelihood")
BATCH = make_batch(IMAGES, 6)


def test_a_fresh_classifier_needs_the_logarithm_of_the_classes_for_each_label():
    objective = build("classifier", IMAGES, classifier__patch_size=2)
    found = jax.jit(objective.likelihood)(fresh_params(objective), BATCH, KEY)
    np.testing.assert_allclose(found.nats, np.log(IMAGES.num_classes), rtol=1e-6)
    assert (found.kind, found.unit) == ("exact", "label") and (np.asarray(found.units) == 1).all()


def test_probabilities_of_all_classes_sum_to_one_and_the_loss_is_their_mean():
    objective = build("classifier", IMAGES, classifier__patch_size=2)
    params = random_params(objective.init)
    likelihood = jax.jit(objective.likelihood)
    every = [likelihood(params, BATCH | {"label": np.full(6, label, np.int32)}, KEY).nats for label in range(IMAGES.num_classes)]
    np.testing.assert_allclose(np.exp(-np.stack(every)).sum(axis=0), 1.0, rtol=1e-5)
    sums = jax.jit(lambda params: objective.loss(params, BATCH, KEY, train=False))(params)
    np.testing.assert_allclose(sums.loss / sums.weight, np.mean(likelihood(params, BATCH, KEY).nats), rtol=1e-5)


def test_shifts_are_whole_turns_by_all_amounts_alike():
    """A row that tells where it was turned from: its first axis is 0, 1, 2, 3."""
    objective: Any = build("classifier", IMAGES, classifier__patch_size=2, classifier__shift=1)
    rows = 3000
    data = np.broadcast_to(np.arange(4)[:, None, None], (rows, 4, 4, 1))
    turned = np.asarray(jax.jit(objective.shifted)(data, rng.rows(KEY, jnp.arange(rows))))
    by = -turned[:, 0, 0, 0] % 4
    assert (turned == (np.arange(4)[None, :, None, None] - by[:, None, None, None]) % 4).all()
    counts = np.bincount(by, minlength=4)
    assert counts[2] == 0 and (abs(counts[[0, 1, 3]] - rows / 3) < 5 * np.sqrt(rows * 2 / 9)).all()


def test_shifts_are_for_training_alone():
    params = random_params(build("classifier", IMAGES, classifier__patch_size=2).init)

    def loss(shift, train):
        objective = build("classifier", IMAGES, classifier__patch_size=2, classifier__shift=shift)
        return float(jax.jit(lambda: objective.loss(params, BATCH, KEY, train=train).loss)())

    losses = {(shift, train): loss(shift, train) for shift in (0, 2) for train in (False, True)}
    assert losses[0, True] == losses[0, False] == losses[2, False] != losses[2, True]


def test_what_a_classifier_cannot_do_is_said():
    with pytest.raises(UsageError, match="needs classes"):
        build("classifier", dataclasses.replace(IMAGES, num_classes=0))
    objective = build("classifier", IMAGES, classifier__patch_size=2)
    with pytest.raises(UsageError, match="draws no samples"):
        objective.sample({}, {"id": BATCH["id"]}, KEY)
