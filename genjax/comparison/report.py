"""The report of a comparison: one self-contained, escaped HTML page, PNGs, and the same table in the terminal."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import matplotlib
import numpy as np
from PIL import Image

from genjax.comparison import fairness, frontier, ledger
from genjax.comparison.ledger import Row
from genjax.comparison.plan import Plan
from genjax.evaluation import pictures
from genjax.evaluation.baselines import Baseline
from genjax.training.setup import Run
from genjax.training.workdir import replace

if TYPE_CHECKING:
    from genjax.comparison.run import Arm

matplotlib.use("Agg")
from matplotlib import pyplot as plt

COLOURS = ("#2563a8", "#c2571a", "#3a7d44", "#7b4b94", "#8a6d1d", "#555555")

READING = {
    ("exact", "upper_bound"): (
        "An exact likelihood and an upper bound stand side by side, and they are not ranked. The bound says that the model needs at most this many "
        "bits; it may need fewer, by an amount that this page does not measure. If the bound lies below the exact figure, the model with the "
        "bound is better in bits. If it lies above, bits alone cannot tell how much of the gap is the model and how much the bound."
    ),
}
TWO_BOUNDS = "Two upper bounds are not ranked either: the smaller may be the tighter bound of the worse model."


def write_report(folder: Path, plan: Plan, record: dict[str, Any], arms: Sequence[Arm], floor: Sequence[Baseline], run: Run) -> Path:
    """Writes report.html and the PNGs it shows into `folder`, prints the table, and returns the report's path."""
    sheets = []
    if run.source.spec.key == "image":
        sheets = sample_sheets(plan, arms, run)
        for sheet in sheets:
            replace(folder / f"{sheet['name']}.png", sheet["bytes"])
    figures = {"bits": bits_figure(arms, floor), "curves": curves_figure(arms)}
    for name, content in figures.items():
        replace(folder / f"{name}.png", content)

    measured = folder / "frontier.json"
    swept = json.loads(measured.read_text()) if measured.exists() else None
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined)
    bits, table = bits_rows(arms, floor), ledger.table(arms, plan.rules)
    kinds = [arm.kind for arm in arms]
    page = environment.get_template("report.html.j2").render(
        record=record,
        question=plan.config.question,
        classes=run.classes,
        sheets=[{"caption": sheet["caption"], "png": base64.b64encode(sheet["bytes"]).decode()} for sheet in sheets],
        bits_figure=base64.b64encode(figures["bits"]).decode(),
        curves_figure=base64.b64encode(figures["curves"]).decode(),
        frontier=swept,
        frontier_figure=base64.b64encode(frontier_figure(swept)).decode() if swept else "",
        frontier_rows=frontier.text(frontier.read(swept)) if swept else [],
        examples=arms[0].items,
        unit=arms[0].unit,
        bits=bits,
        reading=[READING[pair] for pair in READING if set(pair) <= set(kinds)] + [TWO_BOUNDS] * (kinds.count("upper_bound") > 1),
        matched=[people(name) for name in plan.rules.match],
        tolerance=f"{plan.rules.tolerance:.0%}",
        varies=[people(name) for name in plan.rules.varies],
        waived=plan.rules.waive,
        arms=[arm.name for arm in arms],
        ledger=table,
        differences=ledger.config_differences({arm.name: arm.config for arm in arms}, plan.rules),
        configs=json.dumps(record["config"], indent=2),
    )
    report = folder / "report.html"
    replace(report, page.encode())
    print_table(record, bits, table, [arm.name for arm in arms])
    print(f"\nreport    {report}\nnumbers   {folder / 'results.json'}\npictures  {', '.join(sheet['name'] + '.png' for sheet in sheets)} beside it")
    return report


def sample_sheets(plan: Plan, arms: Sequence[Arm], run: Run) -> list[dict[str, Any]]:
    """Real examples and the samples of every arm, in the same layout: one column a class."""
    spec, per_class, columns = run.source.spec, plan.config.samples_per_class, run.classes or 10
    held_out = run.source.splits["eval"]
    rows = held_out.rows(np.arange(min(len(held_out), 200 * columns)))
    real = np.full((per_class, columns, *spec.shape), spec.levels - 1, np.uint8)  # white where a class has too few examples
    for column in range(columns):
        found = rows["image"][rows["label"] == column] if run.classes else rows["image"][column::columns]
        real[: len(found[:per_class]), column] = found[:per_class]
    sheets = [("real", "real, held-out", real.reshape(-1, *spec.shape))]
    for arm in arms:
        unit = f"{arm.drawn.nfe:g} network evaluations each"
        sheets.append((arm.name, f"{arm.name}: {unit}", arm.drawn.data[: per_class * columns]))
    return [{"name": f"samples_{name}", "caption": caption, "bytes": png(pictures.sheet(images, spec, columns))} for name, caption, images in sheets]


def bits_rows(arms: Sequence[Arm], floor: Sequence[Baseline]) -> list[dict[str, Any]]:
    """The table of bits; models in the order of the plan, then the baselines. It is not sorted: kinds are not ranked."""
    models = [
        {
            "name": arm.name,
            "value": f"{'≤ ' if arm.kind == 'upper_bound' else ''}{arm.effect.value:.3f}",
            "stderr": f"± {arm.stderr:.3f}",
            "kind": arm.kind.replace("_", " "),
            "model": True,
        }
        for arm in arms
    ]
    return models + [
        {"name": b.name, "value": f"{b.value:.3f}", "stderr": f"± {b.stderr:.3f}" if b.stderr else "", "kind": "exact", "model": False} for b in floor
    ]


