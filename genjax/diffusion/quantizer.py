"""Integer levels on the real line: scaling, decoder, dequantisation and the unit of a likelihood, in one place.

Level k in {0, .., levels - 1} sits at v_k = low + k Delta, Delta = (high - low)/(levels - 1): bins of width Delta, centred on v_k. Mixing this
with another convention (k/127.5 - 1, 256 bins, an offset of 7 or 8 bits) shifts a score by .0056 bits/dim and more, so nothing else in
genjax knows how levels become numbers.

Decoder (VDM, arXiv:2107.00630, sec. 3.3), normalised over the levels:
    P(k | m, s) = exp(-(v_k - m)^2 / (2 s^2)) / sum_j exp(-(v_j - m)^2 / (2 s^2))                            (1)
Decoder of an autoencoder (PixelCNN++, arXiv:1701.05517): the mass of a logistic distribution of mean m and scale s on the bin of k, where the
end bins reach to infinity, so that it is normalised too. With a = (v_k + Delta/2 - m)/s and b = a - Delta/s,
    P(k | m, s) = sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(-Delta/s))                       (3)
and the product cancels nothing, however far k is from m. The level that m lies on is the median.
Dequantisation: for any density q(x | k) on the bin of k, and a continuous model p,
    log P(k) = log int_bin p(x) dx >= E_q [log p(x) - log q(x | k)]                                          (2)
uniform: -log q = log Delta a dimension (arXiv:1511.01844). Truncated normal (i-DODE, arXiv:2305.03935): x = v_k + s z, z ~ N(0, 1) cut to the
bin, -log q = log(s Z) + log(2 pi)/2 + z^2/2, Z = 2 Phi(Delta/2s) - 1. Both keep x inside the bin, so both are upper bounds of the same
-log P(k); they are not ordered in general.
Posterior of a noisy dimension: noise is independent from one to the next, so what the other dimensions y' of y = x/alpha tell of a level
and what its own y does are two factors, and the second is (1) with s = sigma/alpha,
    P(k | y, y') ~ P(k | y') P(k | m = y, s),        E[v | y, y'] = sum_k v_k P(k | y, y')                   (4)
"""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp

from genjax import rng
from genjax.diffusion.process import bcast, inner
from genjax.errors import UsageError
from genjax.types import Array, Key


