"""An autoencoder: an image x to latents z, in which another model may work, and back (arXiv:1312.6114).

    q(z | x) = N(mean(x), std(x)^2),    p(z) = N(0, 1),    p(x | z) = prod_i P(x_i | m_i(z), s_i(z))                    (1)
    loss = E_q[-log p(x | z)] + beta KL(q(z | x) || p(z))                                                             (2)
           reconstruction
    KL = sum_j (mean_j^2 + std_j^2 - 1) / 2 - log std_j                                                               (3)

P is the discretised logistic of `diffusion.quantizer`, normalised over the integer levels. With beta = 1, (2) is a bound of -log p(x) in nats;
the likelihood is that bound whatever the beta of training. A small beta gives latents that keep more of the image and are further from
p(z): then the bound is poor, and so are images of p(z), until a better prior is learned (`noise_prediction.autoencoder`).
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.config import require
from genjax.diffusion.editing import slerp
from genjax.diffusion.quantizer import Quantizer
from genjax.errors import UsageError
from genjax.models import autoencoder as models
from genjax.types import Array, Batch, Cost, DataSpec, Key, Likelihood, LossSums, Params, Samples, Work

# Levels: the least scale of (1). A level's own bin then holds 0.9993 of the mass, and a scale that shrinks further would only make the loss a cliff.
_LEAST_SCALE = 1 / 16


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """See the module's text; beta and draws are those of `autoencoder` in configs/base.py."""

    network: models.Autoencoder
    spec: DataSpec
    quantizer: Quantizer
    beta: float
    draws: int

    generates: ClassVar[bool] = True
    scores: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, spec: DataSpec) -> Autoencoder:
        require(spec.key == "image", f"objective=autoencoder needs images, and data.source='{spec.name}' holds none")
        options, model, (height, width, channels) = config.autoencoder, config.model, spec.shape
        network = models.Autoencoder(
            shape=(height, width, channels),
            latent_channels=options.latent_channels,
            channels=options.channels,
            multipliers=options.multipliers,
            blocks=options.blocks,
            dropout=model.dropout,
            dtype=model.dtype,
            parent=None,
        )
        return cls(network, spec, Quantizer(spec.levels), options.beta, options.draws)

    def init(self, key: Key) -> Params:
        return self.network.init(key, jnp.zeros((1, *self.spec.shape)))["params"]

    def loss(self, params: Params, batch: Batch, key: Key, *, train: bool) -> LossSums:
        def keys(name: str) -> Key:
            return rng.rows(rng.fold_name(key, name), batch["id"])

        # 1. Latents, equation (1).
        dropout = [keys(f"dropout {half}") if train else None for half in ("encoder", "decoder")]
        mean, std = self.posterior(params, batch["image"], dropout[0])
        z = mean + std * rng.normal(keys("latent"), self.network.latent_shape)

        # 2. What the image costs given them, and what they cost themselves, equations (2) and (3).
        reconstruction, divergence = self.decoder_nats(params, z, batch["image"], dropout[1]), kl(mean, std)
        weight = batch["weight"]
        count = jnp.sum(weight) * self.spec.num_dims
        parts = {"reconstruction": (jnp.sum(weight * reconstruction), count), "kl": (jnp.sum(weight * divergence), count)}
        return LossSums(jnp.sum(weight * (reconstruction + self.beta * divergence)), count, parts)

    def work(self) -> Work:
        return Work(positions=0, visible=1.0, targets=self.spec.num_dims)

    def likelihood(self, params: Params, batch: Batch, key: Key) -> Likelihood:
        """Equation (2) with beta = 1: the mean over `draws` latents of q, and its standard error."""
        mean, std = self.posterior(params, batch["image"])
        keys = rng.rows(key, batch["id"])

        def one_draw(draw: Array) -> Array:
            return self.decoder_nats(params, mean + std * rng.normal(rng.each(keys, draw), self.network.latent_shape), batch["image"])

        drawn, divergence = jax.lax.map(one_draw, jnp.arange(self.draws)), kl(mean, std)
        reconstruction, stderr = jnp.mean(drawn, axis=0), jnp.std(drawn, axis=0, ddof=1) / self.draws**0.5
        units = jnp.full(stderr.shape, self.spec.num_dims)
        return Likelihood(reconstruction + divergence, units, stderr, {"reconstruction": reconstruction, "kl": divergence}, "upper_bound")

    def sample(self, params: Params, request: Batch, key: Key) -> Samples:
        """Images of p(z); with `image` in the request, that image through its latents and back. Levels are the decoder's medians, not draws."""
        if "mask" in request:
            raise UsageError(
                "--redraw: an autoencoder rebuilds whole images and draws no part anew; leave --redraw out, or use a noise-prediction run"
            )
        z = self._prior(request["id"], key)
        if "image" in request:
            z = self.posterior(params, request["image"])[0]
        return Samples(self.decode(params, z), Cost(nfe=1, sequential_depth=1))

    def film(self, params: Params, batch: Batch, key: Key) -> dict[str, Array]:
        """`reconstruction`: the batch's images, and what comes back of them. `walk`: from there to samples, in nine steps through the latents."""
        here, there = self.posterior(params, batch["image"])[0], self._prior(batch["id"], key)
        walk = jax.lax.map(lambda weight: self.decode(params, slerp(here, there, weight)), jnp.linspace(0.0, 1.0, 9))
        return {"reconstruction": jnp.stack([batch["image"].astype(walk.dtype), walk[0]]), "walk": walk}

    def posterior(self, params: Params, image: Array, dropout_keys: Key | None = None) -> tuple[Array, Array]:
        """Mean and standard deviation [B, h, w, Z] of q(z | x), for integer images [B, H, W, C]."""
        mean, log_std = self._apply(params, self.quantizer.encode(image), dropout_keys, "encode")
        return mean, jnp.exp(log_std)

    def decoder_nats(self, params: Params, z: Array, image: Array, dropout_keys: Key | None = None) -> Array:
        """-log p(x | z) [B] in nats, for z [B, h, w, Z] and integer images [B, H, W, C]."""
        mean, log_scale = self._apply(params, z, dropout_keys, "decode")
        scale = _LEAST_SCALE * self.quantizer.bin_width + jnp.exp(log_scale)
        return -jnp.sum(self.quantizer.logistic_log_prob(image, mean, scale), axis=(1, 2, 3))

    def image(self, params: Params, z: Array) -> Array:
        """m(z) of (1) [B, H, W, C], an image on [-1, 1]."""
        return self._apply(params, z, None, "decode")[0]

    def decode(self, params: Params, z: Array) -> Array:
        """The median levels [B, H, W, C] of p(x | z)."""
        return self.quantizer.decode(self.image(params, z))

    def _prior(self, ids: Array, key: Key) -> Array:
        return rng.normal(rng.rows(key, ids), self.network.latent_shape)

    def _apply(self, params: Params, x: Array, dropout_keys: Key | None, method: str) -> tuple[Array, Array]:
        mean, log_spread = self.network.apply({"params": params}, x, dropout_keys, method=method)
        return jnp.asarray(mean), jnp.asarray(log_spread)


def kl(mean: Array, std: Array) -> Array:
    """Equation (3), [B] in nats, of mean and std [B, ...]."""
    return jnp.sum(0.5 * (mean**2 + std**2 - 1) - jnp.log(std), axis=tuple(range(1, mean.ndim)))