def people(name: str) -> str:
    """A declared name for people: a quantity in words, a config field as it is."""
    return name.replace("_", " ").replace("train flops", "training FLOPs") if name in fairness.QUANTITIES else name


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
            axes.annotate("", xy=(low - 0.2, position), xytext=(low - 0.01, position), arrowprops={"arrowstyle": "->", "color": colour})
            text = "≤ " + text
        axes.annotate(text, (value, position), xytext=(0, 9), textcoords="offset points", ha="center", fontsize=9, color=colour)
    for position, baseline in enumerate(floor, len(arms)):
        axes.errorbar(baseline.value, position, xerr=baseline.stderr, fmt="|", color="#777777", capsize=3, markersize=12)
        axes.annotate(
            f"{baseline.value:.3f}", (baseline.value, position), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=9, color="#555555"
        )
    labels = [f"{arm.name} ({arm.kind.replace('_', ' ')})" for arm in arms] + [baseline.name for baseline in floor]
    axes.set_yticks(range(rows), labels)
    axes.set_ylim(rows - 0.5, -0.7)
    over = "examples" if len(arms[0].cells) == 1 else f"{len(arms[0].cells)} seeds (ticks) and examples"
    axes.set_xlabel(f"held-out bits a {arms[0].unit}, 95 % over {over}")
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
            right.plot([row["step"] * step for row in rows], [row["loss"] / np.log(2) for row in rows], color=colour)
    left.set(xlabel="training FLOPs", ylabel=f"bits a {arms[0].unit}", title="held-out split")
    right.set(xlabel="training FLOPs", ylabel="loss / ln 2", title="training loss (each objective's own)")
    left.legend(frameon=False)
    return finish(figure, left, right)


def frontier_figure(written: dict[str, Any]) -> bytes:
    """Quality against evaluations, operations and waiting time, and samples a second against the batch at equal quality."""
    points = frontier.read(written)
    arms = list(dict.fromkeys(point.arm for point in points))
    figure, grid = plt.subplots(2, 2, figsize=(10, 7), dpi=140)
    costs = {"nfe": "network evaluations a sample", "flops": "FLOPs a sample", "milliseconds": "milliseconds for one sample"}
    for axes, (cost, name) in zip(grid.flat, costs.items(), strict=False):
        for number, arm in enumerate(arms):
            mine = [point for point in points if point.arm == arm]
            at = [point.timings[0].milliseconds if cost == "milliseconds" else getattr(point, cost) for point in mine]
            axes.plot(at, [point.quality[frontier.QUALITY] for point in mine], "o", color=COLOURS[number], alpha=0.55, markersize=5, label=arm)
            if cost != "milliseconds":
                best = frontier.pareto(mine, cost)
                axes.plot([getattr(p, cost) for p in best], [p.quality[frontier.QUALITY] for p in best], "-", color=COLOURS[number], linewidth=1.5)
        axes.axhline(written["held_out"][frontier.QUALITY], color="#777777", linestyle=":", linewidth=1)
        axes.set(xlabel=name, ylabel="Fréchet distance of values", xscale="log", yscale="log")
        axes.xaxis.set_minor_formatter("")  # its labels would overlap
    grid[0, 0].legend(frameon=False, title="dotted: held-out data")
    axes = grid[1, 1]
    for number, (arm, point) in enumerate(frontier.at_equal_quality(points).items()):
        axes.plot(
            [t.batch for t in point.timings],
            [t.samples_per_second for t in point.timings],
            "o-",
            color=COLOURS[number],
            label=f"{arm}: {point.label}",
        )
    for batch in written["crossover_batch"].values():
        if batch is not None:
            axes.axvline(batch, color="#777777", linestyle="--", linewidth=1)
            axes.annotate(f"cross at {batch:.0f}", (batch, axes.get_ylim()[0]), xytext=(4, 6), textcoords="offset points", fontsize=8)
    axes.set(xlabel="batch", ylabel="samples a second", xscale="log", yscale="log", title="at equal quality")
    axes.set_xticks([t.batch for t in points[0].timings], [str(t.batch) for t in points[0].timings])
    axes.xaxis.set_minor_formatter("")
    axes.legend(frameon=False, fontsize=7)
    return finish(figure, *grid.flat)


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


def print_table(record: dict[str, Any], bits: Sequence[dict[str, Any]], table: Sequence[Row], names: Sequence[str]) -> None:
    """The report's tables as text."""
    wide = max(len(name) for name in [*(row["name"] for row in bits), *(row.name for row in table)]) + 2
    print(f"\n{record['title']}\n")
    print(f"{record['metrics'][0]['unit'] + ' on the held-out split':<{wide}}{'':>12}{'':>10}  kind")
    for row in bits:
        print(f"{row['name']:<{wide}}{row['value']:>12}{row['stderr']:>10}  {row['kind']}")
    for pair in record["differences"]:
        print(pair["says"])
    print(f"\n{'':<{wide}}" + "".join(f"{name:>20}" for name in names))
    for row in table:
        if all(len(cell) < 20 for cell in row.cells):  # how each draws is told in the report
            print(f"{row.name:<{wide}}" + "".join(f"{cell:>20}" for cell in row.cells) + f"  {row.status}")
