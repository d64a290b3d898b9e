"""Who sees whom: attention masks described by three integers a position.

A query at block b of segment s and place p sees a key at block b' of segment s' and place p' iff

    (b' == b   or   b' < b and the key lasts)   and   s' == s   and   s' != 0   and   |p - p'| < window     (1)

so a setting of the block ids is a kind of model: positions give causal attention, a constant gives bidirectional attention,
`positions // k` gives blocks of k, a constant on a prefix and positions after it give a prefix language model. Segments keep packed
documents apart, and segment 0 is padding. A window keeps attention local (arXiv:2004.05150); without one the last condition is not
there. Only differences of places within a segment matter. The ids travel with the keys (also into a cache), so a mask is never guessed from a shape.

A position that does not last is seen in its own block only: a draft of the block, beside what later blocks see of it. It has the id
-1 - b (`passing`).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax.types import Array


class AttentionIds(NamedTuple):
    """block_ids, segment_ids, places: int32 [B, T] each, of queries or of keys."""

    block_ids: Array
    segment_ids: Array
    places: Array


def causal(batch: int, length: int) -> AttentionIds:
    """Every position sees itself and what is before it."""
    return _one_segment(jnp.arange(length), batch)


def bidirectional(batch: int, length: int) -> AttentionIds:
    """Every position sees every other."""
    return _one_segment(jnp.zeros(length), batch)


def block_causal(batch: int, length: int, block: int) -> AttentionIds:
    """Positions of a block see each other and all blocks before."""
    return _one_segment(jnp.arange(length) // block, batch)


def behind(prefix: int, ids: AttentionIds) -> AttentionIds:
    """The ids of positions that come after `prefix` others: block 0 is theirs, or blocks 0 .. prefix - 1, and their places are negative."""
    return ids._replace(block_ids=jnp.where(ids.block_ids >= 0, ids.block_ids + prefix, ids.block_ids - prefix))


def prefix(real: Array, causal: bool) -> AttentionIds:
    """Positions [B, S] in front of others (`behind`), which all see those that are `real`; they see each other, or only those before."""
    length = real.shape[1]
    places = jnp.broadcast_to(jnp.arange(-length, 0, dtype=jnp.int32), real.shape)
    return AttentionIds(places + length if causal else jnp.zeros_like(places), real.astype(jnp.int32), places)


def passing(block_ids: Array) -> Array:
    """The ids of positions of these blocks that only their own block sees."""
    return -1 - block_ids


def clean_and_draft(ids: AttentionIds) -> AttentionIds:
    """[B, T] -> [B, 2 T]: every position twice, clean and as a draft. A draft sees the drafts of its own block and the clean blocks before;
    a clean position sees the clean blocks up to its own, and no draft.
    """
    twice = jax.tree.map(lambda x: jnp.concatenate([x, x], axis=1), ids)
    return twice._replace(block_ids=jnp.concatenate([2 * ids.block_ids + 1, passing(2 * ids.block_ids)], axis=1))


def visible(queries: AttentionIds, keys: AttentionIds, window: int | None = None) -> Array:
    """Equation (1) as bool [B, 1, T, S]: the axis of size 1 is for the heads."""
    at, here = _block(keys.block_ids)[:, None, :], _block(queries.block_ids)[:, :, None]
    blocks = (at == here) | (at < here) & (keys.block_ids >= 0)[:, None, :]
    segments = (keys.segment_ids[:, None, :] == queries.segment_ids[:, :, None]) & (keys.segment_ids != 0)[:, None, :]
    seen = blocks & segments
    if window is not None:
        seen &= jnp.abs(queries.places[:, :, None] - keys.places[:, None, :]) < window
    return seen[:, None]


def _one_segment(blocks: Array, batch: int) -> AttentionIds:
    """Rows that are one document from the first position to the last; blocks: [T]."""
    shape = (batch, blocks.shape[0])
    places = jnp.broadcast_to(jnp.arange(shape[1], dtype=jnp.int32), shape)
    return AttentionIds(jnp.broadcast_to(blocks.astype(jnp.int32), shape), jnp.ones(shape, jnp.int32), places)


def _block(block_ids: Array) -> Array:
    """The block of a position, whether it lasts or passes."""
    return jnp.where(block_ids >= 0, block_ids, passing(block_ids))