@dataclasses.dataclass(frozen=True)
class Quantizer:
    """`levels` equally spaced values from `low` to `high`, both included; UsageError unless levels >= 2 and low < high."""

    levels: int
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self):
        if self.levels < 2 or not self.low < self.high:
            raise UsageError(f"A quantizer needs at least 2 levels and low < high, not levels={self.levels}, low={self.low}, high={self.high}.")

    @property
    def bin_width(self) -> float:
        """Delta, the distance between neighbouring levels."""
        return (self.high - self.low) / (self.levels - 1)

    def encode(self, ints: Array) -> Array:
        """v_k of integer levels, any shape, in the default floating type."""
        return self.low + jnp.asarray(ints, dtype=jnp.result_type(float)) * self.bin_width

    def decode(self, x: Array) -> Array:
        """The level nearest to x, any shape, int32; values outside [low, high] get the end levels."""
        return jnp.clip(jnp.round((x - self.low) / self.bin_width), 0, self.levels - 1).astype(jnp.int32)

    def log_prob(self, ints: Array, mean: Array, std: Array) -> Array:
        """log P(ints | mean, std) of every dimension, equation (1), in nats.

        Args:
          ints: [B, ...] levels.
          mean: [B, ...] in the units of `encode`.
          std: scalar or [B].
        """
        logits = jax.nn.log_softmax(self._logits(mean, std), axis=-1)
        return jnp.take_along_axis(logits, ints[..., None].astype(jnp.int32), axis=-1)[..., 0]

    def num_odds(self, channels: int) -> int:
        """How many log-odds a cell of C values needs: one for each level of each."""
        return channels * self.levels

    def posterior_mean(self, odds: Array, y: Array, std: Array) -> Array:
        """E[v | y, y'] [B, *axes, C] of equation (4).

        Args:
          odds: [B, *axes, `num_odds`], log P(k | y') up to a constant of each dimension; 0 says that the others tell nothing.
          y: [B, *axes, C], the noisy values over alpha.
          std: [B], sigma/alpha.
        """
        posterior = jax.nn.softmax(odds.reshape(*y.shape, self.levels) + self._logits(y, std), axis=-1)
        return jnp.sum(posterior * self._values(y.ndim), axis=-1)

    def _values(self, axes: int) -> Array:
        """Every v_k, behind as many axes of length 1."""
        return self.encode(jnp.arange(self.levels)).reshape((1,) * axes + (-1,))

    def _logits(self, mean: Array, std: Array) -> Array:
        """Equation (1) up to its normaliser, [B, ..., levels]."""
        distance = (mean[..., None] - self._values(mean.ndim)) / bcast(std, mean[..., None])
        return -0.5 * distance**2

    def logistic_log_prob(self, ints: Array, mean: Array, scale: Array) -> Array:
        """log P(ints | mean, scale) of every dimension, equation (3), in nats; ints, mean and scale > 0 of one shape."""
        upper = (self.encode(ints) + self.bin_width / 2 - mean) / scale
        lower, width = upper - self.bin_width / scale, self.bin_width / scale
        first, last = ints == 0, ints == self.levels - 1
        below_upper = jnp.where(last, 0.0, jax.nn.log_sigmoid(upper))
        above_lower = jnp.where(first, 0.0, jax.nn.log_sigmoid(-lower))
        return below_upper + above_lower + jnp.where(first | last, 0.0, jnp.log(-jnp.expm1(-width)))

    def dequantize_uniform(self, ints: Array, keys: Key) -> tuple[Array, Array]:
        """(x [B, ...] uniform on the bin of ints, -log q [B] in nats); one key a row [B]."""
        u = rng.uniform(keys, ints.shape[1:])
        x = self.encode(ints) + (u - 0.5) * self.bin_width
        return x, jnp.full(ints.shape[:1], math.prod(ints.shape[1:]) * math.log(self.bin_width), x.dtype)

    def dequantize_normal(self, ints: Array, keys: Key, std: Array) -> tuple[Array, Array]:
        """(x [B, ...] from N(v_k, std^2) cut to the bin, -log q [B] in nats); one key a row [B], std a scalar."""
        edge = self.bin_width / (2 * std)
        shape = ints.shape[1:]
        z = jax.vmap(lambda key: jax.random.truncated_normal(key, -edge, edge, shape))(keys)
        log_norm = jnp.log(std * jax.scipy.special.erf(edge / math.sqrt(2))) + 0.5 * math.log(2 * math.pi)
        per_dim = 0.5 * z**2 + log_norm
        return self.encode(ints) + std * z, jnp.sum(per_dim, axis=inner(per_dim))


@dataclasses.dataclass(frozen=True)
class Continuous:
    """Real numbers as they are, in the place of a Quantizer: they have no levels, so a bound of them is one of a density.

    The decoder is p(z | z_0) = N(z_0/alpha, (sigma/alpha)^2), the noise of the data end itself.
    """

    def encode(self, values: Array) -> Array:
        """The values themselves."""
        return values

    def log_prob(self, values: Array, mean: Array, std: Array) -> Array:
        """log N(values; mean, std^2) of every dimension, in nats; arguments as in `Quantizer.log_prob`."""
        std = bcast(jnp.asarray(std), values)
        return -0.5 * ((values - mean) / std) ** 2 - jnp.log(std) - 0.5 * math.log(2 * math.pi)

    def dequantize_uniform(self, values: Array, keys: Key) -> tuple[Array, Array]:
        """The values themselves, and 0 [B]: there is no bin to fill."""
        return values, jnp.zeros(values.shape[:1], values.dtype)

    def dequantize_normal(self, values: Array, keys: Key, std: Array) -> tuple[Array, Array]:
        """As `dequantize_uniform`."""
        return values, jnp.zeros(values.shape[:1], values.dtype)


