"""From sums over examples to a number with its error, and from numbers of several seeds to what may be said of a difference.

A quantity is measured as v_si for seeds s = 1..S and items i = 1..n (held-out examples that every seed is measured on, or one number a seed, n = 1):

    v_si = m + a_s + b_i + e_si                                                                     (1)

Its mean is an estimate for other seeds and other items. The two-level bootstrap draws seeds and items anew and adds what both move,

    v* = m + sqrt(S / (S-1)) (mean_s* - m) + sqrt(n / (n-1)) (mean_i* - m)                          (2)

with mean_s* the mean of S seeds' means drawn with replacement, mean_i* that of n items' means. The roots make its variance unbiased but for the
part of e, which is counted twice: with much of it the interval is wider than it need be, never narrower. Its standard deviation is the
standard error. Few seeds have few distinct resamples, so that percentiles of (2) are too narrow (three seeds never leave the range of their
means); the interval and the p-values are those of Student's t with Satterthwaite's degrees of freedom

    m -+ t_df sd(v*),   df = (V_s + V_i)^2 / (V_s^2 / (S-1) + V_i^2 / (n-1)),   V the variances of the two means.                   (3)

A difference of two arms is measured pairwise, v_si = x_si - y_si with the same seed and the same item: what both share cancels, and the variance
falls by the factor 1 - rho of their correlation.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy import special  # scipy.stats takes a second to import, in every training

DRAWS = 10_000  # of the bootstrap
LEVEL = 0.95
_CHUNK = 4_000_000  # numbers that are resampled at once


class Estimate(NamedTuple):
    """A mean and its standard error."""

    value: float
    stderr: float


class Bits(NamedTuple):
    """Bits a unit over a set of examples.

    Attributes:
      value: total bits over total units.
      stderr: standard error of the value as an estimate for the population that the examples come from. What a bound's own random
        draws add is part of it, because every example has draws of its own.
      stderr_draws: the part of the standard error that is due to those draws; 0 for an exact likelihood.
      kind: "exact", "upper_bound" or "estimate".
      examples: how many there were.
      terms: name -> bits a unit, the parts that the value is the sum of.
      unit: what the units are, "dim", "byte" or "label".
      excess: where -log p of every example is known, mean bits an example above it and the standard error of that mean, example by example.
      excess_terms: the same of terms, by their names.
    """

    value: float
    stderr: float
    stderr_draws: float
    kind: str
    examples: int
    terms: dict[str, float]
    unit: str
    excess: Estimate | None = None
    excess_terms: Mapping[str, Estimate] = MappingProxyType({})


def excess(nats: np.ndarray, exact: np.ndarray) -> Estimate:
    """Bits that n examples need above what they are worth, for nats and exact nats [n]: in pairs, so that how examples differ cancels."""
    above = (nats - exact) / math.log(2)
    return Estimate(float(np.mean(above)), float(np.std(above)) / math.sqrt(max(1, len(above) - 1)))


def bits_per_unit(nats: np.ndarray, units: np.ndarray, draws: np.ndarray, terms: dict[str, np.ndarray], kind: str, unit: str = "dim") -> Bits:
    """Bits a unit of n examples.

    Args:
      nats: float64 [n], negative log-likelihood of each example.
      units: [n], units of each example. The value is the ratio of the sums, its error that of a ratio estimator (Cochran 1977, 6.4).
      draws: [n], standard error of each example's own Monte-Carlo estimate.
      terms: name -> [n], parts of nats.
      kind, unit: what the nats are, and what they are for.
    """
    n, total = len(nats), float(np.sum(units))
    ratio = float(np.sum(nats)) / total
    spread = math.sqrt(float(np.sum((nats - ratio * units) ** 2)) / max(1, n - 1) * n) / total
    return Bits(
        value=ratio / math.log(2),
        stderr=spread / math.log(2),
        stderr_draws=math.sqrt(float(np.sum(draws**2))) / total / math.log(2),
        kind=kind,
        examples=n,
        terms={name: float(np.sum(part)) / total / math.log(2) for name, part in terms.items()},
        unit=unit,
    )


class PerExample(NamedTuple):
    """The likelihoods of n examples, one row each, as `bits_per_unit` takes them; exact, exact_terms: -log p of each and of terms, where known."""

    nats: np.ndarray
    units: np.ndarray
    draws: np.ndarray
    terms: dict[str, np.ndarray]
    kind: str
    unit: str
    exact: np.ndarray | None = None
    exact_terms: Mapping[str, np.ndarray] = MappingProxyType({})

    def total(self) -> Bits:
        """Bits a unit over all of them, and their excess where it is known."""
        bits = bits_per_unit(self.nats, self.units, self.draws, self.terms, self.kind, self.unit)
        parts = {name: excess(self.terms[name], exact) for name, exact in self.exact_terms.items()}
        return bits if self.exact is None else bits._replace(excess=excess(self.nats, self.exact), excess_terms=parts)

    def by_example(self) -> PerExample:
        """The same likelihoods with the example as their unit."""
        return self._replace(units=np.ones_like(self.units), unit="example")

    @property
    def bits(self) -> np.ndarray:
        """[n] with the mean total bits over total units; where units differ, the residuals of the ratio, so that the scatter is its error too."""
        ratio = float(np.sum(self.nats)) / float(np.sum(self.units))
        return (ratio + (self.nats - ratio * self.units) / np.mean(self.units)) / math.log(2)


@dataclasses.dataclass(frozen=True)
class Effect:
    """An estimate with its bootstrap error, and what may be concluded from it.

    Attributes:
      value: the estimate, the mean over seeds and items.
      stderr: the standard deviation of equation (2).
      df: equation (3).
      seeds, items: S and n.
      may_be_lower, may_be_higher: the value is a bound: the true one may lie below (above) it by any amount. An upper bound less an exact figure
        may be lower; an exact figure less an upper bound may be higher; of two bounds the difference says nothing.
    """

    value: float
    stderr: float
    df: float
    seeds: int
    items: int
    may_be_lower: bool = False
    may_be_higher: bool = False

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The ends of the interval; infinite on a side where only a bound was measured."""
        half = float(special.stdtrit(self.df, (1 + level) / 2)) * self.stderr
        return (-math.inf if self.may_be_lower else self.value - half), (math.inf if self.may_be_higher else self.value + half)

    def p_above(self, bound: float) -> float:
        """The p-value, one-sided, of "the true value is at most `bound`": small means that it is above. The interval inverted."""
        return 1.0 if self.may_be_lower else self._p(bound - self.value)

    def p_below(self, bound: float) -> float:
        """The p-value, one-sided, of "the true value is at least `bound`"."""
        return 1.0 if self.may_be_higher else self._p(self.value - bound)

    def _p(self, against: float) -> float:
        if self.stderr == 0.0:  # nothing varies: no doubt is left
            return float(against >= 0)
        return float(special.stdtr(self.df, against / self.stderr))


