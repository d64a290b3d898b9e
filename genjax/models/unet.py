"""The U-Net: a second denoiser behind the call of `networks.PatchNetwork`, in which an image stays an image.

A pyramid of convolutions (arXiv:1505.04597) as denoisers use it (arXiv:2006.11239, arXiv:2102.09672, arXiv:2105.05233): down through
the resolutions, up again, and every feature map on the way down is handed to its counterpart on the way up. With c the embedding of
the noise level, the class and the mean of a caption's words, W * a 3x3 convolution and P a 1x1 convolution where the width changes (else the
identity), a stage is

    h = W1 * silu(norm(x))                                                                          (1)
    y = P x + W2 * drop(silu((1 + scale_1(c)) * norm(h) + shift_1(c)))                              (2)
    z = y + gate(c) * attention((1 + scale_2(c)) * norm(y) + shift_2(c))                            (3)
    u = z + cross(norm(z), context)                                                                 (4)

with (3) only at the chosen resolutions, where it is the trunk's own attention over pixels with their row and column as rotary
positions, and (4) only there and only with a text. Resolutions are joined by the mean over 2x2 pixels, or their repetition, and a
convolution. `norm` is a group normalisation (arXiv:1803.08494). W2, the maps of c and the output of `cross` start at zero, so a stage
starts as P; the last convolution starts at zero, so the network does.

Shapes: B rows, [H, W, C] the image, F features at a resolution, S tokens of text.
"""

from __future__ import annotations

import itertools
import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from genjax import rng
from genjax.errors import UsageError
from genjax.models import adapters, masks
from genjax.models.captions import Before
from genjax.models.layers import Attention, Dense, RMSNorm, by_rows, named
from genjax.types import Array, Key