@dataclasses.dataclass(frozen=True)
class Palette:
    """Pixels that take one of a few colours, or patches that take one of a few codes: a quantizer whose level is a number of a palette, and whose
    value is a vector.

    Its decoder is equation (1) with colours for v: a pixel is decoded as a whole, so that the bound of data that show nothing but these
    colours pays for no other.

    Attributes:
      colours: K tuples of C numbers, in the units of the model's input.
    """

    colours: tuple[tuple[float, ...], ...]

    @classmethod
    def of_levels(cls, colours: tuple[tuple[int, ...], ...], levels: Quantizer) -> Palette:
        """The palette of colours that are tuples of levels."""
        return cls(tuple(tuple(levels.low + level * levels.bin_width for level in colour) for colour in colours))

    def encode(self, ints: Array) -> Array:
        """Colours [B, H, W, C] of numbers of the palette [B, H, W], in the default floating type."""
        return self._values[jnp.asarray(ints, jnp.int32)]

    def decode(self, x: Array) -> Array:
        """The nearest colour's number, int32 [B, H, W], of x [B, H, W, C]."""
        return jnp.argmin(self._distance(x), axis=-1).astype(jnp.int32)

    def log_prob(self, ints: Array, mean: Array, std: Array) -> Array:
        """log P(ints | mean, std) of every pixel in nats, [B, H, W], for mean [B, H, W, C] and std a scalar or [B]."""
        logits = jax.nn.log_softmax(self._logits(mean, std), axis=-1)
        return jnp.take_along_axis(logits, ints[..., None].astype(jnp.int32), axis=-1)[..., 0]

    def num_odds(self, channels: int) -> int:
        """How many log-odds a pixel needs: one for each colour."""
        return len(self.colours)

    def posterior_mean(self, odds: Array, y: Array, std: Array) -> Array:
        """E[colour | y, y'] [B, H, W, C] of equation (4), for the log-odds of every colour [B, H, W, K], y [B, H, W, C] and std [B]."""
        return jax.nn.softmax(odds + self._logits(y, std), axis=-1) @ self._values

    def _logits(self, mean: Array, std: Array) -> Array:
        """Equation (1) up to its normaliser, [B, H, W, K]."""
        distance = self._distance(mean)
        return -0.5 * distance / bcast(std, distance) ** 2

    @property
    def _values(self) -> Array:
        return jnp.asarray(self.colours, jnp.result_type(float))

    def _distance(self, x: Array) -> Array:
        """Squared distance to every colour, [B, H, W, K]."""
        return jnp.sum(jnp.square(x[..., None, :] - self._values.reshape((1,) * (x.ndim - 1) + self._values.shape)), axis=-1)


@dataclasses.dataclass(frozen=True)
class PaletteLevels(Quantizer):
    """Images of levels whose pixels show nothing but the colours of a palette, K tuples of C levels: encoded as levels, decoded as colours."""

    colours: tuple[tuple[int, ...], ...] = ()

    def __post_init__(self):
        super().__post_init__()
        if not self.colours:
            raise UsageError("A palette needs at least one colour: these data have none, so decode their levels.")

    def decode(self, x: Array) -> Array:
        """The levels of the nearest colour, int32 [B, H, W, C]."""
        return jnp.asarray(self.colours, jnp.int32)[self._palette.decode(x)]

    def log_prob(self, ints: Array, mean: Array, std: Array) -> Array:
        """log P(colour | mean, std) of every pixel in nats, [B, H, W], for ints and mean [B, H, W, C]."""
        return self._palette.log_prob(self._palette.decode(self.encode(ints)), mean, std)

    def num_odds(self, channels: int) -> int:
        """As `Palette.num_odds`."""
        return self._palette.num_odds(channels)

    def posterior_mean(self, odds: Array, y: Array, std: Array) -> Array:
        """E[colour | y, y'] [B, H, W, C] of equation (4): a pixel is one dimension."""
        return self._palette.posterior_mean(odds, y, std)

    @property
    def _palette(self) -> Palette:
        return Palette.of_levels(self.colours, self)
