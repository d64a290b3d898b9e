"""Noise prediction: a network that tells the noise in a noisy image, at every noise level.

    x = alpha(lambda) x0 + sigma(lambda) eps,        lambda = log(alpha^2 / sigma^2)                (1)
    loss = 1/2 E_{lambda ~ p} [ w(lambda) / p(lambda) * |eps_hat(x, lambda) - eps|^2 ]              (2)

With w = 1 (`elbo`), (2) is the diffusion term of the variational bound on -log p(x0) in nats (arXiv:2107.00630), whatever the density p
that the noise levels are drawn from. The network's output F stands for an affine map of x0 (`diffusion.prediction`), so that
eps_hat - eps = -(alpha / sigma) c_out (F - F*) with F* the output that would be right: (2) is computed in that form, which cancels nothing.

What x0 is, the pixels or the latents of an autoencoder, is the business of `objectives.spaces`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.config import Choice, require
from genjax.diffusion import adaptive, editing, grid, guidance, likelihood, ode_likelihood, prediction, solvers, time_sampling, weighting
from genjax.diffusion.process import Denoise, Process, alpha_sigma, bcast, perturb
from genjax.diffusion.quantizer import Continuous, Quantizer
from genjax.diffusion.registry import bind
from genjax.models.networks import PatchNetwork
from genjax.models.unet import UNet
from genjax.objectives import spaces
from genjax.objectives.base import Load, Rows, classes_from, hide_labels, trunk_from
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples


@dataclasses.dataclass(frozen=True)
class NoisePrediction:
    """See the module's text; the fields are those of `noise_prediction` in configs/base.py, where names may carry options: "ddim(eta=0.5)"."""

    network: PatchNetwork | UNet
    spec: DataSpec
    space: spaces.Space
    process: Process
    prediction: str
    data_std: float
    weighting: str
    time_sampler: str
    solver: str
    grid: str
    steps: int
    threshold: str
    resamples: int
    edit_logsnr: float
    bound: str
    eval_times: int
    drop_rate: float
    guidance_scale: float
    guidance_interval: tuple[float, float]
    guidance_rescale: float

    generates: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> NoisePrediction:
        options = config.noise_prediction
        require(
            spec.key == "image",
            f"objective=noise_prediction needs images, and data.source='{spec.name}' holds tokens: "
            "noise has no meaning between category numbers; use objective=next_token",
        )
        process = Process(options.curve, options.scaling, options.logsnr_min, options.logsnr_max, options.shift)
        prediction.check(options.prediction, process)
        low, high = options.guidance_logsnr_min, options.guidance_logsnr_max
        space = spaces.build(config, spec)
        objective = cls(
            network=NETWORKS[options.network](config, space.shape, classes_from(config, spec)),
            spec=spec,
            space=space,
            process=process,
            prediction=options.prediction,
            data_std=space.data_std,
            weighting=options.weighting,
            time_sampler=options.time_sampler,
            solver=options.solver,
            grid=options.grid,
            steps=options.steps,
            threshold=options.threshold,
            resamples=options.resamples,
            edit_logsnr=options.edit_logsnr,
            bound=options.likelihood,
            eval_times=options.eval_times,
            drop_rate=config.conditioning.drop_rate,
            guidance_scale=config.sample.guidance_scale,
            guidance_interval=(-math.inf if low is None else low, math.inf if high is None else high),
            guidance_rescale=options.guidance_rescale,
        )
        # Names and options that do not exist are refused now, not when they are first used.
        for table, choice, what in (
            (weighting.WEIGHTINGS, options.weighting, "weighting"),
            (SOLVERS, options.solver, "solver"),
            (grid.GRIDS, options.grid, "grid"),
            (THRESHOLDS, options.threshold, "threshold"),
        ):
            bind(table, Choice(choice).parts, what)
        name, numbers = Choice(options.time_sampler).parts
        bind({name: time_sampling.DENSITIES[time_sampling.TIME_SAMPLERS[name][1]]}, (name, numbers), "time sampler")
        objective._grid(process)
        return objective

    def init(self, key: Key) -> Params:
        one = jnp.zeros((1,), jnp.int32)
        network = self.network.init(key, jnp.zeros((1, *self.space.shape)), jnp.zeros((1,)), one)["params"]
        return {**network, **self.space.init(rng.fold_name(key, "space"))}

    def inherit(self, load: Load, rows: Rows) -> Params:
        return self.space.inherit(load, rows)

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        # 1. The noisy image, equation (1).
        x0 = self.space.encode(params, batch["image"], keys("space"))
        sampler, options = Choice(self.time_sampler).parts
        logsnr, density = time_sampling.draw(sampler, self.process, rng.fold_name(key, "time"), batch["id"], **options)
        eps = rng.normal(keys("noise"), self.space.shape)
        x = perturb(self.process, x0, logsnr, eps)

        # 2. What the network says, and what would have been right.
        label = hide_labels(batch.get("label"), self.network.num_classes, self.drop_rate, keys("label")) if train else batch.get("label")
        output = self._output(params, x, logsnr, label, keys("dropout") if train else None)
        right = prediction.target(self.prediction, x0, eps, logsnr, self.process.scaling, self.data_std)

        # 3. The error of the noise, equation (2).
        alpha, sigma = alpha_sigma(logsnr, self.process.scaling)
        c_out = prediction.coefficients(self.prediction, logsnr, self.process.scaling, self.data_std).c_out
        squared = jnp.sum(jnp.square(bcast(alpha / sigma * c_out, x) * (output - right)), axis=(1, 2, 3))
        name, options = Choice(self.weighting).parts
        nats = 0.5 * weighting.weight(name, logsnr, **options) / density * squared
        rows = jnp.sum(batch["weight"])
        eps_mse = jnp.sum(batch["weight"] * squared), rows * math.prod(self.space.shape)
        return LossSums(jnp.sum(batch["weight"] * nats), rows * self.spec.num_dims, {"eps_mse": eps_mse})

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        keys = rng.rows(key, batch["id"])
        bound = partial(BOUNDS[self.bound], self, self._denoiser(params, batch.get("label")))
        found = self.space.nats(params, batch["image"], keys, bound)
        return Likelihood(found.nats, jnp.full(found.nats.shape, self.spec.num_dims), found.stderr, found.terms, "upper_bound")

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """New rows; with `image` and `mask` in the request, rows that keep the image where the mask is true (RePaint); with `image`
        alone, rows that begin from it at `edit_logsnr` (SDEdit).
        """
        found, evaluations = self._solve(params, request, key)
        image = self.space.decode(params, found.x)
        if "mask" in request:  # to the level: what is known is not drawn
            image = jnp.where(request["mask"], request["image"], image)
        return Samples(image, Cost(nfe=found.nfe * evaluations, sequential_depth=found.nfe))

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """`noising`: the batch's images from clean to noise, at nine even steps of log-SNR. `denoising`: a sample on its way, after every step."""
        keys = rng.rows(key, batch["id"])
        x0, eps = self._known(params, batch["image"], keys), rng.normal(keys, self.space.shape)
        levels = jnp.linspace(self.process.logsnr_max, self.process.logsnr_min, 9)
        noising = jax.vmap(lambda logsnr: perturb(self.process, x0, jnp.full(x0.shape[:1], logsnr), eps))(levels)
        found, _ = self._solve(params, {name: batch[name] for name in ("id", "label") if name in batch}, key)
        denoising = [] if isinstance(found, adaptive.AdaptiveSolution) else [found.path]
        frames = {"noising": noising, "denoising": jnp.concatenate([*denoising, found.x[None]])}
        return {name: jax.lax.map(partial(self.space.decode, params), x) for name, x in frames.items()}

    def _solve(self, params: Params, request: Batch, key: Key) -> tuple[solvers.Solution | adaptive.AdaptiveSolution, int]:
        """The solver's solution for a request as in `sample`, and the network evaluations of one call of its denoiser."""
        keys = rng.rows(key, request["id"])
        denoise, evaluations = self._denoiser(params, request.get("label")), 1
        if self.guidance_scale != 1.0:
            without = self._denoiser(params, jnp.full_like(request["label"], self.network.num_classes))
            guided = guidance.classifier_free(denoise, without, self.guidance_scale, self.guidance_interval, self.guidance_rescale)
            denoise, evaluations = guided, 2
        denoise = bind(THRESHOLDS, Choice(self.threshold).parts, "threshold")(denoise)

        solver = bind(SOLVERS, Choice(self.solver).parts, "solver")
        process, walk = self.process, Choice(self.solver).parts[0] != ADAPTIVE
        start = solvers.initial(process, keys, self.space.shape, self.data_std)
        known = self._known(params, request["image"], keys) if "image" in request else None
        if known is not None and "mask" not in request:
            process, start = editing.sdedit(process, known, self.edit_logsnr, jax.vmap(partial(rng.fold_name, name="edit"))(keys))
        if walk:
            solve = solver()
            if known is not None and "mask" in request:
                solve = editing.repaint(solve, known, self.space.mask(request["mask"]), self.resamples)
            found = solvers.sample(denoise, solve, self._grid(process), start, keys)
        else:
            require("mask" not in request, "noise_prediction.solver=adaptive cannot draw a part anew: use a solver with steps, such as ddpm")
            found = solver(denoise, process, start)
        return found, evaluations

    def _known(self, params: Params, image: Array, keys: Key) -> Array:
        """The clean points of integer images [B, H, W, C], from a draw of their own."""
        return self.space.encode(params, image, jax.vmap(partial(rng.fold_name, name="space"))(keys))

    def _grid(self, process: Process) -> grid.Grid:
        name, options = Choice(self.grid).parts
        return grid.make(name, process, self.steps, "denoise", **options)

    def _denoiser(self, params: Params, label: Array | None) -> Denoise:
        """(x, logsnr) -> x0_hat, the estimate of the clean image."""

        def denoise(x: Array, logsnr: Array) -> Array:
            output = self._output(params, x, logsnr, label, None)
            return prediction.to_x0(self.prediction, x, output, logsnr, self.process.scaling, self.data_std)

        return denoise

    def _output(self, params: Params, x: Array, logsnr: Array, label: Array | None, dropout_keys: Key | None) -> Array:
        c_in = prediction.coefficients(self.prediction, logsnr, self.process.scaling, self.data_std).c_in
        return jnp.asarray(self.network.apply({"params": params}, bcast(c_in, x) * x, logsnr, label, dropout_keys))


