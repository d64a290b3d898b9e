"""What a loss asks for, counted beside what the masks let be seen and what a masking hides."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.diffusion import absorbing
from genjax.models import masks
from tests.helpers import TOKENS, build

LENGTH = TOKENS.num_dims


def share(ids):
    return float(jnp.mean(masks.visible(ids, ids)))


@pytest.mark.parametrize("objective, ids", [("next_token", masks.causal(1, LENGTH)), ("masked_diffusion", masks.bidirectional(1, LENGTH))])
def test_what_is_visible_of_one_copy(objective, ids):
    work = build(objective, TOKENS).work()
    assert work.positions == LENGTH
    np.testing.assert_allclose(work.visible, share(ids), rtol=1e-6)


@pytest.mark.parametrize("block", [1, 2])
def test_what_is_visible_of_clean_and_draft(block):
    work = build("masked_diffusion", TOKENS, **{"masked_diffusion.block_size": block}).work()
    ids = masks.clean_and_draft(masks.block_causal(1, LENGTH, block))
    assert work.positions == ids.block_ids.shape[1]
    np.testing.assert_allclose(work.visible, share(ids), rtol=1e-6)


@pytest.mark.parametrize("masking", absorbing.MASKINGS)
@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_as_many_targets_as_are_masked_on_average(masking, schedule):
    objective = build("masked_diffusion", TOKENS, **{"masked_diffusion.masking": masking, "masked_diffusion.schedule": schedule})
    rows = 50_000
    t = (jnp.arange(rows)[:, None] + 0.5) / rows
    u = jax.random.uniform(jax.random.key(0), (rows, LENGTH))
    hidden = absorbing.MASKINGS[masking](objective._schedule, jnp.ones((rows, LENGTH), bool), jnp.zeros((rows, LENGTH), jnp.int32), t, u).hidden
    count = np.asarray(hidden.sum(axis=1), float)
    np.testing.assert_allclose(objective.work().targets, count.mean(), atol=4 * count.std() / rows**0.5)


def test_full_masking_asks_for_every_value():
    assert build("masked_diffusion", TOKENS, **{"masked_diffusion.block_size": 1}).work().targets == LENGTH
