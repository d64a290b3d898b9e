"""Any batch as sequences of tokens: where each token stands, with whom, whether it is learned, and what it is worth.

Text brings all of this along (see `types.Batch`). An array without it is one segment in raster order whose every value is supervised and is
one unit. So an objective over tokens is written once, and packed documents, context that is not scored and images are all the same to it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from genjax.models import adapters
from genjax.models.cache import Cache
from genjax.models.networks import TokenNetwork
from genjax.models.trunk import Trunk
from genjax.objectives.base import Given, captions_from, classes_from, trunk_from
from genjax.types import Array, Batch, DataSpec, Params


class Sequence(NamedTuple):
    """B rows of T tokens.

    Attributes:
      tokens: int32 [B, T].
      coordinates: int32 [B, T, A], for the rotary positions: the cell of a grid, or the place in the segment.
      segment_ids: int32 [B, T]; tokens see only their own segment, and 0 is padding.
      mask: float32 [B, T], 1 where a token is supervised.
      units: float32 [B], raw units that the supervised tokens stand for.
    """

    tokens: Array
    coordinates: Array
    segment_ids: Array
    mask: Array
    units: Array

    def along(self, order: Any) -> Sequence:
        """The same tokens as they are read in another order, a permutation int [T]."""
        return Sequence(*(rows[:, order] for rows in self[:-1]), units=self.units)

    @property
    def begins(self) -> Array:
        """Where a segment begins, bool [B, T]."""
        return jnp.diff(self.segment_ids, axis=1, prepend=-1) != 0

    @property
    def prefix(self) -> Array:
        """The prompt of a segment without its last token, bool [B, T]: what is read before the first supervised token is asked for.

        In the inputs, which are one token late, these are the start token and all of the prompt but the token that the answer follows.
        """
        supervised = jnp.cumsum(self.mask > 0, axis=1)
        before = jnp.pad(supervised[:, :-1], ((0, 0), (1, 0)))
        return supervised == jnp.take_along_axis(before, self.first, axis=1)

    @property
    def first(self) -> Array:
        """The index at which the segment of each token begins, int32 [B, T]."""
        return jax.lax.cummax(jnp.where(self.begins, jnp.arange(self.tokens.shape[1]), 0), axis=1)

    def shifted(self, start: int) -> Array:
        """What is seen before each token, int32 [B, T]: the token before it in its segment, or `start` where the segment begins."""
        before = jnp.pad(self.tokens[:, :-1], ((0, 0), (1, 0)))
        return jnp.where(self.begins, start, before)


def grid(spec: DataSpec) -> tuple[int, ...]:
    """The axes of a row's coordinates: those of its array that are longer than 1."""
    return tuple(n for n in spec.shape if n > 1) or (1,)


def network_from(config: Any, spec: DataSpec, encoder: Trunk | None = None, *, causal: bool, ordered: bool = False) -> TokenNetwork:
    """The network over tokens of a config, for data like `spec`; captions are read as in `captions_from`, and `ordered` is that of its trunk."""
    model, classes, captions = config.model, classes_from(config, spec), captions_from(config, spec, causal=causal)
    trunk = trunk_from(config).clone(ordered=ordered, parent=None)
    return TokenNetwork(trunk, spec.levels, grid(spec), classes, model.tied_head, model.logit_softcap, encoder, captions, parent=None)


def sequence(batch: Batch, spec: DataSpec) -> Sequence:
    """The rows of a batch of data like `spec`, as sequences."""
    tokens = batch[spec.key].reshape(-1, spec.num_dims).astype(jnp.int32)
    cells = jnp.broadcast_to(adapters.grid_coordinates(grid(spec)), (*tokens.shape, len(grid(spec))))
    return Sequence(
        tokens,
        coordinates=batch["positions"][..., None] if "positions" in batch else cells,
        segment_ids=batch["segment_ids"] if "segment_ids" in batch else jnp.ones_like(tokens),
        mask=batch["loss_mask"] if "loss_mask" in batch else jnp.ones(tokens.shape, jnp.float32),
        units=batch["num_units"] if "num_units" in batch else jnp.full(tokens.shape[:1], spec.num_dims, jnp.float32),
    )


def cache_of(network: TokenNetwork, params: Params, given: Given, rows: int, room: int, at_once: int | None = None) -> Cache:
    """A cache with room for so many positions a row, in which lies what comes before them: the prefix that a caption is. See `Trunk.empty_cache`."""
    if network.captions is None:
        return network.trunk.empty_cache(rows, room, at_once)
    empty = network.trunk.empty_cache(rows, network.captions.length(given.caption) + room, None if network.captions.prefixes else at_once)
    cache: Any = network.apply({"params": params}, *given, empty, method="read")
    return cache
