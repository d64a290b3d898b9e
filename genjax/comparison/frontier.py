"""Frontiers, not points: what a trained arm gives for what its sampling costs, over the settings that trade one for the other.

A line of settings "field=value,value,... field=value" stands for every combination of its values; `step=1000,2000` are checkpoints, so that a
line can also follow the training. Each setting is sampled and timed:

    quality    the Fréchet distance to the training set, of the values and, where a classifier is given, of its features: then those decide
    cost       network evaluations (guidance counts two), operations (a cache and guidance counted), sequential depth,
               milliseconds for one sample, samples a second in batches of 1, 8 and 64

At equal quality, the cheapest setting of each arm that is as good as the worse of their best (within `SLACK`), the arms' samples a second are set
against the batch size; where the two lines cross, the faster arm changes.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genjax.comparison import ledger, record
from genjax.comparison.cells import lay_out
from genjax.comparison.matching import match
from genjax.comparison.metrics import Subject, pixel_frechet
from genjax.comparison.plan import Plan
from genjax.config import require
from genjax.evaluation import diversity, timing
from genjax.evaluation.judge import Judge
from genjax.evaluation.trained import Trained, load
from genjax.training.setup import Run
from genjax.training.workdir import Workdir

STEP = "step"
SLACK = 1.1  # a setting is as good as another when its distance is at most so many times the other's
VALUES, FEATURES = "frechet_of_values", "frechet_of_features"
# What settings are ordered by; lower is better.
QUALITIES = {VALUES: "Fréchet distance of values", FEATURES: "Fréchet distance of a classifier's features"}


class Point(NamedTuple):
    """One setting of one arm.

    Attributes:
      arm, settings: whose, and {field: text}.
      quality: name -> number.
      nfe, sequential_depth, flops: of one sample.
      timings: seconds of whole batches.
    """

    arm: str
    settings: dict[str, str]
    quality: dict[str, float]
    nfe: float
    sequential_depth: float
    flops: float
    timings: list[timing.Timing]

    @property
    def step(self) -> int | None:
        """The checkpoint that the setting names, if it does."""
        return int(self.settings[STEP]) if STEP in self.settings else None

    @property
    def kind(self) -> str:
        """The settings that are names, not amounts: a solver, for instance."""
        return " ".join(value for value in self.settings.values() if not re.fullmatch(r"[\d.]+", value))

    @property
    def label(self) -> str:
        return " ".join(f"{field.rpartition('.')[2]}={value}" for field, value in self.settings.items()) or "as trained"


def settings(lines: Sequence[str]) -> list[dict[str, str]]:
    """Every combination of the values of every line; commas inside parentheses belong to a value."""
    found = []
    for line in lines:
        fields = []
        for word in re.findall(r"\S+?=(?:\([^)]*\)|[^\s(])+(?:\([^)]*\)[^\s]*)?", line):
            field, _, values = word.partition("=")
            fields.append([(field, value) for value in re.split(r",(?![^(]*\))", values)])
        require(bool(fields), f"the frontier's line '{line}' has no field=value")
        found += [dict(combination) for combination in itertools.product(*fields)]
    return found


def measure(trained: Trained, arm: str, chosen: Mapping[str, str], count: int, judge: Judge | None) -> Point:
    """A setting sampled `count` times and timed."""
    subject = Subject(trained.run, trained.params, 1)
    drawn, scale = subject.samples(count), trained.run.source.plain.spec.levels - 1
    data = trained.run.source.decoded(drawn.data)
    quality = {
        VALUES: pixel_frechet(data / scale, subject.examples("train") / scale),
        "vendi": diversity.vendi(diversity.cosine_similarity(data + 1e-9)),
    }
    if judge is not None:
        said = judge(data, drawn.label)
        quality |= {FEATURES: said.frechet, "classified_as_asked": said.as_asked.value if said.as_asked else math.nan}
    timings = [timing.sampling(trained.run, trained.params, batch) for batch in timing.BATCHES]
    return Point(arm, dict(chosen), quality, drawn.nfe, drawn.sequential_depth, ledger.sample_flops(trained.run), timings)


def _trained(path: Path, chosen: Mapping[str, str]) -> Trained:
    """A run as a setting uses it."""
    step = chosen.get(STEP)
    require(step is None or step.isdecimal(), f"the frontier's step={step} is no checkpoint: give the number of a step")
    return load(path, {field: value for field, value in chosen.items() if field != STEP}, step=None if step is None else int(step))


def crossover(first: Sequence[timing.Timing], second: Sequence[timing.Timing]) -> float | None:
    """The batch size at which two arms make as many samples a second, between measured sizes on logarithmic axes; None where they never do."""
    lead = [math.log(a.samples_per_second / b.samples_per_second) for a, b in zip(first, second, strict=True)]
    for (a, b), (left, right) in zip(itertools.pairwise(first), itertools.pairwise(lead), strict=True):
        if left == 0:
            return float(a.batch)
        if left * right < 0:
            return a.batch * (b.batch / a.batch) ** (left / (left - right))
    return float(first[-1].batch) if lead[-1] == 0 else None


def at_equal_quality(points: Sequence[Point], by: str) -> dict[str, Point]:
    """The cheapest setting of every arm, in operations, that is as good as the worst arm's best, within SLACK; `by` is one of QUALITIES."""
    arms = dict.fromkeys(point.arm for point in points)
    goal = SLACK * max(min(point.quality[by] for point in points if point.arm == arm) for arm in arms)
    good = {arm: [point for point in points if point.arm == arm and point.quality[by] <= goal] for arm in arms}
    return {arm: min(mine, key=lambda point: point.flops) for arm, mine in good.items()}


