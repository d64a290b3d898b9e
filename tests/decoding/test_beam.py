"""Beam search. Oracles: all sequences, listed; and the textbook's loop over lists."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.decoding.beam import beam_search
from genjax.decoding.generate import begin, prefill
from tests.decoding.toys import V, apply, log_probability, sequences

END, N = 2, 4


def search(beams, *, end, alpha, prompts=((),), length=N):
    tokens = np.array([[V, *prompt] for prompt in prompts], np.int32)

    def found(tokens):
        zeros = jnp.zeros(len(tokens), jnp.int32)
        progress = prefill(apply, zeros, tokens, jnp.ones(tokens.shape, bool))
        return beam_search(apply, progress, length, beams, lambda state, rows: state[rows], end=end, alpha=alpha)

    return jax.tree.map(np.asarray, jax.jit(found)(tokens))


def finished(end, length=N):
    """All sequences that end with their first end token, or are of full length without one."""
    for size in range(1, length + 1):
        for tokens in sequences(size):
            if (tokens[-1] == end and end not in tokens[:-1]) or (size == length and end not in tokens):
                yield tokens


@pytest.mark.parametrize(("end", "alpha"), [(None, 1.0), (END, 0.0), (END, 0.6), (END, 2.0)])
def test_a_beam_as_wide_as_the_world_finds_the_best_of_it(end, alpha):
    prompts = ((0,), (3,))
    found = search(V ** (N - 1), end=end, alpha=alpha, prompts=prompts)
    for row, prompt in enumerate(prompts):
        listed = sorted(((log_probability(tokens, prompt) / len(tokens) ** alpha, tokens) for tokens in finished(end)), reverse=True)
        for rank, (score, tokens) in enumerate(listed[:20]):
            np.testing.assert_allclose(found.scores[row, rank], score, rtol=1e-5)
            assert found.lengths[row, rank] == len(tokens)
            assert tuple(found.tokens[row, rank]) == tokens + (0,) * (N - len(tokens))


def textbook(beams, alpha, length=N):
    """One list of sequences that go on and one of those that ended."""
    alive, ended = [()], []
    for _ in range(length):
        candidates = sorted(((log_probability((*tokens, t)), (*tokens, t)) for tokens in alive for t in range(V)), reverse=True)[: 2 * beams]
        ended = sorted([*ended, *((s / len(t) ** alpha, t) for s, t in candidates if t[-1] == END)], reverse=True)[:beams]
        alive = [t for _, t in candidates if t[-1] != END][:beams]
    return sorted([*ended, *((log_probability(t) / length**alpha, t) for t in alive)], reverse=True)[:beams]


@pytest.mark.parametrize(("beams", "alpha"), [(1, 1.0), (2, 1.0), (3, 0.0), (3, 1.5)])
def test_a_narrow_beam_is_the_textbooks(beams, alpha):
    found = search(beams, end=END, alpha=alpha)
    listed = textbook(beams, alpha)
    np.testing.assert_allclose(found.scores[0, 0], listed[0][0], rtol=1e-5)
    assert tuple(found.tokens[0, 0][: found.lengths[0, 0]]) == listed[0][1]


def test_one_beam_without_an_end_is_greedy():
    tokens = []
    for _ in range(N):
        tokens.append(max(range(V), key=lambda t: log_probability([*tokens, t])))
    assert list(search(1, end=None, alpha=1.0).tokens[0, 0]) == tokens


def test_a_row_does_not_depend_on_its_neighbours():
    together, alone = search(3, end=END, alpha=1.0, prompts=((1,), (3,), (0,))), search(3, end=END, alpha=1.0, prompts=((3,),))
    np.testing.assert_array_equal(together.tokens[1], alone.tokens[0])
    np.testing.assert_array_equal(together.scores[1], alone.scores[0])


def test_the_search_ends_when_nothing_can_win_any_more():
    """A model that ends at once with near certainty: the state counts its calls."""

    def apply(tokens, positions, real, calls):
        return jnp.broadcast_to(jnp.where(jnp.arange(V) == END, 20.0, 0.0), (*tokens.shape, V)) + 0.0 * calls[0], calls + 1

    calls = []

    def take(state, rows):
        jax.debug.callback(lambda: calls.append(1))
        return state[:1].repeat(rows.shape[0])

    found = jax.jit(lambda: beam_search(apply, begin(jnp.zeros(1), jnp.array([V])), 50, 1, take, end=END))()
    jax.effects_barrier()
    assert found.lengths[0, 0] == 1
    assert len(calls) < 5
