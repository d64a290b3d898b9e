"""Running a comparison: equal budgets, the same data, one measurement after the other, and a record of all of it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import ml_collections
import numpy as np

from genjax import config as configs
from genjax.comparison.plan import Plan
from genjax.comparison.record import write
from genjax.comparison.report import write_report
from genjax.config import require
from genjax.evaluation import baselines
from genjax.evaluation.evaluator import Drawn, Evaluator
from genjax.evaluation.monitors import monitors
from genjax.evaluation.statistics import Bits
from genjax.evaluation.trained import load
from genjax.training import flops, loop
from genjax.training.setup import Run
from genjax.training.workdir import Workdir


class Budget(NamedTuple):
    """What the training of an arm costs.

    Attributes:
      steps, examples: optimizer steps, and examples seen in them.
      flops_per_step: operations of one step, counted by `training.flops`.
      xla_flops_per_step: the same by XLA's cost analysis of the step without loops.
    """

    steps: int
    examples: int
    flops_per_step: float
    xla_flops_per_step: float

    @property
    def flops(self) -> float:
        return self.steps * self.flops_per_step


class Arm(NamedTuple):
    """A trained and measured arm."""

    name: str
    config: Any
    budget: Budget
    parameters: dict[str, int]
    summary: loop.Summary
    history: list[dict[str, Any]]
    bits: Bits
    drawn: Drawn
    samples_per_second: float
    flops_per_sample: float


def compare(plan: Plan, path: str | Path, command: str) -> Path:
    """Trains what is not yet trained, measures every arm, and writes results.json, report.html and pictures; returns the report's path.

    The same call goes on where a stopped one left off: every arm is a run of its own in <path>/arms/<name>.
    """
    started = time.monotonic()
    folder = Workdir(path).path
    measured, arms = [], match(plan)
    for name, (config, _) in arms.items():  # all of them, before any is trained
        loop.refuse_other_config(Workdir(folder / "arms" / name), config, "a comparison keeps its settings; choose another --workdir")
    for number, (name, (config, budget)) in enumerate(arms.items(), 1):
        print(f"\narm {number} of {len(arms)}: {name}, {budget.steps:,} steps, {budget.flops:.3g} training FLOPs", flush=True)
        summary = loop.train(config, folder / "arms" / name, monitors)
        measured.append(measure(plan, name, config, budget, summary, folder / "arms" / name))
    run = Run.build(measured[0].config)
    floor = baselines.table(run.source)
    record = write(folder / "results.json", plan, command, measured, floor, time.monotonic() - started)
    return write_report(folder, plan, record, measured, floor, run)


def match(plan: Plan) -> dict[str, tuple[Any, Budget]]:
    """Every arm's config with the length of training that gives it the reference arm's budget, and what that costs."""
    runs = {name: Run.build(config) for name, config in plan.arms.items()}
    for name, run in runs.items():
        require(run.objective.generates, f"arm '{name}' is of objective {run.config.objective}, which draws no samples to compare")
        require(run.objective.scores, f"arm '{name}' is of objective {run.config.objective}, which has no likelihood to compare")
    cost = {name: {"train_flops": step_flops(run), "examples": 1.0} for name, run in runs.items()}
    reference, matched = plan.config.reference, plan.config.match
    budget = runs[reference].total_steps * cost[reference][matched]
    arms = {}
    for name, config in plan.arms.items():
        steps = max(1, round(budget / cost[name][matched]))
        config = with_fields(config, {"train.duration": f"{steps} steps"})
        arms[name] = config, Budget(steps, steps * config.data.batch_size, cost[name]["train_flops"], xla_step_flops(config))
    return arms


def step_flops(run: Run) -> float:
    """Operations of one training step."""
    return flops.count(run.make_step(), run.abstract_state, _abstract_batch(run))


def xla_step_flops(config: Any) -> float:
    """XLA's cost analysis of one training step, with the layers unrolled and in one micro-batch: it does not count loops."""
    run = Run.build(with_fields(config, {"model.scan_layers": "false", "train.accumulation": "1"}))
    return float((jax.jit(run.make_step()).lower(run.abstract_state, _abstract_batch(run)).cost_analysis() or {})["flops"])


def with_fields(config: Any, overrides: Mapping[str, str]) -> ml_collections.FrozenConfigDict:
    """The config with fields changed."""
    fields = configs.base_fields()
    return configs.check(configs.apply(config, fields, overrides), fields)


def measure(plan: Plan, name: str, config: Any, budget: Budget, summary: loop.Summary, path: Path) -> Arm:
    """Bits on the held-out split, samples, and what they cost, with the averaged parameters of the last step."""
    run, params, _ = load(path, {})
    evaluator = Evaluator(run)
    print(f"  measuring {name} ...", flush=True)
    bits = evaluator.bits(params, config.evaluate.examples)
    count = plan.config.samples_per_class * (run.classes or 10)
    drawn = evaluator.draw(params, count)
    started = time.monotonic()  # once more, now that it is compiled, in full batches
    evaluator.draw(params, evaluator.batch_size, first=count)
    seconds = time.monotonic() - started
    request = {"id": jax.ShapeDtypeStruct((1,), np.uint32)}
    if run.classes:
        request["label"] = jax.ShapeDtypeStruct((1,), np.int32)
    request |= _abstract_captions(run, 1)
    sampling = flops.count(run.objective.sample, run.abstract_state.params, request, jax.eval_shape(lambda: jax.random.key(0)))
    parameters = {part: sum(leaf.size for leaf in jax.tree.leaves(tree)) for part, tree in run.abstract_state.params.items()}
    history = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return Arm(name, config, budget, parameters, summary, history, bits, drawn, evaluator.batch_size / seconds, sampling)


def _abstract_batch(run: Run) -> dict[str, jax.ShapeDtypeStruct]:
    spec, rows = run.source.spec, run.config.data.batch_size
    batch = {
        spec.key: jax.ShapeDtypeStruct((rows, *spec.shape), np.uint8 if spec.key == "image" else np.int32),
        "id": jax.ShapeDtypeStruct((rows,), np.uint32),
        "weight": jax.ShapeDtypeStruct((rows,), np.float32),
    }
    return batch | ({"label": jax.ShapeDtypeStruct((rows,), np.int32)} if spec.num_classes else {}) | _abstract_captions(run, rows)


def _abstract_captions(run: Run, rows: int) -> dict[str, jax.ShapeDtypeStruct]:
    return {"caption": jax.ShapeDtypeStruct((rows, run.source.spec.caption_length), np.int32)} if run.captioned else {}
