"""Random words as a pure function of (seed, row, attempt): row 7 of a split is the same row in every batch, process and order.

A word is SplitMix64's output function (Steele, Lea and Flood, 2014) of a counter. Everything is vectorised over rows, and NumPy's 64-bit
integers wrap around by definition, so the words never change with a version of anything.
"""

from __future__ import annotations

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, a bijection of uint64 of any shape."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def fold(state: np.ndarray, value: np.ndarray | int) -> np.ndarray:
    """A new state uint64 from a state and integers that broadcast with it."""
    return mix(state + _GOLDEN * (np.atleast_1d(value).astype(np.uint64) + np.uint64(1)))  # an array wraps around in silence, a scalar warns


def start(seed: int) -> np.ndarray:
    """The state of a seed, uint64 [1]."""
    return mix(np.array([seed], np.uint64) + _GOLDEN)


def words(state: np.ndarray, count: int) -> np.ndarray:
    """uint64 [N, count], independent uniform words of each state [N]."""
    return fold(state[:, None], np.arange(count))


def below(words: np.ndarray, n: np.ndarray | int) -> np.ndarray:
    """int64 in [0, n) from the low 32 bits of words of any shape; uniform to within n / 2^32."""
    low = words & np.uint64(0xFFFFFFFF)
    return ((low * np.asarray(n).astype(np.uint64)) >> np.uint64(32)).astype(np.int64)


def uniform(words: np.ndarray) -> np.ndarray:
    """float64 in [0, 1) from words of any shape."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
