"""Keys and values of the positions that were seen, for decoding one token at a time.

Every row writes at its own index, and stores the ids of what it wrote: the mask of a later query is computed from them, by the same rule
as without a cache. Padding (segment 0) is not written, wherever in a row it stands, so prompts of different lengths lie in the cache as if
each had come alone. An empty slot has segment 0, which nothing sees. A write beyond the end is dropped (a clamped one would overwrite the
last slot silently) and the index then says so; outside of a compiled program it is refused (`require_room`).

Where attention reaches no further than a window, a cache needs no more slots than the window and what is written at once: it goes round (`turns`),
and what is overwritten is what no later query sees.

Every layer has arrays of its own, the positions of a head one after the other: so a loop writes into them where they lie, and products read them
as they are. Stacked, or with heads inside positions, the whole cache was copied several times for every token.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from genjax.errors import UsageError
from genjax.models.masks import AttentionIds
from genjax.types import Array


class Memory(NamedTuple):
    """What cross-attention sees: keys and values [B, S', key heads, head size] of a context for every layer, and the ids of its positions [B, S']."""

    keys: tuple[Array, ...]
    values: tuple[Array, ...]
    ids: AttentionIds


class Cache(NamedTuple):
    """keys, values: [B, key heads, S, head size] for every layer; ids of the stored positions [B, S]; index int32 [B], the next free slot; the
    memory of a context, where there is one.
    """

    keys: tuple[Array, ...]
    values: tuple[Array, ...]
    ids: AttentionIds
    index: Array
    memory: Memory | None = None

    @property
    def room(self) -> int:
        """S, the positions a row has room for."""
        return self.ids.places.shape[1]


def empty(*, layers: int, batch: int, length: int, heads: int, head_size: int, dtype: jnp.dtype) -> Cache:
    """A cache with room for `length` positions a row."""
    each = tuple(jnp.zeros((batch, heads, length, head_size), dtype) for _ in range(layers))
    ids = jnp.zeros((batch, length), jnp.int32)
    return Cache(each, each, AttentionIds(ids, ids, ids), jnp.zeros((batch,), jnp.int32))


def require_room(cache: Cache, index: Array) -> None:
    """UsageError where a row would hold index[b] positions, int32 [B], and has no room for them; in a compiled program the index alone tells."""
    if not isinstance(index, jax.core.Tracer) and (most := int(jnp.max(index))) > cache.room:
        raise UsageError(f"{most} positions do not fit into a cache of {cache.room}: shorten the prompt or what is to be drawn")


def turns(room: int, at_once: int, window: int | None) -> bool:
    """Whether `room` slots are enough to go round, if `at_once` positions are written in a call: the first of them sees window - 1 before it."""
    return window is not None and room >= window - 1 + at_once


def slots(cache: Cache, ids: AttentionIds, window: int | None = None) -> tuple[Array, Array]:
    """The slot int32 [B, T] of each new position (beyond the end for padding), and the index [B] after them."""
    real = ids.segment_ids != 0
    at = cache.index[:, None] + jnp.cumsum(real, axis=1) - 1
    if turns(cache.room, real.shape[1], window):
        at %= cache.room
    return jnp.where(real, at, cache.room), cache.index + jnp.sum(real, axis=1)


def write(stored: Array, new: Array, at: Array) -> Array:
    """stored [B, S, ...] with new [B, T, ...] at the slots `at` int32 [B, T]; what has no slot is dropped."""
    return jax.vmap(lambda row, values, at: row.at[at].set(values.astype(row.dtype), mode="drop"))(stored, new, at)


def write_heads(stored: Array, new: Array, at: Array) -> Array:
    """stored [B, H, S, K] with new [B, T, H, K] at the slots `at` int32 [B, T]; what has no slot is dropped."""
    each = lambda row, values, at: row.at[:, at].set(values.swapaxes(0, 1).astype(row.dtype), mode="drop")
    return jax.vmap(each)(stored, new, at)


def write_ids(stored: AttentionIds, new: AttentionIds, at: Array) -> AttentionIds:
    """`write` for the ids of the positions."""
    return AttentionIds(*(write(old, ids, at) for old, ids in zip(stored, new, strict=True)))


def take(cache: Cache, rows: Array) -> Cache:
    """The cache whose row b is row rows[b] of this one, as when beams are reordered. rows: int32 [B']."""
    return jax.tree.map(lambda leaf: leaf[rows], cache)


def forget(cache: Cache, count: Array) -> Cache:
    """The cache without its last count[b] positions of each row b."""
    index, last = cache.index - count, cache.index[:, None] - 1
    written = last - (last - jnp.arange(cache.room)) % cache.room  # what was written into each slot last: the how manieth position, or none below 0
    held = (written >= 0) & (written < index[:, None])
    return cache._replace(ids=cache.ids._replace(segment_ids=jnp.where(held, cache.ids.segment_ids, 0)), index=index)


def grow(cache: Cache, count: int) -> Cache:
    """The cache with `count` empty slots more; it must not have gone round."""
    longer = lambda axis: lambda leaf: jnp.pad(leaf, [(0, count if number == axis else 0) for number in range(leaf.ndim)])
    keys, values = (jax.tree.map(longer(2), stored) for stored in (cache.keys, cache.values))
    return cache._replace(keys=keys, values=values, ids=jax.tree.map(longer(1), cache.ids))
