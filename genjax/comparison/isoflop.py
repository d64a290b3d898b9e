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

import contextlib
import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from genjax.config import require
from genjax.errors import UsageError


class Runs(NamedTuple):
    """A sweep's runs: budgets, sizes, losses, each [n], and whether the losses are bounds that may be above the truth."""

    flops: np.ndarray
    size: np.ndarray
    loss: np.ndarray
    bounded: bool = False


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


def resamples(runs: Runs, *, draws: int = 500, seed: int = 0) -> list[Fit]:
    """Fits to the sweep drawn anew: as many as had a minimum, of `draws`.

    Residuals of every budget's parabola are drawn anew within the budget and added to the fitted curve, scaled by sqrt(n / (n - 3)) for the three
    numbers that were fitted: sizes stay as designed.
    """
    random, fitted, spread = np.random.default_rng(seed), np.empty_like(runs.loss), np.empty_like(runs.loss)
    groups = [np.flatnonzero(runs.flops == budget) for budget in np.unique(runs.flops)]
    for here in groups:
        x = np.log(runs.size[here])
        x = x - x.mean()
        fitted[here] = np.polyval(np.polyfit(x, runs.loss[here], 2), x)
        few = f"{len(here)} runs at {runs.flops[here[0]]:.3g} FLOPs: an interval needs six or more, seeds counted, for three numbers are fitted"
        require(len(here) > 5, few)
        spread[here] = (runs.loss[here] - fitted[here]) * np.sqrt(len(here) / (len(here) - 3))
    found = []
    for _ in range(draws):
        loss = fitted.copy()
        for here in groups:
            loss[here] += random.choice(spread[here], len(here))
        with contextlib.suppress(UsageError):
            found.append(fit(runs._replace(loss=loss)))
    require(len(found) > 1, "no resample of the sweep has a minimum: sweep more sizes")
    return found


def interval(values: Iterable[float]) -> tuple[float, float]:
    """The 95 % interval of resampled numbers."""
    low, high = np.quantile(list(values), [0.025, 0.975])
    return float(low), float(high)


def read(comparison: Mapping[str, Any]) -> dict[str, Runs]:
    """The sweeps of a comparison's record (`comparison.record`): the compute that was meant, all parameters, excess bits. A sweep is of the arms that
    are the same but for their sizes and their length; it is called by its objective, and by its first arm too where an objective has several.

    Raises:
      UsageError: the data have no known entropy, so that nothing is known of the floor of the loss.
    """
    rules, reference = comparison["rules"], comparison["config"]["comparison"]["reference"]
    values: dict[str, dict[str, list[float]]] = {}
    for row in comparison["metrics"]:
        values.setdefault(row["metric"], {}).setdefault(row["arm"], []).append(row["value"])
    require("excess_bits" in values, "laws are fitted to bits above a known entropy, and of these data it is not known: compare on shapes")
    (budget,) = values["train_flops"][reference]
    kinds = {row["arm"]: row["kind"] for row in comparison["metrics"] if row["metric"] == "excess_bits"}
    swept: dict[str, list[tuple[float, float, float]]] = {}
    arms: dict[str, list[str]] = {}
    for arm, config in comparison["config"]["arms"].items():
        unsized = {group: values if group not in _SIZES else _without(values, _SIZES[group]) for group, values in config.items()}
        of = json.dumps(unsized, sort_keys=True)
        here = budget * rules["budget"].get(arm, 1.0), values["parameters"][arm][0]
        swept.setdefault(of, []).extend((*here, loss) for loss in values["excess_bits"][arm])
        arms.setdefault(of, []).append(arm)
    objectives = [json.loads(of)["objective"] for of in swept]
    return {
        objective if objectives.count(objective) == 1 else f"{objective} ({arms[of][0]})": Runs(
            *map(np.array, zip(*runs, strict=True)), bounded=any(kinds[arm] != "exact" for arm in arms[of])
        )
        for objective, (of, runs) in zip(objectives, swept.items(), strict=True)
    }


_SIZES = {"model": ("width", "depth", "heads", "kv_heads"), "unet": ("channels", "blocks", "heads"), "train": ("duration",)}


def _without(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def record(swept: Mapping[str, Runs], draws: int = 500) -> dict[str, Any]:
    """Equations (2) and (3) of every objective and pair, as numbers; a sentence where a sweep cannot be fitted or two have no loss in common."""
    fits: dict[str, tuple[Fit, list[Fit]]] = {}
    written: dict[str, Any] = {"laws": {}, "compute_ratios": [], "not_fitted": {}}
    for objective, runs in swept.items():
        try:
            fits[objective] = found, drawn = fit(runs), resamples(runs, draws=draws)
        except UsageError as error:
            written["not_fitted"][objective] = str(error)
            continue
        written["laws"][objective] = {"fitted": len(drawn) / draws, "kind": "upper_bound" if runs.bounded else "exact"} | {
            name: law._asdict() | {"interval": interval(getattr(each, name).exponent for each in drawn)} for name, law in found._asdict().items()
        }
    for first, second in itertools.combinations(fits, 2):
        (one, ones), (other, others) = fits[first], fits[second]
        budgets = [(law(swept[name].flops.max()), law(swept[name].flops.min())) for name, law in ((first, one.loss), (second, other.loss))]
        low, high = max(least for least, _ in budgets), min(most for _, most in budgets)
        row: dict[str, Any] = {"first": first, "second": second, "is": _RATIOS[swept[first].bounded, swept[second].bounded]}
        if low < high:  # equation (3) at the middle of what both have reached; further out it would be extrapolated
            loss = float(np.sqrt(low * high))
            ratios = [compute_ratio(a.loss, b.loss, loss) for a, b in zip(ones, others, strict=False)]
            row |= {"excess_bits": loss, "ratio": compute_ratio(one.loss, other.loss, loss), "interval": interval(ratios)}
        written["compute_ratios"].append(row)
    return written


# What a ratio of compute at an equal figure is of the ratio at an equal loss, by whether the figures of the first and of the second are bounds: who
# has a bound needs no more compute for a loss than for the figure.
_RATIOS = {(False, False): "equal", (True, False): "at_most", (False, True): "at_least", (True, True): "of_bounds"}


_OF = {"exact": "", "upper_bound": "bound: "}
_NEEDS = {"equal": "", "at_most": "at most ", "at_least": "at least ", "of_bounds": ""}


def text(written: Mapping[str, Any]) -> list[str]:
    """The record for a terminal."""
    lines = []
    for objective, laws in written["laws"].items():
        for name, what in (("size", "best size ~ FLOPs^"), ("loss", "excess bits ~ FLOPs^")):
            low, high = laws[name]["interval"]
            of = _OF[laws["kind"]] if name == "loss" else ""
            law = f"{objective:<20} {of}{what}{laws[name]['exponent']:.3f}"
            lines.append(f"{law}  95 % [{low:.3f}, {high:.3f}]  ({laws['fitted']:.0%} of resamples fitted)")
    lines += [f"{objective:<20} {why}" for objective, why in written["not_fitted"].items()]
    for each in written["compute_ratios"]:
        if "ratio" in each:
            low, high = each["interval"]
            needs = f"needs {_NEEDS[each['is']]}{each['ratio']:.3g} times [{low:.3g}, {high:.3g}] the compute of {each['second']}"
            times = f"{needs} for {each['excess_bits']:.3g} excess bits"
            times += " (bounds; nothing is known of the likelihoods)" * (each["is"] == "of_bounds")
        else:
            times = f"and {each['second']} have no excess bits in common at these budgets: a ratio of compute would be extrapolated"
        lines.append(f"{each['first']} {times}")
    return lines
