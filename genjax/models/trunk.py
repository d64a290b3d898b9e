"""The transformer trunk that every objective shares: positions in, positions out.

It knows neither tokens nor pixels nor noise. What a model is follows from what is given to it: the attention ids (`models.masks`), the
integer coordinates (one, two or three axes of rotary positions), and an optional conditioning vector that modulates every block
(adaLN-zero, arXiv:2212.09748):

    h = x + gate_1(c) * attention((1 + scale_1(c)) * norm(x) + shift_1(c))                          (1)
    y = h + gate_2(c) * mlp((1 + scale_2(c)) * norm(h) + shift_2(c))                                (2)

with all six maps of c zero at the start, so that a conditioned trunk begins as the identity. Without c the norms have learned scales
and the gates are 1. With a context, such as the features of another trunk, every block of this one also attends to it,

    h <- h + cross_attention(norm(h), context)                                                      (3)

between (1) and (2): two trunks, of which one is the context of the other, are an encoder and a decoder (arXiv:1706.03762).

norm, mlp, the way in which a position is told and whether maps have biases are choices that do not depend on each other. The defaults are RMSNorm,
a gated MLP, rotary positions and no biases; LayerNorm, a plain MLP, learned positions and biases are GPT-2.

The parameters of all blocks are stacked along the axis "layers", whether the blocks are compiled one by one or as one loop: a
checkpoint does not know which.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from genjax import rng
from genjax.errors import UsageError
from genjax.models import cache as caches
from genjax.models.cache import Cache, Memory
from genjax.models.layers import MLPS, NORMS, Attention, CrossAttention, Dense, by_rows
from genjax.models.masks import AttentionIds
from genjax.types import Array, Key, Params


class Context(NamedTuple):
    """Features [B, S, D] to attend to (None: a cache has what is needed of them), and the ids of their positions [B, S]."""

    features: Array | None
    ids: AttentionIds


def by_layer(params: Params) -> Params:
    """The parameters with the blocks of every trunk taken apart, {"0": ..., "1": ...}, as a call with a cache uses them; those that are, stay so.

    Whoever calls in a loop takes them apart before it: within, all of them would be copied for every token.
    """
    if not isinstance(params, Mapping):
        return params
    taken = {name: by_layer(part) for name, part in params.items()}
    if (blocks := taken.get("blocks")) is not None and "0" not in blocks:
        layers = jax.tree.leaves(blocks)[0].shape[0]
        taken["blocks"] = {str(layer): jax.tree.map(operator.itemgetter(layer), blocks) for layer in range(layers)}
    return taken


class Block(nn.Module):
    """One pre-norm transformer block, equations (1) to (3)."""

    attention: Attention
    cross_attention: CrossAttention
    mlp: nn.Module
    norm: str
    dropout: float
    dtype: jnp.dtype

    @nn.compact
    def __call__(
        self,
        x: Array,
        layer: Array,
        stored: tuple[Array, Array] | None,
        memory: tuple[Array, Array] | None,
        context: Context | None,
        coordinates: Array,
        queries: AttentionIds,
        keys: AttentionIds,
        slots: Array | None,
        cond: Array | None,
        dropout_keys: Key | None,
    ) -> tuple[Array, tuple[tuple[Array, Array] | None, tuple[Array, Array] | None]]:
        if cond is None:  # the norms are learned instead
            modulation = [0.0, 0.0, 1.0] * 2
        else:
            maps = Dense(
                (6, x.shape[-1]),
                ("cond", "modulation", "embed"),
                use_bias=True,
                kernel_init=nn.initializers.zeros,
                dtype=self.dtype,
                name="modulation",
            )
            modulation = [m[:, None, :] for m in jnp.unstack(maps(cond), axis=1)]

        def normalise(name, h, scale, shift):
            return NORMS[self.norm](learned=cond is None, name=name)(h) * (1 + scale) + shift

        def drop(h, number):
            if dropout_keys is None:
                return h
            return rng.dropout(h, self.dropout, rng.each(dropout_keys, number))

        scale_1, shift_1, gate_1, scale_2, shift_2, gate_2 = modulation
        h, kept = self.attention(normalise("attention_norm", x, scale_1, shift_1), coordinates, queries, keys, stored, slots)
        x = by_rows(x + gate_1 * drop(h, 2 * layer))
        if context is not None:
            h, memory = self.cross_attention(NORMS[self.norm](name="cross_attention_norm")(x), queries, context.features, memory, context.ids)
            x = by_rows(x + drop(h, 2**16 + layer))
        h = self.mlp(normalise("mlp_norm", x, scale_2, shift_2))
        return by_rows(x + gate_2 * drop(h, 2 * layer + 1)), (kept, memory)


class Trunk(nn.Module):
    """`depth` blocks and a final norm.

    Attributes: see `model.*` in configs/base.py, and `ordered`: no position sees one behind it in the row, which whoever makes the ids promises.
    """

    width: int
    depth: int
    heads: int
    mlp_ratio: float
    dropout: float
    dtype: str
    scan_layers: bool
    remat: bool
    kv_heads: int | None = None
    window: int | None = None
    attention: Literal["xla", "cudnn"] = "xla"
    norm: Literal["rms", "layer"] = "rms"
    positions: Literal["rotary", "learned", "none"] = "rotary"
    mlp: Literal["gated", "plain"] = "gated"
    qk_norm: bool = True
    bias: bool = False
    ordered: bool = False

    def __post_init__(self) -> None:
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise UsageError(f"model.heads={self.heads} is not divisible by model.kv_heads={self.kv_heads}")
        if self.attention == "cudnn" and (jax.default_backend() != "gpu" or self.dtype != "bfloat16"):
            raise UsageError(
                f"model.attention=cudnn needs a GPU and model.dtype=bfloat16, and this is {self.dtype} on {jax.default_backend()}: "
                "use model.attention=xla"
            )
        head_size = self.width // self.heads
        if self.attention == "cudnn" and (head_size % 8 or head_size > 128):
            raise UsageError(
                f"model.attention=cudnn needs heads of a multiple of 8 features, up to 128, and model.width / model.heads = {head_size}: "
                "use model.attention=xla"
            )
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        x: Array,
        coordinates: Array,
        ids: AttentionIds,
        cond: Array | None = None,
        dropout_keys: Key | None = None,
        cache: Cache | None = None,
        context: Context | None = None,
    ) -> tuple[Array, Cache | None]:
        """The features of T positions.

        Args:
          x: [B, T, D].
          coordinates: int32 [B, T, A], A axes of rotary positions.
          ids: the attention ids of the T positions.
          cond: [B, C] modulates every block, or None.
          dropout_keys: one key a row [B] in training, None in evaluation.
          cache: what was seen before, or None. With a cache the T positions are written to it and see it.
          context: what every block attends to besides. With a cache it is given once, and remembered.

        Returns:
          [B, T, D] in the computation's dtype, and the cache with the T positions added (None when none was given).
        """
        dtype = jnp.dtype(self.dtype)
        rotary = self.positions == "rotary"
        seen = self.window, self.attention, self.ordered
        attention = Attention(self.heads, dtype, self.kv_heads, *seen, rotary, self.qk_norm, self.bias, parent=None)
        cross_attention = CrossAttention(self.heads, dtype, self.kv_heads, self.qk_norm, self.bias, parent=None)
        mlp: Any = MLPS[self.mlp](self.mlp_hidden, dtype, self.bias, parent=None)
        block = nn.remat(Block, prevent_cse=not self.scan_layers) if self.remat else Block
        blocks = nn.scan(
            block,
            variable_axes={"params": 0},
            split_rngs={"params": True},
            in_axes=(0, 0, 0, *[nn.broadcast] * 7),
            length=self.depth,
            unroll=1 if self.scan_layers else self.depth,
            metadata_params={nn.PARTITION_NAME: "layers"},
        )(attention, cross_attention, mlp, self.norm, self.dropout, dtype, name="blocks")
        x, layers = by_rows(x.astype(self.dtype)), jnp.arange(self.depth)
        if cache is None:
            x, _ = blocks(x, layers, None, None, context, coordinates, ids, ids, None, cond, dropout_keys)
        else:
            slots, index = caches.slots(cache, ids, self.window)
            if not caches.turns(cache.room, x.shape[1], self.window):
                caches.require_room(cache, index)
            keys = caches.write_ids(cache.ids, ids, slots)
            memories: list[Any] = [None] * self.depth
            if context is None and cache.memory is not None:
                memories, context = list(zip(cache.memory.keys, cache.memory.values, strict=True)), Context(None, cache.memory.ids)
            # Block by block, so that a loop over tokens finds every layer's cache where it left it: see `models.cache`.
            one: Any = Block(attention, cross_attention, mlp, self.norm, self.dropout, dtype, parent=None)
            params, kept = by_layer(self.variables["params"])["blocks"], []
            for layer, (stored, memory) in enumerate(zip(zip(cache.keys, cache.values, strict=True), memories, strict=True)):
                given = stored, memory, context, coordinates, ids, keys, slots, cond, dropout_keys
                x, (both, memories[layer]) = one.apply({"params": params[str(layer)]}, x, jnp.asarray(layer), *given)
                kept.append(both)
            first_and_second = lambda pairs: (tuple(first for first, _ in pairs), tuple(second for _, second in pairs))
            remembered = None if context is None else Memory(*first_and_second(memories), context.ids)
            cache = Cache(*first_and_second(kept), keys, index, remembered)
        return by_rows(NORMS[self.norm](name="final_norm")(x)), cache

    @property
    def mlp_hidden(self) -> int:
        """Hidden features of the MLP: the ratio times the width, rounded to a multiple of 8."""
        return max(8, round(self.width * self.mlp_ratio / 8) * 8)

    def empty_cache(self, batch: int, length: int, at_once: int | None = None) -> Cache:
        """A cache for `batch` rows of at most `length` positions. With the number of positions that are written `at_once`, at most, it is no longer
        than a window needs.
        """
        if self.window is not None and at_once is not None:
            length = min(length, self.window - 1 + at_once)
        heads, head_size = self.kv_heads or self.heads, self.width // self.heads
        return caches.empty(layers=self.depth, batch=batch, length=length, heads=heads, head_size=head_size, dtype=jnp.dtype(self.dtype))
