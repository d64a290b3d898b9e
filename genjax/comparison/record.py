"""results.json: a comparison as numbers with their protocol. Whatever is shown anywhere comes from such a file."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from genjax import config as configs
from genjax.comparison.plan import Plan
from genjax.config import REPOSITORY
from genjax.evaluation.baselines import Baseline
from genjax.training.workdir import Workdir

if TYPE_CHECKING:
    from genjax.comparison.run import Arm

PACKAGES = ("genjax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def write(path: Path, plan: Plan, command: str, arms: Sequence[Arm], floor: Sequence[Baseline], seconds: float) -> dict[str, Any]:
    """Writes the record of a comparison and returns it."""
    metrics = [row for arm in arms for row in arm_metrics(arm)]
    metrics += [metric(baseline.name, "bits_per_dim", baseline.value, "bits/dim", None, stderr=baseline.stderr, kind="exact") for baseline in floor]
    record = {
        "name": path.parent.name,
        "title": plan.config.title,
        **protocol(command),
        "seeds": sorted({arm.config.seed for arm in arms}),
        "config": {"comparison": configs.to_json(plan.config), "arms": {arm.name: configs.to_json(arm.config) for arm in arms}},
        "metrics": metrics,
        "notes": [
            f"Every arm: one seed, averaged parameters of the last step, {arms[0].bits.examples} held-out examples; "
            "the standard error is over examples.",
            "train_flops counts loops as often as they run (genjax.training.flops); "
            "xla_train_flops is XLA's cost analysis of the step without loops.",
            f"Load average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; "
            "with other work on the machine, rates and seconds are worse than they could be.",
            f"The whole command took {seconds:.0f} s, with what was already trained taken from its run.",
        ],
    }
    Workdir(path.parent).write_json(path.name, record)
    return record


def protocol(command: str) -> dict[str, Any]:
    """What was run, with what, on what, and when."""
    return {
        "command": command,
        "commit": commit(),
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "hardware": hardware(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()},
    }


def arm_metrics(arm: Arm) -> list[dict[str, Any]]:
    """The rows of one arm."""
    seed = arm.config.seed
    bits = [metric(arm.name, "bits_per_dim", arm.bits.value, "bits/dim", seed, stderr=arm.bits.stderr, kind=arm.bits.kind)]
    bits += [metric(arm.name, f"bits_per_dim_{term}", value, "bits/dim", seed, kind=arm.bits.kind) for term, value in arm.bits.terms.items()]
    if arm.bits.excess is not None:
        value, stderr = arm.bits.excess
        bits.append(metric(arm.name, "excess_bits", value, "bits/example", seed, stderr=stderr, kind=arm.bits.kind))
    budget = arm.budget
    return [
        *bits,
        metric(arm.name, "parameters", sum(arm.parameters.values()), "parameters", seed),
        metric(arm.name, "train_steps", budget.steps, "steps", seed),
        metric(arm.name, "train_examples", budget.examples, "examples", seed),
        metric(arm.name, "train_flops", budget.flops, "flop", seed),
        metric(arm.name, "xla_train_flops", budget.xla_flops_per_step * budget.steps, "flop", seed),
        metric(arm.name, "train_seconds", arm.summary.seconds["train"], "s", seed),
        metric(arm.name, "network_evaluations_per_sample", arm.drawn.nfe, "evaluations", seed),
        metric(arm.name, "sequential_depth", arm.drawn.sequential_depth, "evaluations", seed),
        metric(arm.name, "flops_per_sample", arm.flops_per_sample, "flop", seed),
        metric(arm.name, "samples_per_second", arm.samples_per_second, "samples/s", seed),
    ]


def metric(arm: str, name: str, value: float, unit: str, seed: int | None, *, stderr: float | None = None, kind: str | None = None) -> dict[str, Any]:
    """One number with what it takes to read it."""
    return {"arm": arm, "metric": name, "value": value, "stderr": stderr, "kind": kind, "unit": unit, "seed": seed}


def commit() -> str:
    """The commit of the code, "-dirty" with changes on top, or "unknown" outside a checkout."""
    try:
        git = ["git", "-C", str(REPOSITORY)]
        name = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        changes = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return name + "-dirty" * bool(changes.strip())


def hardware() -> str:
    """The devices, and the processor and cores that this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    devices = f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    return f"{devices}; {processor()}, {cores} cores"


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
