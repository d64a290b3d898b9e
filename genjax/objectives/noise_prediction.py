"""Noise prediction: a network that tells the noise in a noisy image, at every noise level.

    x = alpha(lambda) x0 + sigma(lambda) eps,        lambda = log(alpha^2 / sigma^2)                (1)
    loss = 1/2 E_{lambda ~ p} [ w(lambda) / p(lambda) * |eps_hat(x, lambda) - eps|^2 ]              (2)

With w = 1 (`elbo`), (2) is the diffusion term of the variational bound on -log p(x0) in nats (arXiv:2107.00630), whatever the density p
that the noise levels are drawn from. The network's output F stands for an affine map of x0 (`diffusion.prediction`), so that
eps_hat - eps = -(alpha / sigma) c_out (F - F*) with F* the output that would be right: (2) is computed in that form, which cancels nothing.

What is learned beside the network lies beside it in the parameters: `curve`, the learned curve of log-SNR, trained in the same backward pass
to make (2) less noisy (`diffusion.learned_curve`), and `uncertainty`, the table of EDM2's u(lambda) (`diffusion.weighting`). A model that
guides the samples is put there too, as `guide`, when it is loaded.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.config import Choice, require
from genjax.diffusion import (
    adaptive,
    editing,
    grid,
    guidance,
    learned_curve,
    likelihood,
    ode_likelihood,
    prediction,
    solvers,
    time_sampling,
    weighting,
)
from genjax.diffusion.process import Denoise, Process, alpha_sigma, bcast, perturb
from genjax.diffusion.quantizer import PaletteLevels, Quantizer
from genjax.errors import UsageError
from genjax.models.networks import PatchNetwork
from genjax.models.unet import UNet
from genjax.objectives.base import NO_TEXT, Given, Objective, base_label, boxed, captions_from, classes_from, hide, request_of, trunk_from
from genjax.objectives.classifier import Classifier
from genjax.registry import Count, Fraction, Natural, NonNegative, Positive, bind
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples


@dataclasses.dataclass(frozen=True)
class NoisePrediction:
    """See the module's text; the fields are those of `noise_prediction` in configs/base.py, where names may carry options: "ddim(eta=0.5)"."""

    network: PatchNetwork | UNet
    spec: DataSpec
    quantizer: Quantizer
    process: Process
    learns_curve: bool
    prediction: str
    data_std: float
    weighting: str
    time_sampler: str
    solver: str
    grid: str
    steps: int
    threshold: str
    inpaint: str
    edit_logsnr: float
    bound: str
    eval_times: int
    drop_rate: float
    base_label: int
    guidance_scale: float
    guidance_interval: tuple[float, float]
    guidance_rescale: float
    guide: tuple[str, Objective] | None = None

    generates: ClassVar[bool] = True
    scores: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> NoisePrediction:
        options = config.noise_prediction
        require(
            spec.key == "image",
            f"objective=noise_prediction needs images, and data.source='{spec.name}' holds tokens: "
            "noise has no meaning between category numbers; use objective=next_token",
        )
        learns_curve = options.curve == LEARNED
        # Without its parameters, as when a config is checked, a learned curve is the line that it starts near.
        curve = "linear" if learns_curve else options.curve
        process = Process(curve, options.scaling, options.logsnr_min, options.logsnr_max, options.shift)
        prediction.check(options.prediction, process)
        low, high = options.guidance_logsnr_min, options.guidance_logsnr_max
        classes = classes_from(config, spec)
        objective = cls(
            network=NETWORKS[options.network](config, spec, classes),
            spec=spec,
            quantizer=DECODERS[options.decoder](spec),
            process=process,
            learns_curve=learns_curve,
            prediction=options.prediction,
            data_std=options.data_std,
            weighting=options.weighting,
            time_sampler=options.time_sampler,
            solver=options.solver,
            grid=options.grid,
            steps=options.steps,
            threshold=options.threshold,
            inpaint=options.inpaint,
            edit_logsnr=options.edit_logsnr,
            bound=options.likelihood,
            eval_times=options.eval_times,
            drop_rate=config.conditioning.drop_rate,
            base_label=base_label(config, classes),
            guidance_scale=config.sample.guidance_scale,
            guidance_interval=(-math.inf if low is None else low, math.inf if high is None else high),
            guidance_rescale=options.guidance_rescale,
        )
        # Names, options and values that cannot be are refused now, not when they are first used.
        for table, choice, what in (
            (WEIGHTINGS, options.weighting, "weighting"),
            (SOLVERS, options.solver, "solver"),
            (grid.GRIDS, options.grid, "grid"),
            (THRESHOLDS, options.threshold, "threshold"),
            (INPAINTERS, options.inpaint, "way of inpainting"),
            (BOUNDS, options.likelihood, "likelihood"),
        ):
            bind(table, Choice(choice).parts, what)
        name, numbers = Choice(options.time_sampler).parts
        bind({name: time_sampling.DENSITIES[time_sampling.TIME_SAMPLERS[name][1]]}, (name, numbers), "time sampler")
        objective._solver()
        objective._grid(process)
        return objective

    def init(self, key: Key) -> Params:
        one = jnp.zeros((1,), jnp.int32)
        params = dict(self.network.init(key, jnp.zeros((1, *self.spec.shape)), jnp.zeros((1,)), one, caption=one[:, None])["params"])
        if self.learns_curve:
            params["curve"] = boxed(learned_curve.init(rng.fold_name(key, "curve")), "curve")
        if Choice(self.weighting).parts[0] == UNCERTAINTY:
            params["uncertainty"] = boxed({"table": jnp.zeros(32)}, "curve")
        return params

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        x0 = self.quantizer.encode(batch["image"])
        eps = rng.normal(keys("noise"), self.spec.shape)
        given = hide(Given.of(batch), self.network.num_classes, self.drop_rate, keys("label")) if train else Given.of(batch)
        dropout_keys = keys("dropout") if train else None

        def rows(params: Params, logsnr: Array, inverse_density: Array) -> tuple[Array, Array]:
            """The loss and the squared error of the noise of every row [B], both a dimension."""
            # 1. The noisy image, equation (1).
            x = perturb(self.process, x0, logsnr, eps)

            # 2. What the network says, and what would have been right.
            output = self._output(params, x, logsnr, given, dropout_keys)
            right = prediction.target(self.prediction, x0, eps, logsnr, self.process.scaling, self.data_std)

            # 3. The error of the noise, equation (2).
            alpha, sigma = alpha_sigma(logsnr, self.process.scaling)
            c_out = prediction.coefficients(self.prediction, logsnr, self.process.scaling, self.data_std).c_out
            squared = jnp.mean(jnp.square(bcast(alpha / sigma * c_out, x) * (output - right)), axis=(1, 2, 3))
            weigh = WEIGHERS[Choice(self.weighting).parts[0]]
            return weigh(self, params, logsnr, inverse_density, 0.5 * squared), squared

        sampler, options = Choice(self.time_sampler).parts
        logsnr, density = time_sampling.draw(sampler, self._process(params), rng.fold_name(key, "time"), batch["id"], **options)
        loss, squared = (learned_curve.least_variance(rows) if self.learns_curve else rows)(params, logsnr, 1 / density)
        dims, weight = self.spec.num_dims, batch["weight"]
        count = jnp.sum(weight) * dims
        return LossSums(jnp.sum(weight * loss) * dims, count, {"eps_mse": (jnp.sum(weight * squared) * dims, count)})

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        keys = rng.rows(key, batch["id"])
        measure = bind(BOUNDS, Choice(self.bound).parts, "likelihood")
        found = measure(self, self._process(params), self._denoiser(params, Given.of(batch)), batch["image"], keys)
        units = jnp.full(found.nats.shape, self.spec.num_dims)
        terms = {name: getattr(found, name) for name in ("prior", "reconstruction", "diffusion") if hasattr(found, name)}
        return Likelihood(found.nats, units, found.stderr, terms, "upper_bound")

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """New rows; with `image` and `mask` in the request, rows that keep the image where the mask is true (`inpaint`); with `image`,
        `towards` and `fraction`, rows that lie that far on the way from one image to the other; with `image` alone, rows that begin from it
        at `edit_logsnr` (SDEdit).
        """
        found, evaluations = self._solve(params, request, key)
        image = self.quantizer.decode(found.x)
        if "mask" in request:  # to the level: what is known is not drawn
            image = jnp.where(request["mask"], request["image"], image)
        return Samples(image, Cost(nfe=found.nfe * evaluations, sequential_depth=found.nfe))

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """`noising`: the batch's images from clean to noise, at nine even steps of log-SNR. `denoising`: a sample on its way, after every step."""
        x0, keys = self.quantizer.encode(batch["image"]), rng.rows(key, batch["id"])
        eps = rng.normal(keys, self.spec.shape)
        levels = jnp.linspace(self.process.logsnr_max, self.process.logsnr_min, 9)
        noising = jax.vmap(lambda logsnr: perturb(self.process, x0, jnp.full(x0.shape[:1], logsnr), eps))(levels)
        found, _ = self._solve(params, request_of(batch), key)
        denoising = [] if isinstance(found, adaptive.AdaptiveSolution) else [found.path]
        frames = {"noising": noising, "denoising": jnp.concatenate([*denoising, found.x[None]])}
        return {name: self.quantizer.decode(x) for name, x in frames.items()}

    def _solve(self, params: Params, request: Batch, key: Key) -> tuple[solvers.Solution | adaptive.AdaptiveSolution, int]:
        """The solver's solution for a request as in `sample`, and the network evaluations of one call of its denoiser."""
        keys = rng.rows(key, request["id"])
        denoise, evaluations = GUIDES[self.guide and self.guide[0]](self, params, Given.of(request))
        process, solver, inverted = self._process(params), self._solver(), 0
        start = solvers.initial(process, keys, self.spec.shape, self.data_std)
        known = self.quantizer.encode(request["image"]) if "image" in request else None
        if known is not None and "mask" in request:
            paint = bind(INPAINTERS, Choice(self.inpaint).parts, "way of inpainting")
            denoise, solver, factor = paint(self, denoise, solver, known, request["mask"])
            evaluations *= factor
        denoise = bind(THRESHOLDS, Choice(self.threshold).parts, "threshold")(denoise)

        if known is not None and "towards" in request:
            solver, back = solvers.heun(), grid.reverse(self._grid(process))
            ends = [solvers.sample(denoise, solver, back, x, keys) for x in (known, self.quantizer.encode(request["towards"]))]
            start, inverted = editing.slerp(ends[0].x, ends[1].x, request["fraction"]), ends[0].nfe + ends[1].nfe
        elif known is not None and "mask" not in request:
            process, start = editing.sdedit(process, known, self.edit_logsnr, jax.vmap(partial(rng.fold_name, name="edit"))(keys))
        if solver is None:
            found = bind(SOLVERS, Choice(self.solver).parts, "solver")(denoise, process, start)
        else:
            found = solvers.sample(denoise, solver, self._grid(process), start, keys)
        return (found if not inverted else found._replace(nfe=found.nfe + inverted)), evaluations

    def guided_by(self, name: str, guide: Objective) -> NoisePrediction:
        """This objective with samples guided by another model, the objective `name`, whose parameters come as `guide` beside its own.

        UsageError where the guide does not fit.
        """
        require(name in GUIDES, f"sample.guide cannot be a model of objective={name}: give a weaker noise_prediction model, or a classifier")
        mine, other = ((spec.shape, spec.levels, spec.num_classes) for spec in (self.spec, getattr(guide, "spec", self.spec)))
        require(mine == other, "sample.guide was trained on other data: its images must have the same size, levels and classes")
        return dataclasses.replace(self, guide=(name, guide))

    def _process(self, params: Params) -> Process:
        """The process with its curve, learned or not."""
        if not self.learns_curve:
            return self.process
        return dataclasses.replace(self.process, curve=partial(learned_curve.logsnr_and_slope, params["curve"]))

    def _solver(self) -> solvers.Solver | None:
        """The solver that walks down a grid; None for the one that chooses its own steps."""
        solver = bind(SOLVERS, Choice(self.solver).parts, "solver")
        return None if Choice(self.solver).parts[0] == ADAPTIVE else solver()

    def _grid(self, process: Process) -> grid.Grid:
        name, options = Choice(self.grid).parts
        return grid.make(name, process, self.steps, "denoise", **options)

    def _denoiser(self, params: Params, given: Given) -> Denoise:
        """(x, logsnr) -> x0_hat, the estimate of the clean image."""

        def denoise(x: Array, logsnr: Array) -> Array:
            output = self._output(params, x, logsnr, given, None)
            return prediction.to_x0(self.prediction, x, output, logsnr, self.process.scaling, self.data_std)

        return denoise

    def _output(self, params: Params, x: Array, logsnr: Array, given: Given, dropout_keys: Key | None) -> Array:
        c_in = prediction.coefficients(self.prediction, logsnr, self.process.scaling, self.data_std).c_in
        return jnp.asarray(self.network.apply({"params": params}, bcast(c_in, x) * x, logsnr, given.label, dropout_keys, caption=given.caption))


