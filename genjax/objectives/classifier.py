"""A classifier: the class of an array of data. It is trained by the same loop and judges what the generators draw.

    loss = -log p(y | x)                                                                            (1)

Its features, the pooled positions before the last linear map, are the space of `evaluation.frechet`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax

from genjax import rng
from genjax.config import require
from genjax.diffusion.quantizer import Quantizer
from genjax.errors import UsageError
from genjax.models.adapters import patch_grid
from genjax.models.networks import ClassifierNetwork
from genjax.objectives.base import patches_from, trunk_from
from genjax.types import Array, Batch, DataSpec, Key, Likelihood, LossSums, Params, Samples, Work


@dataclasses.dataclass(frozen=True)
class Classifier:
    """See the module's text."""

    network: ClassifierNetwork
    spec: DataSpec
    quantizer: Quantizer
    shift: int

    generates: ClassVar[bool] = False
    scores: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> Classifier:
        require(spec.num_classes > 1, f"objective=classifier needs classes, and {spec.name} has none")
        require(spec.ordered, f"objective=classifier needs images, or other arrays of numbers, and data.source='{spec.name}' holds tokens")
        require(config.model.positions != "learned", "a classifier has no learned positions: set model.positions=rotary")
        sizes = patches_from(config.classifier.patch_size, spec.shape, "classifier.patch_size")
        return cls(ClassifierNetwork(trunk_from(config), sizes, spec.num_classes, parent=None), spec, Quantizer(spec.levels), config.classifier.shift)

    def init(self, key: Key) -> Params:
        return self.network.init(key, jnp.zeros((1, *self.spec.shape)))["params"]

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        keys = rng.rows(rng.fold_name(key, "dropout"), batch["id"]) if train else None
        data = self.shifted(batch[self.spec.key], rng.rows(rng.fold_name(key, "shift"), batch["id"])) if train else batch[self.spec.key]
        _, logits = self.features_and_logits(params, data, keys)
        known, nats = self._nats(logits, batch["label"])
        weight = batch["weight"] * known
        hits = weight * (jnp.argmax(logits, axis=-1) == batch["label"])
        return LossSums(jnp.sum(weight * nats), jnp.sum(weight), {"accuracy": (jnp.sum(hits), jnp.sum(weight))})

    def shifted(self, data: Array, keys: Key) -> Array:
        """Every row turned along its first axis by a number of values that is uniform in -shift .. shift."""
        by = jnp.floor((2 * self.shift + 1) * rng.uniform(keys)).astype(jnp.int32) - self.shift
        return jax.vmap(lambda row, by: jnp.roll(row, by, axis=0))(data, by)

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        """-log p(y | x): one unit an example, its class; none where it has no class."""
        _, logits = self.features_and_logits(params, batch[self.spec.key], None)
        known, nats = self._nats(logits, batch["label"])
        return Likelihood(nats, known.astype(nats.dtype), jnp.zeros_like(nats), {}, "exact", "label")

    def _nats(self, logits: Array, label: Array) -> tuple[Array, Array]:
        """Whether each row has a class, and -log p of that class; 0 without."""
        known = label < self.spec.num_classes
        return known, known * optax.softmax_cross_entropy_with_integer_labels(logits, jnp.minimum(label, self.spec.num_classes - 1))

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        raise UsageError("a classifier draws no samples: give the --workdir of a generator")

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        return {}

    def log_prob(self, params: Params, x0: Array, label: Array) -> Array:
        """log p(label | x0) [B] in nats of encoded arrays [B, *axes, C], which need not be levels: with a gradient in x0."""
        _, logits = self.network.apply({"params": params}, x0)
        return -optax.softmax_cross_entropy_with_integer_labels(jnp.asarray(logits), label)

    def work(self) -> Work:
        grid = patch_grid(self.spec.shape, self.network.patch_size)
        assert grid is not None, "an array is divisible into its patches"
        return Work(positions=math.prod(grid), visible=1.0, targets=1)

    def features_and_logits(self, params: Params, data: Array, dropout_keys: Key | None) -> tuple[Array, Array]:
        """Features [B, width] and logits [B, classes] of integer arrays [B, *axes, C]."""
        features, logits = self.network.apply({"params": params}, self.quantizer.encode(data), dropout_keys)
        return jnp.asarray(features), jnp.asarray(logits)
