"""Diffusion over vectors of tokens. Oracles: an untrained network, which is the perfect model of uniform tokens, and packed against alone."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.errors import UsageError
from genjax.types import DataSpec
from tests.helpers import build, fresh_params, make_batch, random_params

SPEC = DataSpec("toy text", "tokens", (8,), 5, 2, 100, 10)
KEY = jax.random.key(5)
ROWS = 512


@pytest.fixture(scope="module")
def objective():
    return build("embedding_diffusion", SPEC, embedding_diffusion__eval_times=4)


def test_an_untrained_model_needs_the_log_of_the_levels_on_uniform_tokens_and_draws_them(objective):
    """Its head is zero: it adds nothing to what every noisy vector says of itself, and of uniform tokens there is no more to say."""
    batch = make_batch(SPEC, ROWS)
    request = {name: batch[name] for name in ("id", "label")}

    @jax.jit
    def everything(params):
        loss = lambda params: objective.loss(params, batch, KEY, train=True)
        gradient = jax.grad(lambda params: loss(params).loss)(params)
        return loss(params), gradient, objective.likelihood(params, batch, KEY), objective.sample(params, request, KEY)

    sums, gradient, found, samples = everything(fresh_params(objective))
    entropy = SPEC.num_dims * math.log(SPEC.levels)
    assert found.kind == "upper_bound"
    nats = np.asarray(found.nats)
    assert abs(nats.mean() - entropy) < 4.5 * nats.std() / math.sqrt(ROWS) + 0.02
    np.testing.assert_allclose(sum(np.asarray(term) for term in found.terms.values()), nats, rtol=1e-4)
    assert abs(float(sums.loss / sums.weight) - math.log(SPEC.levels)) < 0.1
    np.testing.assert_allclose(sum(total for total, _ in sums.metrics.values()), sums.loss, rtol=1e-5)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert np.abs(gradient["network"]["head"]["logits"]["kernel"]).max() > 0
    counts = np.bincount(np.asarray(samples.data).ravel(), minlength=SPEC.levels)
    assert np.abs(counts / counts.sum() - 1 / SPEC.levels).max() < 0.06  # four solver steps
    assert (int(samples.cost.nfe), int(samples.cost.sequential_depth)) == (5, 5)


def test_documents_do_not_see_each_other_and_context_carries_no_noise(objective):
    """Another second document changes no bit of the first one's bound; and given tokens cost nothing."""
    params = random_params(objective.init)
    batch = make_batch(SPEC, 4) | {
        "segment_ids": np.array([[1, 1, 1, 2, 2, 2, 2, 0]] * 4),
        "positions": np.array([[0, 1, 2, 0, 1, 2, 3, 0]] * 4),
        "loss_mask": np.array([[0, 1, 1, 0, 0, 0, 0, 0]] * 4, np.float32),
        "num_units": np.full(4, 6.0, np.float32),
    }
    ask = jax.jit(lambda batch: (objective.likelihood(params, batch, KEY), objective.loss(params, batch, KEY, train=True)))
    found, sums = ask(batch)
    other = batch | {"tokens": np.where(batch["segment_ids"] == 1, batch["tokens"], (batch["tokens"] + 1) % SPEC.levels)}
    np.testing.assert_array_equal(ask(other)[0].nats, found.nats)
    context = batch | {"tokens": np.where(np.arange(8) == 0, (batch["tokens"] + 1) % SPEC.levels, batch["tokens"])}
    assert (np.abs(ask(context)[0].nats - found.nats) > 1e-3).any()
    assert float(sums.weight) == 8.0 and (np.asarray(found.units) == 6).all()
    nothing, none = ask(batch | {"loss_mask": np.zeros((4, 8), np.float32)})
    np.testing.assert_array_equal(nothing.nats, 0)
    assert float(none.loss) == 0.0


def test_infilling_keeps_what_is_known_and_does_not_see_what_was_there(objective):
    batch, mask = make_batch(SPEC, 16), np.random.default_rng(0).random((16, 8)) < 0.5
    params, request = random_params(objective.init), {name: batch[name] for name in ("id", "label")}
    sample = jax.jit(lambda tokens: objective.sample(params, request | {"tokens": tokens, "mask": mask}, KEY).data)
    drawn = np.asarray(sample(batch["tokens"]))
    np.testing.assert_array_equal(drawn[mask], batch["tokens"][mask])
    np.testing.assert_array_equal(drawn, sample(np.where(mask, batch["tokens"], 0)))
    assert (drawn[~mask] != batch["tokens"][~mask]).any()
    with pytest.raises(UsageError, match="--redraw"):
        objective.sample(params, request | {"tokens": jnp.asarray(batch["tokens"])}, KEY)


def test_ends_in_the_wrong_order_are_refused():
    with pytest.raises(UsageError, match="must be below"):
        build("embedding_diffusion", SPEC, embedding_diffusion__logsnr_min=6.0)
