"""Does training work on this machine? Small checks, each a line; the text is made to be pasted into a question."""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from genjax import config as configs
from genjax.config import require
from genjax.data.loader import train_batches
from genjax.errors import GenjaxError
from genjax.training.parallel import ROWS
from genjax.training.setup import Run, use_compilation_cache

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "ml-collections", "numpy", "tensorflow-datasets")
RECIPES = ("configs/digits.py:next_token", "configs/digits.py:noise_prediction")
SMALL = {"model.width": "16", "model.depth": "1", "model.heads": "2", "train.duration": "2", "train.steps_per_dispatch": "1"}


def check(folder: str | None) -> list[str]:
    """Prints a line for every check, and returns the names of those that failed. `folder` is where runs are to be written."""
    failed = []
    for name, examine in CHECKS.items():
        started = time.monotonic()
        try:
            found = examine(folder)
        except Exception as error:  # whatever is wrong with a machine is what is asked for
            failed.append(name)
            kind = "" if isinstance(error, GenjaxError) else f"{type(error).__name__}: "
            found = f"FAILED: {kind}{' '.join(str(error).split())[:300]}"
        seconds = time.monotonic() - started
        print(f"{name:<17} {found}" + (f"  ({seconds:.1f} s)" if seconds >= 1 else ""), flush=True)
    return failed


def _versions(folder: str | None) -> str:
    installed = {name: importlib.metadata.version(name) for name in ("genjax", *PACKAGES) if _installed(name)}
    missing = [name for name in PACKAGES if name not in installed]
    require(not missing, f"not installed: {', '.join(missing)}")
    return f"Python {platform.python_version()} on {platform.platform()}; " + ", ".join(f"{name} {version}" for name, version in installed.items())


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _devices(folder: str | None) -> str:
    kinds = {device.device_kind for device in jax.devices()}
    memory = (jax.local_devices()[0].memory_stats() or {}) if jax.default_backend() != "cpu" else {}
    limit = f", {memory['bytes_limit'] / 1e9:.0f} GB each" if "bytes_limit" in memory else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{jax.device_count()} x {', '.join(kinds)}{limit} in {jax.process_count()} process(es); {cores} cores"


def _collectives(folder: str | None) -> str:
    count = jax.device_count()
    mesh = jax.make_mesh((1, count), ROWS, axis_types=(jax.sharding.AxisType.Auto,) * 2)
    x = jax.device_put(np.arange(4 * count, dtype=np.float32), NamedSharding(mesh, P(ROWS)))
    total = float(jax.jit(lambda x: x.sum(), out_shardings=NamedSharding(mesh, P()))(x))
    expected = 2 * count * (4 * count - 1)
    require(total == expected, f"the sum of 0 to {4 * count - 1} over {count} devices is {total:g} here, and {expected} in truth")
    return f"a sum over {count} device(s) is right"


def _writing(folder: str | None) -> str:
    parent = Path(folder).expanduser().resolve() if folder else Path(tempfile.gettempdir())
    while not parent.exists():  # a training makes the folders that are not there yet
        parent = parent.parent
    require(parent.is_dir(), f"{parent} is no folder")
    with tempfile.NamedTemporaryFile(dir=parent, prefix=".genjax-doctor-") as file:
        started = time.monotonic()
        file.write(os.urandom(1 << 24))
        file.flush()
        os.fsync(file.fileno())
        rate = 16 / (time.monotonic() - started)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with open(file.name, "rb") as again:
            try:
                fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return f"{parent}: writes {rate:.0f} MiB/s and locks"
    raise OSError(f"{parent} gives the same lock twice: two runs in one directory would not notice each other")


def _cache(folder: str | None) -> str:
    used = use_compilation_cache()
    if used is None:
        return "none: its folder cannot be made, or others can write to it; every start compiles anew"
    return f"{used}, mode {used.stat().st_mode & 0o777:o}"


def _step(recipe: str) -> Callable[[str | None], str]:
    def examine(folder: str | None) -> str:
        rows = max(4, jax.device_count())
        config = configs.load(recipe, configs.base_fields(), SMALL | {"data.batch_size": str(rows)})
        run = Run.build(config)
        batches = train_batches(run.source, rows, config.seed)
        state, step = run.create_state(), run.compile_step()
        losses = []
        for _ in range(2):
            state, metrics = step(state, run.parallel.put(batches.take(1), stacked=True))
            losses.append(float(metrics["loss"][0]))
        batches.close()
        require(bool(np.isfinite(losses).all()) and int(state.step) == 2, f"the losses of two steps are {losses}")
        return f"two steps, losses {losses[0]:.4f} and {losses[1]:.4f}"

    return examine


CHECKS: dict[str, Callable[[str | None], str]] = {
    "versions": _versions,
    "devices": _devices,
    "collectives": _collectives,
    "writing": _writing,
    "compile cache": _cache,
    **{recipe.partition(":")[2]: _step(recipe) for recipe in RECIPES},
}
