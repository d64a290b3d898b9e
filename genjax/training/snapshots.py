"""Snapshots of the tracked averages, and the averages that are made of them after a training (EDM2, arXiv:2312.02696, sec. 3.2).

    <run>/snapshots/          laid out, verified and never silently wrong as `training.checkpoint` says
      12/  integrity/12.json  the tracked averages after 12 updates; meta holds their widths

Checkpoints roll, snapshots stay. A snapshot is verified before the checkpoint of its step is begun, so a run that is killed and started again
has every snapshot of the run that was not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from genjax.errors import CheckpointError
from genjax.training import ema
from genjax.training.checkpoint import Checkpoints
from genjax.types import Params

ALL = sys.maxsize


class Made(NamedTuple):
    """An average made of snapshots, and the update that it stands at."""

    params: Params
    step: int


def save(folder: Path, step: int, tracked: tuple[Params, ...], widths: Sequence[float]) -> None:
    """Writes a snapshot and verifies it; one that is there already is left as it is, for it is a function of the step."""
    with Checkpoints(folder, keep=ALL) as snapshots:
        if step > (snapshots.latest() or 0):
            snapshots.save(step, tracked, {"widths": list(widths)})


def reconstruct(folder: Path, sigma_rel: float, abstract_params: Params, step: int | None = None) -> Made:
    """The power average of width sigma_rel after `step` updates (None: the last snapshot's), as if it had been tracked.

    Raises:
      CheckpointError: there are no snapshots, or one is damaged.
      UsageError: a width without a profile, or a step after the last snapshot.
    """
    snapshots = Checkpoints(folder, keep=None)
    steps = snapshots.verified()
    if not steps:
        raise CheckpointError(f"there are no snapshots in {folder}: train with optimizer.tracked=pair to make averages afterwards")
    widths = snapshots.read_meta(steps[0])["widths"]
    updates, gammas = np.repeat(steps, len(widths)), np.tile([ema.gamma(width) for width in widths], len(steps))
    at = steps[-1] if step is None else step
    weights = ema.posthoc_weights(updates, gammas, at, ema.gamma(sigma_rel))
    on_host = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), abstract_params)
    averages = (average for stored in steps for average in snapshots.restore(stored, (on_host,) * len(widths)))
    params = jax.tree.map(lambda leaf, like: jax.device_put(leaf, like.sharding), ema.posthoc(averages, weights), abstract_params)
    return Made(params, at)
