"""From sums over examples to a number with its error."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A mean and its standard error."""

    value: float
    stderr: float


class Share(NamedTuple):
    """`hits` of `count`, and Wilson's 95 % interval of the probability (1927): it stays in [0, 1] and is not empty at its ends."""

    value: float
    low: float
    high: float
    count: int


def share(hits: np.ndarray) -> Share:
    """Of bool [n], n >= 1."""
    n, p, z = len(hits), float(np.mean(hits)), 1.959964
    middle, half = (p + z**2 / (2 * n)) / (1 + z**2 / n), z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return Share(p, max(0.0, middle - half), min(1.0, middle + half), n)


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
      unit: what the units are, "dim" or "label".
      excess: where -log p of every example is known, mean bits an example above it and the standard error of that mean, example by example.
    """

    value: float
    stderr: float
    stderr_draws: float
    kind: str
    examples: int
    terms: dict[str, float]
    unit: str
    excess: Estimate | None = None


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
