"""Drawing token by token, from a model that is a table, against the loop over rows and positions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.decoding.generate import begin, generate, make_step, prefill, stages, stream
from genjax.decoding.prompts import bucket, pad
from genjax.decoding.sampling import SamplingRule
from genjax.errors import UsageError
from tests.decoding.toys import LENGTH, TABLE, V, apply
from tests.helpers import assert_trees_equal

ROWS = 50
PROMPTS = [[], [0], [3, 0], [1, 2, 3], [0, 0], [2]]  # after the start token


def keys_of(ids):
    return rng.rows(jax.random.key(1), jnp.asarray(ids))


def run(ids, rule, length=LENGTH, stop=()):
    def drawn(ids):
        state, start = jnp.zeros(len(ids), jnp.int32), jnp.full(len(ids), V, jnp.int32)
        return generate(apply, begin(state, start, 0, stop), length, rule, keys_of(ids), stop=stop)

    return jax.tree.map(np.asarray, jax.jit(drawn)(np.asarray(ids)))


def after_prompts(prompts, ids, rule, length, *, side="right", chunk=None, stop=()):
    tokens, real = pad([[V, *prompt] for prompt in prompts], side=side)

    def drawn(tokens, real, ids):
        progress = prefill(apply, jnp.zeros(len(ids), jnp.int32), tokens, real, stop, chunk)
        return generate(apply, progress, length, rule, keys_of(ids), stop=stop)

    return jax.tree.map(np.asarray, jax.jit(drawn)(tokens, real, np.asarray(ids)))


def row_by_row(ids, rule, length=LENGTH, prompts=None):
    out = np.zeros((len(ids), length), np.int32)
    choose = jax.jit(lambda logits, key: rule(logits, key))
    for row, number in enumerate(ids):
        seen = [V, *(prompts[row] if prompts else [])]
        for step in range(length):
            position = len(seen) - 1
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(1), number), position)
            out[row, step] = int(choose(TABLE[position, seen.count(0), seen[-1]][None], key[None])[0])
            seen.append(out[row, step])
    return out


@pytest.mark.parametrize("rule", [SamplingRule(0.0), SamplingRule(), SamplingRule(0.8, 3, 0.9)], ids=["greedy", "plain", "filtered"])
def test_generate_is_the_loop_over_rows_and_positions(rule):
    drawn = run(range(5), rule)
    np.testing.assert_array_equal(drawn.tokens, row_by_row(range(5), rule))
    np.testing.assert_array_equal(drawn.lengths, LENGTH)
    assert drawn.steps == LENGTH


@pytest.mark.parametrize("ahead", [0, V, 3 * V, 100 * V])
@pytest.mark.parametrize("stop", [(), ((1, 2), (0, 3))], ids=["no stop", "stop"])
def test_stages_and_noise_that_is_drawn_ahead_change_no_token(ahead, stop, monkeypatch):
    """Stages of one, one, two tokens and so on, each with room made for it once, when the tokens before it are drawn."""
    rule, ids, grown = SamplingRule(1.5), np.arange(ROWS), []

    def grow(state, count):
        grown.append(count)
        return state

    def drawn(ids):
        progress = begin(jnp.zeros(len(ids), jnp.int32), jnp.full(len(ids), V, jnp.int32), 0, stop)
        return generate(apply, progress, LENGTH, rule, keys_of(ids), stop=stop, vocab=V, grow=grow)

    monkeypatch.setattr("genjax.decoding.generate.SHORTEST", 1)
    monkeypatch.setattr("genjax.decoding.generate.MOST_NOISE", ahead)
    assert_trees_equal(jax.jit(drawn)(ids), run(ids, rule, stop=stop))
    ends = stages(LENGTH)
    assert (grown, ends[0], len(ends) > 2) == (list(np.diff(ends)), 1, True)


def test_stages_are_halves():
    assert [stages(n) for n in (1, 127, 128, 129, 256, 784)] == [[1], [127], [64, 128], [65, 129], [64, 128, 256], [98, 196, 392, 784]]


def test_a_row_does_not_depend_on_its_neighbours():
    together = run(range(ROWS), SamplingRule()).tokens
    order = np.random.default_rng(3).permutation(ROWS)
    np.testing.assert_array_equal(run(order, SamplingRule()).tokens, together[order])
    np.testing.assert_array_equal(run([17], SamplingRule()).tokens, together[[17]])
    assert len(np.unique(together, axis=0)) > 10


def test_a_shorter_sequence_is_the_beginning_of_a_longer_one():
    np.testing.assert_array_equal(run(range(ROWS), SamplingRule(), 3).tokens, run(range(ROWS), SamplingRule()).tokens[:, :3])


def test_positions_are_drawn_independently():
    """From a model that forgets, two positions of a row agree no more often than chance: every position has a key of its own."""
    rows = 4000

    def drawn():
        keys, start = rng.rows(jax.random.key(2), jnp.arange(rows)), jnp.zeros(rows, jnp.int32)
        return generate(lambda tokens, *_: (jnp.zeros((rows, 1, V)), ()), begin((), start), 2, SamplingRule(), keys).tokens

    flat = np.asarray(jax.jit(drawn)())
    agree = np.mean(flat[:, 0] == flat[:, 1])
    assert abs(agree - 1 / V) < 5 * np.sqrt(1 / V * (1 - 1 / V) / rows)


# ---- prompts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "chunk"), [("right", None), ("left", None), ("left", 3), ("right", 2)])
def test_prompts_of_any_lengths_go_on_as_if_each_were_alone(side, chunk):
    drawn = after_prompts(PROMPTS, range(6), SamplingRule(), 3, side=side, chunk=chunk)
    np.testing.assert_array_equal(drawn.tokens, row_by_row(range(6), SamplingRule(), 3, PROMPTS))


def test_a_sample_goes_on_from_its_own_beginning():
    """Position by position a row has the same keys, whether its first tokens are drawn or given."""
    whole = run(range(6), SamplingRule()).tokens
    rest = after_prompts([row[:2] for row in whole], range(6), SamplingRule(), LENGTH - 2)
    np.testing.assert_array_equal(rest.tokens, whole[:, 2:])


def test_few_sizes_hold_all_prompts():
    assert [bucket(n) for n in (1, 2, 3, 4, 5, 8, 9, 1000)] == [1, 2, 4, 4, 8, 8, 16, 1024]
    tokens, real = pad([[5, 0], [7, 8, 9]], side="left")
    np.testing.assert_array_equal(tokens, [[0, 0, 5, 0], [0, 7, 8, 9]])
    np.testing.assert_array_equal(real, [[0, 0, 1, 1], [0, 1, 1, 1]])
    with pytest.raises(UsageError, match="a prompt has no tokens"):
        pad([[1], []])


# ---- stop sequences and streams ------------------------------------------------------------------------------------


def cut(row, stop):
    """The row up to the first stop sequence that it completes."""
    for end in range(1, len(row) + 1):
        if any(tuple(row[:end][-len(words) :]) == words for words in stop):
            return list(row[:end])
    return list(row)


STOP = ((1, 1, 2), (0, 3), (2,))


def test_rows_end_with_the_first_stop_sequence_that_they_complete():
    whole, stopped = run(range(ROWS), SamplingRule(2.0)).tokens, run(range(ROWS), SamplingRule(2.0), stop=STOP)
    for row in range(ROWS):
        kept = cut(whole[row], STOP)
        assert stopped.lengths[row] == len(kept)
        np.testing.assert_array_equal(stopped.tokens[row], kept + [0] * (LENGTH - len(kept)))
    assert len(set(stopped.lengths)) > 3


def test_a_stop_sequence_is_found_behind_its_own_beginning():
    """1 1 2 in 1 1 1 2: the third token begins the match, and a search that starts over at a mismatch misses it. The prompt is no part of it."""
    text = np.array([1, 1, 1, 2, 1, 1])

    def says(tokens, positions, real, state):
        return jax.nn.one_hot(jnp.asarray(text)[positions], V), state

    progress = begin((), jnp.array([V]), 0, ((1, 1, 2),))
    drawn = generate(says, progress, LENGTH, SamplingRule(0.0), keys_of([0]), stop=((1, 1, 2),))
    assert (int(drawn.lengths[0]), int(drawn.steps)) == (4, 4)
    late = prefill(says, (), jnp.array([[V, 1, 1, 1]]), jnp.ones((1, 4), bool), ((1, 1, 2),))
    assert int(generate(says, late, 3, SamplingRule(0.0), keys_of([0]), stop=((1, 1, 2),)).lengths[0]) == 3


def test_the_loop_ends_when_all_rows_have():
    drawn = run(range(ROWS), SamplingRule(), stop=((0,), (1,), (2,), (3,)))
    assert (drawn.steps, set(drawn.lengths)) == (1, {1})


def test_a_stream_is_the_batch_token_by_token():
    batch, step = run(range(8), SamplingRule(2.0), stop=STOP), jax.jit(make_step(apply, SamplingRule(2.0), keys_of(range(8)), STOP))
    streamed = [[] for _ in range(8)]
    for token, drawn in stream(step, begin(jnp.zeros(8, jnp.int32), jnp.full(8, V, jnp.int32), 0, STOP), LENGTH):
        for row in np.flatnonzero(drawn):
            streamed[row].append(int(token[row]))
    assert streamed == [list(row[:length]) for row, length in zip(batch.tokens, batch.lengths, strict=True)]


def test_a_stream_ends_when_all_rows_have():
    step = jax.jit(make_step(apply, SamplingRule(), keys_of(range(3)), ((0,), (1,), (2,), (3,))))
    assert len(list(stream(step, begin(jnp.zeros(3, jnp.int32), jnp.full(3, V, jnp.int32), 0, ((0,),)), LENGTH))) == 1
