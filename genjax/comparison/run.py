"""Running a comparison: equal budgets, the same data, one measurement after the other, and a record of all of it."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genjax.comparison import ledger
from genjax.comparison.cells import Cell, lay_out, train
from genjax.comparison.ledger import Account
from genjax.comparison.matching import match
from genjax.comparison.plan import Plan
from genjax.comparison.record import write
from genjax.comparison.report import write_report
from genjax.evaluation import baselines, diversity, memorisation
from genjax.evaluation.evaluator import Drawn, Evaluator
from genjax.evaluation.statistics import Bits, Effect, PerExample, two_level
from genjax.evaluation.trained import load
from genjax.training.setup import Run
from genjax.training.workdir import Workdir

_REFERENCE = 10_000  # examples of each split that samples are held against


class Trained(NamedTuple):
    """A trained and measured cell.

    Attributes:
      seed: of the training.
      seconds: spent in training steps.
      history: the rows of its metrics.
      likelihoods: of the held-out examples.
      units: how many of the data's own units are one of those that bits are counted by.
    """

    seed: int
    seconds: float
    history: list[dict[str, Any]]
    likelihoods: PerExample
    units: float = 1.0

    def by_example(self) -> Trained:
        """The same with bits counted by the example: so they can stand beside those of a model that sees it in another form, with other units."""
        name, units = f"bits_per_{self.likelihoods.unit}", float(np.mean(self.likelihoods.units))
        history = [row | {"bits_per_example": units * row[name]} if name in row else row for row in self.history]
        return self._replace(history=history, likelihoods=self.likelihoods.by_example(), units=units)

    @property
    def bits(self) -> Bits:
        return self.likelihoods.total()


class Arm:
    """A trained and measured arm: what it is, what it was given, and the cells of its seeds. Samples are those of the first seed."""

    def __init__(self, name: str, config: Any, account: Account, cells: list[Trained], drawn: Drawn, samples_per_second: float) -> None:
        self.name, self.config, self.account, self.cells = name, config, account, cells
        self.drawn, self.samples_per_second = drawn, samples_per_second
        run = Run.build(config)
        self.source = run.source
        self.flops_per_sample = ledger.sample_flops(run)
        self.evaluation_set = ledger.evaluation_set(run.source, config.evaluate.examples)

    @property
    def kind(self) -> str:
        return self.cells[0].likelihoods.kind

    @property
    def unit(self) -> str:
        """What bits are counted by."""
        return self.cells[0].bits.unit

    @property
    def values(self) -> np.ndarray:
        """Bits a unit [seeds, items] of every example."""
        return np.stack([cell.likelihoods.bits for cell in self.cells])

    @cached_property
    def originality(self) -> dict[str, Any]:
        """How varied the samples are and how near they come to the training examples (`evaluation.diversity`, `evaluation.memorisation`); empty where
        the data have no distances.
        """
        source = self.source
        if not source.plain.spec.ordered:
            return {}
        each = (source.splits[split] for split in ("train", "eval"))
        train, held_out = (source.decoded(rows.rows(np.arange(min(len(rows), _REFERENCE)))[source.spec.key]) for rows in each)
        data = source.decoded(self.drawn.data)
        effective = [diversity.vendi(diversity.cosine_similarity(rows + 1e-9)) for rows in (data, held_out[: len(data)])]
        return {
            "samples": len(data),
            "vendi": effective[0],
            "vendi_held_out": effective[1],
            "distinct": len(np.unique(diversity.kinds_of(data))),
            "near_copies": memorisation.near_copies(data, train, held_out)._asdict(),
            "nearer_to_train": memorisation.nearer_to_train(data, train, held_out),
        }

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
        return self.cells[0].bits.stderr if len(self.cells) == 1 else self.effect.stderr


def compare(plan: Plan, path: str | Path, command: str, *, workers: int = 1) -> Path:
    """Trains what is not yet trained, measures every arm, and writes results.json, report.html and pictures; returns the report's path.

    The same call goes on where a stopped one left off: every cell is a run of its own in <path>/arms/<name>/seed_<seed>.
    """
    started = time.monotonic()
    folder = Workdir(path).path
    arms = match(plan, folder)
    cells = {name: lay_out(plan, name, config, folder) for name, (config, _) in arms.items()}
    train(arms, cells, workers)
    measured = [measure(plan, name, config, account, cells[name]) for name, (config, account) in arms.items()]
    run = Run.build(measured[0].config)
    units = measured[0].cells[0].units
    floor = [
        each._replace(value=units * each.value, stderr=units * each.stderr) for each in baselines.table(run.source, run.config.evaluate.examples)
    ]
    record = write(folder / "results.json", plan, command, measured, floor, time.monotonic() - started)
    return write_report(folder, plan, record, measured, floor, run)


def measure(plan: Plan, name: str, config: Any, account: Account, cells: list[Cell]) -> Arm:
    """Bits on the held-out split of every seed, samples of the first, and what they cost, with the averaged parameters of the last step."""
    print(f"  measuring {name} ...", flush=True)
    trained = []
    for cell in cells:
        run, params, _ = load(cell.path, {})
        likelihoods = Evaluator(run).likelihoods(params, config.evaluate.examples)
        found = Trained(cell.seed, cell.seconds, cell.history(), likelihoods)
        trained.append(found if plan.one_form else found.by_example())
    run, params, _ = load(cells[0].path, {})
    evaluator = Evaluator(run)
    count = plan.config.samples_per_class * (run.classes or 10)
    drawn = evaluator.draw(params, count)
    started = time.monotonic()  # once more, now that it is compiled, in full batches
    evaluator.draw(params, evaluator.batch_size, first=count)
    seconds = time.monotonic() - started
    return Arm(name, config, account, trained, drawn, evaluator.batch_size / seconds)
