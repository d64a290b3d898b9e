"""Drawing token by token, from a model that is a table: the next token given the last one, the position and how often 0 was seen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.decoding.generate import begin, generate
from genjax.decoding.sampling import SamplingRule
from tests.helpers import jit

V, LENGTH, ROWS = 4, 6, 50
TABLE = (np.random.default_rng(0).normal(size=(LENGTH, LENGTH + 1, V + 1, V)) * 2).astype(np.float32)  # position, zeros seen, last token


def apply(tokens, positions, real, zeros):
    """The state is a number a row, how often 0 was seen; 0 is a token like any other, and padding is none."""
    seen = zeros[:, None] + jnp.cumsum((tokens == 0) & real, axis=1)
    return jnp.asarray(TABLE)[positions, seen, tokens], seen[:, -1]


def run(ids, rule, length=LENGTH):
    def drawn(ids):
        state, start = jnp.zeros(len(ids), jnp.int32), jnp.full(len(ids), V, jnp.int32)
        return generate(apply, begin(state, start), length, rule, rng.rows(jax.random.key(1), ids)).tokens

    return np.asarray(jit(drawn)(np.asarray(ids)))


def row_by_row(ids, rule, length=LENGTH):
    out = np.zeros((len(ids), length), np.int32)
    choose = jit(lambda logits, key: rule(logits, key))
    for row, number in enumerate(ids):
        token, zeros = V, 0
        for position in range(length):
            zeros += token == 0
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(1), number), position)
            token = out[row, position] = int(choose(TABLE[position, zeros, token][None], key[None])[0])
    return out


@pytest.mark.parametrize("rule", [SamplingRule(0.0), SamplingRule(), SamplingRule(0.8, 3, 0.9)], ids=["greedy", "plain", "filtered"])
def test_generate_is_the_loop_over_rows_and_positions(rule):
    np.testing.assert_array_equal(run(range(5), rule), row_by_row(range(5), rule))


def test_a_row_does_not_depend_on_its_neighbours():
    together = run(range(ROWS), SamplingRule())
    order = np.random.default_rng(3).permutation(ROWS)
    np.testing.assert_array_equal(run(order, SamplingRule()), together[order])
    np.testing.assert_array_equal(run([17], SamplingRule()), together[[17]])
    assert len(np.unique(together, axis=0)) > 10


def test_a_shorter_sequence_is_the_beginning_of_a_longer_one():
    np.testing.assert_array_equal(run(range(ROWS), SamplingRule(), 3), run(range(ROWS), SamplingRule())[:, :3])


def test_positions_are_drawn_independently():
    """From a model that forgets, two positions of a row agree no more often than chance: every position has a key of its own."""
    rows = 4000

    def drawn():
        keys, start = rng.rows(jax.random.key(2), jnp.arange(rows)), jnp.zeros(rows, jnp.int32)
        return generate(lambda tokens, *_: (jnp.zeros((rows, 1, V)), ()), begin((), start), 2, SamplingRule(), keys).tokens

    flat = np.asarray(jit(drawn)())
    agree = np.mean(flat[:, 0] == flat[:, 1])
    assert abs(agree - 1 / V) < 5 * np.sqrt(1 / V * (1 - 1 / V) / rows)
