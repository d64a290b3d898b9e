"""How a token is chosen from logits: guidance, then temperature, then top-k, then top-p, then min-p, in this order.

    guided = uncond + scale * (cond - uncond)           scale 1 is off                                       (1)

Temperature 0 takes the likeliest token. Top-p keeps every token whose likelier tokens hold less than p of the probability (an
exclusive cumulative sum), so at least one is always kept, and ties at the edge are all kept. Min-p keeps every token of at least that share
of the likeliest one's probability (arXiv:2407.01082).

The token that is drawn has the largest logit plus Gumbel noise.
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.types import Array, Key


@dataclasses.dataclass(frozen=True)
class SamplingRule:
    """temperature >= 0; top_k = 0, top_p = 1 and min_p = 0 are off."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __call__(self, logits: Array, keys: Key) -> Array:
        """Tokens int32 [B] from logits [B, V], each row with its own key."""
        return self.choose(logits, self.noise(keys, logits.shape[-1]))

    def noise(self, keys: Key, vocab: int) -> Array | None:
        """What is added to the logits of each key of [B], [B, V]; nothing at temperature 0."""
        return None if self.temperature == 0.0 else rng.gumbel(keys, (vocab,))

    def choose(self, logits: Array, noise: Array | None) -> Array:
        """Tokens int32 [B] from logits [B, V] and their noise."""
        return jnp.argmax(logits if noise is None else self.filter(logits) + noise, axis=-1).astype(jnp.int32)

    def filter(self, logits: Array) -> Array:
        """The logits of the distribution that is sampled; -inf where a token is left out."""
        logits = logits.astype(jnp.float32) / self.temperature
        if self.top_k:
            smallest = jax.lax.top_k(logits, min(self.top_k, logits.shape[-1]))[0][..., -1:]
            logits = jnp.where(logits < smallest, -jnp.inf, logits)
        if self.top_p < 1.0:
            ordered = jnp.sort(logits, axis=-1, descending=True)
            probability = jax.nn.softmax(ordered, axis=-1)
            kept = jnp.cumsum(probability, axis=-1) - probability < self.top_p
            smallest = jnp.min(jnp.where(kept, ordered, jnp.inf), axis=-1, keepdims=True)
            logits = jnp.where(logits < smallest, -jnp.inf, logits)
        if self.min_p > 0.0:
            logits = jnp.where(logits < jnp.max(logits, axis=-1, keepdims=True) + math.log(self.min_p), -jnp.inf, logits)
        return logits


def guide(conditional: Array, unconditional: Array, scale: float) -> Array:
    """Equation (1) on logits [B, V]."""
    return unconditional + scale * (conditional - unconditional)
