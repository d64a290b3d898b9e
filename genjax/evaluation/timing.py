"""How long sampling takes on this machine: what a user waits for (one sample), and what a server gets done (many at once)."""

from __future__ import annotations

import time
from typing import NamedTuple

import jax
import numpy as np

from genjax import rng
from genjax.evaluation import machine
from genjax.training.setup import Run
from genjax.types import Params

BATCHES = (1, 8, 64)
_LEAST, _SECONDS = 3, 0.5  # repeats at least, and for at least so long
_WAIT = 1.5  # seconds to wait for an idle machine, at most


class Timing(NamedTuple):
    """Median seconds of a whole batch of samples."""

    batch: int
    seconds: float

    @property
    def milliseconds(self) -> float:
        return 1e3 * self.seconds

    @property
    def samples_per_second(self) -> float:
        return self.batch / self.seconds


def sampling(run: Run, params: Params, batch: int) -> Timing:
    """The timing of batches of `batch` samples, compiled before, when the machine is idle or after some seconds of waiting for that."""
    ids = np.arange(batch, dtype=np.uint32)
    request = {"id": ids} | ({"label": (ids % run.classes).astype(np.int32)} if run.classes else {})
    key, sampler = rng.stream(run.config.seed, "sample"), jax.jit(run.objective.sample)
    params = jax.device_put(params)
    jax.block_until_ready(sampler(params, request, key))
    machine.wait_for_idle(_WAIT)
    seconds: list[float] = []
    while len(seconds) < _LEAST or sum(seconds) < _SECONDS:
        started = time.monotonic()
        jax.block_until_ready(sampler(params, request, key))
        seconds.append(time.monotonic() - started)
    return Timing(batch, float(np.median(seconds)))
