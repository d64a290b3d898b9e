"""Mean flow: a network that tells the average velocity of the flow between two times, equations (4) to (6) of `diffusion.flow_map`.

Of the rows, a share `apart` has two different times; the others have r = t and learn the velocity of the flow itself (flow matching), from which
the averages grow. Both times come from the time sampler; t is the later, noisier one.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Self

import jax.numpy as jnp

from genjax import rng
from genjax.config import Choice
from genjax.diffusion import flow_map, time_sampling
from genjax.diffusion.process import alpha_sigma
from genjax.objectives.flow_map import FlowMap
from genjax.types import Array, Batch, DataSpec, Key, Params


@dataclasses.dataclass(frozen=True)
class MeanFlow(FlowMap):
    """See the module's text."""

    apart: float

    levels: ClassVar[int] = 2

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> Self:
        options = config.mean_flow
        return cls(**cls.shared(config, spec, "flow", options.distance), apart=options.apart)

    def errors(self, params: Params, x0: Array, eps: Array, batch: Batch, key: Key, label: Array | None, dropout: Key | None) -> tuple[Array, Array]:
        sampler, options = Choice(self.time_sampler).parts
        ids = batch["id"]
        first, _ = time_sampling.draw(sampler, self.process, rng.fold_name(key, "time"), ids, **options)
        # The second time from the row's own key: two lattices would have the same distance in all rows.
        u = rng.uniform(rng.rows(rng.fold_name(key, "other time"), ids))
        second, _ = time_sampling.DENSITIES[time_sampling.TIME_SAMPLERS[sampler][1]](self.process, u, **options)
        apart = rng.uniform(rng.rows(rng.fold_name(key, "apart"), ids)) < self.apart
        first, second = (alpha_sigma(logsnr, self.process.scaling)[1] for logsnr in (first, second))  # sigma is the flow's own time
        t = jnp.maximum(first, second)
        r = jnp.where(apart, jnp.minimum(first, second), t)
        return flow_map.mean_flow_error(self._velocity(params, label, dropout), x0, eps, r, t), jnp.ones_like(t)

    def walk(self, params: Params, x: Array, label: Array | None, keys: Key) -> Array:
        grid = self._grid()
        z = flow_map.mean_flow_walk(self._velocity(params, label, None), jnp.asarray(grid.sigma, x.dtype), x)
        return z.at[-1].divide(grid.alpha[-1])

    def _velocity(self, params: Params, label: Array | None, dropout: Key | None) -> flow_map.MeanVelocity:
        def u(z: Array, r: Array, t: Array) -> Array:
            return self._output(params, z, jnp.stack([t, t - r], axis=-1), label, dropout)

        return u
