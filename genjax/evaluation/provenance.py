"""One number with what its reader must know: by which code it was made, when, and on what. It needs no package but jax."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from genjax.config import REPOSITORY

WRITTEN = (":(exclude)results", ":(exclude)docs", ":(exclude)README.md")  # from measurements
PACKAGES = ("genjax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def metric(arm: str, name: str, value: float, unit: str, seed: int | None, *, stderr: float | None = None, kind: str | None = None) -> dict[str, Any]:
    """One number with what it takes to read it."""
    return {"arm": arm, "metric": name, "value": value, "stderr": stderr, "kind": kind, "unit": unit, "seed": seed}


def provenance() -> dict[str, Any]:
    """What a number's reader must know of where it was made."""
    return {
        "commit": commit(),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "hardware": hardware(),
        "versions": versions(PACKAGES) | {"python": platform.python_version()},
    }


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Those of packages; "absent" where one is not installed."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def commit() -> str:
    """The commit of the code, "-dirty" with changes on top, or "unknown" outside a checkout.

    Records, and the pages that are written from them, are no code: a claim that is run after another is of the same commit.
    """
    try:
        git = ["git", "-C", str(REPOSITORY)]
        name = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", *WRITTEN], capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return name + "-dirty" * bool(changes.strip())


def hardware() -> str:
    """The devices, and the processor and cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return f"{devices}; {processor()}, {cores} core{'s' * (cores != 1)}"


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
