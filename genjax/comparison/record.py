"""results.json: a comparison as numbers with their protocol. Whatever is shown anywhere comes from such a file."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genjax import config as configs
from genjax.comparison import ledger
from genjax.comparison.plan import Plan, content
from genjax.comparison.verdict import order
from genjax.evaluation.baselines import Baseline
from genjax.evaluation.provenance import PACKAGES, commit, hardware, metric, provenance
from genjax.evaluation.statistics import Effect, two_level
from genjax.training.workdir import Workdir

if TYPE_CHECKING:
    from genjax.comparison.run import Arm, Trained

__all__ = ["PACKAGES", "commit", "hardware", "metric", "provenance", "write"]


def write(path: Path, plan: Plan, command: str, arms: Sequence[Arm], floor: Sequence[Baseline], seconds: float) -> dict[str, Any]:
    """Writes the record of a comparison and returns it."""
    unit = arms[0].unit
    metrics = [row for arm in arms for cell in arm.cells for row in cell_metrics(arm, cell)]
    metrics += [row for arm in arms for row in arm_metrics(arm)]
    metrics += [metric(each.name, f"bits_per_{unit}", each.value, f"bits/{unit}", None, stderr=each.stderr, kind="exact") for each in floor]
    record = {
        "name": path.parent.name,
        "title": plan.config.title,
        "command": command,
        **provenance(),
        "seeds": list(plan.seeds),
        "config": {"comparison": configs.to_json(plan.config), "arms": {arm.name: configs.to_json(arm.config) for arm in arms}},
        "metrics": metrics,
        "intervals": {arm.name: interval(arm.effect) for arm in arms},
        "differences": [
            {"first": first, "second": second, "metric": f"bits_per_{unit}", **interval(effect), "says": order(effect, first, second)}
            for first, second, effect in differences(arms)
        ],
        "originality": {arm.name: arm.originality for arm in arms},
        "rules": plan.rules.record(),
        "ledger": [row._asdict() for row in ledger.table(arms, plan.rules)],
        "evaluation_set": arms[0].evaluation_set,
        "notes": [
            f"Every arm: {'one seed' if len(plan.seeds) == 1 else f'{len(plan.seeds)} seeds'}, averaged parameters of the last step, {arms[0].items} "
            f"held-out examples; the standard error is over examples{' and seeds' * (len(plan.seeds) > 1)}.",
            "Intervals are of 95 %, by the bootstrap over seeds and examples (genjax.evaluation.statistics); differences are paired by both.",
            "train_flops counts loops as often as they run (genjax.training.flops); "
            "xla_train_flops is XLA's cost analysis of the step without loops.",
            f"Load average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; "
            "with other work on the machine, rates and seconds are worse than they could be.",
            f"The whole command took {seconds:.0f} s, with what was already trained taken from its run.",
        ],
    }
    np.savez_compressed(path.parent / "items.npz", arms=np.array([arm.name for arm in arms]), bits=np.stack([arm.values for arm in arms]))
    Workdir(path.parent).write_json(path.name, record)
    return record


def differences(arms: Sequence[Arm]) -> list[tuple[str, str, Effect]]:
    """Every pair of arms, in their order, with the paired difference in bits a unit.

    Arms that are told of something else, or asked, or see codes, have other bits to tell: no difference is taken of them.
    """
    return [
        (first.name, second.name, two_level(first.values - second.values, may_be_lower=first.kind != "exact", may_be_higher=second.kind != "exact"))
        for first, second in itertools.combinations(arms, 2)
        if content(first.config.data.source) == content(second.config.data.source)
    ]


def interval(effect: Effect) -> dict[str, Any]:
    """An effect as numbers; an end that is not bounded is "inf"."""
    low, high = effect.interval()
    return {"value": effect.value, "low": low, "high": high, "seeds": effect.seeds, "items": effect.items}


def cell_metrics(arm: Arm, cell: Trained) -> list[dict[str, Any]]:
    """The rows of one training."""
    bits, seed = cell.bits, cell.seed
    unit = f"bits/{bits.unit}"
    rows = [metric(arm.name, f"bits_per_{bits.unit}", bits.value, unit, seed, stderr=bits.stderr, kind=bits.kind)]
    rows += [metric(arm.name, f"bits_per_{bits.unit}_{term}", value, unit, seed, kind=bits.kind) for term, value in bits.terms.items()]
    if bits.excess is not None:
        rows.append(metric(arm.name, "excess_bits", bits.excess.value, "bits/example", seed, stderr=bits.excess.stderr, kind=bits.kind))
    return [*rows, metric(arm.name, "train_seconds", cell.seconds, "s", seed)]


def arm_metrics(arm: Arm) -> list[dict[str, Any]]:
    """The rows that are the same for every seed, or measured with the first."""
    seed, account = arm.cells[0].seed, arm.account
    return [
        metric(arm.name, "parameters", sum(account.parameters.values()), "parameters", seed),
        metric(arm.name, "train_steps", account.steps, "steps", seed),
        metric(arm.name, "train_examples", account.examples, "examples", seed),
        metric(arm.name, "train_passes", account.examples / account.unique, "passes", seed),
        metric(arm.name, "supervised_targets", account.targets, "targets", seed),
        metric(arm.name, "train_flops", account.flops, "flop", seed),
        metric(arm.name, "mask_aware_train_flops", account.mask_aware_flops, "flop", seed),
        metric(arm.name, "xla_train_flops", account.xla_flops, "flop", seed),
        *([] if account.formula_flops is None else [metric(arm.name, "formula_train_flops", account.formula_flops, "flop", seed)]),
        metric(arm.name, "network_evaluations_per_sample", arm.drawn.nfe, "evaluations", seed),
        metric(arm.name, "sequential_depth", arm.drawn.sequential_depth, "evaluations", seed),
        metric(arm.name, "flops_per_sample", arm.flops_per_sample, "flop", seed),
        metric(arm.name, "samples_per_second", arm.samples_per_second, "samples/s", seed),
    ]
