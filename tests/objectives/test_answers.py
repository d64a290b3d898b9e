"""Answers to prompts that are rows, drawn by both families. Oracles: `complete` of the same prompts, and all positions of a row at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.models import masks
from genjax.objectives.sequences import sequence
from genjax.types import DataSpec
from tests.helpers import build, random_params

SPEC = DataSpec("toy answers", "tokens", (8,), 9, 0, 100, 10, unit="answer", prompted=True)
END, ASK, ROWS, KEY = 7, 8, 3, jax.random.key(2)
TOKENS = np.array([[1, 2, ASK, 3, END, END, 0, 0], [4, ASK, 5, 6, END, 0, 0, 0], [1, 2, 3, ASK, END, END, END, 0]], np.int32)
REAL = np.array([6, 5, 7])
PROMPT = np.array([3, 2, 4])
AT = np.arange(8)
REQUEST = {
    "id": np.arange(ROWS, dtype=np.uint32),
    "tokens": TOKENS,
    "segment_ids": (REAL[:, None] > AT).astype(np.int32),
    "positions": np.where(REAL[:, None] > AT, AT, 0).astype(np.int32),
    "mask": (PROMPT[:, None] > AT) | (REAL[:, None] <= AT),
}


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["causal", "prefix"])
def test_next_token_answers_rows_as_it_completes_their_prompts(attention):
    objective = build("next_token", SPEC, next_token__attention=attention)
    params = random_params(objective.init)
    drawn = jax.jit(objective.sample)(params, REQUEST, KEY)
    for row in range(ROWS):
        prompt = TOKENS[row : row + 1, : PROMPT[row]]
        request = {"id": REQUEST["id"][row : row + 1]}
        alone = objective.complete(params, prompt, np.ones(prompt.shape, bool), request, KEY, length=8 - PROMPT[row], stop=((END,),))
        said = np.asarray(alone.tokens[0, : alone.lengths[0]])
        mine = np.asarray(drawn.data[row])
        np.testing.assert_array_equal(mine[: PROMPT[row]], prompt[0])
        np.testing.assert_array_equal(mine[PROMPT[row] :][: len(said)], said)
        if END in said:
            assert (mine[PROMPT[row] + len(said) :] == END).all()


def test_masked_diffusion_answers_by_what_it_learns_and_sees_no_padding():
    """In one step, the likeliest of each: the logits of rows whose answers are masked, as in the loss; what lies in the padding changes nothing."""
    objective = build("masked_diffusion", SPEC, masked_diffusion__steps=1, masked_diffusion__temperature=0.0)
    params = random_params(objective.init)
    draw = jax.jit(objective.sample)
    drawn, noisy = np.asarray(draw(params, REQUEST, KEY).data), REQUEST | {"tokens": np.where(REAL[:, None] > AT, TOKENS, 5)}
    rows = sequence(REQUEST, SPEC)
    seen = masks.bidirectional(ROWS, 8)._replace(segment_ids=REQUEST["segment_ids"])
    hidden = jnp.where(REQUEST["mask"], TOKENS, SPEC.levels)
    logits, _ = jax.jit(lambda: objective.network.apply({"params": params}, hidden, rows.coordinates, seen, None))()
    np.testing.assert_array_equal(drawn, np.where(REQUEST["mask"], TOKENS, np.argmax(logits, axis=-1)))
    answers = ~REQUEST["mask"]
    np.testing.assert_array_equal(np.asarray(draw(params, noisy, KEY).data)[answers], drawn[answers])


@pytest.mark.parametrize("name", ["next_token", "masked_diffusion"])
def test_an_answer_is_learned_given_its_prompt_alone(name):
    """Other padding and other rows change nothing; another word of the prompt does."""
    objective = build(name, SPEC)
    params = random_params(objective.init)
    batch = REQUEST | {
        "weight": np.ones(ROWS, np.float32),
        "loss_mask": (~REQUEST["mask"]).astype(np.float32),
        "num_units": np.ones(ROWS, np.float32),
    }
    nats = jax.jit(lambda tokens: objective.likelihood(params, batch | {"tokens": tokens}, KEY).nats)
    before = np.asarray(nats(TOKENS))
    np.testing.assert_allclose(nats(np.where(REAL[:, None] > AT, TOKENS, 5)), before, rtol=1e-6)
    other = TOKENS.copy()
    other[0, 0] = 6
    changed = np.abs(np.asarray(nats(other)) - before)
    assert changed[0] > 1e-4 and (changed[1:] < 1e-5).all()
