"""Scans: the order in which the values of an array are predicted one after the other.

A scan is a permutation s of the cells of an array's axes, which are stored in raster order; the values of a cell (the channels of a pixel) follow
each other. The chain rule holds in any order,

    log p(x) = sum_i log p(x_s(i) | x_s(1), ..., x_s(i-1))                                          (1)

so a likelihood stays exact; what changes is what a value is predicted from.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import jax
import numpy as np

from genjax import rng
from genjax.config import Choice, require
from genjax.registry import Natural, bind
from genjax.types import DataSpec

# Each: the lengths of the axes -> s, the cells [n] in the order in which they are predicted; None for raster order, which moves nothing.


def raster(axes: tuple[int, ...]) -> None:
    """The last axis runs fastest."""


def hilbert(axes: tuple[int, ...]) -> np.ndarray:
    """Along a curve through the plane of the last two axes that stays near where it was (Hilbert 1891); plane after plane of the other axes.

    Each cell is beside the one before it. The construction is Cerveny's for rectangles of any size, with at most one diagonal step, where the longer
    side is odd and the shorter one even.
    """
    *planes, height, width = axes
    down, across = np.array([height, 0]), np.array([0, width])
    curve = _fill(np.zeros(2, int), *((across, down) if width >= height else (down, across)))
    plane = np.array([row * width + column for row, column in curve])
    return (np.arange(np.prod(planes, dtype=int))[:, None] * plane.size + plane).ravel()


def random(axes: tuple[int, ...], seed: Natural = 0) -> np.ndarray:
    """The same permutation for every row, a function of the seed alone."""
    with jax.ensure_compile_time_eval():
        return np.asarray(jax.random.permutation(rng.stream(seed, "scan"), int(np.prod(axes))))


SCANS: dict[str, Callable[..., np.ndarray | None]] = {"raster": raster, "hilbert": hilbert, "random": random}


def checked(scan: Choice, spec: DataSpec) -> str:
    """The scan; UsageError for one that is not known, or for data that is a sequence."""
    bind(SCANS, scan.parts, "scan")
    require(
        scan.parts[0] == "raster" or sum(n > 1 for n in _axes(spec)) > 1,
        f"next_token.scan={scan} is for arrays with rows and columns, and {spec.name} is a sequence with an order of its own: set it to raster",
    )
    return scan


@functools.cache
def order(scan: str, spec: DataSpec) -> np.ndarray | None:
    """The values [num_dims] of an array in the order in which they are predicted; None where they lie in it."""
    axes = _axes(spec)
    cells = bind(SCANS, Choice(scan).parts, "scan")(axes)
    if cells is None:
        return None
    values = spec.num_dims // len(cells)
    return (cells[:, None] * values + np.arange(values)).ravel()


def _axes(spec: DataSpec) -> tuple[int, ...]:
    """Those that have cells: without channels."""
    return spec.shape[:-1] if spec.ordered else spec.shape


def _fill(start: np.ndarray, a: np.ndarray, b: np.ndarray) -> Iterator[np.ndarray]:
    """All cells of the rectangle that a and b, along the axes, span from `start`, which is the first; the last is at the end of a."""
    length, width, step, aside = abs(a).sum(), abs(b).sum(), np.sign(a), np.sign(b)
    if 1 in (length, width):
        yield from (start + i * (step if width == 1 else aside) for i in range(max(length, width)))
        return
    half_a, half_b = a // 2, b // 2
    if 2 * length > 3 * width:  # two halves, one after the other; an even one ends where the next begins
        half_a = half_a + step * (abs(half_a).sum() % 2 and length > 2)
        yield from _fill(start, half_a, b)
        yield from _fill(start + half_a, a - half_a, b)
    else:  # aside, along, and back
        half_b = half_b + aside * (abs(half_b).sum() % 2 and width > 2)
        yield from _fill(start, half_b, half_a)
        yield from _fill(start + half_b, a, b - half_b)
        yield from _fill(start + a - step + half_b - aside, -half_b, half_a - a)
