"""Several tokens a call of the model: a draft guesses k tokens, and one call says what each of them should have been.

The token at a position is drawn from the model's own distribution with the key of that position, as in `generate`; a guess is right when it
is that very token. The tokens up to the first wrong guess, and the one that corrects it, are therefore those of `generate`, one by one: what
is drawn does not depend on the draft, only how fast. (arXiv:2211.17192 accepts by a coin of its own and is exact in distribution.)
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.decoding.generate import Apply, Drawn, Progress
from genjax.decoding.sampling import SamplingRule
from genjax.types import Array, Key, PyTree

# (tokens int32 [B, N] that were drawn, count int32 [B] of them) -> guesses int32 [B, k] of what follows.
Draft = Callable[[Array, Array], Array]


def speculate(
    apply: Apply, progress: Progress, length: int, rule: SamplingRule, keys: Key, draft: Draft, forget: Callable[[PyTree, Array], PyTree]
) -> Drawn:
    """`length` tokens a row, those of `generate`; `forget(state, count [B])` is the state without its last count[b] tokens of row b."""
    rows = progress.token.shape[0]

    def step(carry: tuple[Array, Array, Array, PyTree]) -> tuple[Array, Array, Array, PyTree]:
        tokens, count, calls, state = carry
        guesses = draft(tokens[:, :length], count)
        last = jnp.where(count == 0, progress.token, jnp.take_along_axis(tokens, jnp.maximum(count - 1, 0)[:, None], axis=1)[:, 0])
        fed = jnp.concatenate([last[:, None], guesses], axis=1)
        ahead = jnp.arange(fed.shape[1])
        positions = (progress.position + count)[:, None] + ahead
        going = count < length
        logits, state = apply(fed, positions, jnp.broadcast_to(going[:, None], fed.shape), state)
        drawn = jax.vmap(lambda logits, at: rule(logits, rng.each(keys, at)), in_axes=1, out_axes=1)(logits, positions)
        right = jnp.sum(jnp.cumprod(drawn[:, :-1] == guesses, axis=1), axis=1)
        new = jnp.where(going, right + 1, 0)
        # What is written beyond the new tokens is written again by the next step, or lies beyond the end.
        tokens = jax.vmap(lambda row, at, values: row.at[at].set(values, mode="drop"))(tokens, count[:, None] + ahead, drawn)
        return tokens, jnp.minimum(count + new, length), calls + 1, forget(state, jnp.where(going, fed.shape[1] - new, 0))

    start = jnp.zeros((rows, length), jnp.int32), jnp.zeros(rows, jnp.int32), jnp.zeros((), jnp.int32), progress.state
    tokens, count, calls, _ = jax.lax.while_loop(lambda carry: jnp.any(carry[1] < length), step, start)
    return Drawn(tokens, count, calls)


def repeat_last(context: int, guesses: int) -> Draft:
    """Guesses that the last `context` tokens go on as when they were last seen (prompt lookup); nothing is learnt and nothing is drawn."""

    def draft(tokens: Array, count: Array) -> Array:
        length = tokens.shape[1]

        def row(tokens: Array, count: Array) -> Array:
            ends = jnp.arange(length)  # a context that ends before this index
            context_at = lambda end: jnp.take(tokens, end - context + jnp.arange(context), mode="clip")
            same = jax.vmap(lambda end: jnp.all(context_at(end) == context_at(count)))(ends)
            found = jnp.max(jnp.where(same & (ends >= context) & (ends < count), ends, 0))
            return jnp.take(tokens, found + jnp.arange(guesses), mode="clip")

        return jax.vmap(row)(tokens, count)

    return draft