def _trunk(config: Any, spec: DataSpec, classes: int) -> PatchNetwork:
    (height, width, channels), size = spec.shape, config.noise_prediction.patch_size
    require(
        height % size == 0 and width % size == 0,
        f"images of {height}x{width} are not divisible into patches: set noise_prediction.patch_size to a divisor of both",
    )
    captions = captions_from(config, spec, causal=False)
    return PatchNetwork(trunk_from(config), (height, width, channels), size, classes, captions, parent=None)


def _unet(config: Any, spec: DataSpec, classes: int) -> UNet:
    height, width, channels = spec.shape
    model = config.model
    require(config.conditioning.text == NO_TEXT, f"the U-Net reads no captions: set conditioning.text={NO_TEXT}, or noise_prediction.network=trunk")
    return UNet((height, width, channels), **config.unet, dropout=model.dropout, dtype=model.dtype, num_classes=classes, parent=None)


NETWORKS: dict[str, Callable[[Any, DataSpec, int], PatchNetwork | UNet]] = {"trunk": _trunk, "unet": _unet}


DECODERS: dict[str, Callable[[DataSpec], Quantizer]] = {
    "levels": lambda spec: Quantizer(spec.levels),
    "palette": lambda spec: PaletteLevels(spec.levels, colours=spec.palette),
}


