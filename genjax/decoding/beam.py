"""Beam search: the likeliest sequences, as far as a beam of them finds them.

A sequence of n tokens is scored by its log-probability over n^alpha (arXiv:1609.08144): alpha = 0 is the probability itself, which favours
short sequences, alpha = 1 the mean over its tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax.decoding.generate import Apply, Progress
from genjax.types import Array, PyTree


class Beams(NamedTuple):
    """The k best sequences of every row, best first: tokens int32 [B, k, N] (0 after the end); lengths int32 [B, k], the end token included;
    scores float32 [B, k], -inf where fewer than k sequences exist.
    """

    tokens: Array
    lengths: Array
    scores: Array


class _Search(NamedTuple):
    step: Array
    alive: Array  # [B, k, N]
    scores: Array  # [B, k] log-probabilities
    state: PyTree
    finished: Beams


def beam_search(
    apply: Apply,
    progress: Progress,
    length: int,
    beams: int,
    take: Callable[[PyTree, Array], PyTree],
    *,
    end: int | None = None,
    alpha: float = 0.0,
) -> Beams:
    """The best sequences of at most `length` tokens.

    Args:
      apply, progress: the model, and where it stands after the prompts (see `generate`).
      length: N, tokens of a sequence that does not end before.
      beams: k.
      take: (state, rows int32 [R]) -> the state whose row r is row rows[r].
      end: the token that ends a sequence, or None.
      alpha: the exponent of the length, at least 0.
    """
    rows = progress.token.shape[0]

    def best(candidates: Beams) -> Beams:
        scores, order = jax.lax.top_k(candidates.scores, beams)
        return Beams(jnp.take_along_axis(candidates.tokens, order[..., None], axis=1), jnp.take_along_axis(candidates.lengths, order, axis=1), scores)

    def join(finished: Beams, tokens: Array, size: Array, scores: Array) -> Beams:
        """With more sequences, all of `size` tokens, given by their log-probabilities."""
        more = Beams(tokens, jnp.full(scores.shape, size), scores / size**alpha)
        return best(jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), finished, more))

    def step(at: _Search) -> _Search:
        last = jnp.where(at.step == 0, progress.token[:, None], at.alive[:, :, at.step - 1]).reshape(-1, 1)
        position = jnp.repeat(progress.position + at.step, beams)[:, None]
        logits, state = apply(last, position, jnp.ones_like(last, bool), at.state)
        vocab = logits.shape[-1]
        extended = at.scores[..., None] + jax.nn.log_softmax(logits.astype(jnp.float32)).reshape(rows, beams, vocab)
        # Of twice as many candidates at most half end, so that as many as before can go on.
        scores, chosen = jax.lax.top_k(extended.reshape(rows, -1), min(2 * beams, beams * vocab))
        parent, token = chosen // vocab, (chosen % vocab).astype(jnp.int32)
        tokens = jnp.take_along_axis(at.alive, parent[..., None], axis=1).at[:, :, at.step].set(token)
        ended = jnp.zeros_like(token, bool) if end is None else token == end
        finished = join(at.finished, tokens, at.step + 1, jnp.where(ended, scores, -jnp.inf))
        scores, order = jax.lax.top_k(jnp.where(ended, -jnp.inf, scores), beams)
        alive = jnp.take_along_axis(tokens, order[..., None], axis=1)
        origin = jnp.arange(rows)[:, None] * beams + jnp.take_along_axis(parent, order, axis=1)
        return _Search(at.step + 1, alive, scores, take(state, origin.reshape(-1)), finished)

    def undecided(at: _Search) -> Array:
        """Log-probabilities only fall, and lengths only rise to N: no sequence that is alive ends above this."""
        reachable = jnp.max(at.scores, axis=1) / length**alpha
        return (at.step < length) & jnp.any(reachable > jnp.min(at.finished.scores, axis=1))

    empty = jnp.zeros((rows, beams, length), jnp.int32)
    none = Beams(empty, jnp.zeros((rows, beams), jnp.int32), jnp.full((rows, beams), -jnp.inf))
    first = jnp.where(jnp.arange(beams) == 0, 0.0, jnp.full((rows, beams), -jnp.inf))  # all beams are the same prompt: one of them counts
    search = _Search(jnp.zeros((), jnp.int32), empty, first, take(progress.state, jnp.repeat(jnp.arange(rows), beams)), none)
    search = jax.lax.while_loop(undecided, step, search)
    whole = jnp.where(search.step == length, search.scores, -jnp.inf)  # what was alive when the search was decided is not a sequence
    return join(search.finished, search.alive, jnp.asarray(length), whole)
