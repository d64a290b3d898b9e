"""Noise prediction: a network that tells the noise in a noisy image, at every noise level.

    x = alpha(lambda) x0 + sigma(lambda) eps,        lambda = log(alpha^2 / sigma^2)                (1)
    loss = 1/2 E_{lambda ~ p} [ w(lambda) / p(lambda) * |eps_hat(x, lambda) - eps|^2 ]              (2)

With w = 1 (`elbo`), (2) is the diffusion term of the variational bound on -log p(x0) in nats (arXiv:2107.00630), whatever the density p
that the noise levels are drawn from. The network's output F stands for an affine map of x0 (`diffusion.prediction`), so that
eps_hat - eps = -(alpha / sigma) c_out (F - F*) with F* the output that would be right: (2) is computed in that form, which cancels nothing.
With `head=odds` F is x0_hat, and what the network gives are the log-odds of the levels (or colours) that x0 can have, told by the rest of x: x0_hat
is the mean of the posterior that they make with what each noisy value says of itself (`diffusion.quantizer`, equation 4; the idea is that of
arXiv:2211.15089). Then it need not learn that data are levels, nor to read its own input where there is hardly any noise.

What is learned beside the network lies beside it in the parameters: `curve`, the learned curve of log-SNR, trained in the same backward pass
to make (2) less noisy (`diffusion.learned_curve`), and `uncertainty`, the table of EDM2's u(lambda) (`diffusion.weighting`). A model that
guides the samples is put there too, as `guide`, when it is loaded. What x0 is, the pixels, what codes stand for, or the latents of an autoencoder,
is the business of `objectives.spaces`; what bends the samples, of `objectives.steering`.
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
    learned_curve,
    likelihood,
    ode_likelihood,
    prediction,
    solvers,
    time_sampling,
    weighting,
)
from genjax.diffusion.likelihood import Codes
from genjax.diffusion.process import Denoise, Process, alpha_sigma, bcast, inner, perturb
from genjax.diffusion.quantizer import Continuous, Quantizer
from genjax.models.captions import Before
from genjax.models.networks import PatchNetwork
from genjax.models.unet import UNet
from genjax.objectives import spaces
from genjax.objectives.base import (
    Given,
    Load,
    Objective,
    Rows,
    base_label,
    boxed,
    captions_from,
    classes_from,
    hide,
    no_caption,
    patches_from,
    request_of,
    trunk_from,
)
from genjax.objectives.steering import GUIDES, INPAINTERS, THRESHOLDS
from genjax.registry import Natural, Positive, bind
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples, Work


@dataclasses.dataclass(frozen=True)
class NoisePrediction:
    """See the module's text; the fields are those of `noise_prediction` in configs/base.py, where names may carry options: "ddim(eta=0.5)"."""

    network: PatchNetwork | UNet
    spec: DataSpec
    space: spaces.Space
    process: Process
    learns_curve: bool
    prediction: str
    head: str
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
            spec.ordered or spec.book is not None,
            f"objective=noise_prediction needs images, or other arrays of numbers, and data.source='{spec.name}' holds tokens: "
            "noise has no meaning between category numbers; use objective=next_token",
        )
        learns_curve = options.curve == LEARNED
        # Without its parameters, as when a config is checked, a learned curve is the line that it starts near.
        curve = "linear" if learns_curve else options.curve
        process = Process(curve, options.scaling, options.logsnr_min, options.logsnr_max, options.shift)
        prediction.check(options.prediction, process)
        require(
            options.logsnr_min <= options.edit_logsnr < options.logsnr_max,
            f"noise_prediction.edit_logsnr={options.edit_logsnr:g} is a noise level that the model does not know: "
            f"give one from {options.logsnr_min:g} to below {options.logsnr_max:g}",
        )
        low, high = options.guidance_logsnr_min, options.guidance_logsnr_max
        classes, space = classes_from(config, spec), spaces.build(config, spec)
        require(
            options.head == LINEAR or options.prediction == "x0",
            f"noise_prediction.head={options.head} gives the clean values themselves: set noise_prediction.prediction=x0, not {options.prediction}",
        )
        features = None if options.head == LINEAR else space.known.num_odds(space.shape[-1])
        objective = cls(
            network=NETWORKS[options.network](config, space.shape, classes, captions_from(config, spec, causal=False), features),
            spec=spec,
            space=space,
            process=process,
            learns_curve=learns_curve,
            prediction=options.prediction,
            head=options.head,
            data_std=space.data_std,
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
        params = dict(self.network.init(key, jnp.zeros((1, *self.space.shape)), jnp.zeros((1,)), one, caption=no_caption(self.spec))["params"])
        if self.learns_curve:
            params["curve"] = boxed(learned_curve.init(rng.fold_name(key, "curve")), "curve")
        if Choice(self.weighting).parts[0] == UNCERTAINTY:
            params["uncertainty"] = boxed({"table": jnp.zeros(32)}, "curve")
        return params | self.space.init(rng.fold_name(key, "space"))

    def inherit(self, load: Load, rows: Rows) -> Params:
        return self.space.inherit(load, rows)

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        x0 = self.space.encode(params, batch[self.spec.key], keys("space"))
        eps = rng.normal(keys("noise"), self.space.shape)
        given = hide(Given.of(batch), self.network.num_classes, self.drop_rate, keys("label")) if train else Given.of(batch)
        dropout_keys = keys("dropout") if train else None

        def rows(params: Params, logsnr: Array, inverse_density: Array) -> tuple[Array, Array]:
            """The loss and the squared error of the noise of every row [B], both a dimension of x0."""
            # 1. The noisy image, equation (1).
            x = perturb(self.process, x0, logsnr, eps)

            # 2. What the network says, and what would have been right.
            output = self._output(params, x, logsnr, given, dropout_keys)
            right = prediction.target(self.prediction, x0, eps, logsnr, self.process.scaling, self.data_std)

            # 3. The error of the noise, equation (2).
            alpha, sigma = alpha_sigma(logsnr, self.process.scaling)
            c_out = prediction.coefficients(self.prediction, logsnr, self.process.scaling, self.data_std).c_out
            squared = jnp.mean(jnp.square(bcast(alpha / sigma * c_out, x) * (output - right)), axis=inner(x))
            weigh = WEIGHERS[Choice(self.weighting).parts[0]]
            return weigh(self, params, logsnr, inverse_density, 0.5 * squared), squared

        sampler, options = Choice(self.time_sampler).parts
        logsnr, density = time_sampling.draw(sampler, self._process(params), rng.fold_name(key, "time"), batch["id"], **options)
        loss, squared = (learned_curve.least_variance(rows) if self.learns_curve else rows)(params, logsnr, 1 / density)
        dims, weight = math.prod(self.space.shape), batch["weight"]
        count = jnp.sum(weight)
        eps_mse = jnp.sum(weight * squared) * dims, count * dims
        return LossSums(jnp.sum(weight * loss) * dims, count * self.spec.num_dims, {"eps_mse": eps_mse})

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        denoise, measure = self.denoiser(params, Given.of(batch)), bind(BOUNDS, Choice(self.bound).parts, "likelihood")
        bound = partial(measure, self, self._process(params), denoise)
        found = self.space.nats(params, batch[self.spec.key], rng.rows(key, batch["id"]), bound)
        return Likelihood(found.nats, jnp.full(found.nats.shape, self.spec.num_dims), found.stderr, found.terms, "upper_bound", self.spec.unit)

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """New rows; with the data and `mask` in the request, rows that keep the data where the mask is true (`inpaint`); with the data,
        `towards` and `fraction`, rows that lie that far on the way from one array to the other, whose own classes are `from_label` and
        `towards_label`; with the data alone, rows that begin from it at `edit_logsnr` (SDEdit).
        """
        found, evaluations = self._solve(params, request, key)
        image = self.space.decode(params, found.x)
        if "mask" in request:  # to the level: what is known is not drawn
            image = jnp.where(request["mask"], request[self.spec.key], image)
        return Samples(image, Cost(nfe=found.nfe * evaluations, sequential_depth=found.nfe))

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """`noising`: the batch's images from clean to noise, at nine even steps of log-SNR. `denoising`: a sample on its way, after every step."""
        keys = rng.rows(key, batch["id"])
        x0, eps = self._known(params, batch[self.spec.key], keys), rng.normal(keys, self.space.shape)
        levels = jnp.linspace(self.process.logsnr_max, self.process.logsnr_min, 9)
        noising = jax.vmap(lambda logsnr: perturb(self.process, x0, jnp.full(x0.shape[:1], logsnr), eps))(levels)
        found, _ = self._solve(params, request_of(batch), key)
        denoising = [] if isinstance(found, adaptive.AdaptiveSolution) else [found.path]
        frames = {"noising": noising, "denoising": jnp.concatenate([*denoising, found.x[None]])}
        return {name: jax.lax.map(partial(self.space.decode, params), x) for name, x in frames.items()}

    def work(self) -> Work:
        return Work(positions=self.network.positions, visible=1.0, targets=self.spec.num_dims)

    def _solve(self, params: Params, request: Batch, key: Key) -> tuple[solvers.Solution | adaptive.AdaptiveSolution, int]:
        """The solver's solution for a request as in `sample`, and the network evaluations of one call of its denoiser."""
        keys = rng.rows(key, request["id"])
        given, bent = Given.of(request), bind(THRESHOLDS, Choice(self.threshold).parts, "threshold")
        denoise, evaluations = GUIDES[self.guide and self.guide[0]](self, params, given)
        process, solver, inverted = self._process(params), self._solver(), 0
        start = solvers.initial(process, keys, self.space.shape, self.data_std)
        known = self._known(params, request[self.spec.key], keys) if self.spec.key in request else None
        if known is not None and "mask" in request:
            paint = bind(INPAINTERS, Choice(self.inpaint).parts, "way of inpainting")
            denoise, solver, factor = paint(self.data_std, process.scaling, denoise, solver, known, self.space.mask(request["mask"]))
            evaluations *= factor
        denoise = bent(denoise)

        if known is not None and "towards" in request:
            solver, back = solvers.heun(), grid.reverse(self._grid(process))
            ends = []
            for x0, of in ((known, "from_label"), (self._known(params, request["towards"], keys), "towards_label")):
                told, _ = GUIDES[self.guide and self.guide[0]](self, params, given._replace(label=request.get(of, given.label)))
                ends.append(solvers.sample(bent(told), solver, back, back.alpha[0] * x0, keys))
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
        require(
            name == "classifier" or self.guidance_scale != 1.0,
            "sample.guide is a weaker model, and with sample.guidance_scale=1 it would do nothing: set that to 2, for instance",
        )
        mine, other = ((spec.shape, spec.levels, spec.num_classes) for spec in (self.spec, getattr(guide, "spec", self.spec)))
        require(mine == other, "sample.guide was trained on other data: its images must have the same size, levels and classes")
        here, there = (space.frame for space in (self.space, getattr(guide, "space", self.space)))
        require(here == there, "sample.guide works elsewhere: it must be a model of pixels too, or of the latents of the same autoencoder")
        return dataclasses.replace(self, guide=(name, guide))

    def denoiser(self, params: Params, given: Given) -> Denoise:
        """(x, logsnr) -> x0_hat, the estimate of the clean point."""

        def denoise(x: Array, logsnr: Array) -> Array:
            output = self._output(params, x, logsnr, given, None)
            return prediction.to_x0(self.prediction, x, output, logsnr, self.process.scaling, self.data_std)

        return denoise

    def _process(self, params: Params) -> Process:
        """The process with its curve, learned or not."""
        if not self.learns_curve:
            return self.process
        return dataclasses.replace(self.process, curve=partial(learned_curve.logsnr_and_slope, params["curve"]))

    def _solver(self) -> solvers.Solver | None:
        """The solver that walks down a grid; None for the one that chooses its own steps."""
        solver = bind(SOLVERS, Choice(self.solver).parts, "solver")
        return None if Choice(self.solver).parts[0] == ADAPTIVE else solver()

    def _known(self, params: Params, image: Array, keys: Key) -> Array:
        """The clean points of integer images [B, H, W, C], from a draw of their own."""
        return self.space.encode(params, image, jax.vmap(partial(rng.fold_name, name="space"))(keys))

    def _grid(self, process: Process) -> grid.Grid:
        name, options = Choice(self.grid).parts
        return grid.make(name, process, self.steps, "denoise", **options)

    def _output(self, params: Params, x: Array, logsnr: Array, given: Given, dropout_keys: Key | None) -> Array:
        c_in = prediction.coefficients(self.prediction, logsnr, self.process.scaling, self.data_std).c_in
        seen = bcast(c_in, x) * x
        said = self.network.apply({"params": params}, seen, logsnr, given.label, dropout_keys, caption=given.caption)
        return HEADS[self.head](self, x, logsnr, said)


def _linear(objective: NoisePrediction, x: Array, logsnr: Array, said: Any) -> Array:
    return jnp.asarray(said)


def _odds(objective: NoisePrediction, x: Array, logsnr: Array, said: Any) -> Array:
    alpha, sigma = alpha_sigma(logsnr, objective.process.scaling)
    return objective.space.known.posterior_mean(said, x / bcast(alpha, x), sigma / alpha)


LINEAR = "linear"
HEADS: dict[str, Callable[[NoisePrediction, Array, Array, Any], Array]] = {LINEAR: _linear, "odds": _odds}


def _trunk(config: Any, shape: tuple[int, ...], classes: int, captions: Before | None, features: int | None) -> PatchNetwork:
    sizes = patches_from(config.noise_prediction.patch_size, shape, "noise_prediction.patch_size")
    return PatchNetwork(trunk_from(config), shape, sizes, classes, captions, features, parent=None)


def _unet(config: Any, shape: tuple[int, ...], classes: int, captions: Before | None, features: int | None) -> UNet:
    require(len(shape) == 3, f"the U-Net is for images, not for arrays {list(shape)}: set noise_prediction.network=trunk")
    height, width, channels = shape
    model = config.model
    if captions is not None:
        text = config.conditioning.text
        require(
            not captions.prefixes,
            f"conditioning.text={text}: a U-Net has no positions before its pixels; set it to pooled or cross, or noise_prediction.network=trunk",
        )
        require(captions.modulates or bool(config.unet.attention), f"conditioning.text={text} needs stages with attention: set unet.attention")
        captions = captions.clone(width=4 * config.unet.channels)  # of its embedding of noise level and class
    return UNet(
        (height, width, channels),
        **config.unet,
        dropout=model.dropout,
        dtype=model.dtype,
        num_classes=classes,
        captions=captions,
        features=features,
        parent=None,
    )


NETWORKS: dict[str, Callable[[Any, tuple[int, ...], int, Before | None, int | None], PatchNetwork | UNet]] = {"trunk": _trunk, "unet": _unet}


LEARNED = "learned"  # the curve that is


# Each: (objective, params, logsnr, 1 / density, half the squared error of the noise a dimension), [B] each -> what a row adds to the loss [B].


def _by_level(objective: NoisePrediction, params: Params, logsnr: Array, inverse_density: Array, error: Array) -> Array:
    name, options = Choice(objective.weighting).parts
    return weighting.weight(name, logsnr, **options) * inverse_density * error


def _edm(objective: NoisePrediction, params: Params, logsnr: Array, inverse_density: Array, error: Array) -> Array:
    name, options = Choice(objective.weighting).parts  # the data's deviation is that of the model, unless another is asked for
    return weighting.weight(name, logsnr, **({"data_std": objective.data_std} | options)) * inverse_density * error


def _target_mse(objective: NoisePrediction, params: Params, logsnr: Array, inverse_density: Array, error: Array) -> Array:
    o = objective
    return weighting.implied(o.prediction, logsnr, 1 / inverse_density, o.process.scaling, o.data_std) * inverse_density * error


def _uncertainty(objective: NoisePrediction, params: Params, logsnr: Array, inverse_density: Array, error: Array) -> Array:
    log_variance = weighting.log_variance(params["uncertainty"]["table"], objective.process, logsnr)
    return weighting.uncertainty(error, log_variance) * inverse_density


UNCERTAINTY = "uncertainty"
WEIGHERS = dict.fromkeys(weighting.WEIGHTINGS, _by_level) | {"edm": _edm, "target_mse": _target_mse, UNCERTAINTY: _uncertainty}
WEIGHTINGS: dict[str, Callable] = weighting.WEIGHTINGS | {"target_mse": weighting.implied, UNCERTAINTY: weighting.uncertainty}


# The solvers that walk down a grid, and the one that chooses its own steps.
ADAPTIVE = "adaptive"
SOLVERS: dict[str, Callable] = solvers.SOLVERS | {ADAPTIVE: adaptive.sample}


# Each: (objective, process, denoiser, codes, data of them, keys) -> nats a row, an upper bound in expectation.


def _variational(objective: NoisePrediction, process: Process, denoise: Denoise, codes: Codes, data: Array, keys: Key) -> likelihood.Bound:
    o = objective
    density = "uniform_t" if o.learns_curve else "uniform_logsnr"  # a learned curve was made to lower this estimate's variance
    return likelihood.variational_bound(denoise, process, codes, data, keys, o.eval_times, data_std=o.data_std, density=density)


def _discrete(objective: NoisePrediction, process: Process, denoise: Denoise, codes: Codes, data: Array, keys: Key) -> likelihood.Bound:
    o = objective
    return likelihood.discrete_bound(denoise, process, o._grid(process), codes, data, keys, data_std=o.data_std)


def _ode(
    objective: NoisePrediction,
    process: Process,
    denoise: Denoise,
    codes: Quantizer | Continuous,
    data: Array,
    keys: Key,
    probes: Natural = 1,
    rtol: Positive = 1e-5,
    atol: Positive = 1e-5,
    dequantization: Literal["normal", "uniform"] = "normal",
) -> ode_likelihood.OdeNats:
    """`probes` of Hutchinson's trace a trajectory; 0 takes the exact trace."""
    o = objective
    measure = partial(ode_likelihood.discrete, dequantization=dequantization, num_probes=probes, rtol=rtol, atol=atol)
    return measure(denoise, process, codes, data, keys, o.eval_times, data_std=o.data_std)


BOUNDS: dict[str, Callable] = {
    "bound": _variational,
    "discrete_bound": _discrete,
    "ode": _ode,
    "ode_uniform": partial(_ode, dequantization="uniform"),
}
