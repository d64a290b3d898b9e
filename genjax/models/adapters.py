"""From data to positions and back: what stands before and after the trunk.

Heads start at zero, so that the loss of an untrained model is a known constant: ln(vocabulary) for next-token, and for noise
prediction the error of predicting nothing.
"""

from __future__ import annotations

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


def patchify(image: Array, size: int) -> Array:
    """[B, H, W, C] -> [B, (H / size) * (W / size), size * size * C], patches in raster order."""
    batch, height, width, channels = image.shape
    patches = image.reshape(batch, height // size, size, width // size, size, channels).transpose(0, 1, 3, 2, 4, 5)
    return patches.reshape(batch, -1, size * size * channels)


def unpatchify(patches: Array, size: int, shape: tuple[int, int, int]) -> Array:
    """The inverse of `patchify`; shape is (H, W, C)."""
    height, width, channels = shape
    grid = patches.reshape(-1, height // size, width // size, size, size, channels).transpose(0, 1, 3, 2, 4, 5)
    return grid.reshape(-1, height, width, channels)


def grid_coordinates(shape: tuple[int, ...]) -> Array:
    """Integer coordinates of every cell of a grid in raster order: int32 [cells, axes]."""
    return jnp.stack(jnp.meshgrid(*[jnp.arange(n) for n in shape], indexing="ij"), axis=-1).reshape(-1, len(shape))
