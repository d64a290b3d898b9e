"""The figures of a comparison's report, as PNG bytes."""

from __future__ import annotations

import functools
import io
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from PIL import Image

from genjax.comparison import frontier, isoflop
from genjax.comparison.frontier import Point
from genjax.evaluation.baselines import Baseline

if TYPE_CHECKING:
    from genjax.comparison.claims import Standing
    from genjax.comparison.run import Arm

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import NullLocator

COLOURS = ("#2563a8", "#c2571a", "#3a7d44", "#7b4b94", "#8a6d1d", "#555555")
MARKERS = "os^Dvp*"
_NORMAL = 1.96  # standard errors in half a 95 % interval


def bits_figure(arms: Sequence[Arm], floor: Sequence[Baseline]) -> bytes:
    """Bits a unit of every arm and baseline on one axis: the 95 % interval, every seed as a point; an upper bound has an arrow to the left."""
    rows = len(arms) + len(floor)
    figure, axes = plt.subplots(figsize=(8, 0.55 * rows + 1.0), dpi=140)
    for position, arm in enumerate(arms):
        colour, (low, high), value = COLOURS[position % len(COLOURS)], arm.effect.interval(), arm.effect.value
        axes.errorbar(value, position, xerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=4, markersize=7)
        if len(arm.cells) > 1:
            axes.plot([cell.bits.value for cell in arm.cells], [position + 0.22] * len(arm.cells), "|", color=colour, markersize=8, alpha=0.8)
        text = f"{value:.3f}"
        if arm.kind == "upper_bound":
            axes.annotate("", xy=(low, position), xytext=(-18, 0), textcoords="offset points", arrowprops={"arrowstyle": "<-", "color": colour})
            text = "≤ " + text
        axes.annotate(text, (value, position), xytext=(0, 9), textcoords="offset points", ha="center", fontsize=9, color=colour)
    for position, baseline in enumerate(floor, len(arms)):
        axes.errorbar(baseline.value, position, xerr=_NORMAL * baseline.stderr, fmt="|", color="#777777", capsize=3, markersize=12)
        axes.annotate(
            f"{baseline.value:.3f}", (baseline.value, position), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=9, color="#555555"
        )
    labels = [f"{arm.name} ({arm.kind.replace('_', ' ')})" for arm in arms] + [baseline.name for baseline in floor]
    axes.set_yticks(range(rows), labels)
    axes.set_ylim(rows - 0.5, -0.7)
    over = "examples" if len(arms[0].cells) == 1 else f"{len(arms[0].cells)} seeds (ticks) and examples"
    axes.set_xlabel(f"held-out bits/{arms[0].unit}, 95 % over {over}")
    return finish(figure, axes)


def curves_figure(arms: Sequence[Arm]) -> bytes:
    """Held-out bits and training loss of every arm and seed against the FLOPs spent."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), dpi=140)
    for number, arm in enumerate(arms):
        colour, step = COLOURS[number % len(COLOURS)], arm.account.flops / max(1, arm.account.steps)
        for cell in arm.cells:
            first = cell is arm.cells[0]
            held_out = [row for row in cell.history if row["split"] == "held_out"]
            label = f"{arm.name} ({arm.kind.replace('_', ' ')})" if first else None
            bits = [row[f"bits_per_{arm.unit}"] for row in held_out]
            left.plot([row["step"] * step for row in held_out], bits, "o-", color=colour, markersize=4, label=label)
            rows = [row for row in cell.history if row["split"] == "train"]
            points = "o" if len(rows) < 2 else "-"  # a line of one point is not seen
            right.plot([row["step"] * step for row in rows], [row["loss"] / np.log(2) for row in rows], points, color=colour, markersize=4)
    left.set(xlabel="training FLOPs", ylabel=f"bits/{arms[0].unit}", title="held-out split")
    right.set(xlabel="training FLOPs", ylabel="loss / ln 2", title="training loss (each objective's own)")
    left.legend(frameon=False)
    return finish(figure, left, right)


_VERDICTS = {"supported": "#3a7d44", "refuted": "#c2571a", "inconclusive": "#777777"}
_MARGINS = 5.0  # what lies further out is shown at the edge


def claims_figure(measured: Sequence[Standing]) -> bytes:
    """Every claim's effect in units of its margin: the 95 % interval, every seed as a tick, and, shaded, where the hypothesis says that it lies."""
    figure, axes = plt.subplots(figsize=(9.5, 0.46 * len(measured) + 1.6), dpi=140)
    for position, standing in enumerate(measured):
        assert standing.effect is not None and standing.record is not None
        config, colour = standing.claim.config, _VERDICTS[standing.word]
        start, end = {"greater": (1, _MARGINS + 0.5), "less": (-_MARGINS - 0.5, -1), "equal": (-1, 1)}[config.direction]
        axes.barh(position, end - start, left=start, height=0.8, color="#3a7d44", alpha=0.12)
        first, second = (np.array([np.mean(row) for row in side]) for side in standing.record["values"])
        inside = lambda values, margin=config.margin: np.clip(np.asarray(values) / margin, -_MARGINS, _MARGINS)
        low, high = inside(standing.effect.interval())
        axes.plot([low, high], [position] * 2, color=colour, linewidth=2)
        axes.plot(inside(first - second), [position + 0.24] * len(first), "|", color=colour, markersize=8)
        axes.plot(inside(standing.effect.value), position, "o", color=colour, markersize=7)
        axes.annotate(standing.word, (_MARGINS + 0.65, position), va="center", fontsize=8, color=colour, annotation_clip=False)
    axes.axvline(0, color="#999999", linewidth=0.8)
    for margin in (-1, 1):
        axes.axvline(margin, color="#999999", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(measured)), [f"{s.claim.config.number}  {s.claim.config.aspect}" for s in measured], fontsize=8)
    axes.set(
        xlim=(-_MARGINS - 0.5, _MARGINS + 0.5),
        ylim=(len(measured) - 0.4, -0.6),
        xlabel="effect in margins (dotted: ± 1); further out is shown at ± 5",
    )
    return finish(figure, axes)


