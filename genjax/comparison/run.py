"""Running a comparison: equal budgets, the same data, one measurement after the other, and a record of all of it."""

from __future__ import annotations

import json
import time
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax.comparison import fairness, ledger
from genjax.comparison.cells import Cell, train_ahead
from genjax.comparison.ledger import Account
from genjax.comparison.plan import Plan
from genjax.comparison.record import write
from genjax.comparison.report import write_report
from genjax.config import require
from genjax.data.loader import train_batches
from genjax.evaluation import baselines
from genjax.evaluation.evaluator import Drawn, Evaluator
from genjax.evaluation.statistics import Bits, Effect, PerExample, two_level
from genjax.evaluation.trained import load
from genjax.training import loop
from genjax.training.setup import Run
from genjax.training.workdir import Workdir

_TIMED = 3  # dispatches that a step's seconds are taken from


class Trained(NamedTuple):
    """A trained and measured cell: its seed, the seconds spent in training steps, the rows of its metrics, and its held-out likelihoods."""

    seed: int
    seconds: float
    history: list[dict[str, Any]]
    likelihoods: PerExample

    @property
    def bits(self) -> Bits:
        return self.likelihoods.total()


class Arm:
    """A trained and measured arm: what it is, what it was given, and the cells of its seeds. Samples are those of the first seed."""

    def __init__(self, name: str, config: Any, account: Account, cells: list[Trained], drawn: Drawn, samples_per_second: float) -> None:
        self.name, self.config, self.account, self.cells = name, config, account, cells
        self.drawn, self.samples_per_second = drawn, samples_per_second
        run = Run.build(config)
        self.flops_per_sample = ledger.sample_flops(run)
        self.evaluation_set = ledger.evaluation_set(run.source, config.evaluate.examples)

    @property
    def kind(self) -> str:
        return self.cells[0].likelihoods.kind

    @property
    def values(self) -> np.ndarray:
        """Bits a unit [seeds, items] of every example."""
        return np.stack([cell.likelihoods.bits for cell in self.cells])

    @property
    def items(self) -> int:
        return self.values.shape[1]

    @cached_property
    def effect(self) -> Effect:
        """The mean over seeds and items."""
        return two_level(self.values)

    @property
    def stderr(self) -> float:
        """Standard error of the mean over examples; with several seeds over both."""
        return self.cells[0].bits.stderr if len(self.cells) == 1 else float(np.std(self.effect.draws))


def compare(plan: Plan, path: str | Path, command: str, *, workers: int = 1) -> Path:
    """Trains what is not yet trained, measures every arm, and writes results.json, report.html and pictures; returns the report's path.

    The same call goes on where a stopped one left off: every cell is a run of its own in <path>/arms/<name>/seed_<seed>.
    """
    started = time.monotonic()
    folder = Workdir(path).path
    arms = match(plan, folder)
    cells = {name: lay_out(plan, name, config, folder) for name, (config, _) in arms.items()}
    train(plan, arms, cells, workers)
    measured = [measure(plan, name, config, account, cells[name]) for name, (config, account) in arms.items()]
    run = Run.build(measured[0].config)
    floor = baselines.table(run.source)
    record = write(folder / "results.json", plan, command, measured, floor, time.monotonic() - started)
    return write_report(folder, plan, record, measured, floor, run)


def lay_out(plan: Plan, name: str, config: Any, folder: Path) -> list[Cell]:
    """The cells of an arm, one a seed; a directory that holds another config is refused."""
    cells = [Cell(name, seed, ledger.with_fields(config, {"seed": str(seed)}), folder / "arms" / name / f"seed_{seed}") for seed in plan.seeds]
    for cell in cells:
        loop.refuse_other_config(Workdir(cell.path), cell.config, "a comparison keeps its settings; choose another --workdir")
    return cells


def train(plan: Plan, arms: dict[str, tuple[Any, Account]], cells: dict[str, list[Cell]], workers: int) -> None:
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


def match(plan: Plan, folder: Path) -> dict[str, tuple[Any, Account]]:
    """Every arm's config with the length of training that matches the reference arm, and its account; UsageError where arms are not comparable."""
    runs = {name: Run.build(config) for name, config in plan.arms.items()}
    for name, run in runs.items():
        require(run.objective.generates, f"arm '{name}' is of objective {run.config.objective}, which draws no samples to compare")
    step = {name: ledger.Step.of(run) for name, run in runs.items()}
    cost = {name: step[name].quantities(run) for name, run in runs.items()}
    if "wall_clock" in plan.rules.match:
        for name, seconds in step_seconds(plan, runs, folder).items():
            cost[name]["wall_clock"] = seconds
    reference, matched = plan.config.reference, plan.rules.sets_length
    arms, quantities = {}, {}
    for name, config in plan.arms.items():
        steps = runs[name].total_steps
        if matched is not None:
            steps = max(1, round(runs[reference].total_steps * cost[reference][matched] / cost[name][matched]))
            config = ledger.with_fields(config, {"train.duration": f"{steps} steps"})
        arms[name] = config, ledger.account(Run.build(config), step[name])
        quantities[name] = arms[name][1].quantities | {kind: steps * each for kind, each in cost[name].items()}
    slack = {kind: max(cost[name][kind] for name in cost) / 2 for kind in cost[reference]}  # steps are whole
    ordered = {reference: quantities[reference]} | quantities
    fairness.check_quantities(ordered, plan.rules, slack)
    return arms


def step_seconds(plan: Plan, runs: dict[str, Run], folder: Path) -> dict[str, float]:
    """Seconds of one step of every arm on this machine, measured once and kept in step_seconds.json, so that the same call gives the same lengths."""
    kept = folder / "step_seconds.json"
    if kept.exists():
        return {name: float(seconds) for name, seconds in Workdir(folder).read_json(kept.name).items()}
    measured = {name: _step_seconds(run) for name, run in runs.items()}
    folder.mkdir(parents=True, exist_ok=True)
    Workdir(folder).write_json(kept.name, measured)
    return measured


def _step_seconds(run: Run) -> float:
    """The fastest of a few dispatches: what else the machine does only adds."""
    state, step, count = run.create_state(), run.compile_step(), run.config.train.steps_per_dispatch
    batches, seconds = train_batches(run.source, run.config.data.batch_size, run.config.seed), []
    for _ in range(1 + _TIMED):  # the first compiles
        batch = run.parallel.put(batches.take(count), stacked=True)
        started = time.monotonic()
        state, _ = jax.block_until_ready(step(state, batch))
        seconds.append(time.monotonic() - started)
    batches.close()
    return min(seconds[1:]) / count


def measure(plan: Plan, name: str, config: Any, account: Account, cells: list[Cell]) -> Arm:
    """Bits on the held-out split of every seed, samples of the first, and what they cost, with the averaged parameters of the last step."""
    print(f"  measuring {name} ...", flush=True)
    trained = []
    for cell in cells:
        run, params, _ = load(cell.path, {})
        likelihoods = Evaluator(run).likelihoods(params, config.evaluate.examples)
        history = [json.loads(line) for line in (cell.path / "metrics.jsonl").read_text().splitlines()]
        trained.append(Trained(cell.seed, cell.seconds, history, likelihoods))
    run, params, _ = load(cells[0].path, {})
    evaluator = Evaluator(run)
    count = plan.config.samples_per_class * (run.classes or 10)
    drawn = evaluator.draw(params, count)
    started = time.monotonic()  # once more, now that it is compiled, in full batches
    evaluator.draw(params, evaluator.batch_size, first=count)
    seconds = time.monotonic() - started
    return Arm(name, config, account, trained, drawn, evaluator.batch_size / seconds)