def pareto(points: Sequence[Point], cost: str, by: str) -> list[Point]:
    """The points that no other is at least as good and as cheap as (to 1 %), from cheap to dear; `cost` is an attribute of a point."""
    kept, best = [], math.inf
    for point in sorted(points, key=lambda point: (round(100 * math.log(getattr(point, cost))), point.quality[by])):
        if point.quality[by] < best:
            kept.append(point)
            best = point.quality[by]
    return kept


def run(plan: Plan, path: str | Path, command: str, *, count: int, classifier: str | None) -> dict[str, Any]:
    """Samples every setting of the plan's frontier with the first seed of the arms trained in `path`; writes and returns frontier.json."""
    require(bool(plan.frontier), f"the comparison '{plan.recipe}' has no frontier: set config.frontier = {{arm: ['field=value,value']}}")
    folder = Workdir(path).path
    judge = None if classifier is None else Judge(load(classifier, {}))
    by = VALUES if judge is None else FEATURES
    configs = match(plan, folder)
    points, learned = [], {}
    for arm, lines in plan.frontier.items():
        (cell, *_) = lay_out(plan, arm, configs[arm][0], folder)
        require(cell.complete, f"arm '{arm}' is not trained in {folder} yet: run scripts/compare.py with the same --config and --workdir first")
        learned[arm] = [row for row in cell.history() if row["split"] == "held_out"]
        for chosen in settings(lines):
            points.append(measure(_trained(cell.path, chosen), arm, chosen, count, judge))
            said = points[-1]
            print(f"  {arm:<20} {said.label:<44} {by} {said.quality[by]:.3f}  {said.nfe:g} evaluations", flush=True)
    source = Run.build(configs[plan.config.reference][0]).source
    train, held_out = (source.splits[split].rows(np.arange(len(source.splits[split])))[source.spec.key] for split in ("train", "eval"))
    scale = source.spec.levels - 1
    equal = at_equal_quality([point for point in points if point.step is None], by)
    names = list(equal)
    seen = {VALUES: pixel_frechet(held_out[:count] / scale, train / scale)}
    seen |= {} if judge is None else {FEATURES: judge.held_out(source, count).frechet}
    written = {
        "name": Path(path).name,
        "command": command,
        **record.provenance(),
        "seeds": [plan.seeds[0]],
        "samples": count,
        "judge": judge.name if judge is not None else None,
        "ordered_by": by,
        "held_out": seen,
        "learned": learned,
        "points": [
            point._asdict() | {"timings": [t._asdict() | {"samples_per_second": t.samples_per_second} for t in point.timings]} for point in points
        ],
        "at_equal_quality": {arm: point.label for arm, point in equal.items()},
        "crossover_batch": {f"{a}, {b}": crossover(equal[a].timings, equal[b].timings) for a, b in itertools.combinations(names, 2)},
        "notes": ["One seed of each arm. Other work on the machine makes times longer; operations and evaluations do not depend on it."],
    }
    Workdir(folder).write_json("frontier.json", written)
    return written


def read(written: Mapping[str, Any]) -> list[Point]:
    """The points of a frontier.json."""
    return [
        Point(**point | {"timings": [timing.Timing(t["batch"], t["seconds"]) for t in point["timings"]]})
        for point in ({name: each[name] for name in Point._fields} for each in written["points"])
    ]


def text(points: Sequence[Point]) -> list[list[str]]:
    """The frontier as rows of text, with its head."""
    qualities = list(dict.fromkeys(name for point in points for name in point.quality))
    head = ["arm", "setting", *[name.replace("_", " ") for name in qualities], "evaluations", "in a row", "FLOPs a sample", "ms for one"]
    head += [f"samples/s at {t.batch}" for t in points[0].timings]
    return [head] + [
        [
            point.arm,
            point.label,
            *[f"{point.quality.get(name, np.nan):.3f}" for name in qualities],
            f"{point.nfe:g}",
            f"{point.sequential_depth:g}",
            f"{point.flops:.3g}",
            f"{point.timings[0].milliseconds:.1f}",
            *[f"{t.samples_per_second:.0f}" for t in point.timings],
        ]
        for point in points
    ]
