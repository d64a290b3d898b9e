"""Noise prediction for categories: every token is a learned vector, noise is added to the vectors, and a network tells the tokens.

    x = alpha(lambda) v(tokens) + sigma(lambda) eps,      p(k | x) = softmax(network(x, lambda) + what x_i says of token i)        (1)
    x0_hat = sum_k p(k | x) v_k                                                                                                   (2)
    -log p(tokens) <= prior + 1/2 int |eps - eps_hat|^2 dlambda + E[-log P(tokens | x at logsnr_max)]                              (3)

The bound (3) is that of `diffusion.likelihood`, with a decoder over the vectors (`diffusion.codebook`) in the place of one over levels; all of
it is the loss, so the vectors are learned by it too: Plaid, arXiv:2305.18619 (there with a learned noise schedule and self-conditioning, here
without). Solvers and guidance are those of noise prediction. Tokens that are not supervised are given: they carry no noise.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp

from genjax import rng
from genjax.config import Choice, require
from genjax.diffusion import editing, grid, guidance, likelihood, solvers, time_sampling
from genjax.diffusion.codebook import Codebook
from genjax.diffusion.process import Denoise, Process, alpha_sigma, bcast, perturb
from genjax.models import masks
from genjax.models.layers import named
from genjax.models.networks import VectorNetwork
from genjax.objectives.base import Given, base_label, classes_from, hide, refuse_captions, request_of, trunk_from
from genjax.objectives.sequences import Sequence, sequence
from genjax.objectives.sequences import grid as axes
from genjax.registry import bind
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples, Work


@dataclasses.dataclass(frozen=True)
class EmbeddingDiffusion:
    """See the module's text; the fields are those of `embedding_diffusion` in configs/base.py."""

    network: VectorNetwork
    spec: DataSpec
    process: Process
    width: int
    time_sampler: str
    solver: str
    steps: int
    eval_times: int
    drop_rate: float
    base_label: int
    guidance_scale: float

    generates: ClassVar[bool] = True
    scores: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> EmbeddingDiffusion:
        options = config.embedding_diffusion
        bind(solvers.SOLVERS, Choice(options.solver).parts, "solver")
        require(
            options.logsnr_min < options.logsnr_max,
            f"embedding_diffusion.logsnr_min={options.logsnr_min:g} must be below embedding_diffusion.logsnr_max={options.logsnr_max:g}",
        )
        refuse_captions(config)
        classes = classes_from(config, spec)
        return cls(
            network=VectorNetwork(trunk_from(config), vocab=spec.levels, grid=axes(spec), num_classes=classes, parent=None),
            spec=spec,
            process=Process("linear", "vp", options.logsnr_min, options.logsnr_max),
            width=options.width,
            time_sampler=options.time_sampler,
            solver=options.solver,
            steps=options.steps,
            eval_times=options.eval_times,
            drop_rate=config.conditioning.drop_rate,
            base_label=base_label(config, classes),
            guidance_scale=config.sample.guidance_scale,
        )

    def init(self, key: Key) -> Params:
        rows = sequence({self.spec.key: jnp.zeros((1, *self.spec.shape), jnp.int32)}, self.spec)
        x, one = jnp.zeros((*rows.tokens.shape, self.width)), jnp.zeros((1,), jnp.int32)
        network = self.network.init(rng.fold_name(key, "network"), x, jnp.zeros((1,)), rows.coordinates, _seen(rows), one)["params"]
        codes = named(nn.initializers.normal(1.0), "vocab", "patch")(rng.fold_name(key, "codes"), (self.spec.levels, self.width), jnp.float32)
        return {"network": network, "codes": codes}

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        rows, codes = sequence(batch, self.spec), Codebook.of(params["codes"])
        x0 = codes.encode(rows.tokens)
        logsnr, density = time_sampling.draw(self.time_sampler, self.process, rng.fold_name(key, "time"), batch["id"])
        given = Given.of(batch)
        label = (hide(given, self.network.num_classes, self.drop_rate, keys("label")) if train else given).label
        denoise = self._denoiser(params, rows, label, keys("dropout") if train else None)
        eps, decoder_eps = (rng.normal(keys(name), x0.shape[1:]) for name in ("noise", "decoder"))
        terms = {
            "prior": likelihood.prior_kl(self.process, x0, 1.0, rows.mask),
            "diffusion": 0.5 * likelihood.eps_error(denoise, self.process.scaling, x0, eps, logsnr, rows.mask) / density,
            "reconstruction": likelihood.decoder_nats(codes, rows.tokens, decoder_eps, self.process.logsnr_max, rows.mask),
        }
        count = jnp.sum(batch["weight"][:, None] * rows.mask)
        metrics = {name: (jnp.sum(batch["weight"] * nats), count) for name, nats in terms.items()}
        return LossSums(jnp.sum(batch["weight"] * sum(terms.values())), count, metrics)

    def work(self) -> Work:
        return Work(positions=self.spec.num_dims, visible=1.0, targets=self.spec.num_dims)

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        rows, keys = sequence(batch, self.spec), rng.rows(key, batch["id"])
        denoise = self._denoiser(params, rows, batch.get("label"), None)
        codes = Codebook.of(params["codes"])
        found = likelihood.variational_bound(denoise, self.process, codes, rows.tokens, keys, self.eval_times, counted=rows.mask)
        terms = {"prior": found.prior, "reconstruction": found.reconstruction, "diffusion": found.diffusion}
        return Likelihood(found.nats, rows.units, found.stderr, terms, "upper_bound", self.spec.unit)

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """New rows; with the data and `mask` in the request, rows that keep the data where the mask is true and draw the rest around it."""
        found, tokens, evaluations = self._solve(params, request, key)
        return Samples(tokens.reshape(-1, *self.spec.shape), Cost(nfe=found.nfe * evaluations, sequential_depth=found.nfe))

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """`noising`: the nearest categories of the batch at nine even steps of log-SNR. `denoising`: those of a sample on its way."""
        rows, codes = sequence(batch, self.spec), Codebook.of(params["codes"])
        x0 = codes.encode(rows.tokens)
        eps = rng.normal(rng.rows(key, batch["id"]), x0.shape[1:])
        levels = jnp.linspace(self.process.logsnr_max, self.process.logsnr_min, 9)
        noising = jax.vmap(lambda logsnr: perturb(self.process, x0, jnp.full(x0.shape[:1], logsnr), eps))(levels)
        found, tokens, _ = self._solve(params, request_of(batch), key)
        frames = {"noising": jax.vmap(codes.decode)(noising), "denoising": jnp.concatenate([jax.vmap(codes.decode)(found.path), tokens[None]])}
        return {name: shown.reshape(*shown.shape[:2], *self.spec.shape) for name, shown in frames.items()}

    def _solve(self, params: Params, request: Batch, key: Key) -> tuple[solvers.Solution, Array, int]:
        """The solver's solution, the tokens [B, T] that it ends in, and the network evaluations of one call of its denoiser."""
        keys, codes = rng.rows(key, request["id"]), Codebook.of(params["codes"])
        given = request if self.spec.key in request else request | {self.spec.key: jnp.zeros((len(request["id"]), *self.spec.shape), jnp.int32)}
        rows = sequence(given, self.spec)
        label, evaluations = request.get("label"), 1
        denoise = self._denoiser(params, rows, label, None)
        if self.guidance_scale != 1.0:
            without = self._denoiser(params, rows, jnp.full_like(request["label"], self.base_label), None)
            denoise, evaluations = guidance.classifier_free(denoise, without, self.guidance_scale), 2
        solver, tokens, keep = bind(solvers.SOLVERS, Choice(self.solver).parts, "solver")(), rows.tokens, None
        if self.spec.key in request:
            require("mask" in request, "embedding_diffusion cannot begin from data: say which part to draw anew with --redraw")
            keep = jnp.broadcast_to(request["mask"], request[self.spec.key].shape).reshape(tokens.shape)
            solver = editing.repaint(solver, codes.encode(tokens), keep[..., None])
        start = solvers.initial(self.process, keys, (tokens.shape[1], self.width), 1.0)
        found = solvers.sample(denoise, solver, grid.make("uniform_logsnr", self.process, self.steps, "denoise"), start, keys)
        drawn = codes.decode(found.x)
        return found, drawn if keep is None else jnp.where(keep, tokens, drawn), evaluations

    def _denoiser(self, params: Params, rows: Sequence, label: Array | None, dropout_keys: Key | None) -> Denoise:
        """(x, logsnr) -> x0_hat of equation (2)."""
        codes = Codebook.of(params["codes"])

        def denoise(x: Array, logsnr: Array) -> Array:
            alpha, sigma = alpha_sigma(logsnr, self.process.scaling)
            x = jnp.where(rows.mask[..., None] > 0, x, codes.encode(rows.tokens))
            logits = jnp.asarray(self.network.apply({"params": params["network"]}, x, logsnr, rows.coordinates, _seen(rows), label, dropout_keys))
            return codes.mean(logits + codes.logits(x / bcast(alpha, x), sigma / alpha))

        return denoise


def _seen(rows: Sequence) -> masks.AttentionIds:
    """Both sides of the own segment."""
    return masks.bidirectional(*rows.tokens.shape)._replace(segment_ids=rows.segment_ids)
