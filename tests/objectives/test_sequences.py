"""Text in a batch: packed documents are as if each were alone, what is not supervised is not counted, and units are those of the data."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.models import masks
from genjax.objectives.sequences import sequence
from genjax.types import DataSpec
from tests.helpers import TOKENS, build, fresh_params, make_batch, random_params

LENGTH = 12
SPEC = DataSpec("toy text", "tokens", (LENGTH,), 5, 0, 100, 10, unit="byte")
KEY = jax.random.key(3)
RANDOM = np.random.default_rng(0)
DOCUMENTS = [RANDOM.integers(0, SPEC.levels, n).astype(np.int32) for n in (3, 5, 4, 7, 2, 12, 1)]
ROWS = [[0, 1, 2], [3, 4], [5], [6]]  # three that fill a row, two with padding after them, one alone, a single token


def packed(documents=DOCUMENTS):
    """The documents, shifted nowhere, as ROWS says."""
    batch = {name: np.zeros((len(ROWS), LENGTH), np.int32) for name in ("tokens", "segment_ids", "positions")}
    for row, members in enumerate(ROWS):
        start = 0
        for segment, document in enumerate(members, 1):
            part = slice(start, start + len(documents[document]))
            batch["tokens"][row, part] = documents[document]
            batch["segment_ids"][row, part] = segment
            batch["positions"][row, part] = np.arange(len(documents[document]))
            start = part.stop
    mask = (batch["segment_ids"] > 0).astype(np.float32)
    rows = {"id": np.arange(len(ROWS), dtype=np.uint32), "weight": np.ones(len(ROWS), np.float32)}
    return batch | rows | {"loss_mask": mask, "num_units": 2 * mask.sum(axis=1)}


class Model:
    def __init__(self):
        self.objective = build("next_token", SPEC)
        self.params = random_params(self.objective.init, scale=1.0)
        self.likelihood = jax.jit(lambda batch: self.objective.likelihood(self.params, batch, KEY))
        self.loss = jax.jit(functools.partial(self.objective.loss, train=False))
        self.gradient = jax.jit(jax.grad(lambda params, batch: self.objective.loss(params, batch, KEY, train=False).loss))

        self.alone = [np.asarray(nats, np.float64) for nats in jax.jit(lambda: [self._alone(document) for document in DOCUMENTS])()]

    def _alone(self, document):
        """-log p of every token of one document, by the network and the definition."""
        network, n = self.objective.network, len(document)
        inputs = jnp.concatenate([jnp.array([SPEC.levels]), document[:-1]])[None]
        logits, _ = network.apply({"params": self.params}, inputs, jnp.arange(n)[None, :, None], masks.causal(1, n), None)
        return -jax.nn.log_softmax(logits)[0, np.arange(n), document]


@pytest.fixture(scope="module")
def model():
    return Model()


def test_a_packed_document_is_as_likely_as_alone(model):
    batch = packed()
    for row, members in enumerate(ROWS):
        for segment, document in enumerate(members, 1):
            only = batch | {"loss_mask": (batch["segment_ids"] == segment).astype(np.float32)}
            np.testing.assert_allclose(model.likelihood(only).nats[row], model.alone[document].sum(), rtol=1e-6)


def test_the_packed_loss_is_the_mean_over_the_tokens_of_all_documents(model):
    sums = model.loss(model.params, packed(), KEY)
    nats = np.concatenate(model.alone)
    np.testing.assert_allclose(sums.loss / sums.weight, nats.mean(), rtol=1e-6)
    assert sums.weight == sum(map(len, DOCUMENTS))


def test_nothing_leaks_from_one_document_into_another(model):
    """Neither a likelihood nor, through what padding holds, a gradient: the last bit stays."""
    before = packed()
    for changed in range(len(DOCUMENTS)):
        others = [(document + (number == changed)) % SPEC.levels for number, document in enumerate(DOCUMENTS)]
        after = packed(others)
        for row, members in enumerate(ROWS):
            for segment, document in enumerate(members, 1):
                mask = {"loss_mask": (before["segment_ids"] == segment).astype(np.float32)}
                same = model.likelihood(before | mask).nats[row] == model.likelihood(after | mask).nats[row]
                assert same == (document != changed)
    padding = before | {"tokens": np.where(before["segment_ids"] == 0, 3, before["tokens"])}
    np.testing.assert_array_equal(model.likelihood(padding).nats, model.likelihood(before).nats)
    jax.tree.map(np.testing.assert_array_equal, model.gradient(model.params, padding), model.gradient(model.params, before))


def test_padding_makes_no_gradient_infinite(model):
    nothing = packed() | {"segment_ids": np.zeros((len(ROWS), LENGTH), np.int32), "loss_mask": np.zeros((len(ROWS), LENGTH), np.float32)}
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(model.gradient(model.params, nothing)))


def test_what_is_only_context_is_seen_and_not_counted(model):
    batch = packed()
    batch["loss_mask"][2, :8] = 0
    sums, found = model.loss(model.params, batch, KEY), model.likelihood(batch)
    np.testing.assert_allclose(found.nats[2], model.alone[5][8:].sum(), rtol=1e-6)
    assert sums.weight == sum(map(len, DOCUMENTS)) - 8


def test_units_are_those_that_the_data_carry(model):
    found = model.likelihood(packed())
    np.testing.assert_array_equal(found.units, [2 * sum(len(DOCUMENTS[d]) for d in members) for members in ROWS])
    assert (found.unit, found.kind) == ("byte", "exact")


def test_an_untrained_model_of_text_knows_nothing(model):
    sums = model.loss(fresh_params(model.objective), packed(), KEY)
    np.testing.assert_allclose(sums.loss / sums.weight, math.log(SPEC.levels), rtol=1e-6)


def test_tokens_are_shifted_within_their_segment():
    batch = {
        "tokens": np.array([[7, 8, 9, 4, 5, 0]]),
        "segment_ids": np.array([[1, 1, 1, 2, 2, 0]]),
        "positions": np.array([[0, 1, 2, 0, 1, 0]]),
    }
    rows = sequence(batch, DataSpec("text", "tokens", (6,), 10, 0, 1, 1))
    np.testing.assert_array_equal(rows.shifted(10), [[10, 7, 8, 10, 4, 10]])
    np.testing.assert_array_equal(rows.coordinates, batch["positions"][..., None])


@pytest.mark.parametrize("shape, cells", [((4,), [[0], [1], [2], [3]]), ((2, 2, 1), [[0, 0], [0, 1], [1, 0], [1, 1]]), ((1, 1, 1), [[0]])])
def test_arrays_without_the_keys_of_text_are_one_segment_in_raster_order(shape, cells):
    spec = DataSpec("toy", "tokens" if len(shape) == 1 else "image", shape, 3, 0, 1, 1)
    rows = sequence(make_batch(spec, 2), spec)
    np.testing.assert_array_equal(rows.coordinates, [cells, cells])
    np.testing.assert_array_equal(rows.segment_ids, 1)
    np.testing.assert_array_equal(rows.mask, 1)
    np.testing.assert_array_equal(rows.units, math.prod(shape))
    np.testing.assert_array_equal(rows.shifted(3)[:, 1:], rows.tokens[:, :-1])
    np.testing.assert_array_equal(rows.shifted(3)[:, 0], 3)


def test_the_keys_of_text_at_their_defaults_change_nothing():
    objective, batch = build("next_token", TOKENS), make_batch(TOKENS, 8)
    params = random_params(objective.init)
    ones = np.ones(batch["tokens"].shape, np.int32)
    text = {"segment_ids": ones, "positions": np.cumsum(ones, axis=1) - 1, "loss_mask": ones.astype(np.float32), "num_units": ones.sum(axis=1)}
    likelihood = jax.jit(lambda batch: objective.likelihood(params, batch, KEY))
    np.testing.assert_array_equal(likelihood(batch | text).nats, likelihood(batch).nats)
