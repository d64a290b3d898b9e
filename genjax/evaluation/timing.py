"""How long things take on this machine: a sample, what a user waits for; many at once, what a server gets done; a training, from its first steps."""

from __future__ import annotations

import time
from typing import NamedTuple

import jax
import numpy as np

from genjax import rng
from genjax.data.loader import train_batches
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


class Pace(NamedTuple):
    """Of a training: seconds until its first dispatch is done (the state, compilation), median seconds of a step after it, and the cores that other
    processes used meanwhile.
    """

    first: float
    step: float
    others: float


def training(run: Run, seconds: float) -> Pace:
    """The pace of a training, from at least `_LEAST` dispatches that take so long together; the loss is read after each, and nothing is written."""
    machine.wait_for_idle(_WAIT)
    others, started, few = machine.Others(), time.monotonic(), run.config.train.steps_per_dispatch
    state, step, times = run.create_state(), run.compile_step(), []
    batches = train_batches(run.source, run.config.data.batch_size, run.config.seed)
    while len(times) <= _LEAST or sum(times[1:]) < seconds:
        state, metrics = step(state, run.parallel.put(batches.take(few), stacked=True))
        jax.block_until_ready(metrics)
        times.append(time.monotonic() - started - sum(times))
    batches.close()
    return Pace(times[0], float(np.median(times[1:])) / few, others.cores())
