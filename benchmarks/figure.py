"""The figure of docs/performance.md: ratios with their floors and goals, and the scaling curves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from benchmarks import workloads

matplotlib.use("Agg")
from matplotlib import pyplot as plt

BLUE, GREY = "#2563a8", "#999999"


def draw(found: dict[str, Any], path: Path) -> None:
    """Writes the figure of what was found of every workload (`benchmarks.run`) as PNG."""
    ratios = {name: found[name] for name in workloads.CPU if name in found and found[name]["fastest_peer"]}
    curves = {axis: one for axis, one in found.get("scaling", {}).items() if axis not in ("settings", "made")}
    panels = bool(ratios) + len(curves)
    if not panels:
        return
    figure, axes = plt.subplots(1, panels, figsize=(3.4 * panels + 1, 3.4), dpi=140, squeeze=False)
    left, *rest = axes[0]
    if ratios:
        places = np.arange(len(ratios))
        values = [one["systems"][one["fastest_peer"]]["ratio"] for one in ratios.values()]
        left.bar(places, values, color=BLUE)
        for place, (name, value) in enumerate(zip(ratios, values, strict=True)):
            left.annotate(f"{value:.2f}", (place, value), ha="center", va="bottom", fontsize=8)
            left.plot([place - 0.4, place + 0.4], [workloads.CPU[name].floor] * 2, color="black", linewidth=1)
        left.axhline(1.0, color=GREY, linewidth=0.8)
        left.set(yscale="log", title="fastest peer's time / ours; floors", xticks=places)
        left.set_xticklabels(list(ratios))
    for panel, (axis, one) in zip(rest if ratios else axes[0], curves.items(), strict=True):
        sizes = sorted(map(int, one["systems"]))
        medians = [1e3 * one["systems"][str(size)]["median"] for size in sizes]
        flops = np.array([one["systems"][str(size)]["flops"] for size in sizes])
        panel.loglog(sizes, medians, "o-", color=BLUE, label=f"time, exponent {one['exponent']:.2f}")
        panel.loglog(sizes, flops * medians[-1] / flops[-1], "--", color=GREY, label=f"operations, {one['exponent_of_operations']:.2f}")
        panel.set(title=f"ms a step against {axis}", xticks=sizes, yticks=medians)
        panel.set_xticklabels(list(map(str, sizes)))
        panel.set_yticklabels([f"{median:.0f}" for median in medians])
        panel.minorticks_off()
        panel.legend(frameon=False, fontsize=8)
    for panel in axes[0]:
        panel.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)
