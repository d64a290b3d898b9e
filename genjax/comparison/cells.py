"""The trainings of a comparison, arms times seeds: each a run's directory of its own, so that whatever stops, the same command goes on."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from genjax import config as configs
from genjax.comparison import ledger
from genjax.comparison.ledger import Account
from genjax.comparison.plan import Plan
from genjax.errors import CheckpointError, GenjaxError, Preempted
from genjax.evaluation.monitors import monitors
from genjax.training import loop
from genjax.training.checkpoint import Checkpoints
from genjax.training.signals import Stopper
from genjax.training.workdir import Workdir, read_rows


class Cell(NamedTuple):
    """One training: an arm's config with a seed, in <folder>/arms/<arm>/seed_<seed>."""

    arm: str
    seed: int
    config: Any
    path: Path

    @property
    def complete(self) -> bool:
        """Whether it was trained to its end."""
        with contextlib.suppress(CheckpointError, TypeError, KeyError):
            return Workdir(self.path).read_json("status.json")["state"] == "complete"
        return False

    @property
    def seconds(self) -> float:
        """Seconds that a complete training has spent in its steps."""
        return self.clock["train"]

    @property
    def clock(self) -> dict[str, float]:
        """Seconds of each part of a complete training, as far as its last checkpoint tells them."""
        checkpoints = Checkpoints(Workdir(self.path).checkpoints, keep=None)
        step = checkpoints.latest()
        assert step is not None, "a complete training has a checkpoint"
        return {part: float(seconds) for part, seconds in checkpoints.read_meta(step)["seconds"].items()}

    def history(self) -> list[dict[str, Any]]:
        """What the training told, row by row."""
        return read_rows(self.path / "metrics.jsonl")

    def train(self) -> loop.Summary:
        """Trains what is not yet trained."""
        return loop.train(self.config, self.path, monitors)


def lay_out(plan: Plan, name: str, config: Any, folder: Path) -> list[Cell]:
    """The cells of an arm, one a seed; a directory that holds another config is refused."""
    cells = [Cell(name, seed, ledger.with_fields(config, {"seed": str(seed)}), folder / "arms" / name / f"seed_{seed}") for seed in plan.seeds]
    for cell in cells:
        loop.refuse_other_config(Workdir(cell.path), cell.config, "a comparison keeps its settings; choose another --workdir")
    return cells


def train(arms: dict[str, tuple[Any, Account]], cells: dict[str, list[Cell]], workers: int) -> None:
    """Trains every cell, seed by seed, so that a comparison that is stopped early has whole seeds."""
    ordered = [cell for row in zip(*cells.values(), strict=True) for cell in row]
    if workers > 1:
        train_ahead(ordered, workers)
    for number, cell in enumerate(ordered, 1):
        account = arms[cell.arm][1]
        if not cell.complete:
            print(
                f"\ntraining {number} of {len(ordered)}: {cell.arm}, seed {cell.seed}, {account.steps:,} steps, {account.flops:.3g} FLOPs", flush=True
            )
            cell.train()


def train_ahead(cells: Sequence[Cell], workers: int) -> None:
    """Trains the incomplete cells in `workers` processes, each on its share of the cores; what each prints goes into <cell>/log.txt.

    A signal is handed on, once: the trainings save themselves and the same command goes on later (Preempted). A training that fails stops the rest.
    """
    waiting, running, failed, asked = [cell for cell in cells if not cell.complete], {}, [], False
    parts = shares(sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (), workers)
    context = multiprocessing.get_context("spawn")
    with Stopper() as stopper:
        while waiting or running:
            while waiting and len(running) < workers and stopper.received is None and not failed:
                cell = waiting.pop(0)
                taken = [share for _, share in running.values()]
                share = min(parts, key=taken.count)
                process = context.Process(target=_train, args=(configs.to_json(cell.config), cell.path, share), daemon=True)
                process.start()
                running[process] = cell, share
                print(f"  training {cell.arm}, seed {cell.seed}: {cell.path / 'log.txt'}", flush=True)
            multiprocessing.connection.wait([process.sentinel for process in running], timeout=1.0)
            if stopper.received is not None or failed:
                waiting = []
                for process in running if not asked else ():  # a second signal would end it before it has saved
                    process.terminate()  # SIGTERM: it saves what it has
                asked = True
            for process in [process for process in running if not process.is_alive()]:
                cell, _ = running.pop(process)
                if process.exitcode not in (0, Preempted.exit_code, -signal.SIGTERM):  # the last: before it had begun, so nothing is lost
                    failed.append(cell)
        if stopper.received is not None and not failed:
            raise Preempted("stopped; every training that had begun has saved itself: run the same command again to go on")
    if failed:
        raise GenjaxError(f"the training of arm '{failed[0].arm}', seed {failed[0].seed}, failed: {failed[0].path / 'log.txt'} tells why")


def shares(cores: Sequence[int], workers: int) -> list[tuple[int, ...]]:
    """The cores dealt out to so many processes, or to as many as there are cores; one share of none where the system tells of none."""
    return [tuple(cores[number::workers]) for number in range(min(workers, len(cores)))] or [()]


def _train(config: Mapping[str, Any], path: Path, cores: Sequence[int]) -> None:
    """In a process of its own, and a group of its own: Ctrl-C in the terminal reaches the comparison alone, which hands it on.

    XLA makes a thread for each core that it sees: processes that all see all cores wait for each other.
    """
    os.setsid()
    if cores:
        os.sched_setaffinity(0, cores)
    Workdir(path).path.mkdir(parents=True, exist_ok=True)
    checked = configs.from_json(config, configs.base_fields())
    with (path / "log.txt").open("a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            loop.train(checked, path, monitors)
        except GenjaxError as error:
            print(f"error: {error}", flush=True)
            sys.exit(error.exit_code)
