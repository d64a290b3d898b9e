"""The two networks: the same trunk between the adapters that a kind of data needs.

Both take the class of a row as a conditioning vector and give every cell of a grid its learned place, so what differs between a
next-token and a noise-prediction model of the same images is what the objectives make different: inputs, mask, noise level, head.

Shapes: B rows, T positions, V vocabulary; a data array is [*axes, C], an image [H, W, C] for instance, or [T].
"""

from __future__ import annotations

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from genjax.models import adapters, masks
from genjax.models.cache import Cache
from genjax.models.captions import Before
from genjax.models.trunk import Context, Trunk
from genjax.types import Array, Key


class PlaceEmbed(nn.Module):
    """A learned vector for every cell of a grid, as the sum of one per row, per column, ...; a sequence has no places, only order, unless its
    `positions` are learned, since a trunk may be told of them in no other way, or it is of the patches of a `whole` array, which are as many in every
    row. With positions of none there is nothing to tell: what sees all of a row sees a set.
    """

    shape: tuple[int, ...]
    width: int
    positions: str
    whole: bool = False

    @nn.compact
    def __call__(self, coordinates: Array) -> Array | float:
        """int32 [B, T, A] -> [B, T, width]."""
        if self.positions == "none" or (len(self.shape) == 1 and self.positions != "learned" and not self.whole):
            return 0.0
        return sum(
            adapters.Embed(size, self.width, axis="place", scale=0.02, name=f"axis_{axis}")(coordinates[..., axis])
            for axis, size in enumerate(self.shape)
        )


class TokenNetwork(nn.Module):
    """Integer tokens in, logits out.

    Attributes:
      trunk: the shared transformer.
      vocab: V, the values a token takes. One more id, V, is the start token: an input, never an output.
      grid: the axes of a row's coordinates, for example (8, 8) or (64,).
      num_classes: classes to condition on, 0 for none; one more id stands for "no class".
      tied_head: the head shares the table of the input.
      logit_softcap: a bound on the logits, or None.
      encoder: the trunk that makes a context of other tokens (`encode`), through the same table; None where there is no context.
      captions: what becomes of a row's caption, words or arrays; None where the model knows none.
    """

    trunk: Trunk
    vocab: int
    grid: tuple[int, ...]
    num_classes: int
    tied_head: bool = False
    logit_softcap: float | None = None
    encoder: Trunk | None = None
    captions: Before | None = None

    def setup(self) -> None:
        width = self.trunk.width
        self.embed = adapters.Embed(self.vocab + 1, width)
        self.place = PlaceEmbed(self.grid, width, self.trunk.positions)
        self.label = adapters.Embed(self.num_classes + 1, width, axis="class") if self.num_classes else None
        self.head = adapters.TokenHead(self.vocab, self.logit_softcap)

    def __call__(
        self,
        tokens: Array,
        coordinates: Array,
        ids: masks.AttentionIds,
        label: Array | None,
        dropout_keys: Key | None = None,
        cache: Cache | None = None,
        context: Context | None = None,
        caption: Array | None = None,
    ) -> tuple[Array, Cache | None]:
        """tokens int32 [B, T], coordinates int32 [B, T, A], label int32 [B] -> logits float32 [B, T, V] and the cache.

        caption int32 [B, S]; what of it is a prefix lies in the cache already, where there is one (`read`).
        """
        x, cache = self.features(tokens, coordinates, ids, label, dropout_keys, cache, context, caption)
        return self.logits(x), cache

    def features(
        self,
        tokens: Array,
        coordinates: Array,
        ids: masks.AttentionIds,
        label: Array | None,
        dropout_keys: Key | None = None,
        cache: Cache | None = None,
        context: Context | None = None,
        caption: Array | None = None,
    ) -> tuple[Array, Cache | None]:
        """What the head is given: [B, T, width] and the cache. With `logits`, for those who do not want all logits at once."""
        x = self.embed(tokens) + self.place(coordinates)
        cond = self._cond(label, caption)
        if self.captions is None:
            return self.trunk(x, coordinates, ids, cond, dropout_keys, cache, context)
        assert context is None, "a context is the caption or what an encoder makes, not both"
        x, coordinates, ids = self.captions.put_before(caption, x, coordinates, ids, cached=cache is not None)
        context = self.captions.context(caption) if cache is None else None  # a cache remembers it
        x, cache = self.trunk(x, coordinates, ids, cond, dropout_keys, cache, context)
        return x[:, -tokens.shape[1] :], cache

    def read(self, label: Array | None, caption: Array | None, cache: Cache) -> Cache:
        """The cache with what a caption puts into it: the prefix or the context that it is. This comes before the first call with a cache."""
        if self.captions is None:
            return cache
        x, coordinates, ids = self.captions.positions(caption, len(self.grid))
        context = self.captions.context(caption)
        if not self.captions.length(caption):
            if context is None:
                return cache
            # One position of padding, which is not written: the context is.
            x, coordinates, ids = x[:, :1], coordinates[:, :1], jax.tree.map(lambda of: jnp.zeros_like(of[:, :1]), ids)
        _, written = self.trunk(x, coordinates, ids, self._cond(label, caption), None, cache, context)
        assert written is not None, "with a cache, the trunk returns it"
        return written

    def encode(self, tokens: Array, coordinates: Array, ids: masks.AttentionIds, dropout_keys: Key | None = None) -> Context:
        """The context that tokens int32 [B, S] are, as the encoder makes it."""
        assert self.encoder is not None, "a network without an encoder makes no context"
        features, _ = self.encoder(self.embed(tokens) + self.place(coordinates), coordinates, ids, None, dropout_keys)
        return Context(features, ids)

    def _cond(self, label: Array | None, caption: Array | None) -> Array | None:
        """The vector [B, width] that modulates the trunk, if any."""
        vectors: list[Array | float] = []
        if self.label is not None:
            assert label is not None, "a model with classes needs a label for every row"
            vectors.append(self.label(label))
        if self.captions is not None and self.captions.modulates:
            vectors.append(self.captions.vector(caption))
        return jax.nn.silu(sum(vectors)) if vectors else None

    def logits(self, x: Array) -> Array:
        """Features [B, T, width] -> logits float32 [B, T, V]."""
        return self.head(x, self.embed.table if self.tied_head else None)


