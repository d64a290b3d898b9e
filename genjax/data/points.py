"""Points of a known distribution: `points:mixture`, and `points:torus/n=64` for rows of 64 points.

Every distribution is a mixture of M isotropic normals whose centres c_m lie on a curve or a surface in [-1, 1]^A, rounded to the nearest of
LEVELS values along each axis, where the outermost reach to infinity. So the probability of a cell k is known in closed form,

    P(k) = sum_m w_m prod_a [ Phi(((k_a + 1/2) D - 1 - c_ma) / s) - Phi(((k_a - 1/2) D - 1 - c_ma) / s) ],     D = 2 / (LEVELS - 1)       (1)

and with it the entropy: what a model needs above it is its Kullback-Leibler divergence. The points of a row are drawn one by one, so that its
probability is the product of theirs.

    mixture   8 normals on a circle, of weights 1 to 8      sphere    the surface of a ball
    moons     two half circles, one in the other            torus     the surface of a ring
    spirals   two arms
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import cached_property

import numpy as np

from genjax.data.base import ArrayRows, Arrays, Cloud, Source
from genjax.data.options import read_options
from genjax.errors import UsageError, did_you_mean
from genjax.types import DataSpec

LEVELS = 64
POINTS = {"train": 2**18, "eval": 2**14}  # of all rows together
_SEED = 20261122
_CENTRES = 2048


@dataclasses.dataclass(frozen=True)
class Distribution:
    """A mixture of normals of one standard deviation: centres [M, A], weights [M] that sum to 1."""

    centres: np.ndarray
    weights: np.ndarray
    std: float

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Equation (1), [LEVELS] * A."""
        from scipy.special import ndtr

        edges = np.concatenate([[-np.inf], unit(np.arange(LEVELS - 1) + 0.5), [np.inf]])
        along = np.diff(ndtr((edges - self.centres[..., None]) / self.std), axis=-1)  # [M, A, LEVELS]
        rest = along[:, -1]
        for axis in range(self.centres.shape[1] - 2, 0, -1):
            rest = (along[:, axis, :, None] * rest[:, None, :]).reshape(len(rest), -1)
        return ((self.weights[:, None] * along[:, 0]).T @ rest).reshape((LEVELS,) * self.centres.shape[1])

    @property
    def entropy(self) -> float:
        """In nats a point."""
        p = self.probabilities[self.probabilities > 0]
        return float(-np.sum(p * np.log(p)))

    def nats(self, points: np.ndarray) -> np.ndarray:
        """-log P of points [..., A], which is [...]."""
        return -np.log(np.maximum(self.probabilities[tuple(np.moveaxis(points, -1, 0))], 1e-300))

    def draw(self, random: np.random.RandomState, count: int) -> np.ndarray:
        """uint8 [count, A]."""
        which = np.searchsorted(np.cumsum(self.weights)[:-1], random.uniform(size=count), side="right")
        points = self.centres[which] + self.std * random.normal(size=(count, self.centres.shape[1]))
        return np.clip(np.round((points + 1) * (LEVELS - 1) / 2), 0, LEVELS - 1).astype(np.uint8)

    def figures(self, points: np.ndarray) -> dict[str, float]:
        """How points [n, N, A] of all rows together lie to the distribution.

        bits a point: the mean of -log2 P, which of true points is the entropy; less is a sign of missing spread.
        chamfer: the mean of the distances from a point to the nearest centre, and from a centre to the nearest point, on [-1, 1].
        """
        from scipy.spatial import KDTree

        flat = points.reshape(-1, points.shape[-1])
        places, heavy = unit(flat), self.centres
        there, back = KDTree(heavy).query(places)[0], KDTree(places).query(heavy)[0]
        bits = self.nats(flat) / math.log(2)
        return {"bits a point": float(np.mean(bits)), "chamfer": float(np.mean(there) + np.sum(self.weights * back)) / 2}


def unit(levels: np.ndarray) -> np.ndarray:
    """Where levels lie on [-1, 1]."""
    return np.asarray(levels, np.float64) * (2 / (LEVELS - 1)) - 1


