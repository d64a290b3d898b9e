"""The options of noise prediction's choices, as docs/diffusion.md lists them: read off the functions that take them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping

from genjax import registry
from genjax.diffusion import grid, time_sampling
from genjax.objectives import noise_prediction, steering

# Key of noise_prediction.* -> name -> the function whose keywords are the options.
TABLES: dict[str, Mapping[str, Callable]] = {
    "weighting": noise_prediction.WEIGHTINGS,
    "time_sampler": {name: time_sampling.DENSITIES[density] for name, (_, density) in time_sampling.TIME_SAMPLERS.items()},
    "solver": noise_prediction.SOLVERS,
    "grid": grid.GRIDS,
    "threshold": steering.THRESHOLDS,
    "inpaint": steering.INPAINTERS,
    "likelihood": noise_prediction.BOUNDS,
}


def markdown() -> str:
    """A row for every choice with options: how it is written with its defaults, and what they may be."""
    lines = ["| key | with its defaults | what may be given |", "|---|---|---|"]
    for key, table in TABLES.items():
        for name, function in table.items():
            if ranges := registry.options(function):
                signature = inspect.signature(function).parameters
                defaults = {option: signature[option].default for option in ranges}
                written = ",".join(f"{option}={default:g}" for option, default in defaults.items() if math.isfinite(default))
                unlimited = {option: "" if math.isfinite(default) else " (no limit without it)" for option, default in defaults.items()}
                allowed = "; ".join(f"{option}: {values}{unlimited[option]}" for option, values in ranges.items())
                lines.append(f"| `{key}` | `{name}({written})` | {allowed} |")
    return "\n".join([*lines, ""])