def two_level(values: np.ndarray, *, seed: int = 0, draws: int = DRAWS, may_be_lower: bool = False, may_be_higher: bool = False) -> Effect:
    """The mean of values [S, n] by equations (1) to (3). With one seed nothing is known of other seeds, and the interval is for this one."""
    values = np.asarray(values, np.float64)
    seeds, items = values.shape
    random, mean = np.random.default_rng([seed, seeds, items]), float(values.mean())
    total, parts = np.full(draws, mean), []
    for means in (values.mean(axis=1), values.mean(axis=0)):
        if (n := len(means)) > 1:
            total += math.sqrt(n / (n - 1)) * (_resampled_means(means, draws, random) - mean)
            parts.append((float(means.var(ddof=1)) / n, n - 1))
    variance = sum(part for part, _ in parts)
    df = variance**2 / sum(part**2 / free for part, free in parts) if variance > 0 else math.inf
    return Effect(mean, float(np.std(total)), df, seeds, items, may_be_lower, may_be_higher)


def _resampled_means(values: np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
    """Means [draws] of as many values [n], drawn with replacement."""
    rows = max(1, _CHUNK // len(values))
    return np.concatenate(
        [values[random.integers(0, len(values), (min(rows, draws - start), len(values)))].mean(axis=1) for start in range(0, draws, rows)]
    )


def holm(p: Sequence[float] | np.ndarray) -> list[float]:
    """p-values of a family, adjusted so that the chance of any false finding stays below the level (Holm 1979): the k-th smallest times m - k + 1,
    and never less than a smaller one's.
    """
    adjusted, worst = [0.0] * len(p), 0.0
    for rank, index in enumerate(np.argsort(p, kind="stable")):
        worst = max(worst, min(1.0, (len(p) - rank) * p[index]))
        adjusted[index] = worst
    return adjusted


def wilson(hits: int, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval of a share, hits of count; of nothing, all that there can be."""
    if not count:
        return 0.0, 1.0
    z = float(special.ndtri((1 + level) / 2))
    centre, spread = (hits + z**2 / 2) / (count + z**2), z * math.sqrt(hits * (count - hits) / count + z**2 / 4) / (count + z**2)
    return max(0.0, centre - spread), min(1.0, centre + spread)


ALL = "all"  # the name of the group that everything is in


class Share(NamedTuple):
    """How often something is so, the ends of Wilson's 95 % interval of its probability, and how many were looked at."""

    value: float
    low: float
    high: float
    count: int


def share(hits: np.ndarray) -> Share:
    """Of bool [n]; the value is nan where nothing was looked at."""
    return Share(float(np.mean(hits)) if len(hits) else math.nan, *wilson(int(np.sum(hits)), len(hits)), len(hits))
