"""Measuring a model: bits on the held-out split, and samples, through the objective's protocol and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax import rng
from genjax.data.loader import eval_batches
from genjax.evaluation.statistics import Bits, PerExample
from genjax.training.setup import Run
from genjax.training.signals import leave_if_asked
from genjax.types import Params


class Drawn(NamedTuple):
    """Samples of a model.

    Attributes:
      data: [n, ...] in the units of the data.
      label: int32 [n] or None.
      nfe, sequential_depth: network evaluations a sample, and how many of them must wait for one another.
    """

    data: np.ndarray
    label: np.ndarray | None
    nfe: float
    sequential_depth: float


class Evaluator:
    """The compiled measurements of a run; make one and use it for every set of parameters."""

    def __init__(self, run: Run) -> None:
        self.run = run
        # A batch splits over all devices; its size changes no result.
        devices = run.parallel.row_count
        self.batch_size = math.ceil(run.config.data.eval_batch_size / devices) * devices

    @cached_property
    def likelihood(self):
        """(params, batch, key) -> Likelihood, compiled."""
        return self.run.parallel.compile(self.run.objective.likelihood)

    @cached_property
    def sampler(self):
        """(params, request, key) -> Samples, compiled."""
        return self.run.parallel.compile(self.run.objective.sample)

    @cached_property
    def describer(self):
        """The same of captions, by an objective that `Describes`."""
        objective: Any = self.run.objective
        return self.run.parallel.compile(objective.describe)

    def bits(self, params: Params, examples: int | None = None) -> Bits:
        """Bits a unit on the first `examples` of the held-out split, or on all of it. Equal parameters give equal numbers."""
        return self.likelihoods(params, examples).total()

    def likelihoods(
        self, params: Params, examples: int | None = None, *, split: str = "eval", repeat: int = 0, captions: np.ndarray | None = None
    ) -> PerExample:
        """The likelihoods of the first `examples` of a split, or of all of it; a bound's own draws are others for another `repeat`.

        captions: int [examples, S], told in the place of the examples' own.
        """
        key = rng.stream(self.run.config.seed, "likelihood", repeat)
        parts: list[dict[str, np.ndarray]] = []
        known = {} if self.run.exact_nats is None else {"exact": self.run.exact_nats}
        known |= {f"exact/{name}": nats for name, nats in self.run.exact_terms.items()}
        known = known if split == "eval" and captions is None else {}
        kind, unit = "", ""
        processes = {"process_index": jax.process_index(), "process_count": jax.process_count()}
        for batch in eval_batches(self.run.source, self.batch_size, split=split, limit=examples, **processes):
            leave_if_asked()
            if captions is not None:
                batch = batch | {"caption": captions[batch["id"]].astype(np.int32)}
            worth = {name: nats(batch) for name, nats in known.items()}
            batch = self.run.parallel.put(batch | worth)
            result = self.likelihood(params, batch, key)
            kept = np.asarray(self.run.parallel.gather(batch["weight"])) > 0
            columns = {"nats": result.nats, "units": result.units, "draws": result.stderr} | {f"term/{k}": v for k, v in result.terms.items()}
            columns |= {name: self.run.parallel.gather(batch[name]) for name in worth}
            parts.append({name: np.asarray(column, np.float64)[kept] for name, column in columns.items()})
            kind, unit = result.kind, result.unit
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        terms, exact_terms = (
            {name.removeprefix(part): column for name, column in columns.items() if name.startswith(part)} for part in ("term/", "exact/")
        )
        return PerExample(columns["nats"], columns["units"], columns["draws"], terms, kind, unit, columns.get("exact"), exact_terms)

    def film(self, params: Params, count: int) -> dict[str, np.ndarray]:
        """The films of the objective for the first `count` held-out examples: name -> frames [F, count, ...]."""
        batch = next(eval_batches(self.run.source, self.batch_size))
        batch = {name: rows[:count] for name, rows in batch.items()}
        films = jax.jit(self.run.objective.film)(params, batch, rng.stream(self.run.config.seed, "sample"))
        return {name: np.asarray(frames) for name, frames in films.items()}

    def draw(
        self,
        params: Params,
        count: int,
        *,
        label: int | np.ndarray | None = None,
        first: int = 0,
        given: Mapping[str, np.ndarray] | None = None,
        turn: int = 0,
        describe: bool = False,
        told: bool = True,
    ) -> Drawn:
        """`count` samples with ids first, first + 1, ...; sample i is the same whatever the count and the batch size.

        With classes, the class of sample i is `label` (one, or one a sample), or i modulo the number of classes when it is None.
        A model that is told of captions draws those of the held-out split, in turn; unless `told` is false, of one that says them itself.
        `given` [count, ...] goes into the request: a caption, the data to edit, the mask of what to keep. Another `turn` draws with other numbers.
        With `describe`, captions of the data that are given are drawn, by an objective that `Describes`.
        """
        given = dict(given or {})
        if self.run.captioned and "caption" not in given and told and not describe:
            held_out = self.run.source.splits["eval"]
            given["caption"] = held_out.rows(np.arange(first, first + count) % len(held_out))["caption"]
        classes = self.run.classes
        ids = np.arange(first, first + count, dtype=np.uint32)
        labels = (ids % classes if label is None else np.broadcast_to(label, (count,))).astype(np.int32) if classes else None
        key = rng.stream(self.run.config.seed, "sample", turn)
        rows, nfe, depth = [], 0.0, 0.0
        for start in range(0, count, self.batch_size):
            leave_if_asked()
            # The last batch is filled up with copies of its first row, so that everything has one shape and compiles once.
            here = np.arange(start, start + self.batch_size)
            here = np.where(here < count, here, start)
            request = {"id": ids[here]} | ({"label": labels[here]} if labels is not None else {})
            request |= {name: rows[here] for name, rows in given.items()}
            samples = (self.describer if describe else self.sampler)(params, self.run.parallel.put_whole(request), key)
            rows.append(np.asarray(samples.data)[: count - start])
            nfe, depth = float(np.mean(samples.cost.nfe)), float(np.mean(samples.cost.sequential_depth))
        return Drawn(np.concatenate(rows), labels, nfe, depth)
