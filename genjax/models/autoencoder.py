"""A convolutional autoencoder: an image to the mean and spread of its latents, latents to the mean and spread of an image.

The encoder is the way down of the U-Net and the decoder its way up (`models.unet`), with the same residual blocks, without a noise level,
and with nothing handed across: what the decoder knows of an image is in the latents. Latents are an image themselves, of Z channels and a
side that is halved between the resolutions, so that whatever works on images works on them.

Shapes: B rows, [H, W, C] the image, [h, w, Z] the latents, h = H / 2^(resolutions - 1).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from genjax import rng
from genjax.models.unet import Conv, GroupNorm, ResidualBlock, check, double, halve
from genjax.types import Array, Key


class _Half(nn.Module):
    """What encoder and decoder share: a pyramid of residual blocks, and two maps (mean, log spread) at its end.

    Attributes:
      outputs: channels of each of the two maps.
      features: of each resolution, in the order that they are gone through.
      resize: what leads from one resolution to the next, `halve` or `double`.
      head_init: initializer of the last convolution.
      (the others as in Autoencoder)
    """

    outputs: int
    features: tuple[int, ...]
    blocks: int
    dropout: float
    dtype: str
    resize: Callable[[Array], Array]
    head_init: nn.initializers.Initializer

    @nn.compact
    def __call__(self, x: Array, dropout_keys: Key | None = None) -> tuple[Array, Array]:
        """float32 [B, ., ., inputs] -> mean and log spread, float32 [B, ., ., outputs] each."""
        dtype, sites = jnp.dtype(self.dtype), itertools.count()
        h = Conv(self.features[0], ("patch", "embed"), dtype, name="embed")(x)
        for level, features in enumerate(self.features):
            if level > 0:
                h = Conv(h.shape[-1], ("embed", "mlp"), dtype, name=f"resize_{level}")(self.resize(h))
            for block in range(self.blocks):
                keys = None if dropout_keys is None else rng.each(dropout_keys, next(sites))
                h = ResidualBlock(features, self.dropout, dtype, name=f"block_{level}_{block}")(h, None, keys)
        h = jax.nn.silu(GroupNorm(name="final_norm")(h))
        maps = Conv(2 * self.outputs, ("embed", "patch"), jnp.dtype(jnp.float32), self.head_init, name="head")(h)
        mean, log_spread = jnp.split(maps, 2, axis=-1)
        return mean, log_spread


class Autoencoder(nn.Module):
    """An encoder and a decoder.

    Attributes:
      shape: (H, W, C).
      latent_channels: Z.
      channels: features at a multiplier of 1.
      multipliers: one for each resolution, from H x W down by halves: its features over `channels`.
      blocks: residual blocks at each resolution, in the encoder and in the decoder.
      dropout: dropout in every residual block.
      dtype: of the computation; parameters and the last convolutions are float32.
    """

    shape: tuple[int, int, int]
    latent_channels: int
    channels: int
    multipliers: tuple[int, ...]
    blocks: int
    dropout: float
    dtype: str

    def __post_init__(self) -> None:
        check(self.shape, self.multipliers)
        super().__post_init__()

    def setup(self) -> None:
        features = tuple(self.channels * multiplier for multiplier in self.multipliers)
        shared = (self.blocks, self.dropout, self.dtype)
        # The encoder does not start at zero, or the decoder would have nothing to learn from; the decoder's first word on every image is the same.
        self.encoder = _Half(self.latent_channels, features, *shared, halve, nn.initializers.variance_scaling(1.0, "fan_in", "normal"))
        self.decoder = _Half(self.shape[2], features[::-1], *shared, double, nn.initializers.zeros)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(h, w, Z)."""
        (height, width, _), halvings = self.shape, len(self.multipliers) - 1
        return height >> halvings, width >> halvings, self.latent_channels

    def encode(self, x: Array, dropout_keys: Key | None = None) -> tuple[Array, Array]:
        """x float32 [B, H, W, C] -> mean and log standard deviation [B, h, w, Z]."""
        return self.encoder(x, dropout_keys)

    def decode(self, z: Array, dropout_keys: Key | None = None) -> tuple[Array, Array]:
        """z float32 [B, h, w, Z] -> mean and log scale [B, H, W, C]."""
        return self.decoder(z, dropout_keys)

    def __call__(self, x: Array) -> tuple[Array, Array]:
        """The image of the latents' mean: what makes all parameters."""
        return self.decode(self.encode(x)[0])