def open_points(argument: str, data_dir: str | None = None) -> Source:
    """Rows uint8 [n, N, 2] or [n, N, 3], of N = 1 points or as many as `/n=N` says; as functions of the name.

    Raises:
      UsageError: there is no such distribution or option.
    """
    name, _, options = argument.partition("/")
    if name not in DISTRIBUTIONS:
        raise UsageError(f"data source 'points:{argument}': the distributions are {', '.join(DISTRIBUTIONS)}{did_you_mean(name, DISTRIBUTIONS)}")
    count = read_options(f"points:{argument}", options, {"n": 1})["n"]
    distribution = DISTRIBUTIONS[name]()
    shape = count, distribution.centres.shape[1]

    if count > POINTS["eval"]:
        raise UsageError(f"data source 'points:{argument}': a row has at most {POINTS['eval']} points")
    sizes = {split: points // count for split, points in POINTS.items()}

    def rows(split: str, seed: int) -> ArrayRows:
        drawn = distribution.draw(np.random.RandomState([_SEED, seed]), sizes[split] * count)
        return ArrayRows({"array": drawn.reshape(sizes[split], *shape)})

    def exact_nats(rows: Arrays) -> np.ndarray:
        return distribution.nats(rows["array"]).sum(axis=-1)

    return Source(
        DataSpec(f"points:{argument}", "array", shape, LEVELS, 0, sizes["train"], sizes["eval"]),
        {"train": rows("train", 0), "eval": rows("eval", 1)},
        exact_nats=exact_nats,
        medium=Cloud(),
        figures=distribution.figures,
    )


def _even(centres: np.ndarray, std: float) -> Distribution:
    return Distribution(centres, np.full(len(centres), 1 / len(centres)), std)


def _mixture() -> Distribution:
    turns = 2 * np.pi * np.arange(8) / 8
    weights = np.arange(1.0, 9.0)
    return Distribution(0.7 * np.stack([np.cos(turns), np.sin(turns)], axis=-1), weights / weights.sum(), 0.08)


def _moons() -> Distribution:
    turn = np.pi * (np.arange(_CENTRES // 2) + 0.5) / (_CENTRES // 2)
    upper = np.stack([np.cos(turn) - 0.5, np.sin(turn) - 0.25], axis=-1)
    return _even(np.concatenate([upper, -upper]) / 1.75, 0.05)


def _spirals() -> Distribution:
    turn = 3 * np.pi * np.sqrt((np.arange(_CENTRES // 2) + 0.5) / (_CENTRES // 2))
    arm = turn[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1) / (3 * np.pi)
    return _even(0.85 * np.concatenate([arm, -arm]), 0.03)


def _lattice() -> tuple[np.ndarray, np.ndarray]:
    """Points that fill the unit square evenly: Fibonacci's lattice."""
    at = np.arange(_CENTRES) + 0.5
    return at / _CENTRES, at * (math.sqrt(5) - 1) / 2 % 1


def _sphere() -> Distribution:
    height, turn = _lattice()
    height, turn = 1 - 2 * height, 2 * np.pi * turn
    across = np.sqrt(1 - height**2)
    return _even(0.8 * np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=-1), 0.03)


def _torus() -> Distribution:
    """Around the tube evenly by area: the angle v whose share of it is (v + r/R sin v) / 2 pi."""
    share, turn = _lattice()
    turn, grid = 2 * np.pi * turn, np.linspace(0, 2 * np.pi, 2**14)
    v = np.interp(2 * np.pi * share, grid + 0.25 / 0.6 * np.sin(grid), grid)
    out = 0.6 + 0.25 * np.cos(v)
    return _even(np.stack([out * np.cos(turn), out * np.sin(turn), 0.25 * np.sin(v)], axis=-1), 0.03)


DISTRIBUTIONS: dict[str, Callable[[], Distribution]] = {
    "mixture": _mixture,
    "moons": _moons,
    "spirals": _spirals,
    "sphere": _sphere,
    "torus": _torus,
}
