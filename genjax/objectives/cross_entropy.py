"""The cross-entropy of a softmax over a vocabulary, without ever holding all logits, and the two terms that training may add to it.

With logits l over V values, log Z = logsumexp(l) and target y:

    nats    = log Z - l_y                                                                           (1)
    uniform = log Z - mean_v l_v                                                                    (2)
    loss    = (1 - s) nats + s uniform + c (log Z)^2                                                (3)

s is the label smoothing (arXiv:1512.00567), the cross-entropy to a target that is mixed with the uniform distribution; c is the weight of the
z-loss (arXiv:2204.02311), which keeps log Z near 0. (1) alone is a likelihood.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax.types import Array


class Terms(NamedTuple):
    """float32 [B, T] each: equations (1) and (2), log Z, and 1 where the target is the likeliest value."""

    nats: Array
    uniform: Array
    log_z: Array
    hit: Array

    def loss(self, *, label_smoothing: float, z_loss: float) -> Array:
        """Equation (3), [B, T]."""
        return self.nats + label_smoothing * (self.uniform - self.nats) + z_loss * jnp.square(self.log_z)


def terms(logits: Array, targets: Array) -> Terms:
    """Of logits [B, T, V] and targets int32 [B, T], in float32."""
    logits = logits.astype(jnp.float32)
    log_z = jax.nn.logsumexp(logits, axis=-1)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    hit = (jnp.argmax(logits, axis=-1) == targets).astype(jnp.float32)
    return Terms(log_z - chosen, log_z - jnp.mean(logits, axis=-1), log_z, hit)


def chunked(head: Callable[[Array], Array], features: Array, targets: Array, chunk: int | None) -> Terms:
    """`terms(head(features), targets)`, with the logits of `chunk` positions of all rows at a time, in the backward pass too.

    head: features [B, t, D] -> logits [B, t, V], position by position.
    features: [B, T, D]; targets: int32 [B, T].
    chunk: None is all positions at once.
    """
    batch, length = targets.shape
    if chunk is None or chunk >= length:
        return terms(head(features), targets)

    def split(x: Array) -> Array:  # [B, T, ...] -> [chunks, B, chunk, ...]
        x = jnp.pad(x, [(0, 0), (0, -length % chunk), *[(0, 0)] * (x.ndim - 2)])
        return jnp.moveaxis(x.reshape(batch, -1, chunk, *x.shape[2:]), 1, 0)

    part = jax.checkpoint(lambda part: terms(head(part[0]), part[1]))
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, 1).reshape(batch, -1)[:, :length], jax.lax.map(part, (split(features), split(targets))))
