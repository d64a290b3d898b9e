"""Drawing sequences token by token, each from what was drawn before it."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.decoding.sampling import SamplingRule
from genjax.types import Array, Key, PyTree

# One token a row and its position, and the state that holds what was seen -> logits [B, V] of the next token, and the new state.
NextLogits = Callable[[Array, Array, PyTree], tuple[Array, PyTree]]


def generate(
    next_logits: NextLogits,
    state: PyTree,
    start: Array,
    length: int,
    rule: SamplingRule,
    keys: Key,
    known: tuple[Array, Array] | None = None,
) -> Array:
    """Sequences of `length` tokens.

    Args:
      next_logits: the model; called `length` times, with the start token first.
      state: the model's state before the start token, for example an empty cache.
      start: int32 [B], the token that is given, not drawn.
      length: how many tokens to draw.
      rule: how a token is chosen.
      keys: one key a row [B]; the token at a position is drawn with the row's key and the position, so that a row does not depend on
        its neighbours.
      known: (tokens int32 [B, length], mask bool [B, length]): where the mask is true the token is given. What is drawn sees the given
        tokens before it, not those after it.

    Returns:
      int32 [B, length].
    """

    def step(carry, position):
        token, state = carry
        logits, state = next_logits(token, position, state)
        token = rule(logits, rng.each(keys, position))
        if known is not None:
            token = jnp.where(known[1][:, position], known[0][:, position], token)
        return (token, state), token

    _, tokens = jax.lax.scan(step, (start, state), jnp.arange(length))
    return tokens.T
