"""The classifier before it has learnt, and what its numbers are for."""

import dataclasses

import jax
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


def test_what_a_classifier_cannot_do_is_said():
    with pytest.raises(UsageError, match="needs classes"):
        build("classifier", dataclasses.replace(IMAGES, num_classes=0))
    objective = build("classifier", IMAGES, classifier__patch_size=2)
    with pytest.raises(UsageError, match="draws no samples"):
        objective.sample({}, {"id": BATCH["id"]}, KEY)