def isoflop_figure(swept: Mapping[str, isoflop.Runs]) -> bytes:
    """Excess bits against size, a curve a budget, for every objective; on the right the best of each budget against compute."""
    figure, panels = plt.subplots(1, len(swept) + 1, figsize=(4.2 * (len(swept) + 1), 3.8), dpi=140)
    *left, right = panels
    for number, ((objective, runs), axes) in enumerate(zip(swept.items(), left, strict=True)):
        best = {}
        for shade, budget in enumerate(np.unique(runs.flops)):
            here = runs.flops == budget
            sizes = np.unique(runs.size[here])
            means = [runs.loss[here & (runs.size == size)].mean() for size in sizes]
            axes.plot(runs.size[here], runs.loss[here], ".", color=COLOURS[shade % len(COLOURS)], alpha=0.5)
            axes.plot(sizes, means, "o-", color=COLOURS[shade % len(COLOURS)], label=f"{budget:.2g} FLOPs")
            best[budget] = min(means)
        axes.set(title=objective, xlabel="parameters", ylabel="excess bits" + ", at most" * runs.bounded, xscale="log", yscale="log")
        axes.xaxis.set_minor_formatter("")
        axes.legend(frameon=False, fontsize=8)
        right.plot(
            list(best),
            list(best.values()),
            MARKERS[number % len(MARKERS)] + "-",
            color=COLOURS[number % len(COLOURS)],
            label=objective + " (bound)" * runs.bounded,
        )
    right.set(title="the best of each budget", xlabel="training FLOPs", ylabel="excess bits", xscale="log", yscale="log")
    right.xaxis.set_minor_formatter("")
    right.legend(frameon=False, fontsize=8)
    return finish(figure, *panels)


def frontier_figure(written: dict[str, Any]) -> bytes:
    """Quality against evaluations, operations, waiting time and training, and samples a second against the batch at equal quality.

    The last two are there where there is something to show: checkpoints among the settings, more than one arm.
    """
    points, by = frontier.read(written), written["ordered_by"]
    newest, steps = [p for p in points if p.step is None], [p for p in points if p.step is not None]
    colours = dict(zip(dict.fromkeys(point.arm for point in points), itertools.cycle(COLOURS), strict=False))
    costs = {"nfe": "network evaluations a sample", "flops": "FLOPs a sample", "milliseconds": "milliseconds for one sample"}
    panel_of = functools.partial(_cost_panel, newest, by, written["held_out"][by], colours)
    panels: list[Callable[[Any], None]] = [functools.partial(panel_of, *cost) for cost in costs.items()]
    if steps:
        panels.append(functools.partial(_training_panel, steps, by, written["learned"], colours))
    if len(colours) > 1:
        panels.append(functools.partial(_batch_panel, newest, by, written["crossover_batch"], colours))
    figure, grid = plt.subplots(2, math.ceil(len(panels) / 2), figsize=(5 * math.ceil(len(panels) / 2), 7), dpi=140, squeeze=False)
    for panel, axes in itertools.zip_longest(panels, grid.flat):
        panel(axes) if panel else axes.remove()
    return finish(figure, *figure.axes)


