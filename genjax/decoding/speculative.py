"""Several tokens a call of the model: a draft guesses k tokens, and one call says what each of them should have been.

The token at a position is drawn from the model's own distribution with the key of that position, as in `generate`; a guess is right when it
is that very token. The tokens up to the first wrong guess, and the one that corrects it, are therefore those of `generate`, one by one: what
is drawn does not depend on the draft, only how fast. (arXiv:2211.17192 accepts by a coin of its own and is exact in distribution.) Guesses beyond the
end are not read, so a state needs no more room than without them.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.decoding.generate import Apply, Drawn, Progress, Stop
from genjax.decoding.sampling import SamplingRule
from genjax.registry import Count
from genjax.types import Array, Key, PyTree

# (tokens int32 [B, N] that were drawn, count int32 [B] of them) -> guesses int32 [B, k] of what follows.
Draft = Callable[[Array, Array], Array]


def speculate(
    apply: Apply,
    progress: Progress,
    length: int,
    rule: SamplingRule,
    keys: Key,
    draft: Draft,
    forget: Callable[[PyTree, Array], PyTree],
    *,
    stop: Stop = (),
) -> Drawn:
    """At most `length` tokens a row, those of `generate`, with its arguments.

    draft: guesses what comes next.
    forget: (state, count [B]) -> the state without its last count[b] tokens of row b.
    """
    rows, at = progress.token.shape[0], jnp.arange(length)

    def step(carry: tuple[Array, Array, Array, Array, PyTree]) -> tuple[Array, Array, Array, Array, PyTree]:
        tokens, count, done, calls, state = carry
        guesses = draft(tokens, count)
        last = jnp.where(count == 0, progress.token, jnp.take_along_axis(tokens, jnp.maximum(count - 1, 0)[:, None], axis=1)[:, 0])
        fed = jnp.concatenate([last[:, None], guesses], axis=1)
        ahead = jnp.arange(fed.shape[1])
        positions = (progress.position + count)[:, None] + ahead
        real = ~done[:, None] & (count[:, None] + ahead < length)
        logits, state = apply(fed, positions, real, state)
        drawn = jax.vmap(lambda logits, at: rule(logits, rng.each(keys, at)), in_axes=1, out_axes=1)(logits, positions)
        right = jnp.sum(jnp.cumprod(drawn[:, :-1] == guesses, axis=1), axis=1)
        # What is written beyond the new tokens is written again by the next step, or is none of the row's.
        places = jnp.where(real, count[:, None] + ahead, length)
        tokens = jax.vmap(lambda row, at, values: row.at[at].set(values, mode="drop"))(tokens, places, drawn)
        drawn_to = jnp.where(done, count, jnp.minimum(count + right + 1, length))
        ends = _ends(tokens, stop) & (at >= count[:, None]) & (at < drawn_to[:, None])
        stopped = jnp.any(ends, axis=1)
        after = jnp.where(stopped, jnp.argmax(ends, axis=1) + 1, drawn_to)
        state = forget(state, jnp.sum(real, axis=1) - (after - count))
        return tokens, after, done | stopped | (after == length), calls + 1, state

    nothing = jnp.zeros((rows, length), jnp.int32), jnp.zeros(rows, jnp.int32), jnp.zeros(rows, bool), jnp.zeros((), jnp.int32)
    tokens, count, _, calls, _ = jax.lax.while_loop(lambda carry: ~jnp.all(carry[2]), step, (*nothing, progress.state))
    return Drawn(jnp.where(at < count[:, None], tokens, 0), count, calls)


def _ends(tokens: Array, stop: Stop) -> Array:
    """Where the drawn tokens [B, N] complete a stop sequence, bool [B, N]."""
    length, found = tokens.shape[1], jnp.zeros(tokens.shape, bool)
    for words in stop:
        padded = jnp.pad(tokens, ((0, 0), (len(words) - 1, 0)), constant_values=-1)
        found |= jnp.all(jnp.stack([padded[:, i : i + length] == word for i, word in enumerate(words)]), axis=0)
    return found


def repeat_last(context: Count = 3, guesses: Count = 4) -> Draft:
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


def none() -> None:
    """No draft: a call of the model for every token."""


DRAFTS: dict[str, Callable[..., Draft | None]] = {"none": none, "repeat_last": repeat_last}
