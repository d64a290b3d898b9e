"""Consistency training: a network that goes from any noise level to the data in one step, equations (1) to (3) of `diffusion.flow_map`.

Improved consistency training (arXiv:2310.14189): no teacher and no average as a target, the pseudo-Huber distance, weight 1/(s - r), noise levels
from a log-normal density, pairs from `ratio` (arXiv:2406.14548) or from a grid. How far the training has come is read off a row's place in the data
stream, so that a row's loss does not depend on its batch.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar, Self

import jax.numpy as jnp

from genjax import rng
from genjax.config import Choice, Duration
from genjax.diffusion import flow_map, time_sampling
from genjax.diffusion.process import bcast
from genjax.objectives.flow_map import FlowMap
from genjax.registry import bind
from genjax.types import Array, Batch, DataSpec, Key, Params

_SCALE = (
    8.0  # the network is told logsnr / 8 = -log(s)/4: with finer frequencies neighbouring levels are strangers to it (arXiv:2310.14189, sec. 3.1)
)


@dataclasses.dataclass(frozen=True)
class Consistency(FlowMap):
    """See the module's text."""

    pairs: str
    examples: int  # of the whole training

    levels: ClassVar[int] = 1

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> Self:
        options = config.consistency
        bind(flow_map.PAIRS, Choice(options.pairs).parts, "choice of pairs")
        batch_size = config.data.batch_size
        steps = Duration(config.train.duration).steps(batch_size=batch_size, train_size=spec.train_size)
        return cls(**cls.shared(config, spec, "ve", options.distance), pairs=options.pairs, examples=max(1, steps * batch_size))

    @property
    def ends(self) -> tuple[float, float]:
        """s_min and s_max."""
        return math.exp(-self.process.logsnr_max / 2), math.exp(-self.process.logsnr_min / 2)

    def errors(self, params: Params, x0: Array, eps: Array, batch: Batch, key: Key, label: Array | None, dropout: Key | None) -> tuple[Array, Array]:
        sampler, options = Choice(self.time_sampler).parts
        logsnr, _ = time_sampling.draw(sampler, self.process, rng.fold_name(key, "time"), batch["id"], **options)
        progress = jnp.minimum(batch["id"] / float(self.examples), 1.0)
        s, r = bind(flow_map.PAIRS, Choice(self.pairs).parts, "choice of pairs")(jnp.exp(-logsnr / 2), progress, self.ends)
        return flow_map.consistency_error(self._map(params, label, dropout), x0, eps, s, r), 1 / (s - r)

    def walk(self, params: Params, x: Array, label: Array | None, keys: Key) -> Array:
        levels = jnp.asarray(self._grid().sigma, x.dtype)
        return flow_map.consistency_walk(self._map(params, label, None), levels, x, keys)

    def _map(self, params: Params, label: Array | None, dropout: Key | None) -> flow_map.Map:
        def f(y: Array, s: Array) -> Array:
            c = flow_map.coefficients(s, self.ends[0], self.data_std)
            output = self._output(params, bcast(c.c_in, y) * y, -2 * jnp.log(s)[:, None] / _SCALE, label, dropout)
            return bcast(c.c_skip, y) * y + bcast(c.c_out, y) * output

        return f
