"""Categories as points: a vector for each, so that Gaussian noise has a meaning between them.

    v_k = sqrt(d) c_k / |c_k|  in R^d                           all at the same distance from 0, one a dimension                (1)
    P(k | m, s) = exp(-|v_k - m|^2/(2 s^2)) / sum_j exp(-|v_j - m|^2/(2 s^2))                                                   (2)

(2) is the decoder of the bound (`likelihood`), and with s = sigma/alpha and m = x/alpha also what one noisy vector says of its own category,
before any context: a network adds to its logits what the context says (arXiv:2305.18619, sec. 2.2). The bound is one for any vectors, fixed
or learned; the length is fixed so that learning cannot win by moving them apart.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from genjax.diffusion.process import bcast
from genjax.types import Array


@dataclasses.dataclass(frozen=True)
class Codebook:
    """table: [V, d], the v_k of (1)."""

    table: Array

    @classmethod
    def of(cls, vectors: Array) -> Codebook:
        """Equation (1), of any vectors [V, d] that are not 0."""
        length = jnp.linalg.norm(vectors, axis=-1, keepdims=True)
        return cls(vectors * (vectors.shape[-1] ** 0.5 / length))

    def encode(self, ints: Array) -> Array:
        """[B, T] -> [B, T, d]."""
        return jnp.take(self.table, ints, axis=0)

    def decode(self, x: Array) -> Array:
        """The nearest category of each vector, [B, T, d] -> int32 [B, T]."""
        return jnp.argmax(self.logits(x, jnp.ones(x.shape[0])), axis=-1).astype(jnp.int32)

    def logits(self, mean: Array, std: Array) -> Array:
        """log P of (2) up to a constant, [B, T, V], of mean [B, T, d] and std, a scalar or [B]: the v_k are equally long."""
        return jnp.einsum("btd,vd->btv", mean, self.table) / bcast(jnp.asarray(std), mean) ** 2

    def log_prob(self, ints: Array, mean: Array, std: Array) -> Array:
        """log P of (2), [B, T]."""
        logits = jax.nn.log_softmax(self.logits(mean, std), axis=-1)
        return jnp.take_along_axis(logits, ints[..., None], axis=-1)[..., 0]

    def mean(self, logits: Array) -> Array:
        """The expected vector under logits [B, T, V]: [B, T, d]."""
        return jax.nn.softmax(logits, axis=-1) @ self.table
