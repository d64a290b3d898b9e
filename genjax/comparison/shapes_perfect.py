"""What perfect models of shapes do in few evaluations: a record and a figure, made by scripts/shapes.py."""

from __future__ import annotations

import datetime
import importlib.metadata
import math
import platform
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from genjax import rng
from genjax.comparison import record
from genjax.data.shapes import scenes
from genjax.data.shapes.scenes import TIERS, Tier
from genjax.evaluation import ideal
from genjax.training.workdir import Workdir

EVALUATIONS = (1, 2, 4, 8, 16, 32, 64)
NAMES = {"ddim": "DDIM", "ddpm": "DDPM (ancestral)", "masked_parallel": "masked, in parallel"}
ENDS = (5.0, 2.0)


def measure(command: str, path: Path, rows: int, bound_rows: int, seed: int = 0) -> dict[str, Any]:
    """Runs every sampler at every number of evaluations on S16, and the bound on S8 and S16; writes the record and returns it."""
    started, tier = time.monotonic(), TIERS["s16"]
    metrics = []
    for sampler in ideal.SAMPLERS:
        for steps in EVALUATIONS:
            found = ideal.run(tier, sampler, steps, rows, seed)
            metrics += _judged(f"{sampler}(steps={steps})", found, rows, seed)
            print(f"{sampler:<16} {steps:3d}  valid {found.valid:.3f}  mean count {found.count:.2f}  TV {found.total_variation:.3f}", flush=True)
    true = scenes.palette_numbers(tier, scenes.sample(tier, rows, seed + 1)).astype(np.int32)
    metrics += _judged("true scenes", ideal.judge(tier, jnp.asarray(true)), rows, seed)
    for name in ("s8", "s16"):
        metrics.append(
            record.metric(f"entropy of {name}", "bits_per_image", scenes.entropy(TIERS[name]), "bits/image", None, stderr=0.0, kind="exact")
        )
        for end in ENDS:
            metrics += _bound(TIERS[name], end, bound_rows, seed)
    result = {
        "name": path.stem,
        "title": "What perfect models of shapes do",
        "command": command,
        "commit": record.commit(),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "hardware": record.hardware(),
        "versions": {name: importlib.metadata.version(name) for name in record.PACKAGES} | {"python": platform.python_version()},
        "seeds": [seed],
        "config": {"tier": tier.name, "samples": rows, "bound_examples": bound_rows, "grid": "uniform_logsnr", "logsnr": [-6.0, 6.0]},
        "metrics": metrics,
        "notes": [
            "No network: the exact denoiser and the exact marginals of the data (genjax/data/shapes/bayes.py).",
            "Total variation is between the numbers of objects in the samples and the uniform 0 .. 4 of the data; that of as many true scenes "
            "is the row 'true scenes'.",
            "excess_bits is the bound less the exact bits, scene by scene; predicted_excess_bits is computed from the exact density instead.",
            f"The whole command took {time.monotonic() - started:.0f} s.",
        ],
    }
    Workdir(path.parent).write_json(path.name, result)
    return result


def _judged(arm: str, found: ideal.Judged, rows: int, seed: int) -> list[dict[str, Any]]:
    root = math.sqrt(rows)
    return [
        record.metric(arm, "valid", found.valid, "share", seed, stderr=math.sqrt(found.valid * (1 - found.valid)) / root),
        record.metric(arm, "mean_count", found.count, "objects", seed, stderr=found.count_std / root),
        record.metric(arm, "total_variation", found.total_variation, "share", seed),
    ]


def _bound(tier: Tier, end: float, rows: int, seed: int) -> list[dict[str, Any]]:
    process = ideal.bound_process(end)
    bound = jax.jit(partial(ideal.bound, tier, process, times=64))
    predict = jax.jit(partial(ideal.bound_excess, tier, process))
    found, predicted = [], []
    for start in range(0, rows, 256):
        drawn = scenes.sample(tier, 256, seed=1000 * (seed + 1) + start)
        numbers, keys = scenes.palette_numbers(tier, drawn).astype(np.int32), rng.rows(rng.stream(seed, "bound"), jnp.arange(start, start + 256))
        found.append(np.asarray(bound(numbers, keys).nats) / math.log(2) - scenes.bits(tier, drawn.k))
        predicted.append(sum(np.asarray(part) for part in predict(numbers, keys)) / math.log(2))
    arm = f"bound on {tier.name}, log-SNR up to {end:g}"
    parts = {"excess_bits": np.concatenate(found), "predicted_excess_bits": np.concatenate(predicted)}
    rows_of = {name: (float(values.mean()), float(values.std() / math.sqrt(len(values)))) for name, values in parts.items()}
    print(arm, rows_of, flush=True)
    return [
        record.metric(arm, name, value, "bits/image", seed, stderr=stderr, kind="upper_bound" if name == "excess_bits" else "estimate")
        for name, (value, stderr) in rows_of.items()
    ]


def figure(result: dict[str, Any], path: Path) -> None:
    """The three statistics against the number of evaluations."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    value = {(row["arm"], row["metric"]): row["value"] for row in result["metrics"]}
    panels = {"valid": "valid pictures", "mean_count": "objects a picture", "total_variation": "total variation of the count"}
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.1), layout="constrained")
    for ax, (metric, title) in zip(axes, panels.items(), strict=True):
        for (sampler, label), style in zip(NAMES.items(), ("o-", "s--", "^:"), strict=True):
            ax.plot(EVALUATIONS, [value[f"{sampler}(steps={steps})", metric] for steps in EVALUATIONS], style, label=label, markersize=5)
        ax.axhline(value["true scenes", metric], color="black", linewidth=0.8, zorder=0, label="true scenes")
        ax.set(xscale="log", xlabel="evaluations of the perfect model", title=title, xticks=EVALUATIONS, xticklabels=EVALUATIONS)
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
    axes[1].legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)
