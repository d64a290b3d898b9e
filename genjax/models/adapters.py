"""From data to positions and back: what stands before and after the trunk.

Heads start at zero, so that the loss of an untrained model is a known constant: ln(vocabulary) for next-token, and for noise
prediction the error of predicting nothing.
"""

from __future__ import annotations

import math
import operator

import flax.linen as nn
import jax
import jax.numpy as jnp

from genjax.models.layers import Dense, by_rows, named
from genjax.types import Array


class Embed(nn.Module):
    """A table [entries, width] of learned vectors with standard deviation `scale` at the start, looked up by id."""

    entries: int
    width: int
    axis: str = "vocab"
    scale: float = 1.0

    def setup(self) -> None:
        self.table = self.param("table", named(nn.initializers.normal(self.scale), self.axis, "embed"), (self.entries, self.width), jnp.float32)

    def __call__(self, ids: Array) -> Array:
        """ids int32 [B, ...] in [0, entries) -> [B, ..., width]."""
        return by_rows(jnp.take(self.table, ids, axis=0))


class TokenHead(nn.Module):
    """Logits over the vocabulary, in float32 whatever the computation's dtype.

    With the table of an embedding (tied, arXiv:1608.05859) a scale for each feature, zero at the start, stands between: a table that is a good
    input, of standard deviation 1, would give logits of standard deviation sqrt(width).

    Attributes:
      vocab: V, how many logits.
      softcap: c bounds them as c tanh(logits / c) (arXiv:2408.00118); None does not.
    """

    vocab: int
    softcap: float | None = None

    @nn.compact
    def __call__(self, x: Array, table: Array | None = None) -> Array:
        """x [..., width], and the table [at least V, width] of a tied head -> float32 [..., V]."""
        x = x.astype(jnp.float32)
        if table is None:
            logits = Dense((self.vocab,), ("embed", "vocab"), kernel_init=nn.initializers.zeros, name="logits")(x)
        else:
            logits = (x * self.param("scale", named(nn.initializers.zeros, "embed"), x.shape[-1:], jnp.float32)) @ table[: self.vocab].T
        return logits if self.softcap is None else self.softcap * jnp.tanh(logits / self.softcap)


class PatchIn(nn.Module):
    """A linear map of every patch to the width."""

    width: int

    @nn.compact
    def __call__(self, patches: Array) -> Array:
        return Dense((self.width,), ("patch", "embed"), use_bias=True, name="patch")(patches)


class PatchOut(nn.Module):
    """A linear map of every position to `size` values, float32, zero at the start."""

    size: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        return Dense((self.size,), ("embed", "patch"), use_bias=True, kernel_init=nn.initializers.zeros, name="patch")(x.astype(jnp.float32))


def sinusoids(places: Array, width: int) -> Array:
    """Fixed vectors float32 [..., width] that tell integer places, of periods from 2 pi to 1000 times as long (arXiv:1706.03762)."""
    angles = places[..., None] * 1000.0 ** -jnp.linspace(0, 1, width // 2)
    waves = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
    return jnp.pad(waves, ((0, 0),) * places.ndim + ((0, width % 2),))


class NoiseLevelEmbed(nn.Module):
    """log-SNR [B], or several levels of a row [B, L], -> [B, width] through sinusoids and a small MLP, in float32.

    Frequencies are spaced geometrically from periods far longer than the range of log-SNR (126) to periods of a third of a unit.
    """

    width: int
    frequencies: int = 32

    @nn.compact
    def __call__(self, logsnr: Array) -> Array:
        scale = jnp.geomspace(0.05, 20.0, self.frequencies)
        angles = (logsnr.astype(jnp.float32)[..., None] * scale).reshape(logsnr.shape[0], -1)
        features = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        hidden = jax.nn.silu(Dense((self.width,), ("frequency", "embed"), use_bias=True, name="hidden")(features))
        return Dense((self.width,), ("cond", "embed"), use_bias=True, name="out")(hidden)


Sizes = int | tuple[int, ...]  # of a patch, along every axis or along each


def patch_grid(shape: tuple[int, ...], sizes: Sizes) -> tuple[int, ...] | None:
    """Patches along each axis of an array [*axes, C]; None where it is not divisible into patches of these sizes."""
    axes = shape[:-1]
    each = _each(sizes, len(axes))
    return tuple(n // size for n, size in zip(axes, each, strict=True)) if each and not any(map(operator.mod, axes, each)) else None


def patchify(x: Array, sizes: Sizes) -> Array:
    """[B, *axes, C] -> [B, patches, values of a patch], patches in raster order, and so the values of each."""
    batch, *axes, channels = x.shape
    each = _each(sizes, len(axes))
    parts = x.reshape(batch, *(n for length, size in zip(axes, each, strict=True) for n in (length // size, size)), channels)
    across, within = range(1, 2 * len(axes), 2), range(2, 2 * len(axes) + 1, 2)
    return parts.transpose(0, *across, *within, 2 * len(axes) + 1).reshape(batch, -1, math.prod(each) * channels)


def unpatchify(patches: Array, sizes: Sizes, shape: tuple[int, ...]) -> Array:
    """The inverse of `patchify`; shape is (*axes, C)."""
    *axes, channels = shape
    each = _each(sizes, len(axes))
    parts = patches.reshape(-1, *map(operator.floordiv, axes, each), *each, channels)
    pairs = [axis for at in range(1, len(axes) + 1) for axis in (at, at + len(axes))]
    return parts.transpose(0, *pairs, 2 * len(axes) + 1).reshape(-1, *shape)


def _each(sizes: Sizes, axes: int) -> tuple[int, ...]:
    """The size along each axis; () where there are others than one, or one an axis."""
    given = (sizes,) if isinstance(sizes, int) else sizes
    return given * axes if len(given) == 1 else given if len(given) == axes else ()


def grid_coordinates(shape: tuple[int, ...]) -> Array:
    """Integer coordinates of every cell of a grid in raster order: int32 [cells, axes]."""
    return jnp.stack(jnp.meshgrid(*[jnp.arange(n) for n in shape], indexing="ij"), axis=-1).reshape(-1, len(shape))
