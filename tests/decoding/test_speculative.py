"""Speculative decoding: what is drawn is what would have been drawn, with fewer calls of the model."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.decoding.generate import begin, generate
from genjax.decoding.sampling import SamplingRule
from genjax.decoding.speculative import repeat_last, speculate
from tests.decoding.toys import TABLE, V, log_probability, sequences

N, ROWS = 5, 40


def apply(tokens, positions, real, state):
    """The table model, whose state is the tokens that it was given: a list that can be shortened. `state`: (tokens [B, S], count [B])."""
    seen, count = state
    at = jnp.where(real, count[:, None] + jnp.cumsum(real, axis=1) - 1, seen.shape[1])
    seen = jax.vmap(lambda row, at, values: row.at[at].set(values, mode="drop"))(seen, at, tokens)
    zeros = jnp.cumsum(seen == 0, axis=1)
    zeros = jnp.take_along_axis(zeros, jnp.clip(at, 0, seen.shape[1] - 1), axis=1)
    logits = jnp.take(jnp.asarray(TABLE), positions, axis=0, mode="clip")
    logits = jnp.take_along_axis(logits, zeros[..., None, None, None], axis=2)[:, :, 0]
    return jnp.take_along_axis(logits, tokens[..., None, None], axis=2)[:, :, 0], (seen, count + jnp.sum(real, axis=1))


def forget(state, number):
    return state[0], state[1] - number


def start(rows, stop=()):
    return begin((jnp.full((rows, N), -1), jnp.zeros(rows, jnp.int32)), jnp.full(rows, V, jnp.int32), stop=stop)


@functools.cache
def plain(rule, rows, stop=()):
    drawn = jax.jit(lambda ids: generate(apply, start(rows, stop), N, rule, rng.rows(jax.random.key(1), ids), stop=stop))(np.arange(rows))
    return np.asarray(drawn.tokens), np.asarray(drawn.lengths)


def fast(rule, ids, draft, stop=()):
    keys = lambda ids: rng.rows(jax.random.key(1), ids)
    return jax.jit(lambda ids: speculate(apply, start(len(ids), stop), N, rule, keys(ids), draft, forget, stop=stop))(np.asarray(ids))


def right(expected):
    """The draft that knows what will be drawn."""
    known = jnp.asarray(np.pad(expected, ((0, 0), (0, 3))))
    return lambda tokens, count: jnp.take_along_axis(known, count[:, None] + jnp.arange(3), axis=1)


@pytest.mark.parametrize("rule", [SamplingRule(0.0), SamplingRule(), SamplingRule(0.7, 3, 0.9)], ids=["greedy", "plain", "filtered"])
@pytest.mark.parametrize("draft", ["repeats", "always wrong", "always right"])
def test_what_is_drawn_does_not_depend_on_the_draft(draft, rule):
    expected, _ = plain(rule, ROWS)
    drafts = {"repeats": repeat_last(1, 3), "always wrong": lambda tokens, count: jnp.full((ROWS, 3), V), "always right": right(expected)}
    drawn = fast(rule, range(ROWS), drafts[draft])
    np.testing.assert_array_equal(drawn.tokens, expected)
    np.testing.assert_array_equal(drawn.lengths, N)
    assert drawn.steps == {"always wrong": N, "always right": 2}.get(draft, drawn.steps)


@pytest.mark.parametrize("draft", ["repeats", "always right"])
@pytest.mark.parametrize("stop", [((0,),), ((1, 1), (2,)), ((3, 0, 1), (1, 2))], ids=str)
def test_a_row_ends_where_it_ends_without_a_draft_also_amid_right_guesses(stop, draft):
    expected, lengths = plain(SamplingRule(), ROWS, stop)
    whole, _ = plain(SamplingRule(), ROWS)
    drawn = fast(SamplingRule(), range(ROWS), repeat_last(1, 3) if draft == "repeats" else right(whole), stop)
    np.testing.assert_array_equal(drawn.lengths, lengths)
    np.testing.assert_array_equal(drawn.tokens, expected)
    assert len(set(lengths.tolist())) > 2 and (draft == "repeats" or drawn.steps == 2)


def test_the_distribution_is_the_enumerated_one():
    """Pearson's chi-squared of 8000 speculated sequences over all sequences of 3 tokens, at four standard deviations."""
    rows = 8000
    drawn = np.asarray(fast(SamplingRule(), range(rows), repeat_last(1, 2)).tokens)[:, :3]
    counts = np.bincount(drawn @ V ** np.arange(3)[::-1], minlength=V**3)
    expected = rows * np.exp([log_probability(tokens) for tokens in sequences(3)])
    rare = expected < 5
    counts, expected = np.append(counts[~rare], counts[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    freedom = len(counts) - 1
    assert freedom > 10
    assert abs(np.sum((counts - expected) ** 2 / expected) - freedom) < 4 * np.sqrt(2 * freedom)


def test_repeats_are_guessed_from_where_they_were_last_seen():
    tokens, count = jnp.array([[5, 6, 7, 5, 6, 8, 5, 6, 0, 0]]), jnp.array([8])
    np.testing.assert_array_equal(repeat_last(2, 3)(tokens, count), [[8, 5, 6]])  # the later of the two places
    np.testing.assert_array_equal(repeat_last(2, 2)(tokens, jnp.array([5])), [[7, 5]])
