"""The layers of the trunk: normalisation, rotary positions, attention, the MLP, each in the kinds that there are a table of.

Every parameter is created with logical axis names ("embed", "heads", "mlp", "norm", ...). Sharding, weight decay and the optimizer's
rules go by these names; nothing in genjax looks at a parameter's rank or path to decide what it is.

Shapes: B rows, T positions, S positions that are attended to, D width, H heads, K head size, A coordinate axes.
"""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from genjax.models import cache as caches
from genjax.models.masks import AttentionIds, visible
from genjax.types import Array, Params

_LARGE = 2**17  # weights of a matrix that are worth a second core
_FEW = range(8, 33)  # vectors that are faster as a convolution


def named(init: nn.initializers.Initializer, *axes: str) -> nn.initializers.Initializer:
    """An initializer whose parameter carries the logical names of its axes."""
    return nn.with_logical_partitioning(init, axes)


def frozen(params: Params) -> Params:
    """Boxed parameters as a part of a model that is not learned: every axis is named "frozen", which neither decays nor is split."""

    def rename(box: nn.LogicallyPartitioned) -> nn.LogicallyPartitioned:
        return nn.LogicallyPartitioned(box.value, ("frozen",) * box.value.ndim)

    return jax.tree.map(rename, params, is_leaf=lambda leaf: isinstance(leaf, nn.LogicallyPartitioned))


def by_rows(x: Array) -> Array:
    """x [B, ...], whose rows are split over the devices and the rest is not, where `training.parallel` lays arrays out; elsewhere x itself.

    Without it, the partitioner may lay features out as a parameter lies: then every device has all rows.
    """
    return nn.with_logical_constraint(x, ("rows", *[None] * (x.ndim - 1)))


class Dense(nn.Module):
    """y[..., *features] = x[..., inputs] W (+ b): the one linear map, over any number of output axes.

    axes: logical names of the input axis and of each output axis.
    """

    features: Sequence[int]
    axes: Sequence[str]
    use_bias: bool = False
    kernel_init: nn.initializers.Initializer = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
    num_input_axes: int = 1
    dtype: jnp.dtype = jnp.float32

    def __call__(self, x: Array) -> Array:
        inputs = x.shape[x.ndim - self.num_input_axes :]
        kernel, bias = self.weights(inputs)
        size, outer = math.prod(inputs), x.shape[: x.ndim - len(inputs)]
        if x.size == size:
            y = of_vector(x.reshape(-1).astype(self.dtype), kernel.reshape(size, -1)).reshape(*outer, *self.features)
        elif jax.default_backend() == "cpu" and kernel.dtype == jnp.float32 and kernel.size >= _LARGE and x.size // size in _FEW:
            y = of_few(x.reshape(-1, size).astype(self.dtype), kernel.reshape(size, -1)).reshape(*outer, *self.features)
        else:
            y = jnp.tensordot(x.astype(self.dtype), kernel, axes=self.num_input_axes)
        return y if bias is None else y + bias

    @nn.compact
    def weights(self, inputs: tuple[int, ...]) -> tuple[Array, Array | None]:
        """W [*inputs, *features] and b [*features] or None, in the computation's dtype."""
        matrix = (math.prod(inputs), math.prod(self.features))

        def init(key, shape, dtype):  # initialised as the matrix it is, whatever the number of axes
            return self.kernel_init(key, matrix, dtype).reshape(shape)

        kernel = self.param("kernel", named(init, *self.axes), (*inputs, *self.features), jnp.float32).astype(self.dtype)
        if not self.use_bias:
            return kernel, None
        bias = self.param("bias", named(nn.initializers.zeros, *["bias"] * len(self.features)), tuple(self.features), jnp.float32)
        return kernel, bias.astype(self.dtype)


