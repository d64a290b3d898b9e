"""What all tests share: the CPU, one cache of compiled programs, and the scripts as a user runs them.

The cache lies in the user's own cache folder, so that a second run of the tests compiles little; the tests' own processes use it too.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import runpy
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from genjax import config as configs
from tests import compiling

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS = REPOSITORY / "scripts"

# Before jax is imported, by whomever.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("GENJAX_CACHE_DIR", str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genjax-tests"))
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(os.environ["GENJAX_CACHE_DIR"]) / "xla"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")  # a program that need not say where each operation comes from is made sooner
with contextlib.suppress(OSError):  # a read-only home costs compile time, not the tests
    Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).mkdir(mode=0o700, parents=True, exist_ok=True)

compiling.quicken()

# Tracing makes objects by the million, and few cycles: collecting them as often as Python does by itself takes a sixth of the tests' time.
gc.freeze()
gc.set_threshold(100_000, 50, 100)

PROMISES = REPOSITORY / "docs" / "reliability.md"


def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """What the page on reliability names is what `-m faults` runs, but for Slurm, which is not everywhere and has a page of its own.

    Of a test whose variants are slow in part, the others.
    """
    named = set(re.findall(r"`(test_\w+)`", PROMISES.read_text()))
    promised = [item for item in items if getattr(item, "originalname", None) in named and "slurm" not in item.path.parts]
    quick = {(item.path, item.originalname) for item in promised if not item.get_closest_marker("slow")}
    for item in promised:
        if not item.get_closest_marker("slow") or (item.path, item.originalname) not in quick:
            item.add_marker(pytest.mark.faults)


# A run of seconds that has everything in it: dropout, hidden labels, an average, micro-batches, epochs of 2.5 steps, evaluation and
# sample sheets on the way, several steps a dispatch.
TOY = {
    "data.batch_size": 16,
    "data.eval_batch_size": 8,
    "model.width": 16,
    "model.depth": 1,
    "model.heads": 2,
    "model.dropout": 0.1,
    "noise_prediction.steps": 3,
    "noise_prediction.eval_times": 2,
    "masked_diffusion.steps": 3,
    "masked_diffusion.eval_times": 2,
    "embedding_diffusion.steps": 3,
    "embedding_diffusion.eval_times": 2,
    "optimizer.schedule": "constant",  # with it the compiled step does not depend on the duration; the rate rises all the while
    "optimizer.warmup": "200 steps",
    "train.duration": "24 steps",
    "train.accumulation": 2,
    "train.steps_per_dispatch": 4,
    "train.log_every": "1 step",
    "train.evaluate_every": "8 steps",
    "train.sample_every": "12 steps",
    "train.checkpoint_every": "8 steps",
    "sample.count": 9,
    "logging.tensorboard": False,
}


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def digest(self) -> str:
        """The state's sha256 in the summary of a training."""
        assert self.code == 0, self
        return self.out.split("state   sha256 ")[1].split()[0]


class ToyRun(NamedTuple):
    """A run's directory, and what makes it."""

    path: Path
    recipe: str
    overrides: dict[str, str]

    @property
    def flags(self) -> list[str]:
        """Of `scripts/train.py`."""
        return [f"--config={self.recipe}", f"--workdir={self.path}", *(f"--config.{name}={value}" for name, value in self.overrides.items())]

    @property
    def config(self) -> Any:
        """Of `genjax.training.loop.train`."""
        return configs.load(self.recipe, configs.base_fields(), self.overrides)

    @property
    def rows(self) -> list[str]:
        """The lines of metrics.jsonl without what depends on the clock; a last, torn line is none."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.dumps({name: value for name, value in json.loads(line).items() if name != "seconds"}) for line in lines if line.endswith("\n")]

    @property
    def last_step(self) -> int:
        """The step of the last row, 0 without rows."""
        return max((json.loads(row)["step"] for row in self.rows[-1:]), default=0)

    @property
    def saved(self) -> int:
        """The newest checkpoint that is saved and verified, 0 for none."""
        return max((int(path.stem) for path in self.path.glob("checkpoints/integrity/*.json")), default=0)

    @property
    def status(self) -> dict[str, Any]:
        return json.loads((self.path / "status.json").read_text())

    @property
    def files(self) -> dict[str, bytes]:
        """Every file of the run with its content."""
        return {str(path.relative_to(self.path)): path.read_bytes() for path in sorted(self.path.rglob("*")) if path.is_file()}


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory) -> Path:
    """40 training and 10 held-out images of 4x4 pixels in 5 levels and 3 classes."""
    random = np.random.default_rng(0)
    images = {name: random.integers(0, 5, (count, 4, 4), np.uint8) for name, count in (("image", 40), ("eval_image", 10))}
    labels = {name: np.arange(count) % 3 for name, count in (("label", 40), ("eval_label", 10))}
    path = tmp_path_factory.mktemp("data") / "toy.npz"
    np.savez(path, levels=np.array(5), **images, **labels)
    return path


@pytest.fixture(scope="session")
def toy_run(toy_data) -> Callable[..., ToyRun]:
    """A toy training that is yet to be run: toy_run("next_token", path, {"train.duration": 8})."""

    def make(objective: str, path: Path, overrides: Mapping[str, Any] | None = None) -> ToyRun:
        values = TOY | {"data.source": f"npz:{toy_data}"} | dict(overrides or {})
        return ToyRun(path, f"configs/digits.py:{objective}", {name: str(value) for name, value in values.items()})

    return make


@pytest.fixture
def run_script(capsys, monkeypatch) -> Callable[..., Ended]:
    """Runs a script in this process, where jax is loaded already: run_script("train", *flags)."""

    def run(name: str, *flags: str) -> Ended:
        monkeypatch.setattr(sys, "argv", [f"scripts/{name}.py", *flags])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
        return Ended(ended.value.code or 0, *capsys.readouterr())

    return run


class Process:
    """A script in a process of its own, with as many devices as wanted."""

    def __init__(self, name: str, *flags: str, devices: int = 1) -> None:
        environment = os.environ | ({"XLA_FLAGS": compiling.devices(devices)} if devices > 1 else {})
        command = [sys.executable, str(SCRIPTS / f"{name}.py"), *flags]
        self.popen = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)

    def end(self, signal: int | None = None) -> Ended:
        """Sends a signal, if any, and waits for the end."""
        if signal is not None:
            self.popen.send_signal(signal)
        out, err = self.popen.communicate(timeout=240)
        return Ended(self.popen.returncode, out, err)

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        """Returns as soon as the condition holds."""
        give_up = time.monotonic() + 240
        while not condition():
            if self.popen.poll() is not None:
                pytest.fail(f"the process ended before {what}: {self.end()}")
            assert time.monotonic() < give_up, f"no sign of {what}"
            time.sleep(0.002)


@pytest.fixture(scope="session")
def start_script() -> Iterator[Callable[..., Process]]:
    """Starts a script in a process of its own, which does not outlive the tests: start_script("train", *flags, devices=8)."""
    started: list[Process] = []

    def start(name: str, *flags: str, devices: int = 1) -> Process:
        started.append(Process(name, *flags, devices=devices))
        return started[-1]

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.communicate()