def check(shape: tuple[int, ...], multipliers: tuple[int, ...], attention: tuple[int, ...] = ()) -> None:
    """UsageError where images of `shape` [H, W, C] cannot be halved between the resolutions, or none has a height that attention is asked for."""
    if not multipliers:
        raise UsageError("a U-Net needs at least one resolution, and the tuple of multipliers is empty: (1,) is one resolution")
    halvings, (height, width, _) = len(multipliers) - 1, shape
    if height % 2**halvings or width % 2**halvings:
        raise UsageError(
            f"images of {height}x{width} cannot be halved {halvings} times: a U-Net with {halvings + 1} multipliers needs "
            f"sides divisible by {2**halvings}; use fewer multipliers"
        )
    heights = [height // 2**level for level in range(halvings + 1)]
    if absent := [side for side in attention if side not in heights]:
        raise UsageError(f"attention at the image side {absent[0]} would never be used: this U-Net has the sides {', '.join(map(str, heights))}")


def halve(x: Array) -> Array:
    """The mean over 2x2 pixels: [B, H, W, F] -> [B, H/2, W/2, F]."""
    batch, height, width, features = x.shape
    return jnp.mean(x.reshape(batch, height // 2, 2, width // 2, 2, features), axis=(2, 4))


def double(x: Array) -> Array:
    """Every pixel as 2x2 pixels: [B, H, W, F] -> [B, 2H, 2W, F]."""
    return jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)


@jax.custom_jvp
def convolve(x: Array, kernel: Array) -> Array:
    """y[b, i, j] = sum_{m, n} x[b, i+m-1, j+n-1] kernel[m, n], zeros around the image: [B, H, W, F], [3, 3, F, G] -> [B, H, W, G].

    This is `lax.conv_general_dilated` and so are its derivatives. They are written out because XLA's CPU back end has fast kernels for one
    layout only, NHWC by HWIO to NHWC, and rewrites other layouts to it outside of loops only: within `lax.scan`, the backward pass that JAX
    derives ran 25 times slower. The tangents below are written so that it is their transposes, the backward pass, that have that layout.
    """
    return _convolution(x, kernel, ("NHWC", "HWIO", "NHWC"))


@partial(convolve.defjvp, symbolic_zeros=True)
def _convolve_jvp(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (x, kernel), (x_dot, kernel_dot), y = primals, tangents, convolve(*primals)
    parts = []
    if not isinstance(x_dot, SymbolicZero):
        parts.append(_convolution(x_dot, kernel.transpose(0, 1, 3, 2), ("NHWC", "HWOI", "NHWC")))
    if not isinstance(kernel_dot, SymbolicZero):
        turned = _convolution(x.transpose(3, 1, 2, 0), kernel_dot.transpose(2, 0, 1, 3), ("CHWN", "IHWO", "HWNC"))
        parts.append(turned.transpose(2, 0, 1, 3))
    return y, sum(parts[1:], start=parts[0])


def _convolution(x: Array, kernel: Array, layout: tuple[str, str, str]) -> Array:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=layout)


class Conv(nn.Module):
    """A 3x3 convolution with zeros around the image: [B, H, W, inputs] -> [B, H, W, features]."""

    features: int
    axes: tuple[str, str]
    dtype: jnp.dtype
    kernel_init: nn.initializers.Initializer = nn.initializers.variance_scaling(1.0, "fan_in", "normal")

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = self.param("kernel", named(self.kernel_init, "conv", "conv", *self.axes), (3, 3, x.shape[-1], self.features), jnp.float32)
        bias = self.param("bias", named(nn.initializers.zeros, "bias"), (self.features,), jnp.float32)
        return convolve(x.astype(self.dtype), kernel.astype(self.dtype)) + bias.astype(self.dtype)


class GroupNorm(nn.Module):
    """Mean 0 and variance 1 over all pixels of each group of features, in float32; `learned=False` leaves scale and bias to the caller.

    The groups are as many as divide the features, a power of two up to 32, with at least four features each where that is possible.
    """

    learned: bool = True
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Array) -> Array:
        features, groups = x.shape[-1], max(1, math.gcd(x.shape[-1], 128) // 4)
        grouped = x.astype(jnp.float32).reshape(x.shape[0], -1, groups, features // groups)
        centred = grouped - jnp.mean(grouped, axis=(1, 3), keepdims=True)
        y = (centred * jax.lax.rsqrt(jnp.mean(jnp.square(centred), axis=(1, 3), keepdims=True) + self.epsilon)).reshape(x.shape)
        if self.learned:
            y = y * self.param("scale", named(nn.initializers.ones, "norm"), (features,), jnp.float32)
            y = y + self.param("bias", named(nn.initializers.zeros, "bias"), (features,), jnp.float32)
        return y.astype(x.dtype)


def modulation(cond: Array, count: int, features: int, axis: str, dtype: jnp.dtype) -> list[Array]:
    """The maps of c in (2) and (3), a submodule of the caller: [B, D] -> `count` times [B, 1, 1, features], zero at the start."""
    axes = ("cond", "modulation", axis)
    maps = Dense((count, features), axes, use_bias=True, kernel_init=nn.initializers.zeros, dtype=dtype, name="modulation")(cond)
    return [m[:, None, None, :] for m in jnp.unstack(maps, axis=1)]


class ResidualBlock(nn.Module):
    """Equations (1) and (2): [B, H, W, inputs] -> [B, H, W, features]. Without c the second norm has a learned scale and bias instead."""

    features: int
    dropout: float
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Array, cond: Array | None, dropout_keys: Key | None) -> Array:
        h = Conv(self.features, ("embed", "mlp"), self.dtype, name="conv_1")(jax.nn.silu(GroupNorm(name="norm")(x)))
        scale, shift = (0.0, 0.0) if cond is None else modulation(cond, 2, self.features, "mlp", self.dtype)
        h = (1 + scale) * GroupNorm(learned=cond is None, name="hidden_norm")(h) + shift
        h = rng.dropout(jax.nn.silu(h), self.dropout, dropout_keys)
        h = Conv(self.features, ("mlp", "embed"), self.dtype, nn.initializers.zeros, name="conv_2")(h)
        if x.shape[-1] != self.features:
            x = Dense((self.features,), ("embed", "mlp"), dtype=self.dtype, name="skip")(x)
        return by_rows(x + h)


class CrossAttention(nn.Module):
    """Positions [B, T, F] look at a context [B, S, E] where mask [B, S] is true; a row that may look at nothing is given zero."""

    heads: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Array, context: Array, mask: Array) -> Array:
        def project(name: str, inputs: Array) -> Array:
            return Dense((self.heads, x.shape[-1] // self.heads), ("embed", "heads", "head"), dtype=self.dtype, name=name)(inputs)

        q, k = RMSNorm(name="query_norm")(project("query", x)), RMSNorm(name="key_norm")(project("key", context))
        y = jax.nn.dot_product_attention(q, k, project("value", context), mask=mask[:, None, None, :], implementation="xla")
        y = jnp.where(jnp.any(mask, axis=1)[:, None, None, None], y, jnp.zeros_like(y))  # a softmax over nothing would be uniform
        zeros = nn.initializers.zeros
        return Dense((x.shape[-1],), ("heads", "head", "embed"), kernel_init=zeros, num_input_axes=2, dtype=self.dtype, name="out")(y)


class AttentionBlock(nn.Module):
    """Equations (3) and, with a context, (4): [B, H, W, F] -> the same."""

    heads: int
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x: Array, cond: Array, context: Array | None, context_mask: Array | None) -> Array:
        batch, height, width, features = x.shape
        positions = (batch, height * width, features)
        scale, shift, gate = modulation(cond, 3, features, "embed", self.dtype)
        h = (1 + scale) * GroupNorm(learned=False)(x) + shift
        coordinates = jnp.broadcast_to(adapters.grid_coordinates((height, width)), (*positions[:2], 2))
        ids = masks.bidirectional(*positions[:2])
        h, _ = Attention(self.heads, self.dtype, name="attention")(h.reshape(positions), coordinates, ids, ids)
        x = x + gate * h.reshape(x.shape)
        if context is None:
            return x
        mask = jnp.ones(context.shape[:2], bool) if context_mask is None else context_mask.astype(bool)
        h = GroupNorm(name="cross_norm")(x).reshape(positions)
        return x + CrossAttention(self.heads, self.dtype, name="cross")(h, context, mask).reshape(x.shape)


class UNet(nn.Module):
    """A noisy image and its log-SNR in, an image of the same height and width out.

    Attributes:
      shape: (H, W, C).
      channels: features at a multiplier of 1; the embedding of noise level and class has four times as many.
      multipliers: one for each resolution, from H x W down by halves: its features over `channels`.
      blocks: stages at each resolution on the way down; one more each on the way up, and two at the bottom.
      attention: image heights of the resolutions whose stages have attention.
      heads: attention heads.
      dropout: dropout in every residual block.
      dtype: of the computation; parameters and the last convolution are float32.
      num_classes: classes to condition on, 0 for none; one more id stands for "no class".
      captions: what becomes of a row's caption, a vector beside the class or a context; None where the model knows none.
      features: values that come out for each pixel; None for as many as go in, C.
    """

    shape: tuple[int, int, int]
    channels: int
    multipliers: tuple[int, ...]
    blocks: int
    attention: tuple[int, ...]
    heads: int
    dropout: float
    dtype: str
    num_classes: int
    captions: Before | None = None
    features: int | None = None

    @property
    def positions(self) -> int:
        """Positions of the shared trunk: there is none here."""
        return 0

    def __post_init__(self) -> None:
        check(self.shape, self.multipliers, self.attention)
        for level, multiplier in enumerate(self.multipliers):
            if self.shape[0] >> level in self.attention and self.channels * multiplier % (2 * self.heads):
                raise UsageError(f"{self.channels * multiplier} features do not divide into {self.heads} attention heads of an even size")
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        x: Array,
        logsnr: Array,
        label: Array | None,
        dropout_keys: Key | None = None,
        context: Array | None = None,
        context_mask: Array | None = None,
        caption: Array | None = None,
    ) -> Array:
        """x float32 [B, H, W, C], logsnr [B] (or several levels of a row, [B, L]), label int32 [B], caption int32 [B, S]
        -> float32 [B, H, W, features].

        dropout_keys: one key a row [B] in training, None in evaluation.
        context: the text [B, S, E], or None; initialise with one to have the parameters of equation (4).
        context_mask: [B, S], true for the tokens that are there; None for all. A row without any is a row without text.
        """
        dtype, sites = jnp.dtype(self.dtype), itertools.count()
        cond = adapters.NoiseLevelEmbed(4 * self.channels, name="noise_level")(logsnr)
        if self.num_classes:
            assert label is not None, "a model with classes needs a label for every row"
            cond = cond + adapters.Embed(self.num_classes + 1, 4 * self.channels, axis="class", name="label")(label)
        if self.captions is not None:
            cond = cond + self.captions.vector(caption)
            if (told := self.captions.context(caption)) is not None:
                context, context_mask = told.features, told.ids.segment_ids != 0
        cond = jax.nn.silu(cond)

        def stage(h: Array, features: int, name: str) -> Array:
            keys = None if dropout_keys is None else rng.each(dropout_keys, next(sites))
            h = ResidualBlock(features, self.dropout, dtype, name=name)(h, cond, keys)
            if h.shape[1] in self.attention:
                h = AttentionBlock(self.heads, dtype, name=f"{name}_attention")(h, cond, context, context_mask)
            return h

        def conv(h: Array, name: str) -> Array:
            return Conv(h.shape[-1], ("embed", "mlp"), dtype, name=name)(h)

        levels = [(level, self.channels * multiplier) for level, multiplier in enumerate(self.multipliers)]
        h = Conv(self.channels, ("patch", "embed"), dtype, name="embed")(x)
        handed = [h]
        for level, features in levels:
            if level > 0:
                h = conv(halve(h), f"halve_{level}")
                handed.append(h)
            for block in range(self.blocks):
                h = stage(h, features, f"down_{level}_{block}")
                handed.append(h)
        for block in range(2):
            h = stage(h, h.shape[-1], f"middle_{block}")
        for level, features in reversed(levels):
            for block in range(self.blocks + 1):
                h = stage(jnp.concatenate([h, handed.pop()], axis=-1), features, f"up_{level}_{block}")
            if level > 0:
                h = conv(double(h), f"double_{level}")
        h = jax.nn.silu(GroupNorm(name="final_norm")(h))
        return Conv(self.features or x.shape[-1], ("embed", "patch"), jnp.dtype(jnp.float32), nn.initializers.zeros, name="head")(h)
