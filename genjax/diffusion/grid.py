"""The noise levels a sampler visits: N + 1 points of falling noise, computed once in float64 on the host (of a learned curve, on the device).

    uniform_logsnr   lambda evenly from logsnr_min to logsnr_max                      arXiv:2206.00927
    uniform_t        t = 1 - i/N on the process's own curve
    karras           sigma/alpha = (hi^(1/rho) + i/N (lo^(1/rho) - hi^(1/rho)))^rho   arXiv:2206.00364 (eq. 5)
    trailing         t = 1 - i/(N + 1): starts at the noise and stops one step short of the data, where the last evaluation
                     denoises                                                         arXiv:2305.08891 (sec. 3.3)

How a sample ends is part of the grid: final = "denoise" spends one more evaluation at the last point and returns x0_hat, which is the step to
zero noise of every solver; "stop" returns x at the last point.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax
import numpy as np

from genjax.diffusion.process import Process, alpha_sigma
from genjax.errors import UsageError
from genjax.registry import Positive, pick
from genjax.types import Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Grid:
    """Noise levels in the order they are visited.

    Attributes:
      logsnr: [N + 1] rising lambda.
      scaling: how alpha and sigma are read off lambda.
      final: "denoise" (return x0_hat of one more evaluation) or "stop" (return x).
    """

    logsnr: Array | np.ndarray
    scaling: str = dataclasses.field(metadata={"static": True})
    final: Literal["denoise", "stop"] = dataclasses.field(metadata={"static": True})

    @property
    def alpha(self) -> Array | np.ndarray:
        """[N + 1] signal coefficients."""
        return alpha_sigma(self.logsnr, self.scaling)[0]

    @property
    def sigma(self) -> Array | np.ndarray:
        """[N + 1] noise coefficients."""
        return alpha_sigma(self.logsnr, self.scaling)[1]

    @property
    def steps(self) -> int:
        """N."""
        return self.logsnr.shape[0] - 1


# Each: (process, steps) -> lambda [steps + 1].


def uniform_logsnr(process: Process, steps: int) -> np.ndarray:
    return np.linspace(process.logsnr_min, process.logsnr_max, steps + 1)


def uniform_t(process: Process, steps: int) -> np.ndarray | Array:
    return process.logsnr(np.linspace(1.0, 0.0, steps + 1))


def karras(process: Process, steps: int, rho: Positive = 7.0) -> np.ndarray:
    high, low = (np.exp(-end / (2 * rho)) for end in (process.logsnr_min, process.logsnr_max))
    return -2 * rho * np.log(high + np.linspace(0.0, 1.0, steps + 1) * (low - high))


def trailing(process: Process, steps: int) -> np.ndarray | Array:
    return process.logsnr(1.0 - np.arange(steps + 1) / (steps + 1))


GRIDS: dict[str, Callable[..., np.ndarray | Array]] = {
    "uniform_logsnr": uniform_logsnr,
    "uniform_t": uniform_t,
    "karras": karras,
    "trailing": trailing,
}


def make(name: str, process: Process, steps: int, final: Literal["denoise", "stop"] = "denoise", **options) -> Grid:
    """The grid `name` of GRIDS with `steps` steps over the process, float64 numpy unless the process's curve is learned.

    Raises:
      UsageError: an unknown name or ending, fewer than one step, or a trailing grid that would stop at visible noise.
    """
    build = pick(GRIDS, name, "grid")
    if steps < 1:
        raise UsageError(f"A grid needs at least 1 step, not {steps}.")
    if final not in ("denoise", "stop"):
        raise UsageError(f"A grid ends with final='denoise' or 'stop', not {final!r}.")
    if name == "trailing" and final == "stop":
        raise UsageError("A trailing grid stops one step short of the data, so it needs final='denoise'.")
    return Grid(build(process, steps, **options), process.scaling, final)


def reverse(grid: Grid) -> Grid:
    """The grid from its last point back to its first: with a deterministic solver it turns data into noise (DDIM inversion)."""
    return Grid(grid.logsnr[::-1], grid.scaling, "stop")
