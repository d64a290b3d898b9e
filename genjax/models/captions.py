"""Words that describe a row, and the three ways in which a network is told of them.

tokens: every word is a position of its own before those of the data, which see it; their coordinates end where the data's begin. What the words
see of each other is the objective's choice. cross: every block attends to the words besides (cross-attention, equation 3 of `models.trunk`), as they
come from the table, with sinusoids of their places added. pooled: the mean of the words' vectors modulates every block, as a class does: no order
is left.

A caption that is all padding is none at all: no position is seen, and the mean is zero. What is attended to begins with a vector that says nothing,
so that there is something to see then.

A row may be about arrays instead, a picture or a sound: their patches stand before it as positions of the same sequence (`Sights`).
"""

from __future__ import annotations

import abc
import math
from typing import Literal

import flax.linen as nn
import jax.numpy as jnp
import numpy as np

from genjax.models import adapters, masks
from genjax.models.trunk import Context
from genjax.types import Array, Shown


class Before(nn.Module):
    """What the data of a row are told with, by one of three ways: positions before them, a context, a vector that modulates every block."""

    @property
    def modulates(self) -> bool:
        """Whether it is told by a vector."""
        return False

    @property
    def prefixes(self) -> bool:
        """Whether it is told by positions before the data."""
        return True

    def vector(self, caption: Array | None) -> Array | float:
        """What modulates every block, [B, width], or zero."""
        return 0.0

    def context(self, caption: Array | None) -> Context | None:
        """What is attended to."""
        return None

    @abc.abstractmethod
    def length(self, caption: Array | None) -> int:
        """Positions of the prefix."""

    @abc.abstractmethod
    def positions(self, caption: Array | None, axes: int) -> tuple[Array, Array, masks.AttentionIds]:
        """The prefix: vectors [B, S, width], coordinates int32 [B, S, axes], ids."""

    def put_before(
        self, caption: Array | None, x: Array, coordinates: Array, ids: masks.AttentionIds, cached: bool = False
    ) -> tuple[Array, Array, masks.AttentionIds]:
        """Positions x [B, T, width], their coordinates [B, T, A] and ids, with the prefix before them unless it is in a cache already."""
        length = self.length(caption)
        ids = masks.behind(length, ids)
        if cached or not length:
            return x, coordinates, ids
        before = self.positions(caption, coordinates.shape[-1])
        join = lambda first, second: jnp.concatenate([first, second], axis=1)
        return join(before[0], x), join(before[1], coordinates), masks.AttentionIds(*map(join, before[2], ids))


class Captions(Before):
    """A table of words. Captions are int32 [B, S], padded with 0.

    Attributes:
      words: how many there are, with the padding.
      width: of the trunk, or of what modulates a U-Net.
      way: how the network is told.
      causal: a word of the prefix sees those before it, or else all.
    """

    words: int
    width: int
    way: Literal["tokens", "cross", "pooled"]
    causal: bool

    def setup(self) -> None:
        self.embed = adapters.Embed(self.words, self.width)

    @property
    def modulates(self) -> bool:
        return self.way == "pooled"

    @property
    def prefixes(self) -> bool:
        return self.way == "tokens"

    def vector(self, caption: Array | None) -> Array | float:
        """The mean of the words [B, width], zero without any, and where they are not pooled."""
        if not self.modulates:
            return 0.0
        assert caption is not None, "a model with captions needs one for every row"
        said = (caption != 0)[..., None]
        return jnp.sum(jnp.where(said, self.embed(caption), 0.0), axis=1) / jnp.maximum(jnp.sum(said, axis=1), 1)

    def context(self, caption: Array | None) -> Context | None:
        """What is attended to, [B, 1 + S, width] and its ids; None where the words are not told so."""
        if self.way != "cross":
            return None
        assert caption is not None, "a model with captions needs one for every row"
        begun = jnp.pad(caption, ((0, 0), (1, 0)))  # the padding's own vector says nothing
        places = jnp.broadcast_to(jnp.arange(begun.shape[1]), begun.shape)
        seen = ((begun != 0) | (places == 0)).astype(jnp.int32)
        return Context(self.embed(begun) + adapters.sinusoids(places, self.width), masks.AttentionIds(jnp.zeros_like(seen), seen, places))

    def length(self, caption: Array | None) -> int:
        """Positions of the prefix."""
        if self.way != "tokens":
            return 0
        assert caption is not None, "a model with captions needs one for every row"
        return caption.shape[1]

    def positions(self, caption: Array | None, axes: int) -> tuple[Array, Array, masks.AttentionIds]:
        """The prefix: vectors [B, S, width], coordinates int32 [B, S, axes], ids."""
        assert caption is not None, "a model with captions needs one for every row"
        ids = masks.prefix(caption != 0, self.causal)
        return self.embed(caption), jnp.repeat(ids.places[..., None], axes, axis=-1), ids


class Sights(Before):
    """Arrays that rows are about, in captions int32 [B, S] as `types.Shown` says. Every kind has a linear map of its patches, and places, of its own;
    in order they are one sequence, of which a row sees what is shown to it. All that is seen sees each other, and the coordinates of every kind end
    where those of the data begin, whatever else might be shown.

    Attributes:
      kinds: of arrays.
      patch_sizes: of each kind, values a side of the patch that is one position.
      width: of the trunk.
    """

    kinds: tuple[Shown, ...]
    patch_sizes: tuple[tuple[int, ...], ...]
    width: int

    def setup(self) -> None:
        self.patch = [adapters.PatchIn(self.width) for _ in self.kinds]
        self.place = [adapters.Embed(count, self.width, axis="place", scale=0.02) for count in self._counts]

    def length(self, caption: Array | None) -> int:
        return sum(self._counts)

    def positions(self, caption: Array | None, axes: int) -> tuple[Array, Array, masks.AttentionIds]:
        assert caption is not None, "a model of what is shown needs it for every row"
        ends = np.cumsum([math.prod(kind.shape) for kind in self.kinds])
        vectors, real, before = [], [], []
        for kind, values, sizes, patch, place in zip(
            self.kinds, jnp.split(caption, ends[:-1], axis=1), self.patch_sizes, self.patch, self.place, strict=True
        ):
            array = values.reshape(-1, *kind.shape)
            scaled = (array - 1) * (2 / (kind.levels - 1)) - 1.0
            patches = patch(adapters.patchify(jnp.where(array == 0, 0.0, scaled), sizes))
            places = jnp.broadcast_to(jnp.arange(patches.shape[1]), patches.shape[:2])
            vectors.append(patches + place(places))
            before.append(places - patches.shape[1])
            real.append(jnp.broadcast_to(values[:, :1] != 0, patches.shape[:2]))
        join = lambda parts: jnp.concatenate(parts, axis=1)
        return join(vectors), jnp.repeat(join(before)[..., None], axes, axis=-1), masks.prefix(join(real), causal=False)

    @property
    def _counts(self) -> list[int]:
        """Patches of each kind."""
        grids = [adapters.patch_grid(kind.shape, sizes) for kind, sizes in zip(self.kinds, self.patch_sizes, strict=True)]
        assert all(grid is not None for grid in grids), "an array is divisible into its patches"
        return [math.prod(grid) for grid in grids if grid is not None]
