"""Keys and values of the positions that were seen, for decoding one token at a time.

Every row writes at its own index, and stores the block and segment ids of what it wrote: the mask of a later query is computed from
them, by the same rule as without a cache. An empty slot has segment 0, which nothing sees. A write beyond the end is dropped (a
clamped one would overwrite the last slot silently); `generate` refuses requests that do not fit before it compiles anything.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax.models.masks import AttentionIds
from genjax.types import Array


class Cache(NamedTuple):
    """keys, values: [layers, B, S, heads, head size]; ids of the stored positions [B, S]; index int32 [B], the next free slot."""

    keys: Array
    values: Array
    ids: AttentionIds
    index: Array


def empty(*, layers: int, batch: int, length: int, heads: int, head_size: int, dtype: jnp.dtype) -> Cache:
    """A cache with room for `length` positions a row."""
    kv = jnp.zeros((layers, batch, length, heads, head_size), dtype)
    ids = jnp.zeros((batch, length), jnp.int32)
    return Cache(kv, kv, AttentionIds(ids, ids), jnp.zeros((batch,), jnp.int32))


def write(stored: Array, new: Array, index: Array) -> Array:
    """stored [B, S, ...] with new [B, T, ...] at slots index[b] ... index[b] + T - 1 of each row b."""
    slots = index[:, None] + jnp.arange(new.shape[1])[None, :]
    return jax.vmap(lambda row, values, at: row.at[at].set(values.astype(row.dtype), mode="drop"))(stored, new, slots)


def write_ids(cache: Cache, ids: AttentionIds) -> AttentionIds:
    """The ids of the stored positions once those of the new ones are written."""
    return AttentionIds(*(write(stored, new, cache.index) for stored, new in zip(cache.ids, ids, strict=True)))