def _cost_panel(points: Sequence[Point], by: str, held_out: float, colours: Mapping[str, str], cost: str, name: str, axes: Any) -> None:
    for arm, colour in colours.items():
        kinds = dict.fromkeys(point.kind for point in points if point.arm == arm)
        for kind, marker, shade in zip(kinds, MARKERS, COLOURS if len(colours) == 1 else [colour] * len(MARKERS), strict=False):
            mine = [point for point in points if (point.arm, point.kind) == (arm, kind)]
            at = [point.timings[0].milliseconds if cost == "milliseconds" else getattr(point, cost) for point in mine]
            axes.plot(at, [point.quality[by] for point in mine], marker, color=shade, alpha=0.7, markersize=6, label=f"{arm} {kind}".strip())
        if cost != "milliseconds":
            best = frontier.pareto([point for point in points if point.arm == arm], cost, by)
            axes.plot([getattr(p, cost) for p in best], [p.quality[by] for p in best], "-", color=colour, linewidth=1.5)
    axes.axhline(held_out, color="#777777", linestyle=":", linewidth=1)
    axes.set(xlabel=name, ylabel=frontier.QUALITIES[by], xscale="log", yscale="log")
    axes.xaxis.set_minor_formatter("")  # its labels would overlap
    if cost == "nfe":
        values = sorted({point.nfe for point in points})
        axes.set_xticks(values if len(values) <= 8 else [values[0], values[-1]], minor=False)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.legend(frameon=False, title="dotted: held-out data", fontsize=8)


def _training_panel(points: Sequence[Point], by: str, learned: Mapping[str, Any], colours: Mapping[str, str], axes: Any) -> None:
    """Quality, and on the right the bits of the held-out split, against the steps of training."""
    right = axes.twinx()
    for arm, colour in colours.items():
        mine = sorted((point for point in points if point.arm == arm), key=lambda point: point.step or 0)
        axes.plot([point.step for point in mine], [point.quality[by] for point in mine], "o-", color=colour, label=f"{arm}, left")
        rows, unit = learned.get(arm, []), ""
        for unit in (name for row in rows[:1] for name in row if name.startswith("bits_per_")):
            right.plot([row["step"] for row in rows], [row[unit] for row in rows], "s--", color=colour, alpha=0.6, label=f"{arm}, right")
            right.set(ylabel=f"held-out {unit.replace('_', ' ')}")
    axes.set(xlabel="steps of training", ylabel=frontier.QUALITIES[by], yscale="log")
    lines = [line for each in (axes, right) for line in each.get_lines()]
    axes.legend(lines, [line.get_label() for line in lines], frameon=False, fontsize=8)


def _batch_panel(points: Sequence[Point], by: str, crossings: Mapping[str, float | None], colours: Mapping[str, str], axes: Any) -> None:
    for arm, point in frontier.at_equal_quality(points, by).items():
        rates = [t.samples_per_second for t in point.timings]
        axes.plot([t.batch for t in point.timings], rates, "o-", color=colours[arm], label=f"{arm}: {point.label}")
    for batch in crossings.values():
        if batch is not None:
            axes.axvline(batch, color="#777777", linestyle="--", linewidth=1)
            axes.annotate(f"cross at {batch:.0f}", (batch, axes.get_ylim()[0]), xytext=(4, 6), textcoords="offset points", fontsize=8)
    axes.set(xlabel="batch", ylabel="samples a second", xscale="log", yscale="log", title="at equal quality")
    axes.set_xticks([t.batch for t in points[0].timings], [str(t.batch) for t in points[0].timings])
    axes.xaxis.set_minor_formatter("")
    axes.legend(frameon=False, fontsize=7)


def finish(figure: Any, *axes: Any) -> bytes:
    """A figure as PNG bytes, without the frame's top and right."""
    for each in axes:
        each.spines[["top", "right"]].set_visible(False)
        each.grid(alpha=0.25)
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(figure)
    return buffer.getvalue()


def png(pixels: np.ndarray) -> bytes:
    """A picture as PNG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