def of_vector(x: Array, kernel: Array) -> Array:
    """x W [O] of one vector x [I] and W [I, O], as when one text is written token by token: it takes as long as the weights take to read.

    XLA's CPU back end reads the weights of one product with one core, and those of the halves of a batch with two: there a large product is the sum
    of those of the halves of x (0.6 to 0.7 of the time: docs/performance.md).
    """
    if jax.default_backend() != "cpu" or kernel.size < _LARGE or len(x) % 2:
        return x @ kernel
    return jnp.einsum("hi,hio->ho", x.reshape(2, -1), kernel.reshape(2, len(x) // 2, -1)).sum(axis=0)


@jax.custom_jvp
def of_few(x: Array, kernel: Array) -> Array:
    """x W [N, O] of a few vectors x [N, I] and W [I, O], as when several texts are written: a convolution over one place, which XLA's CPU back end
    computes in less time than a product of so few rows (docs/performance.md). Its derivative is that of the product.
    """
    return jax.lax.conv_general_dilated(x[:, None], kernel[None], (1,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"))[:, 0]


@of_few.defjvp
def _of_few_jvp(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    (x, kernel), (dx, d_kernel) = primals, tangents
    return of_few(x, kernel), dx @ kernel + x @ d_kernel


def jointly(x: Array, *maps: Dense) -> list[Array]:
    """[maps[0](x), maps[1](x), ...] of x [..., D].

    Of a single vector they are one product (`of_vector`). A loop over tokens joins them once and holds both.
    Of more than one vector, joining them costs more than it saves.
    """
    if x.size > x.shape[-1]:
        return [each(x) for each in maps]
    weights = [each.weights(x.shape[-1:]) for each in maps]
    kernel = jnp.concatenate([kernel.reshape(x.shape[-1], -1) for kernel, _ in weights], axis=1)
    ends = np.cumsum([math.prod(each.features) for each in maps])
    parts = zip(jnp.split(of_vector(x.reshape(-1).astype(kernel.dtype), kernel), ends[:-1]), maps, weights, strict=True)
    return [part.reshape(*x.shape[:-1], *each.features) + (0 if bias is None else bias) for part, each, (_, bias) in parts]


class RMSNorm(nn.Module):
    """x / rms(x) * scale over the last axis, in float32 (arXiv:1910.07467). `learned=False` leaves the scale to the caller."""

    learned: bool = True
    epsilon: float = 1e-6

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x32 = x.astype(jnp.float32)
        y = x32 * jax.lax.rsqrt(jnp.mean(jnp.square(x32), axis=-1, keepdims=True) + self.epsilon)
        if self.learned:
            y = y * self.param("scale", named(nn.initializers.ones, "norm"), (x.shape[-1],), jnp.float32)
        return y.astype(x.dtype)


class LayerNorm(nn.Module):
    """(x - mean(x)) / std(x) * scale + bias over the last axis, in float32 (arXiv:1607.06450); arguments as in RMSNorm, and the bias is learned."""

    learned: bool = True
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x32 = x.astype(jnp.float32)
        centred = x32 - jnp.mean(x32, axis=-1, keepdims=True)
        y = centred * jax.lax.rsqrt(jnp.mean(jnp.square(centred), axis=-1, keepdims=True) + self.epsilon)
        if self.learned:
            vector = lambda name, init: self.param(name, named(init, "norm"), (x.shape[-1],), jnp.float32)
            y = y * vector("scale", nn.initializers.ones) + vector("bias", nn.initializers.zeros)
        return y.astype(x.dtype)


NORMS: dict[str, Callable[..., nn.Module]] = {"rms": RMSNorm, "layer": LayerNorm}


def rotary(x: Array, coordinates: Array, base: float = 10_000.0) -> Array:
    """Rotary positions (arXiv:2104.09864) in any number of axes: each axis turns its own share of the head's pairs.

    x: [B, T, H, K]; coordinates: int32 [B, T, A]. The K/2 pairs (i, i + K/2) are dealt to the axes in equal, contiguous shares (the first
    axes get one more where they do not divide), each with frequencies base^(-j/n), j < n, of its own n pairs. Computed in float32.
    """
    pairs, axes = x.shape[-1] // 2, coordinates.shape[-1]
    shares = [pairs // axes + (axis < pairs % axes) for axis in range(axes)]
    angles = jnp.concatenate(
        [coordinates[..., axis, None].astype(jnp.float32) * base ** (-jnp.arange(n, dtype=jnp.float32) / n) for axis, n in enumerate(shares)], axis=-1
    )
    sin, cos = jnp.sin(angles)[:, :, None, :], jnp.cos(angles)[:, :, None, :]
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1).astype(x.dtype)


class Attention(nn.Module):
    """Attention with an optional cache.

    Attributes:
      heads: heads of the queries.
      kv_heads: heads of keys and values, each shared by heads / kv_heads query heads (arXiv:2305.13245); None is one for each.
      window: how far attention reaches, see `models.masks`; None is everywhere.
      backend: the kernel, of BACKENDS. Each is given the whole mask of its queries and keys.
      ordered: a promise that no position sees one behind it in the row, whatever else the ids say: half of all pairs need not be computed.
      rotary: whether queries and keys are turned by their coordinates.
      qk_norm: whether they are normalised (arXiv:2302.05442).
      bias: whether the linear maps have one.
    """

    heads: int
    dtype: jnp.dtype
    kv_heads: int | None = None
    window: int | None = None
    backend: Literal["xla", "cudnn"] = "xla"
    ordered: bool = False
    rotary: bool = True
    qk_norm: bool = True
    bias: bool = False

    @nn.compact
    def __call__(
        self,
        x: Array,
        coordinates: Array,
        queries: AttentionIds,
        keys: AttentionIds,
        stored: tuple[Array, Array] | None = None,
        slots: Array | None = None,
    ) -> tuple[Array, tuple[Array, Array] | None]:
        """x [B, T, D] -> [B, T, D], and the stored keys and values [B, H, S, K] with the new ones written, when there is a cache.

        stored: keys and values of this layer's cache, written at `slots` [B, T], or None; `keys` are the ids of all S positions that may be seen.
        """
        head_size, kv_heads = x.shape[-1] // self.heads, self.kv_heads or self.heads
        project = lambda name, heads: Dense((heads, head_size), ("embed", "heads", "head"), self.bias, dtype=self.dtype, name=name)
        q, k, v = jointly(x, project("query", self.heads), project("key", kv_heads), project("value", kv_heads))
        if self.qk_norm:
            q, k = RMSNorm(name="query_norm")(q), RMSNorm(name="key_norm")(k)
        if self.rotary:
            q, k = rotary(q, coordinates), rotary(k, coordinates)
        kept = None
        if stored is not None:
            assert slots is not None, "a cache is written at slots"
            kept = caches.write_heads(stored[0], k, slots), caches.write_heads(stored[1], v, slots)
            k, v = (x.swapaxes(1, 2) for x in kept)
        mask = visible(queries, keys, self.window)
        y = BACKENDS[self.backend](q, k, v, mask, stored is not None, self.ordered)
        out = Dense((x.shape[-1],), ("heads", "head", "embed"), self.bias, num_input_axes=2, dtype=self.dtype, name="out")(y)
        return out, kept


_EVERY_PAIR = contextvars.ContextVar("every_pair", default=False)


@contextlib.contextmanager
def every_pair() -> Iterator[None]:
    """Functions that are traced herein multiply every query with every key, seen or not: what is counted does not depend on what a kernel leaves out.

    One that is compiled for itself, and was traced before, stays as it was.
    """
    token = _EVERY_PAIR.set(True)
    try:
        yield
    finally:
        _EVERY_PAIR.reset(token)


def _xla(q: Array, k: Array, v: Array, mask: Array, cached: bool, ordered: bool) -> Array:
    """In order, the queries are in up to four runs, each with the keys up to its end: 5/8 of all pairs. More save little, and each has copies.

    What reads a cache has few queries and no derivative, and is faster as jax.nn has it (docs/performance.md).
    """
    if cached:
        return jax.nn.dot_product_attention(q, k, v, mask=mask, implementation="xla")
    length = q.shape[1]
    runs = min(4, max(1, length // 64)) if ordered and not _EVERY_PAIR.get() else 1
    ends = [length * run // runs for run in range(runs + 1)]
    seen = [(slice(a, b), slice(b)) for a, b in itertools.pairwise(ends)]
    groups = (*q.shape[:2], k.shape[2], -1, q.shape[3])  # the queries that share keys stand behind one another
    q, k, v = q.reshape(groups).transpose(0, 2, 3, 1, 4), k.swapaxes(1, 2), v.swapaxes(1, 2)
    parts = [attend(q[..., run, :], k[:, :, upto], v[:, :, upto], mask[:, :, None, run, upto]) for run, upto in seen]
    y = jnp.concatenate(parts, axis=3) if runs > 1 else parts[0]
    return y.transpose(0, 3, 1, 2, 4).reshape(*groups[:2], -1, groups[-1])


def attend(q: Array, k: Array, v: Array, mask: Array) -> Array:
    """Queries [B, H, G, T, K], keys and values [B, H, S, K] and the mask of what is seen, bool, broadcastable to [B, H, G, T, S] -> [B, H, G, T, K].

    A query that sees nothing gets the mean of all values.
    """
    scores = jnp.einsum("bhgtk,bhsk->bhgts", q, k, preferred_element_type=jnp.float32) * q.shape[-1] ** -0.5
    return mixed(jnp.where(mask, scores, -1e30), v)


@jax.custom_jvp
def mixed(scores: Array, v: Array) -> Array:
    """y = P v with P the softmax of scores [B, H, G, T, S], and values [B, H, S, K].

    Its derivative is written so that neither pass goes over the scores more often than it must (arXiv:2205.14135, section 3.1):

        dy = P (dS v) - (sum_s P dS) y + P dv,    transposed: dS = P * (dy v' - <dy, y>)                (1)
    """
    return _mixed(scores, v)[2]


def _mixed(scores: Array, v: Array) -> tuple[Array, Array, Array]:
    """exp(scores) up to a factor of each row, the sum's inverse, and y: it is normalised where there is less to normalise."""
    weights = jnp.exp(scores - jax.lax.stop_gradient(jnp.max(scores, axis=-1, keepdims=True)))
    inverse = 1 / jnp.sum(weights, axis=-1, keepdims=True)
    return weights, inverse, (_times(weights, v) * inverse).astype(v.dtype)


def _times(weights: Array, v: Array) -> Array:
    return jnp.einsum("bhgts,bhsk->bhgtk", weights.astype(v.dtype), v, preferred_element_type=jnp.float32)


@mixed.defjvp
def _mixed_jvp(primals: tuple[Array, Array], tangents: tuple[Any, Any]) -> tuple[Array, Array]:
    """Equation (1)."""
    (scores, v), (d_scores, dv) = primals, tangents
    weights, inverse, y = _mixed(scores, v)
    moved = weights * d_scores
    dy = (_times(moved, v) - jnp.sum(moved, axis=-1, keepdims=True) * y + _times(weights, dv)) * inverse
    return y, dy.astype(v.dtype)


def _cudnn(q: Array, k: Array, v: Array, mask: Array, cached: bool, ordered: bool) -> Array:
    """The kernel reads a mask of every head, and has gradients (which no cache wants) only for an even number of positions: others get one more."""
    length, odd = q.shape[1], 0 if cached else q.shape[1] % 2
    q, k, v = (jnp.pad(x, ((0, 0), (0, odd), (0, 0), (0, 0))) for x in (q, k, v))
    mask = jnp.pad(jnp.broadcast_to(mask, (mask.shape[0], q.shape[2], *mask.shape[2:])), ((0, 0), (0, 0), (0, odd), (0, odd)))
    return jax.nn.dot_product_attention(q, k, v, mask=mask, implementation="cudnn")[:, :length]


# Each: (queries [B, T, H, K], keys and values [B, S, H', K], mask bool [B, 1, T, S], whether keys come from a cache, whether none sees one behind it)
# -> [B, T, H, K].
BACKENDS: dict[str, Callable[[Array, Array, Array, Array, bool, bool], Array]] = {"xla": _xla, "cudnn": _cudnn}


class CrossAttention(nn.Module):
    """Attention to the positions of a context, without coordinates: what is asked for is found by what it is.

    Attributes as in Attention. A query sees the whole of its own segment of the context.
    """

    heads: int
    dtype: jnp.dtype
    kv_heads: int | None = None
    qk_norm: bool = True
    bias: bool = False

    @nn.compact
    def __call__(
        self, x: Array, queries: AttentionIds, context: Array | None, memory: tuple[Array, Array] | None, ids: AttentionIds
    ) -> tuple[Array, tuple[Array, Array]]:
        """x [B, T, D] -> [B, T, D], and the keys and values [B, S, H, K] of the context.

        context [B, S, D], or its keys and values from an earlier call; ids: those of its S positions.
        """
        head_size, kv_heads = x.shape[-1] // self.heads, self.kv_heads or self.heads
        project = lambda name, heads, x: Dense((heads, head_size), ("embed", "heads", "head"), self.bias, dtype=self.dtype, name=name)(x)
        normed = lambda name, x: RMSNorm(name=name)(x) if self.qk_norm else x
        q = normed("query_norm", project("query", self.heads, x))
        if memory is None:
            assert context is not None, "cross-attention needs a context, or what it kept of one"
            memory = normed("key_norm", project("key", kv_heads, context)), project("value", kv_heads, context)
        mask = (queries.segment_ids[:, :, None] == ids.segment_ids[:, None, :]) & (ids.segment_ids != 0)[:, None, :]
        y = jax.nn.dot_product_attention(q, *memory, mask=mask[:, None])
        return Dense((x.shape[-1],), ("heads", "head", "embed"), self.bias, num_input_axes=2, dtype=self.dtype, name="out")(y), memory


class GatedMLP(nn.Module):
    """SwiGLU (arXiv:2002.05202): (silu(x W1) * x W2) W3."""

    hidden: int
    dtype: jnp.dtype
    bias: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        hidden = lambda name: Dense((self.hidden,), ("embed", "mlp"), self.bias, dtype=self.dtype, name=name)
        gate, value = jointly(x, hidden("gate"), hidden("value"))
        return Dense((x.shape[-1],), ("mlp", "embed"), self.bias, dtype=self.dtype, name="out")(jax.nn.silu(gate) * value)


class PlainMLP(nn.Module):
    """gelu(x W1) W2, with the approximation of GELU by tanh (arXiv:1606.08415)."""

    hidden: int
    dtype: jnp.dtype
    bias: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        hidden = Dense((self.hidden,), ("embed", "mlp"), self.bias, dtype=self.dtype, name="hidden")(x)
        return Dense((x.shape[-1],), ("mlp", "embed"), self.bias, dtype=self.dtype, name="out")(jax.nn.gelu(hidden, approximate=True))


MLPS: dict[str, Callable[..., nn.Module]] = {"gated": GatedMLP, "plain": PlainMLP}
