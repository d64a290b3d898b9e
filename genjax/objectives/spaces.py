"""Where a diffusion model works: on the levels of the image itself, on what its codes stand for, or on the latents of an autoencoder.

A space says what the model calls clean (`encode`), what an image is made of it (`decode`), and what the image costs beside the model's
bound of the clean point (`nats`). With q(z | x) and p(x | z) of a trained autoencoder and any bound L(z) >= -log p(z) of the model's density,

    -log p(x) <= E_q[ -log p(x | z) + L(z) + log q(z | x) ]                                                           (1)
                      reconstruction  [        kl        ]

which is the autoencoder's own bound with its prior N(0, 1) replaced by the model (LSGM, arXiv:2106.05931, with a fixed autoencoder as in
arXiv:2112.10752): the reconstruction is the same, and "kl" is comparable to the autoencoder's. It is tight where q is the posterior of the
model: its excess is KL(q(z | x) || p(z | x)), and that of L.

The autoencoder's parameters lie within the model's, so that a checkpoint needs no other directory, and are never learned. Latents are
shifted and scaled, channel by channel, to mean 0 and variance 1 over the training data: w = (z - shift) / scale. q is taken to w with them, so
that (1) holds of w as it is.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp

from genjax import rng
from genjax.config import Choice, require
from genjax.diffusion.likelihood import Bound
from genjax.diffusion.ode_likelihood import OdeNats
from genjax.diffusion.process import inner
from genjax.diffusion.quantizer import Continuous, Palette, PaletteLevels, Quantizer
from genjax.errors import CheckpointError, UsageError
from genjax.models.layers import frozen
from genjax.objectives.autoencoder import Autoencoder
from genjax.objectives.base import Load, Rows
from genjax.types import Array, Book, DataSpec, Key, Params

# (quantizer, clean data [B, ...] of it, keys [B]) -> a bound of their -log p, row by row
BoundOf = Callable[[Quantizer | Palette | Continuous, Array, Key], Bound | OdeNats]


_MEASURED = 2048  # training images that shift and scale are measured on
_ROUGHLY = 1.5  # a data_std that is so many times too large or too small costs nothing that can be measured

_log = logging.getLogger(__name__)


class Nats(NamedTuple):
    """A bound of -log p(x) of each row: nats [B], standard error [B], and the terms [B] that it is the sum of, by name."""

    nats: Array
    stderr: Array
    terms: dict[str, Array]


class Space(Protocol):
    """See the module's text. `params` are those of the whole model.

    Attributes:
      shape: of a clean point x0.
      data_std: root mean square of clean points.
      frame: equal in two models whose points mean the same.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def data_std(self) -> float: ...
    @property
    def frame(self) -> Any: ...
    @property
    def known(self) -> Quantizer | Palette:
        """What a value can be, by all that is known of the data; UsageError where it may be anything."""

    def init(self, key: Key) -> Params:
        """Top-level entries of the model's parameters that belong to the space, boxed."""

    def inherit(self, load: Load, rows: Rows) -> Params:
        """The same entries, with what they are in truth: of another run, and of the training data."""

    def encode(self, params: Params, image: Array, keys: Key) -> Array:
        """A clean point x0 [B, *shape] of each integer image [B, H, W, C]; keys [B]."""

    def image(self, params: Params, x0: Array) -> Array:
        """The images [B, H, W, C] on [-1, 1] of clean points [B, *shape], smooth in them."""

    def decode(self, params: Params, x0: Array) -> Array:
        """The same as integers."""

    def mask(self, mask: Array) -> Array:
        """A mask of pixels as one of x0; UsageError where there is none."""

    def nats(self, params: Params, image: Array, keys: Key, bound: BoundOf) -> Nats:
        """A bound of -log p(image) by a bound of its clean points."""


