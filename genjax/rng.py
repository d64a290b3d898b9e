"""Every random key: a pure function of (seed, stream name, step, row id). No key is stored, split or threaded through state.

Two streams never share a key, adding a stream changes no other, and a resumed run needs nothing but its step.
"""

from __future__ import annotations

import math
import zlib

import jax
import jax.numpy as jnp

from genjax.types import Array, Key


def stream(seed: int, name: str, step: Array | int = 0) -> Key:
    """The key of a named stream at a step; `step` may be traced."""
    return fold_name(jax.random.fold_in(jax.random.key(seed), step), name)


def fold_name(key: Key, name: str) -> Key:
    """A key for one named use of `key`."""
    return jax.random.fold_in(key, zlib.crc32(name.encode()))


def rows(key: Key, ids: Array) -> Key:
    """One key a row [B], so that a row's randomness does not depend on its neighbours. `ids`: [B] integers."""
    return jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, ids)


def normal(keys: Key, shape: tuple[int, ...]) -> Array:
    """Standard normal [B, *shape], each row from its own key [B]."""
    return jax.vmap(lambda key: jax.random.normal(key, shape))(keys)


def uniform(keys: Key, shape: tuple[int, ...] = ()) -> Array:
    """Uniform [B, *shape] in [0, 1), each row from its own key [B]."""
    return jax.vmap(lambda key: jax.random.uniform(key, shape))(keys)


def gumbel(keys: Key, shape: tuple[int, ...] = ()) -> Array:
    """Standard Gumbel float32 [B, *shape], each row from its own key [B], of 64 random bits each.

    The usual 24 bits of a uniform number cut the noise off at 16, so that a token drawn as the argmax of log p + noise is drawn as if the
    temperature were lower: rare tokens become rarer (arXiv:2409.02908).
    """
    return jax.vmap(lambda key: jax.random.gumbel(key, shape, jnp.float32, mode="highest"))(keys)


def dropout(x: Array, rate: float, keys: Key | None) -> Array:
    """Inverted dropout of x [B, ...] with one key a row; `keys=None` means evaluation and returns x.

    One random byte decides about each element, so the rate is rounded to a multiple of 1/256: drawing four bytes would cost more than the
    layer that is dropped out.
    """
    dropped = round(rate * 256)
    if keys is None or dropped == 0:
        return x
    size = math.prod(x.shape[1:])
    words = jax.vmap(lambda key: jax.random.bits(key, (-(-size // 4),), jnp.uint32))(keys)
    byte = jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(x.shape[0], -1)[:, :size].reshape(x.shape)
    return jnp.where(byte >= dropped, x * (256 / (256 - dropped)), jnp.zeros_like(x))


def each(keys: Key, number: Array | int) -> Key:
    """Every key of `keys` [B] folded with a number: the same one, or its own of [B]."""
    return jax.vmap(jax.random.fold_in)(keys, jnp.broadcast_to(number, keys.shape))


def along(keys: Key, numbers: Array) -> Key:
    """Keys [B, N]: every key of `keys` [B] folded with each of N numbers: the same ones [N], or its own of [B, N]."""
    return jax.vmap(rows)(keys, jnp.broadcast_to(numbers, (*keys.shape, numbers.shape[-1])))