LEARNED = "learned"  # the curve that is


# Each: (objective, params, logsnr, 1 / density, half the squared error of the noise a dimension), [B] each -> what a row adds to the loss [B].


def _by_level(objective: NoisePrediction, params: Params, logsnr: Array, inverse_density: Array, error: Array) -> Array:
    name, options = Choice(objective.weighting).parts
    return weighting.weight(name, logsnr, **options) * inverse_density * error


def _target_mse(objective: NoisePrediction, params: Params, logsnr: Array, inverse_density: Array, error: Array) -> Array:
    o = objective
    return weighting.implied(o.prediction, logsnr, 1 / inverse_density, o.process.scaling, o.data_std) * inverse_density * error


def _uncertainty(objective: NoisePrediction, params: Params, logsnr: Array, inverse_density: Array, error: Array) -> Array:
    log_variance = weighting.log_variance(params["uncertainty"]["table"], objective.process, logsnr)
    return weighting.uncertainty(error, log_variance) * inverse_density


UNCERTAINTY = "uncertainty"
WEIGHERS = dict.fromkeys(weighting.WEIGHTINGS, _by_level) | {"target_mse": _target_mse, UNCERTAINTY: _uncertainty}
WEIGHTINGS: dict[str, Callable] = weighting.WEIGHTINGS | {"target_mse": weighting.implied, UNCERTAINTY: weighting.uncertainty}


