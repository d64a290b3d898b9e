"""Which size for which compute, and how much compute the same quality costs: fits to the results of an isoFLOP sweep.

At each budget C some sizes N are trained to the end of a schedule of their own; the best lies at the bottom of a parabola in log N

    L = L_C + k (ln N - ln N_C)^2                                                                   (1)

and over budgets the bottoms follow power laws

    N_C = g C^a,        L_C = h C^-b                                                                (2)

as straight lines in logarithms. The second needs a loss whose floor is zero: excess bits over the entropy of the data, which is known where the data
are made; an unknown floor is not fitted here, since three parameters from a handful of points tell little. Two families with (2) reach the loss L
at a ratio of compute

    C_1 / C_2 = (L / h_1)^(-1/b_1) / (L / h_2)^(-1/b_2).                                            (3)

Intervals are of the bootstrap over the residuals of each budget's parabola, refitted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from genjax.config import require
from genjax.errors import UsageError


class Runs(NamedTuple):
    """A sweep's runs: budgets, sizes, losses, each [n]."""

    flops: np.ndarray
    size: np.ndarray
    loss: np.ndarray


class PowerLaw(NamedTuple):
    """y = factor * x^exponent."""

    factor: float
    exponent: float

    def __call__(self, x: float) -> float:
        return self.factor * x**self.exponent

    def inverse(self, y: float) -> float:
        """The x with this y."""
        return (y / self.factor) ** (1 / self.exponent)


class Fit(NamedTuple):
    """Equation (2): the best size, and the loss there, by budget."""

    size: PowerLaw
    loss: PowerLaw


def parabola(size: np.ndarray, loss: np.ndarray) -> tuple[float, float]:
    """(N_C, L_C) of equation (1) by least squares; UsageError where the runs do not bracket a minimum."""
    x = np.log(size)
    centre = x.mean()
    curvature, slope, height = np.polyfit(x - centre, loss, 2)
    require(curvature > 0, "the losses of a budget have no minimum over size: sweep more sizes on both sides")
    best = -slope / (2 * curvature)
    require(x.min() <= centre + best <= x.max(), "the best size of a budget lies outside those that were trained: extend the sweep to that side")
    return float(np.exp(centre + best)), float(height - slope**2 / (4 * curvature))


def power_law(x: np.ndarray, y: np.ndarray) -> PowerLaw:
    """Least squares in logarithms; x and y are positive."""
    require(bool(np.all(np.asarray(y) > 0)), "a power law needs positive values: use excess bits, whose floor is 0")
    exponent, level = np.polyfit(np.log(x), np.log(y), 1)
    return PowerLaw(float(np.exp(level)), float(exponent))


def fit(runs: Runs) -> Fit:
    """Equations (1) and (2); at least two budgets of at least three sizes each."""
    budgets = np.unique(runs.flops)
    require(len(budgets) >= 2, "a power law needs at least two budgets")
    optima = []
    for budget in budgets:
        here = runs.flops == budget
        require(len(np.unique(runs.size[here])) >= 3, f"the budget of {budget:.3g} FLOPs has fewer than three sizes: a parabola needs three")
        optima.append(parabola(runs.size[here], runs.loss[here]))
    sizes, losses = map(np.array, zip(*optima, strict=True))
    return Fit(power_law(budgets, sizes), power_law(budgets, losses))


def compute_ratio(first: PowerLaw, second: PowerLaw, loss: float) -> float:
    """Equation (3): compute that the first needs for the loss over what the second needs; the laws are those of the loss."""
    return first.inverse(loss) / second.inverse(loss)


def bootstrap(runs: Runs, statistic: Callable[[Fit], float], *, draws: int = 500, seed: int = 0) -> tuple[float, float, float]:
    """The 95 % interval of a number, statistic(fit), and the share of resamples that could be fitted.

    Residuals of every budget's parabola are drawn anew within the budget and added to the fitted curve, scaled by sqrt(n / (n - 3)) for the three
    numbers that were fitted: sizes stay as designed. A draw that has no minimum is left out and counted.
    """
    random, fitted, spread = np.random.default_rng(seed), np.empty_like(runs.loss), np.empty_like(runs.loss)
    groups = [np.flatnonzero(runs.flops == budget) for budget in np.unique(runs.flops)]
    for here in groups:
        x = np.log(runs.size[here])
        x = x - x.mean()
        fitted[here] = np.polyval(np.polyfit(x, runs.loss[here], 2), x)
        require(len(here) > 3, "an interval needs more than three runs a budget")
        spread[here] = (runs.loss[here] - fitted[here]) * np.sqrt(len(here) / (len(here) - 3))
    values = []
    for _ in range(draws):
        loss = fitted.copy()
        for here in groups:
            loss[here] += random.choice(spread[here], len(here))
        try:
            values.append(statistic(fit(runs._replace(loss=loss))))
        except UsageError:
            continue
    require(len(values) > 1, "no resample of the sweep has a minimum: sweep more sizes")
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high), len(values) / draws
