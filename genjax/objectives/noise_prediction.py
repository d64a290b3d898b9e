"""Noise prediction: a network that tells the noise in a noisy image, at every noise level.

    x = alpha(lambda) x0 + sigma(lambda) eps,        lambda = log(alpha^2 / sigma^2)                (1)
    loss = 1/2 E_{lambda ~ p} [ w(lambda) / p(lambda) * |eps_hat(x, lambda) - eps|^2 ]              (2)

With w = 1 (`elbo`), (2) is the diffusion term of the variational bound on -log p(x0) in nats (arXiv:2107.00630), whatever the density p
that the noise levels are drawn from. The network's output F stands for an affine map of x0 (`diffusion.prediction`), so that
eps_hat - eps = -(alpha / sigma) c_out (F - F*) with F* the output that would be right: (2) is computed in that form, which cancels nothing.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp

from genjax import rng
from genjax.config import require
from genjax.diffusion import grid, guidance, likelihood, prediction, solvers, time_sampling, weighting
from genjax.diffusion.process import Process, alpha_sigma, bcast, perturb
from genjax.diffusion.quantizer import Quantizer
from genjax.models.networks import PatchNetwork
from genjax.objectives.base import classes_from, hide_labels, trunk_from
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples


@dataclasses.dataclass(frozen=True)
class NoisePrediction:
    """See the module's text; the fields are those of the config."""

    network: PatchNetwork
    spec: DataSpec
    quantizer: Quantizer
    process: Process
    prediction: str
    data_std: float
    weighting: str
    time_sampler: str
    solver: str
    grid: str
    steps: int
    eval_times: int
    drop_rate: float
    guidance_scale: float

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> NoisePrediction:
        options = config.noise_prediction
        require(
            spec.key == "image",
            f"objective=noise_prediction needs images, and data.source='{spec.name}' holds tokens: "
            "noise has no meaning between category numbers; use objective=next_token",
        )
        require(
            spec.shape[0] % options.patch_size == 0 and spec.shape[1] % options.patch_size == 0,
            f"images of {spec.shape[0]}x{spec.shape[1]} are not divisible into patches: set noise_prediction.patch_size to a divisor of both",
        )
        process = Process(options.curve, options.scaling, options.logsnr_min, options.logsnr_max)
        prediction.check(options.prediction, process)
        height, width, channels = spec.shape
        network = PatchNetwork(trunk_from(config), (height, width, channels), options.patch_size, classes_from(config, spec), parent=None)
        return cls(
            network=network,
            spec=spec,
            quantizer=Quantizer(spec.levels),
            process=process,
            prediction=options.prediction,
            data_std=options.data_std,
            weighting=options.weighting,
            time_sampler=options.time_sampler,
            solver=options.solver,
            grid=options.grid,
            steps=options.steps,
            eval_times=options.eval_times,
            drop_rate=config.conditioning.drop_rate,
            guidance_scale=config.sample.guidance_scale,
        )

    def init(self, key: Key) -> Params:
        one = jnp.zeros((1,), jnp.int32)
        return self.network.init(key, jnp.zeros((1, *self.spec.shape)), jnp.zeros((1,)), one)["params"]

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        # 1. The noisy image, equation (1).
        x0 = self.quantizer.encode(batch["image"])
        logsnr, density = time_sampling.draw(self.time_sampler, self.process, rng.fold_name(key, "time"), batch["id"])
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
        nats = 0.5 * weighting.weight(self.weighting, logsnr) / density * squared
        count = jnp.sum(batch["weight"]) * self.spec.num_dims
        return LossSums(jnp.sum(batch["weight"] * nats), count, {"eps_mse": (jnp.sum(batch["weight"] * squared), count)})

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        keys = rng.rows(key, batch["id"])
        bound = likelihood.variational_bound(
            self._denoiser(params, batch.get("label")), self.process, self.quantizer, batch["image"], keys, self.eval_times
        )
        terms = {"prior": bound.prior, "reconstruction": bound.reconstruction, "diffusion": bound.diffusion}
        units = jnp.full(bound.nats.shape, self.spec.num_dims)
        return Likelihood(bound.nats, units, bound.stderr, terms, "upper_bound")

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        keys = rng.rows(key, request["id"])
        denoise, evaluations = self._denoiser(params, request.get("label")), 1
        if self.guidance_scale != 1.0:
            without = self._denoiser(params, jnp.full_like(request["label"], self.network.num_classes))
            denoise, evaluations = guidance.classifier_free(denoise, without, self.guidance_scale), 2
        steps = grid.make(self.grid, self.process, self.steps)
        start = solvers.initial(self.process, keys, self.spec.shape, self.data_std)
        solution = solvers.sample(denoise, solvers.make(self.solver), steps, start, keys)
        return Samples(self.quantizer.decode(solution.x), Cost(nfe=solution.nfe * evaluations, sequential_depth=solution.nfe))

    def _denoiser(self, params: Params, label: Array | None):
        """(x, logsnr) -> x0_hat, the estimate of the clean image."""

        def denoise(x: Array, logsnr: Array) -> Array:
            output = self._output(params, x, logsnr, label, None)
            return prediction.to_x0(self.prediction, x, output, logsnr, self.process.scaling, self.data_std)

        return denoise

    def _output(self, params: Params, x: Array, logsnr: Array, label: Array | None, dropout_keys: Key | None) -> Array:
        c_in = prediction.coefficients(self.prediction, logsnr, self.process.scaling, self.data_std).c_in
        return jnp.asarray(self.network.apply({"params": params}, bcast(c_in, x) * x, logsnr, label, dropout_keys))
