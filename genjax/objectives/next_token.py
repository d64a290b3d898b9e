"""Next-token prediction: the probability of an array as a product over its values in raster order.

    log p(x | y) = sum_i log p(x_i | x_<i, y)                                                       (1)

with each factor a softmax over the levels that a value can take, so the likelihood is exact. The input at position i is x_(i-1), and a
start token where a segment begins; the coordinates are those of the value that is predicted. Only supervised tokens are counted: what else
is in a row is there to be seen.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import optax

from genjax import rng
from genjax.config import require
from genjax.decoding.generate import generate
from genjax.decoding.sampling import SamplingRule, guide
from genjax.models import adapters, masks
from genjax.models.networks import TokenNetwork
from genjax.objectives.base import base_label, classes_from, hide_labels, trunk_from
from genjax.objectives.sequences import Sequence, grid, sequence
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples


@dataclasses.dataclass(frozen=True)
class NextToken:
    """See the module's text; the fields are those of the config."""

    network: TokenNetwork
    spec: DataSpec
    drop_rate: float
    base_label: int
    guidance_scale: float
    rule: SamplingRule

    generates: ClassVar[bool] = True
    scores: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> NextToken:
        classes = classes_from(config, spec)
        network = TokenNetwork(trunk_from(config), vocab=spec.levels, grid=grid(spec), num_classes=classes, parent=None)
        guidance = config.sample.guidance_scale
        return cls(network, spec, config.conditioning.drop_rate, base_label(config, classes), guidance, SamplingRule(**config.next_token))

    def init(self, key: Key) -> Params:
        batch = {self.spec.key: jnp.zeros((1, *self.spec.shape), jnp.int32), "label": jnp.zeros((1,), jnp.int32)}
        rows = sequence(batch, self.spec)
        return self.network.init(key, rows.tokens, rows.coordinates, masks.causal(*rows.tokens.shape), batch["label"])["params"]

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        label = hide_labels(batch.get("label"), self.network.num_classes, self.drop_rate, keys("label")) if train else batch.get("label")
        rows = sequence(batch, self.spec)
        logits = self._logits(params, rows, label, keys("dropout") if train else None)
        weight = batch["weight"][:, None] * rows.mask
        nll = optax.softmax_cross_entropy_with_integer_labels(logits, rows.tokens)
        count = jnp.sum(weight)
        hits = jnp.sum(weight * (jnp.argmax(logits, axis=-1) == rows.tokens))
        return LossSums(jnp.sum(weight * nll), count, {"accuracy": (hits, count)})

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        del key  # nothing is drawn: equation (1) is exact
        rows = sequence(batch, self.spec)
        logits = self._logits(params, rows, batch.get("label"), None)
        nats = jnp.sum(rows.mask * optax.softmax_cross_entropy_with_integer_labels(logits, rows.tokens), axis=-1)
        return Likelihood(nats, rows.units, jnp.zeros_like(nats), {}, "exact", self.spec.unit)

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """New rows; with the data and `mask` in the request, rows that keep the data where the mask is true and draw the rest, each value
        given those before it in raster order.
        """
        rows, guided = request["id"].shape[0], self.guidance_scale != 1.0
        label = request.get("label")
        if guided:  # every row twice in one batch: with its class, and without
            label = jnp.concatenate([request["label"], jnp.full((rows,), self.base_label)])
        batch = 2 * rows if guided else rows
        coordinates = adapters.grid_coordinates(self.network.grid)

        def next_logits(token: Array, position: Array, cache):
            inputs = jnp.concatenate([token, token]) if guided else token
            here = jnp.broadcast_to(coordinates[position], (batch, 1, coordinates.shape[-1]))
            ids = masks.AttentionIds(jnp.full((batch, 1), position), jnp.ones((batch, 1), jnp.int32))
            logits, cache = self.network.apply({"params": params}, inputs[:, None], here, ids, label, cache=cache)
            logits = logits[:, 0]
            return guide(logits[:rows], logits[rows:], self.guidance_scale) if guided else logits, cache

        length = self.spec.num_dims
        cache = self.network.trunk.empty_cache(batch, length)
        start = jnp.full((rows,), self.network.vocab, jnp.int32)
        known = None
        if self.spec.key in request:
            require("towards" not in request, "next_token has no way between images: --interpolate is for noise_prediction")
            require("mask" in request, "next_token cannot begin from an image: say which part to draw anew with --redraw")
            known = sequence(request, self.spec).tokens, jnp.broadcast_to(request["mask"], request[self.spec.key].shape).reshape(rows, length)
        tokens = generate(next_logits, cache, start, length, self.rule, rng.rows(key, request["id"]), known)
        cost = Cost(nfe=length * (2 if guided else 1), sequential_depth=length)
        return Samples(tokens.reshape(rows, *self.spec.shape), cost)

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """`writing`: a sample as far as it is written, before every token and after the last; what is not yet written is 0."""
        drawn = self.sample(params, {k: v for k, v in batch.items() if k in ("id", "label")}, key).data
        tokens = drawn.reshape(drawn.shape[0], self.spec.num_dims)
        written = jnp.arange(tokens.shape[1])[None, :] < jnp.arange(tokens.shape[1] + 1)[:, None]
        return {"writing": jnp.where(written[:, None], tokens, 0).reshape(-1, tokens.shape[0], *self.spec.shape)}

    def _logits(self, params: Params, rows: Sequence, label: Array | None, dropout_keys: Key | None) -> Array:
        """Teacher forcing: logits [B, T, V] of every token given those before it in its segment."""
        seen = masks.causal(*rows.tokens.shape)._replace(segment_ids=rows.segment_ids)
        inputs = rows.shifted(self.network.vocab)
        logits, _ = self.network.apply({"params": params}, inputs, rows.coordinates, seen, label, dropout_keys)
        return logits
