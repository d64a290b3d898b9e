"""Noise prediction: a network that tells the noise in a noisy image, at every noise level.

    x = alpha(lambda) x0 + sigma(lambda) eps,        lambda = log(alpha^2 / sigma^2)                (1)
    loss = 1/2 E_{lambda ~ p} [ w(lambda) / p(lambda) * |eps_hat(x, lambda) - eps|^2 ]              (2)

With w = 1 (`elbo`), (2) is the diffusion term of the variational bound on -log p(x0) in nats (arXiv:2107.00630), whatever the density p
that the noise levels are drawn from. The network's output F stands for an affine map of x0 (`diffusion.prediction`), so that
eps_hat - eps = -(alpha / sigma) c_out (F - F*) with F* the output that would be right: (2) is computed in that form, which cancels nothing.
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
from genjax.diffusion.quantizer import Quantizer
from genjax.diffusion.registry import bind
from genjax.models.networks import PatchNetwork
from genjax.models.unet import UNet
from genjax.objectives.base import classes_from, hide_labels, trunk_from
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples


@dataclasses.dataclass(frozen=True)
class NoisePrediction:
    """See the module's text.

    Attributes: as `noise_prediction.*` in configs/base.py, with names resolved to the functions they stand for:
      weighting: logsnr [B] -> w [B].
      draw_times: (process, key, ids [B]) -> (logsnr [B], density [B]).
      solver: the solver on `steps`, or None for the adaptive one, with the tolerances of `adaptive`.
      guide: (conditional, unconditional denoiser) -> denoiser.
      threshold: denoiser -> denoiser.
    """

    network: PatchNetwork | UNet
    spec: DataSpec
    quantizer: Quantizer
    process: Process
    prediction: str
    data_std: float
    weighting: Callable[[Array], Array]
    draw_times: Callable[[Process, Key, Array], tuple[Array, Array]]
    solver: solvers.Solver | None
    adaptive: Callable[..., adaptive.AdaptiveSolution]
    grid: Callable[[Process], grid.Grid]
    guide: Callable[[Denoise, Denoise], Denoise]
    guided: bool
    threshold: Callable[[Denoise], Denoise]
    resamples: int
    edit_logsnr: float
    measure: Callable[[Denoise, Process, Quantizer, Array, Key], likelihood.Bound | ode_likelihood.OdeNats]
    drop_rate: float

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
        (solver, numbers), (grid_name, grid_options) = Choice(options.solver).parts, Choice(options.grid).parts
        steps = partial(grid.make, grid_name, steps=options.steps, **grid_options)
        steps(process)  # what does not fit is said now
        scale = config.sample.guidance_scale
        interval = tuple(end if end is not None else limit for end, limit in _ends(options))
        return cls(
            network=NETWORKS[options.network](config, spec, classes_from(config, spec)),
            spec=spec,
            quantizer=Quantizer(spec.levels),
            process=process,
            prediction=options.prediction,
            data_std=options.data_std,
            weighting=bind(weighting.WEIGHTINGS, Choice(options.weighting).parts, "weighting"),
            draw_times=_time_sampler(options.time_sampler),
            solver=None if solver == "adaptive" else bind(solvers.SOLVERS, (solver, numbers), "solver")(),
            adaptive=bind({"adaptive": adaptive.sample}, ("adaptive", numbers if solver == "adaptive" else {}), "solver"),
            grid=steps,
            guide=partial(guidance.classifier_free, scale=scale, interval=interval, rescale=options.guidance_rescale),
            guided=scale != 1.0,
            threshold=bind(THRESHOLDS, Choice(options.threshold).parts, "threshold"),
            resamples=options.resamples,
            edit_logsnr=options.edit_logsnr,
            measure=partial(LIKELIHOODS[options.likelihood], grid=steps, draws=options.eval_times, data_std=options.data_std),
            drop_rate=config.conditioning.drop_rate,
        )

    def init(self, key: Key) -> Params:
        one = jnp.zeros((1,), jnp.int32)
        return self.network.init(key, jnp.zeros((1, *self.spec.shape)), jnp.zeros((1,)), one)["params"]

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        # 1. The noisy image, equation (1).
        x0 = self.quantizer.encode(batch["image"])
        logsnr, density = self.draw_times(self.process, rng.fold_name(key, "time"), batch["id"])
        eps = rng.normal(keys("noise"), self.spec.shape)
        x = perturb(self.process, x0, logsnr, eps)

        # 2. What the network says, and what would have been right.
        label = hide_labels(batch.get("label"), self.network.num_classes, self.drop_rate, keys("label")) if train else batch.get("label")
        output = self._output(params, x, logsnr, label, keys("dropout") if train else None)
        right = prediction.target(self.prediction, x0, eps, logsnr, self.process.scaling, self.data_std)

        # 3. The error of the noise, equation (2).
        alpha, sigma = alpha_sigma(logsnr, self.process.scaling)
        c_out = prediction.coefficients(self.prediction, logsnr, self.process.scaling, self.data_std).c_out
        squared = jnp.sum(jnp.square(bcast(alpha / sigma * c_out, x) * (output - right)), axis=(1, 2, 3))
        nats = 0.5 * self.weighting(logsnr) / density * squared
        count = jnp.sum(batch["weight"]) * self.spec.num_dims
        return LossSums(jnp.sum(batch["weight"] * nats), count, {"eps_mse": (jnp.sum(batch["weight"] * squared), count)})

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        keys = rng.rows(key, batch["id"])
        found = self.measure(self._denoiser(params, batch.get("label")), self.process, self.quantizer, batch["image"], keys)
        units = jnp.full(found.nats.shape, self.spec.num_dims)
        terms = {name: getattr(found, name) for name in ("prior", "reconstruction", "diffusion") if hasattr(found, name)}
        return Likelihood(found.nats, units, found.stderr, terms, "upper_bound")

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """New rows; with `image` and `mask` in the request, rows that keep the image where the mask is true (RePaint); with `image`
        alone, rows that begin from it at `edit_logsnr` (SDEdit).
        """
        keys = rng.rows(key, request["id"])
        denoise, evaluations = self._denoiser(params, request.get("label")), 1
        if self.guided:
            without = self._denoiser(params, jnp.full_like(request["label"], self.network.num_classes))
            denoise, evaluations = self.guide(denoise, without), 2
        denoise = self.threshold(denoise)

        process, solver, known = self.process, self.solver, None
        start = solvers.initial(process, keys, self.spec.shape, self.data_std)
        if "image" in request:
            known = self.quantizer.encode(request["image"])
            require(solver is not None, "noise_prediction.solver=adaptive cannot edit: use a solver with steps, such as ddpm")
            if "mask" in request:
                solver = editing.repaint(solver, known, request["mask"], self.resamples)
            else:
                process, start = editing.sdedit(process, known, self.edit_logsnr, jax.vmap(partial(rng.fold_name, name="edit"))(keys))
        if solver is None:
            found = self.adaptive(denoise, process, start)
        else:
            found = solvers.sample(denoise, solver, self.grid(process), start, keys)
        image = self.quantizer.decode(found.x)
        if "mask" in request:  # to the level: what is known is not drawn
            image = jnp.where(request["mask"], request["image"], image)
        return Samples(image, Cost(nfe=found.nfe * evaluations, sequential_depth=found.nfe))

    def _denoiser(self, params: Params, label: Array | None) -> Denoise:
        """(x, logsnr) -> x0_hat, the estimate of the clean image."""

        def denoise(x: Array, logsnr: Array) -> Array:
            output = self._output(params, x, logsnr, label, None)
            return prediction.to_x0(self.prediction, x, output, logsnr, self.process.scaling, self.data_std)

        return denoise

    def _output(self, params: Params, x: Array, logsnr: Array, label: Array | None, dropout_keys: Key | None) -> Array:
        c_in = prediction.coefficients(self.prediction, logsnr, self.process.scaling, self.data_std).c_in
        return jnp.asarray(self.network.apply({"params": params}, bcast(c_in, x) * x, logsnr, label, dropout_keys))


def _trunk(config: Any, spec: DataSpec, classes: int) -> PatchNetwork:
    (height, width, channels), size = spec.shape, config.noise_prediction.patch_size
    require(
        height % size == 0 and width % size == 0,
        f"images of {height}x{width} are not divisible into patches: set noise_prediction.patch_size to a divisor of both",
    )
    return PatchNetwork(trunk_from(config), (height, width, channels), size, classes, parent=None)


def _unet(config: Any, spec: DataSpec, classes: int) -> UNet:
    height, width, channels = spec.shape
    model = config.model
    return UNet((height, width, channels), **config.unet, dropout=model.dropout, dtype=model.dtype, num_classes=classes, parent=None)


NETWORKS: dict[str, Callable[[Any, DataSpec, int], PatchNetwork | UNet]] = {"trunk": _trunk, "unet": _unet}


# Each: denoiser -> denoiser, for images encoded to [-1, 1]. They bend samples and never enter a likelihood.


def _no_threshold(denoise: Denoise) -> Denoise:
    return denoise


def _static_threshold(denoise: Denoise) -> Denoise:
    return guidance.clip(denoise, -1.0, 1.0)


def _dynamic_threshold(denoise: Denoise, quantile: float = 0.995) -> Denoise:
    return guidance.dynamic_threshold(denoise, quantile)


THRESHOLDS = {"none": _no_threshold, "static": _static_threshold, "dynamic": _dynamic_threshold}


# Each: (denoiser, process, quantizer, integers, keys) and the config's numbers -> nats a row, an upper bound in expectation.


def _bound(denoise, process, quantizer, ints, keys, *, grid, draws, data_std):
    return likelihood.variational_bound(denoise, process, quantizer, ints, keys, draws, data_std=data_std)


def _discrete_bound(denoise, process, quantizer, ints, keys, *, grid, draws, data_std):
    return likelihood.discrete_bound(denoise, process, grid(process), quantizer, ints, keys, data_std=data_std)


def _ode(denoise, process, quantizer, ints, keys, *, grid, draws, data_std):
    return ode_likelihood.discrete(denoise, process, quantizer, ints, keys, draws, data_std=data_std)


LIKELIHOODS = {"bound": _bound, "discrete_bound": _discrete_bound, "ode": _ode}


def _time_sampler(choice: str) -> Callable[[Process, Key, Array], tuple[Array, Array]]:
    """The time sampler of a config, with its options checked."""
    name, options = Choice(choice).parts
    density = time_sampling.TIME_SAMPLERS[name][1]
    bind({name: time_sampling.DENSITIES[density]}, (name, options), "time sampler")
    return partial(time_sampling.draw, name, **options)


def _ends(options: Any) -> tuple[tuple[float | None, float], tuple[float | None, float]]:
    """The interval of guidance: (value or None, what None stands for) of its lower and upper end."""
    return (options.guidance_logsnr_min, -math.inf), (options.guidance_logsnr_max, math.inf)
