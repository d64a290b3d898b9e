"""Equal budgets: the length of training that gives every arm what the reference arm is given, and what that costs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jax

from genjax.comparison import fairness, ledger, reads
from genjax.comparison.ledger import Account
from genjax.comparison.plan import Plan
from genjax.config import require
from genjax.data.loader import train_batches
from genjax.errors import UsageError
from genjax.training.setup import Run
from genjax.training.workdir import Workdir

_TIMED = 3  # dispatches that a step's seconds are taken from


def match(plan: Plan, folder: Path) -> dict[str, tuple[Any, Account]]:
    """Every arm's config with the length of training that matches the reference arm (so many times as its budget says), and its account.

    UsageError where arms are not comparable.
    """
    runs = {name: _built(name, config) for name, config in plan.arms.items()}
    for name, run in runs.items():
        require(run.objective.generates, f"arm '{name}' is of objective {run.config.objective}, which draws no samples to compare")
        require(run.objective.scores, f"arm '{name}' is of objective {run.config.objective}, which has no likelihood to compare")
    reads.refuse_one_sided(
        {**plan.alike, **plan.overrides}, {name: reads.read_by_objective(run.config, run.source.spec) for name, run in runs.items()}, plan.recipe
    )
    shown_by = ledger.evaluation_set if plan.one_form else ledger.evaluated_scenes
    measured = {shown_by(run.source, run.config.evaluate.examples) for run in runs.values()} - {None}
    require(
        len(measured) <= 1,
        "the arms are measured on other held-out rows: give them the same evaluate.examples, and windows of text the same stride",
    )
    step = {name: ledger.Step.of(run) for name, run in runs.items()}
    cost = {name: step[name].quantities(run) for name, run in runs.items()}
    if "wall_clock" in plan.rules.match:
        for name, seconds in step_seconds(runs, folder).items():
            cost[name]["wall_clock"] = seconds
    reference, matched = plan.config.reference, plan.rules.sets_length
    arms, quantities = {}, {}
    for name, config in plan.arms.items():
        steps, times = runs[name].total_steps, plan.rules.budget.get(name, 1.0)
        if matched is not None:
            steps = max(1, round(times * runs[reference].total_steps * cost[reference][matched] / cost[name][matched]))
            config = ledger.with_fields(config, {"train.duration": f"{steps} steps"})
        arms[name] = config, ledger.account(Run.build(config), step[name])
        quantities[name] = arms[name][1].quantities | {kind: steps * each for kind, each in cost[name].items()}
    slack = {name: {kind: each / 2 for kind, each in cost[name].items()} for name in cost}  # steps are whole
    ordered = {reference: quantities[reference]} | quantities
    fairness.check_quantities(ordered, plan.rules, slack)
    return arms


def _built(name: str, config: Any) -> Run:
    try:
        return Run.build(config)
    except UsageError as error:
        raise UsageError(f"arm '{name}': {error}") from error


def step_seconds(runs: dict[str, Run], folder: Path) -> dict[str, float]:
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