def _trunk(config: Any, shape: tuple[int, ...], classes: int) -> PatchNetwork:
    (height, width, channels), size = shape, config.noise_prediction.patch_size
    require(
        height % size == 0 and width % size == 0,
        f"images of {height}x{width} are not divisible into patches: set noise_prediction.patch_size to a divisor of both",
    )
    return PatchNetwork(trunk_from(config), (height, width, channels), size, classes, parent=None)


def _unet(config: Any, shape: tuple[int, ...], classes: int) -> UNet:
    height, width, channels = shape
    model = config.model
    return UNet((height, width, channels), **config.unet, dropout=model.dropout, dtype=model.dtype, num_classes=classes, parent=None)


NETWORKS: dict[str, Callable[[Any, tuple[int, ...], int], PatchNetwork | UNet]] = {"trunk": _trunk, "unet": _unet}


# Each: denoiser -> denoiser, for images encoded to [-1, 1]. They bend samples and never enter a likelihood.


def _no_threshold(denoise: Denoise) -> Denoise:
    return denoise


def _static_threshold(denoise: Denoise) -> Denoise:
    return guidance.clip(denoise, -1.0, 1.0)


def _dynamic_threshold(denoise: Denoise, quantile: float = 0.995) -> Denoise:
    return guidance.dynamic_threshold(denoise, quantile)


