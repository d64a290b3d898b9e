"""What the few-step objectives share: the map of the probability flow, learned by a network, and samples in as few evaluations as wanted.

The flow that is mapped is that of `noise_prediction` in configs/base.py: its process, its network, its grid and steps. There is no likelihood, for a
map without its Jacobian says nothing about densities, and no classifier-free guidance, for maps of two flows do not combine into one.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from functools import partial
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.config import Choice, require
from genjax.diffusion import flow_map, grid, solvers, time_sampling
from genjax.diffusion.process import Process, inner
from genjax.errors import UsageError
from genjax.models.networks import PatchNetwork
from genjax.models.unet import UNet
from genjax.objectives import spaces
from genjax.objectives.base import Given, Load, Rows, classes_from, hide, refuse_captions
from genjax.objectives.noise_prediction import LEARNED, LINEAR, NETWORKS
from genjax.registry import bind
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples, Work


@dataclasses.dataclass(frozen=True)
class FlowMap(abc.ABC):
    """See the module's text; names may carry options: "lognormal_sigma(mean=-1.1)"."""

    network: PatchNetwork | UNet
    spec: DataSpec
    space: spaces.Space
    process: Process
    data_std: float
    time_sampler: str
    grid: str
    steps: int
    drop_rate: float
    distance: str

    generates: ClassVar[bool] = True
    scores: ClassVar[bool] = False
    levels: ClassVar[int]  # noise levels that the network is told

    @classmethod
    def shared(cls, config: Any, spec: DataSpec, scaling: str, distance: str) -> dict[str, Any]:
        """The fields above, of a config: what `build` of an objective begins with."""
        options = config.noise_prediction
        require(spec.ordered, f"objective={config.objective} needs images, or other arrays of numbers, and data.source='{spec.name}' holds tokens")
        require(
            config.sample.guidance_scale == 1.0,
            f"objective={config.objective} has no classifier-free guidance: set sample.guidance_scale=1, or use objective=noise_prediction",
        )
        require(
            options.curve != LEARNED,
            f"objective={config.objective} maps the flow of one curve: set noise_prediction.curve to another than {LEARNED}",
        )
        require(options.head == LINEAR, f"objective={config.objective} maps points, not odds of their levels: set noise_prediction.head={LINEAR}")
        require(
            Choice(options.grid).parts[0] != "trailing",
            f"noise_prediction.grid=trailing stops short of the data, and objective={config.objective} has to reach them: use another",
        )
        process = Process(options.curve, scaling, options.logsnr_min, options.logsnr_max, options.shift)
        name, numbers = Choice(options.time_sampler).parts
        bind({name: time_sampling.DENSITIES[time_sampling.TIME_SAMPLERS[name][1]]}, (name, numbers), "time sampler")
        bind(flow_map.DISTANCES, Choice(distance).parts, "distance")
        name, numbers = Choice(options.grid).parts
        bind(grid.GRIDS, (name, numbers), "grid")
        grid.make(name, process, options.steps, "stop", **numbers)
        refuse_captions(config)
        space = spaces.build(config, spec)
        return {
            "network": NETWORKS[options.network](config, space.shape, classes_from(config, spec), None, None),
            "spec": spec,
            "space": space,
            "process": process,
            "data_std": space.data_std,
            "time_sampler": options.time_sampler,
            "grid": options.grid,
            "steps": options.steps,
            "drop_rate": config.conditioning.drop_rate,
            "distance": distance,
        }

    @classmethod
    @abc.abstractmethod
    def build(cls, config: Any, spec: DataSpec) -> Self: ...

    @abc.abstractmethod
    def errors(self, params: Params, x0: Array, eps: Array, batch: Batch, key: Key, label: Array | None, dropout: Key | None) -> tuple[Array, Array]:
        """The difference [B, ...] that is to be zero, of data and noise [B, ...], and the weight [B] of its distance."""

    @abc.abstractmethod
    def walk(self, params: Params, x: Array, label: Array | None, keys: Key) -> Array:
        """Where the image is after every step [N, B, ...], from the noise end x [B, ...]; the last are the samples."""

    def init(self, key: Key) -> Params:
        levels = jnp.zeros((1, self.levels))
        network = self.network.init(key, jnp.zeros((1, *self.space.shape)), levels, jnp.zeros((1,), jnp.int32))["params"]
        return {**network, **self.space.init(rng.fold_name(key, "space"))}

    def inherit(self, load: Load, rows: Rows) -> Params:
        return self.space.inherit(load, rows)

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        x0, eps = self.space.encode(params, batch[self.spec.key], keys("space")), rng.normal(keys("noise"), self.space.shape)
        given = Given.of(batch)
        label = (hide(given, self.network.num_classes, self.drop_rate, keys("label")) if train else given).label
        error, scale = self.errors(params, x0, eps, batch, key, label, keys("dropout") if train else None)
        squared = jnp.sum(jnp.square(error), axis=inner(error))
        distance = bind(flow_map.DISTANCES, Choice(self.distance).parts, "distance")(squared, math.prod(self.space.shape))
        weight = batch["weight"]
        count = jnp.sum(weight) * math.prod(self.space.shape)
        return LossSums(jnp.sum(weight * scale * distance), count, {"squared_error": (jnp.sum(weight * squared), count)})

    def work(self) -> Work:
        return Work(positions=2 * self.network.positions, visible=1.0, targets=self.spec.num_dims)  # two evaluations an example

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        raise UsageError("a flow map has no likelihood: judge its samples with a classifier")

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        require(self.spec.key not in request, "a flow map edits nothing: use objective=noise_prediction")
        path = self._draw(params, request, key)
        return Samples(self.space.decode(params, path[-1]), Cost(nfe=self.steps, sequential_depth=self.steps))

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """`steps`: a sample after every step."""
        return {"steps": jax.lax.map(partial(self.space.decode, params), self._draw(params, batch, key))}

    def _draw(self, params: Params, request: Batch, key: Key) -> Array:
        keys = rng.rows(key, request["id"])
        start = solvers.initial(self.process, keys, self.space.shape, self.data_std)
        return self.walk(params, start, request.get("label"), keys)

    def _grid(self) -> grid.Grid:
        name, options = Choice(self.grid).parts
        return grid.make(name, self.process, self.steps, "stop", **options)

    def _output(self, params: Params, x: Array, levels: Array, label: Array | None, dropout_keys: Key | None) -> Array:
        """The network on x [B, H, W, C] and levels [B, levels]."""
        return jnp.asarray(self.network.apply({"params": params}, x, levels, label, dropout_keys))