class PatchNetwork(nn.Module):
    """A noisy array and its log-SNR in, an array with the same axes out.

    Attributes:
      trunk: the shared transformer.
      shape: (*axes, C).
      patch_size: values a side of the patch that is one position, along every axis or along each.
      num_classes: classes to condition on, 0 for none; one more id stands for "no class".
      captions: what becomes of a row's caption; None where the model knows none.
      features: values that come out for each cell of the axes; None for as many as go in, C.
    """

    trunk: Trunk
    shape: tuple[int, ...]
    patch_size: adapters.Sizes
    num_classes: int
    captions: Before | None = None
    features: int | None = None

    @property
    def grid(self) -> tuple[int, ...]:
        """Patches along each axis."""
        grid = adapters.patch_grid(self.shape, self.patch_size)
        assert grid is not None, "an array is divisible into its patches"
        return grid

    @property
    def positions(self) -> int:
        """Positions of the trunk."""
        return math.prod(self.grid)

    @nn.compact
    def __call__(self, x: Array, logsnr: Array, label: Array | None, dropout_keys: Key | None = None, caption: Array | None = None) -> Array:
        """x float32 [B, *axes, C], logsnr [B] (or several levels of a row, [B, L]), label int32 [B], caption int32 [B, S] -> [B, *axes, features]."""
        width, batch = self.trunk.width, x.shape[0]
        patches = adapters.patchify(x, self.patch_size)
        coordinates = jnp.broadcast_to(adapters.grid_coordinates(self.grid), (batch, self.positions, len(self.grid)))
        h = adapters.PatchIn(width, name="embed")(patches) + PlaceEmbed(self.grid, width, self.trunk.positions, whole=True, name="place")(coordinates)
        cond = adapters.NoiseLevelEmbed(width, name="noise_level")(logsnr)
        if self.num_classes:
            assert label is not None, "a model with classes needs a label for every row"
            cond = cond + adapters.Embed(self.num_classes + 1, width, axis="class", name="label")(label)
        ids, context = masks.bidirectional(*patches.shape[:2]), None
        if self.captions is not None:
            cond, context = cond + self.captions.vector(caption), self.captions.context(caption)
            h, coordinates, ids = self.captions.put_before(caption, h, coordinates, ids)
        h, _ = self.trunk(h, coordinates, ids, jax.nn.silu(cond), dropout_keys, context=context)
        *axes, channels = self.shape
        features = self.features or channels
        out = adapters.PatchOut(patches.shape[-1] // channels * features, name="head")(h[:, -patches.shape[1] :])
        return adapters.unpatchify(out, self.patch_size, (*axes, features))


class VectorNetwork(nn.Module):
    """Noisy vectors and their log-SNR in, logits out; attributes as in TokenNetwork.

    The head starts at zero: an untrained network says that the context tells nothing.
    """

    trunk: Trunk
    vocab: int
    grid: tuple[int, ...]
    num_classes: int

    @nn.compact
    def __call__(
        self, x: Array, logsnr: Array, coordinates: Array, ids: masks.AttentionIds, label: Array | None, dropout_keys: Key | None = None
    ) -> Array:
        """x float32 [B, T, d], logsnr [B], coordinates int32 [B, T, A], label int32 [B] -> float32 [B, T, V]."""
        width = self.trunk.width
        h = adapters.PatchIn(width, name="embed")(x) + PlaceEmbed(self.grid, width, self.trunk.positions, name="place")(coordinates)
        cond = adapters.NoiseLevelEmbed(width, name="noise_level")(logsnr)
        if self.num_classes:
            assert label is not None, "a model with classes needs a label for every row"
            cond = cond + adapters.Embed(self.num_classes + 1, width, axis="class", name="label")(label)
        h, _ = self.trunk(h, coordinates, ids, jax.nn.silu(cond), dropout_keys)
        return adapters.TokenHead(self.vocab, name="head")(h)


class ClassifierNetwork(nn.Module):
    """An array in, features and class logits out; attributes as in PatchNetwork."""

    trunk: Trunk
    patch_size: adapters.Sizes
    num_classes: int

    @nn.compact
    def __call__(self, x: Array, dropout_keys: Key | None = None) -> tuple[Array, Array]:
        """x float32 [B, *axes, C] -> features float32 [B, width] (the mean over positions) and logits float32 [B, classes]."""
        grid = adapters.patch_grid(x.shape[1:], self.patch_size)
        assert grid is not None, "an array is divisible into its patches"
        patches = adapters.patchify(x, self.patch_size)
        coordinates = jnp.broadcast_to(adapters.grid_coordinates(grid), (*patches.shape[:2], len(grid)))
        place = PlaceEmbed(grid, self.trunk.width, self.trunk.positions, whole=True, name="place")
        h = adapters.PatchIn(self.trunk.width, name="embed")(patches) + place(coordinates)
        h, _ = self.trunk(h, coordinates, masks.bidirectional(*patches.shape[:2]), None, dropout_keys)
        features = jnp.mean(h.astype(jnp.float32), axis=1)
        return features, adapters.TokenHead(self.num_classes, name="head")(features)