THRESHOLDS = {"none": _no_threshold, "static": _static_threshold, "dynamic": _dynamic_threshold}


# The solvers that walk down a grid, and the one that chooses its own steps.
ADAPTIVE = "adaptive"
SOLVERS: dict[str, Callable] = solvers.SOLVERS | {ADAPTIVE: adaptive.sample}


# Each: (objective, denoiser, quantizer, clean data of it, keys) -> nats a row, an upper bound in expectation.


def _variational(objective: NoisePrediction, denoise: Denoise, quantizer: Quantizer | Continuous, data: Array, keys: Key) -> likelihood.Bound:
    o = objective
    return likelihood.variational_bound(denoise, o.process, quantizer, data, keys, o.eval_times, data_std=o.data_std)


def _discrete(objective: NoisePrediction, denoise: Denoise, quantizer: Quantizer | Continuous, data: Array, keys: Key) -> likelihood.Bound:
    o = objective
    return likelihood.discrete_bound(denoise, o.process, o._grid(o.process), quantizer, data, keys, data_std=o.data_std)


def _ode(objective: NoisePrediction, denoise: Denoise, quantizer: Quantizer | Continuous, data: Array, keys: Key) -> ode_likelihood.OdeNats:
    o = objective
    return ode_likelihood.discrete(denoise, o.process, quantizer, data, keys, o.eval_times, data_std=o.data_std)


BOUNDS = {"bound": _variational, "discrete_bound": _discrete, "ode": _ode}