@dataclasses.dataclass(frozen=True)
class Pixels:
    """The image itself, its levels on [-1, 1]; `key` is its name in a batch.

    What is `known` is a palette's colours, where there is one, whatever `quantizer` decodes and scores: that is chosen late, and a network is not.
    """

    shape: tuple[int, ...]
    quantizer: Quantizer | Palette
    known: Quantizer | Palette
    data_std: float
    key: str

    @property
    def frame(self) -> Quantizer | Palette:
        return self.quantizer

    def init(self, key: Key) -> Params:
        return {}

    def inherit(self, load: Load, rows: Rows) -> Params:
        """Nothing; but a `data_std` that is far from the data's is told of, since no run would tell by itself."""
        measured = float(jnp.sqrt(jnp.mean(jnp.square(self.quantizer.encode(rows(_MEASURED)[self.key])))))
        if not 1 / _ROUGHLY < self.data_std / max(measured, 1e-6) < _ROUGHLY:
            _log.warning(
                "noise_prediction.data_std=%g, and the root mean square of the training images is %.2f: set it to that", self.data_std, measured
            )
        return {}

    def encode(self, params: Params, image: Array, keys: Key) -> Array:
        return self.quantizer.encode(image)

    def image(self, params: Params, x0: Array) -> Array:
        return x0

    def decode(self, params: Params, x0: Array) -> Array:
        return self.quantizer.decode(x0)

    def mask(self, mask: Array) -> Array:
        return mask

    def nats(self, params: Params, image: Array, keys: Key, bound: BoundOf) -> Nats:
        found = bound(self.quantizer, image, keys)
        terms = {name: getattr(found, name) for name in ("prior", "reconstruction", "diffusion") if hasattr(found, name)}
        return Nats(found.nats, found.stderr, terms)


@dataclasses.dataclass(frozen=True)
class CodePoints(Pixels):
    """The points that tokens [B, *axes] stand for, [B, *axes, D] on [-1, 1], as `Pixels` of a palette whose colours are patches."""

    def mask(self, mask: Array) -> Array:
        return mask[..., None]


@dataclasses.dataclass(frozen=True)
class Latents:
    """The latents of an autoencoder.

    Attributes:
      autoencoder: the objective that it was trained with.
      trained: the directory of its run; read when training begins, and never again.
    """

    autoencoder: Autoencoder
    trained: str

    data_std = 1.0

    @property
    def frame(self) -> tuple[Autoencoder, str]:
        return self.autoencoder, self.trained

    @property
    def shape(self) -> tuple[int, ...]:
        return self.autoencoder.network.latent_shape

    @property
    def known(self) -> Quantizer:
        raise UsageError("noise_prediction.head=odds is of values that are levels, and latents are any number: set it to linear")

    def init(self, key: Key) -> Params:
        channels, boxed = self.shape[-1:], nn.LogicallyPartitioned
        affine = {"shift": boxed(jnp.zeros(channels), ("frozen",)), "scale": boxed(jnp.ones(channels), ("frozen",))}
        return {"autoencoder": {"network": frozen(self.autoencoder.init(key))} | affine}

    def inherit(self, load: Load, rows: Rows) -> Params:
        try:
            network = load(self.trained, nn.unbox(jax.eval_shape(self.autoencoder.init, jax.random.key(0))))
        except CheckpointError as error:
            raise CheckpointError(
                f"noise_prediction.autoencoder={self.trained} must be the run of a trained autoencoder with the same autoencoder.* as here: {error}"
            ) from error

        @jax.jit
        def measure(network: Params, image: Array) -> tuple[Array, Array]:
            mean, std = jax.lax.map(lambda row: jax.tree.map(lambda x: x[0], self.autoencoder.posterior(network, row[None])), image, batch_size=64)
            axes = tuple(range(mean.ndim - 1))  # the variance of z is that of the means, and what q adds
            return jnp.mean(mean, axis=axes), jnp.sqrt(jnp.var(mean, axis=axes) + jnp.mean(std**2, axis=axes))

        shift, scale = measure(network, rows(_MEASURED)["image"])
        return {"autoencoder": {"network": network, "shift": shift, "scale": scale}}

    def encode(self, params: Params, image: Array, keys: Key) -> Array:
        """A draw w of q, not its mean: (1) is a bound of what is trained on."""
        mean, std = self._posterior(params, image)
        return mean + std * rng.normal(keys, self.shape)

    def image(self, params: Params, x0: Array) -> Array:
        return self.autoencoder.image(self._frozen(params)["network"], self._unscaled(params, x0))

    def decode(self, params: Params, x0: Array) -> Array:
        return self.autoencoder.quantizer.decode(self.image(params, x0))

    def mask(self, mask: Array) -> Array:
        raise UsageError(
            "--redraw: a mask of pixels is none of latents, each of which sees many pixels; leave --redraw out to edit the whole image, "
            "or use a model of pixels (noise_prediction.autoencoder=None)"
        )

    def nats(self, params: Params, image: Array, keys: Key, bound: BoundOf) -> Nats:
        mean, std = self._posterior(params, image)

        def one_draw(draw: Array) -> tuple[Array, Array]:
            here = rng.each(keys, draw)
            normal = rng.normal(rng.each(here, 0), self.shape)
            w = mean + std * normal
            # log q of the draw, not its mean: where q is the posterior, (1) is then the same for every draw.
            log_q = -jnp.sum(0.5 * normal**2 + jnp.log(std) + 0.5 * math.log(2 * math.pi), axis=inner(std))
            pixels = self.autoencoder.decoder_nats(self._frozen(params)["network"], self._unscaled(params, w), image)
            return pixels, bound(Continuous(), w, rng.each(here, 1)).nats + log_q

        reconstruction, kl = jax.lax.map(one_draw, jnp.arange(self.autoencoder.draws))
        terms = {"reconstruction": jnp.mean(reconstruction, axis=0), "kl": jnp.mean(kl, axis=0)}
        stderr = jnp.std(reconstruction + kl, axis=0, ddof=1) / self.autoencoder.draws**0.5
        return Nats(terms["reconstruction"] + terms["kl"], stderr, terms)

    def _posterior(self, params: Params, image: Array) -> tuple[Array, Array]:
        """Mean and standard deviation [B, *shape] of w under q."""
        fixed = self._frozen(params)
        mean, std = self.autoencoder.posterior(fixed["network"], image)
        return (mean - fixed["shift"]) / fixed["scale"], std / fixed["scale"]

    def _unscaled(self, params: Params, w: Array) -> Array:
        fixed = self._frozen(params)
        return w * fixed["scale"] + fixed["shift"]

    def _frozen(self, params: Params) -> Params:
        return jax.lax.stop_gradient(params["autoencoder"])