# Each: (objective, params, what rows are given) -> the denoiser that samples are drawn with, and its network evaluations a call; by what guides.


def _by_condition(objective: NoisePrediction, params: Params, given: Given) -> tuple[Denoise, int]:
    """Classifier-free, or away from a negative label."""
    denoise = objective._denoiser(params, given)
    if objective.guidance_scale == 1.0:
        return denoise, 1
    return _away_from(objective._denoiser(params, given.instead(objective.base_label)), denoise, objective), 2


def _by_weaker_model(objective: NoisePrediction, params: Params, given: Given) -> tuple[Denoise, int]:
    """Autoguidance. The guide may have another scaling and another prediction: at one log-SNR, x/alpha means the same to both."""
    assert objective.guide is not None
    guide = objective.guide[1]
    assert isinstance(guide, NoisePrediction)
    weaker, (mine, theirs) = guide._denoiser(params["guide"], given), (objective.process.scaling, guide.process.scaling)

    def denoise(x: Array, logsnr: Array) -> Array:
        return weaker(bcast(alpha_sigma(logsnr, theirs)[0] / alpha_sigma(logsnr, mine)[0], x) * x, logsnr)

    return _away_from(denoise, objective._denoiser(params, given), objective), 2


def _by_classifier(objective: NoisePrediction, params: Params, given: Given) -> tuple[Denoise, int]:
    """A classifier of clean images, asked about x0_hat (universal guidance); the model itself is not told the class."""
    assert objective.guide is not None
    guide = objective.guide[1]
    assert isinstance(guide, Classifier)
    label = given.label
    assert label is not None, "a classifier's data have labels"
    base = objective._denoiser(params, given.instead(objective.network.num_classes))
    told = guidance.classifier_of_estimates(base, lambda x0: guide.log_prob(params["guide"], x0, label), 1.0, objective.process.scaling)
    return _away_from(base, told, objective), 2


