"""Next-token prediction: the probability of an array as a product over its values in raster order.

    log p(x | y) = sum_i log p(x_i | x_<i, y)                                                       (1)

with each factor a softmax over the levels that a value can take, so the likelihood is exact. The input at position i is x_(i-1), and a
start token where a segment begins; the coordinates are those of the value that is predicted. Only supervised tokens are counted: what else
is in a row is there to be seen.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.config import require
from genjax.decoding.beam import beam_search
from genjax.decoding.generate import Apply, Drawn, Stop, generate, prefill
from genjax.decoding.sampling import SamplingRule, guide
from genjax.models import adapters, masks
from genjax.models import cache as caches
from genjax.models.networks import TokenNetwork
from genjax.objectives import cross_entropy
from genjax.objectives.base import Given, base_label, classes_from, hide, request_of
from genjax.objectives.sequences import Sequence, cache_of, network_from, sequence
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, PyTree, Samples


@dataclasses.dataclass(frozen=True)
class NextToken:
    """See the module's text; the fields are those of the config."""

    network: TokenNetwork
    spec: DataSpec
    drop_rate: float
    base_label: int
    guidance_scale: float
    rule: SamplingRule
    beams: int
    length_penalty: float
    loss_chunk: int | None
    z_loss: float
    label_smoothing: float

    generates: ClassVar[bool] = True
    scores: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> NextToken:
        options, classes = config.next_token, classes_from(config, spec)
        return cls(
            network_from(config, spec, causal=True),
            spec,
            config.conditioning.drop_rate,
            base_label(config, classes),
            config.sample.guidance_scale,
            SamplingRule(options.temperature, options.top_k, options.top_p, options.min_p),
            options.beams,
            options.length_penalty,
            options.loss_chunk,
            options.z_loss,
            options.label_smoothing,
        )

    def init(self, key: Key) -> Params:
        rows, one = sequence({self.spec.key: jnp.zeros((1, *self.spec.shape), jnp.int32)}, self.spec), jnp.zeros((1,), jnp.int32)
        seen = masks.causal(*rows.tokens.shape)
        return self.network.init(key, rows.tokens, rows.coordinates, seen, one, caption=one[:, None])["params"]

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        given = hide(Given.of(batch), self.network.num_classes, self.drop_rate, keys("label")) if train else Given.of(batch)
        rows = sequence(batch, self.spec)
        terms = self._terms(params, rows, given, keys("dropout") if train else None)
        weight = batch["weight"][:, None] * rows.mask
        loss = terms.loss(label_smoothing=self.label_smoothing, z_loss=self.z_loss)
        total = lambda x: jnp.sum(weight * x)
        count = jnp.sum(weight)
        return LossSums(total(loss), count, {"nats": (total(terms.nats), count), "accuracy": (total(terms.hit), count)})

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        del key  # nothing is drawn: equation (1) is exact
        rows = sequence(batch, self.spec)
        nats = jnp.sum(rows.mask * self._terms(params, rows, Given.of(batch), None).nats, axis=-1)
        return Likelihood(nats, rows.units, jnp.zeros_like(nats), {}, "exact", self.spec.unit)

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """New rows; with the data and `mask` in the request, rows that keep the data where the mask is true and draw the rest, each value
        given those before it in raster order.
        """
        rows, length, known = request["id"].shape[0], self.spec.num_dims, None
        if self.spec.key in request:
            require("towards" not in request, "next_token has no way between images: --interpolate is for noise_prediction")
            require("mask" in request, "next_token cannot begin from an image: say which part to draw anew with --redraw")
            known = sequence(request, self.spec).tokens, jnp.broadcast_to(request["mask"], request[self.spec.key].shape).reshape(rows, length)
        nothing = jnp.zeros((rows, 0), jnp.int32)
        tokens = self.complete(params, nothing, nothing.astype(bool), request, key, length=length, known=known).tokens
        cost = Cost(nfe=length * (2 if self.guidance_scale != 1.0 else 1) * max(1, self.beams), sequential_depth=length)
        return Samples(tokens.reshape(rows, *self.spec.shape), cost)

    def complete(
        self,
        params: Params,
        prompt: Array,
        real: Array,
        request: Batch,
        key: Key,
        *,
        length: int,
        stop: Stop = (),
        known: tuple[Array, Array] | None = None,
    ) -> Drawn:
        """What follows prompts: at most `length` tokens a row, drawn, or found by beam search where `beams` is not 0.

        prompt, real: int32 and bool [B, P], see `decoding.prompts`; the start token is put before them.
        request: `id` of every row, and what it is conditioned on.
        stop, known: see `decoding.generate`.
        """
        start = jnp.full((prompt.shape[0], 1), self.network.vocab, jnp.int32)
        prompt, real = jnp.concatenate([start, prompt], axis=1), jnp.pad(real, ((0, 0), (1, 0)), constant_values=True)
        apply, take, state = self.decoder(params, request, prompt.shape[1] - 1 + length)
        progress = prefill(apply, state, prompt, real, stop)
        if not self.beams:
            return generate(apply, progress, length, self.rule, rng.rows(key, request["id"]), stop=stop, known=known)
        require(known is None, "a beam search cannot redraw a part: set next_token.beams=0")
        require(len(stop) <= 1 and all(len(words) == 1 for words in stop), "a beam search ends at one token: give one stop, of one token")
        end = stop[0][0] if stop else None
        found = beam_search(apply, progress, length, self.beams, take, end=end, alpha=self.length_penalty)
        return Drawn(found.tokens[:, 0], found.lengths[:, 0], jnp.asarray(length))

    def decoder(self, params: Params, request: Batch, room: int) -> tuple[Apply, Callable[[PyTree, Array], PyTree], PyTree]:
        """The model as `decoding` wants it: `apply`, how to take rows of its state, and its empty state for `room` positions a row.

        The state is a cache, and what its rows are conditioned on.
        """
        rows, guided, grid = request["id"].shape[0], self.guidance_scale != 1.0, self.network.grid
        require(len(grid) == 1 or room <= self.spec.num_dims, f"{room} positions do not fit into a grid of {self.spec.num_dims}")
        network, reach = self.network, self.spec.num_dims
        if room > reach:  # beyond the length of training, attention reaches as far as it was trained to, and rotary positions are relative
            trunk = network.trunk
            network = network.clone(trunk=trunk.clone(window=min(trunk.window or reach, reach)))
        given = Given.of(request)
        if guided:  # every row twice in one batch: with its condition, and without
            given = jax.tree.map(lambda *parts: jnp.concatenate(parts), given, given.instead(self.base_label))

        def apply(tokens: Array, positions: Array, real: Array, state: PyTree) -> tuple[Array, PyTree]:
            cache, given = state
            half = tokens.shape[0]
            if guided:
                tokens, positions, real = (jnp.concatenate([x, x]) for x in (tokens, positions, real))
            coordinates = positions[..., None] if len(grid) == 1 else adapters.grid_coordinates(grid)[positions]
            ids = masks.AttentionIds(positions, real.astype(jnp.int32), positions)
            logits, cache = network.apply({"params": params}, tokens, coordinates, ids, given.label, cache=cache, caption=given.caption)
            return guide(logits[:half], logits[half:], self.guidance_scale) if guided else logits, (cache, given)

        def take(state: PyTree, kept: Array) -> PyTree:
            cache, given = state
            if guided:
                kept = jnp.concatenate([kept, kept + cache.index.shape[0] // 2])
            return caches.take(cache, kept), jax.tree.map(lambda x: x[kept], given)

        return apply, take, (cache_of(network, params, given, 2 * rows if guided else rows, room), given)

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """`writing`: a sample as far as it is written, before every token and after the last; what is not yet written is 0."""
        drawn = self.sample(params, request_of(batch), key).data
        tokens = drawn.reshape(drawn.shape[0], self.spec.num_dims)
        written = jnp.arange(tokens.shape[1])[None, :] < jnp.arange(tokens.shape[1] + 1)[:, None]
        return {"writing": jnp.where(written[:, None], tokens, 0).reshape(-1, tokens.shape[0], *self.spec.shape)}

    def _terms(self, params: Params, rows: Sequence, given: Given, dropout_keys: Key | None) -> cross_entropy.Terms:
        """Teacher forcing: the terms [B, T] of every token given those before it in its segment."""
        seen = masks.causal(*rows.tokens.shape)._replace(segment_ids=rows.segment_ids)
        apply = functools.partial(self.network.apply, {"params": params})
        features, _ = apply(
            rows.shifted(self.network.vocab), rows.coordinates, seen, given.label, dropout_keys, caption=given.caption, method="features"
        )
        return cross_entropy.chunked(lambda x: jnp.asarray(apply(x, method="logits")), features, rows.tokens, self.loss_chunk)