# What a pixel can be.
DECODERS: dict[str, Callable[[DataSpec], Quantizer]] = {
    "levels": lambda spec: Quantizer(spec.levels),
    "palette": lambda spec: PaletteLevels(spec.levels, colours=spec.palette),
}


def build(config: Any, spec: DataSpec) -> Space:
    """The space that a config names."""
    options = config.noise_prediction
    if spec.book is not None:
        return _code_points(options, spec, spec.book)
    if options.autoencoder is None:
        known = DECODERS["palette" if spec.palette else "levels"](spec)
        return Pixels(spec.shape, DECODERS[options.decoder](spec), known, options.data_std, spec.key)
    require(
        options.decoder == "levels",
        f"noise_prediction.decoder={options.decoder} is of pixels, and the autoencoder decodes its latents itself: set it to levels",
    )
    space = Latents(Autoencoder.build(config, spec), options.autoencoder)
    require(
        Choice(options.threshold).parts[0] == "none",
        f"noise_prediction.threshold={options.threshold} keeps values in [-1, 1], and latents have no such range: set it to none",
    )
    return space


def _code_points(options: Any, spec: DataSpec, book: Book) -> CodePoints:
    require(options.autoencoder is None, f"noise_prediction.autoencoder is of images, and data.source='{spec.name}' holds codes: set it to None")
    require(options.decoder == "levels", f"noise_prediction.decoder={options.decoder} is of pixels; codes are decoded as codes: set it to levels")
    ode = Choice(options.likelihood).parts[0].startswith("ode")
    require(not ode, f"noise_prediction.likelihood={options.likelihood} fills the bins of levels, and codes have none: set it to bound")
    palette = Palette.of_levels(book.points, Quantizer(book.levels))
    return CodePoints((*spec.shape, len(book.points[0])), palette, palette, options.data_std, spec.key)