def _away_from(base: Denoise, denoise: Denoise, objective: NoisePrediction) -> Denoise:
    o = objective
    return guidance.classifier_free(denoise, base, o.guidance_scale, o.guidance_interval, o.guidance_rescale)


GUIDES = {None: _by_condition, "noise_prediction": _by_weaker_model, "classifier": _by_classifier}


# Each: (objective, denoiser, solver or None, known [B, ...], mask) -> denoiser and solver that draw the rest, and how many times as many
# evaluations a call of that denoiser costs.


def _replacement(objective: NoisePrediction, denoise: Denoise, solver: solvers.Solver | None, known: Array, mask: Array):
    return _repaint(objective, denoise, solver, known, mask, resamples=1)


def _repaint(objective: NoisePrediction, denoise: Denoise, solver: solvers.Solver | None, known: Array, mask: Array, resamples: Count = 10):
    if solver is None:
        raise UsageError("noise_prediction.solver=adaptive cannot draw a part anew by steps: use one such as ddpm, or inpaint=dps")
    return denoise, editing.repaint(solver, known, mask, resamples), 1


def _dps(
    objective: NoisePrediction,
    denoise: Denoise,
    solver: solvers.Solver | None,
    known: Array,
    mask: Array,
    scale: NonNegative = 1.0,
    noise_std: NonNegative = 0.0,
):
    def seen(x: Array) -> Array:
        return jnp.where(mask, x, 0.0)

    return editing.dps(denoise, seen, seen(known), noise_std, objective.data_std, objective.process.scaling, scale), solver, 2


INPAINTERS: dict[str, Callable] = {"replacement": _replacement, "repaint": _repaint, "dps": _dps}


# Each: denoiser -> denoiser, for images encoded to [-1, 1]. They bend samples and never enter a likelihood.


def _no_threshold(denoise: Denoise) -> Denoise:
    return denoise


def _static_threshold(denoise: Denoise) -> Denoise:
    return guidance.clip(denoise, -1.0, 1.0)


def _dynamic_threshold(denoise: Denoise, quantile: Fraction = 0.995) -> Denoise:
    return guidance.dynamic_threshold(denoise, quantile)


THRESHOLDS = {"none": _no_threshold, "static": _static_threshold, "dynamic": _dynamic_threshold}


# The solvers that walk down a grid, and the one that chooses its own steps.
ADAPTIVE = "adaptive"
SOLVERS: dict[str, Callable] = solvers.SOLVERS | {ADAPTIVE: adaptive.sample}


# Each: (objective, process, denoiser, integers, keys) -> nats a row, an upper bound in expectation.


def _variational(objective: NoisePrediction, process: Process, denoise: Denoise, ints: Array, keys: Key) -> likelihood.Bound:
    o = objective
    density = "uniform_t" if o.learns_curve else "uniform_logsnr"  # a learned curve was made to lower this estimate's variance
    return likelihood.variational_bound(denoise, process, o.quantizer, ints, keys, o.eval_times, data_std=o.data_std, density=density)


def _discrete(objective: NoisePrediction, process: Process, denoise: Denoise, ints: Array, keys: Key) -> likelihood.Bound:
    o = objective
    return likelihood.discrete_bound(denoise, process, o._grid(process), o.quantizer, ints, keys, data_std=o.data_std)


def _ode(
    objective: NoisePrediction,
    process: Process,
    denoise: Denoise,
    ints: Array,
    keys: Key,
    probes: Natural = 1,
    rtol: Positive = 1e-5,
    atol: Positive = 1e-5,
    dequantization: Literal["normal", "uniform"] = "normal",
) -> ode_likelihood.OdeNats:
    """`probes` of Hutchinson's trace a trajectory; 0 takes the exact trace."""
    o = objective
    measure = partial(ode_likelihood.discrete, dequantization=dequantization, num_probes=probes, rtol=rtol, atol=atol)
    return measure(denoise, process, o.quantizer, ints, keys, o.eval_times, data_std=o.data_std)


def _ode_uniform(
    objective: NoisePrediction,
    process: Process,
    denoise: Denoise,
    ints: Array,
    keys: Key,
    probes: Natural = 1,
    rtol: Positive = 1e-5,
    atol: Positive = 1e-5,
) -> ode_likelihood.OdeNats:
    return _ode(objective, process, denoise, ints, keys, probes, rtol, atol, "uniform")


BOUNDS: dict[str, Callable] = {"bound": _variational, "discrete_bound": _discrete, "ode": _ode, "ode_uniform": _ode_uniform}
