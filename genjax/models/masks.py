"""Who sees whom: attention masks described by two integers a position.

A query at block b of segment s sees a key at block b' of segment s' iff

    b' <= b   and   s' == s   and   s' != 0                                                          (1)

so a setting of the block ids is a kind of model: positions give causal attention, a constant gives bidirectional attention,
`positions // k` gives blocks of k, a constant on a prefix and positions after it give a prefix language model. Segments keep packed
documents apart, and segment 0 is padding. The ids travel with the keys (also into a cache), so a mask is never guessed from a shape.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp

from genjax.types import Array


class AttentionIds(NamedTuple):
    """block_ids, segment_ids: int32 [B, T] each, of queries or of keys."""

    block_ids: Array
    segment_ids: Array


def causal(batch: int, length: int) -> AttentionIds:
    """Every position sees itself and what is before it."""
    return AttentionIds(_rows(jnp.arange(length), batch), jnp.ones((batch, length), jnp.int32))


def bidirectional(batch: int, length: int) -> AttentionIds:
    """Every position sees every other."""
    return AttentionIds(jnp.zeros((batch, length), jnp.int32), jnp.ones((batch, length), jnp.int32))


def block_causal(batch: int, length: int, block: int) -> AttentionIds:
    """Positions of a block see each other and all blocks before."""
    return AttentionIds(_rows(jnp.arange(length) // block, batch), jnp.ones((batch, length), jnp.int32))


def prefix_lm(prefix: Array, length: int) -> AttentionIds:
    """The first prefix[b] positions see each other; what follows is causal. prefix: int32 [B]."""
    blocks = jnp.maximum(jnp.arange(length)[None, :] - prefix[:, None] + 1, 0)
    return AttentionIds(blocks.astype(jnp.int32), jnp.ones(blocks.shape, jnp.int32))


def visible(queries: AttentionIds, keys: AttentionIds) -> Array:
    """Equation (1) as bool [B, 1, T, S]: the axis of size 1 is for the heads."""
    blocks = keys.block_ids[:, None, :] <= queries.block_ids[:, :, None]
    segments = (keys.segment_ids[:, None, :] == queries.segment_ids[:, :, None]) & (keys.segment_ids != 0)[:, None, :]
    return (blocks & segments)[:, None]


def _rows(ids: Array, batch: int) -> Array:
    return jnp.broadcast_to(ids.astype(jnp.int32), (batch, ids.shape[0]))
