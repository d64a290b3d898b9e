"""What a claim is measured by: one function a metric, from a trained model to numbers that are averaged over seeds and items.

A new metric is one function (subject, **numbers) -> values [n], one line in METRICS, and its name among the choices of `metric` in
configs/base.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from genjax.comparison import ledger
from genjax.config import require
from genjax.data.shapes import oracle, scenes
from genjax.data.shapes.prompts import EMPTY, SEVERAL, SceneData
from genjax.evaluation import (
    choice,
    describing,
    diversity,
    following,
    frechet,
    hidden_cell,
    left_open,
    memorisation,
    negation,
    questions,
    timing,
    two_sample,
)
from genjax.evaluation.describing import Describer
from genjax.evaluation.evaluator import Drawn, Evaluator
from genjax.evaluation.planner import Planner
from genjax.training.setup import Run
from genjax.types import Params

_TRAIN = 10_000  # training examples that samples are held against


class Subject(NamedTuple):
    """A trained model as it is used: its run with the settings of use, parameters, how often an attack may ask for its likelihood, and what plans for
    it, or puts into words what it draws again, if anything does.
    """

    run: Run
    params: Params
    repeats: int
    planner: Planner | None = None
    describer: Describer | None = None

    def samples(self, count: float) -> Drawn:
        """The first samples of the seed; one column a class."""
        return Evaluator(self.run).draw(self.params, int(count))

    def decoded(self, count: float) -> np.ndarray:
        """The same as what they stand for, so that codes and the arrays themselves are measured alike (`Source.plain`)."""
        return self.run.source.decoded(self.samples(count).data)

    def examples(self, split: str) -> np.ndarray:
        """The first examples of a split, decoded too."""
        source, rows = self.run.source, self.run.source.splits[split]
        return source.decoded(rows.rows(np.arange(min(len(rows), _TRAIN)))[source.spec.key])


class Metric(NamedTuple):
    """A metric.

    Attributes:
      measure: (subject, **numbers) -> float64 [n]; n items that are the same for every arm and seed, or one number.
      unit: of the numbers.
      bounded: whether the kind of the model's likelihood says that the number may be higher than the truth.
      of_bounds: whether the number is about the bound itself; it is held against one of the same kind only.
      clock: whether it is read off the clock, and depends on what else the machine does.
    """

    measure: Callable[..., np.ndarray]
    unit: str
    bounded: bool = False
    of_bounds: bool = False
    clock: bool = False


def _bits(subject: Subject) -> np.ndarray:
    config = subject.run.config
    return Evaluator(subject.run).likelihoods(subject.params, config.evaluate.examples).bits


def _evaluations(subject: Subject) -> np.ndarray:
    return np.array([subject.samples(1).nfe])


def _depth(subject: Subject) -> np.ndarray:
    return np.array([subject.samples(1).sequential_depth])


def _sample_flops(subject: Subject) -> np.ndarray:
    return np.array([np.log2(ledger.sample_flops(subject.run))])


def _latency(subject: Subject, batch: float = 1) -> np.ndarray:
    return np.array([np.log2(timing.sampling(subject.run, subject.params, int(batch)).milliseconds)])


def _rate(subject: Subject, batch: float = 64) -> np.ndarray:
    return np.array([np.log2(timing.sampling(subject.run, subject.params, int(batch)).samples_per_second)])


def pixel_frechet(samples: np.ndarray, reference: np.ndarray) -> float:
    """Fréchet distance of the values themselves, on [0, 1]-like scales left as they are: no classifier is needed, and none can be fooled."""
    return frechet.distance(*(frechet.moments(x.reshape(len(x), -1)) for x in (samples, reference)))


def _frechet(subject: Subject, samples: float = 500) -> np.ndarray:
    levels = subject.run.source.plain.spec.levels - 1
    return np.array([pixel_frechet(subject.decoded(samples) / levels, subject.examples("train") / levels)])


def _vendi(subject: Subject, samples: float = 200) -> np.ndarray:
    data = subject.decoded(samples)
    return np.array([diversity.vendi(diversity.cosine_similarity(data + 1e-9))])


def _near_copies(subject: Subject, samples: float = 500, quantile: float = 0.05) -> np.ndarray:
    found = memorisation.near_copies(subject.decoded(samples), subject.examples("train"), subject.examples("eval"), quantile)
    return np.array([found.above_chance])


def _membership(subject: Subject, fpr: float) -> memorisation.Attack:
    evaluator = Evaluator(subject.run)
    scores = {}
    for split in ("train", "eval"):
        drawn = [-evaluator.likelihoods(subject.params, _TRAIN, split=split, repeat=repeat).bits for repeat in range(subject.repeats)]
        scores[split] = np.mean(drawn, axis=0)
    return memorisation.attack(scores["train"], scores["eval"], fpr)


def _membership_tpr(subject: Subject, fpr: float = 0.01) -> np.ndarray:
    return np.array([_membership(subject, fpr).tpr])


def _membership_auc(subject: Subject) -> np.ndarray:
    return np.array([_membership(subject, 0.01).auc])


def _disagreement(subject: Subject, pairs: float = 50) -> np.ndarray:
    """Share of values in which two samples of the same class, from different random numbers, differ."""
    run, count = subject.run, int(pairs)
    label = np.arange(count) % run.classes if run.classes else None
    evaluator = Evaluator(run)
    one, other = (evaluator.draw(subject.params, count, label=label, first=first).data.reshape(count, -1) for first in (0, count))
    return np.mean(one != other, axis=1)


def _excess(subject: Subject) -> np.ndarray:
    found = Evaluator(subject.run).likelihoods(subject.params, subject.run.config.evaluate.examples)
    require(found.exact is not None, f"what {subject.run.source.spec.name} is worth is not known: there is no excess")
    return (found.nats - found.exact) / np.log(2)


def _verdict(subject: Subject, what: str, samples: float, several: float = 0) -> np.ndarray:
    """Of each sample, drawn for the caption of a held-out example; where `several`, only of captions of more than one statement."""
    asked, verdicts = following.judged(Evaluator(subject.run), subject.params, int(samples), subject.planner)
    prompts = subject.planner.prompts if subject.planner is not None else subject.run.source.prompts
    assert prompts is not None
    kept = [not several or prompts.category(caption) == SEVERAL for caption in asked["caption"]]
    require(any(kept), f"none of {len(kept)} captions makes several statements: ask for more samples")
    return getattr(verdicts, what)[kept].astype(np.float64)


def _facts(subject: Subject, samples: float) -> oracle.Facts:
    """What the oracle reads in samples."""
    prompts = subject.run.source.prompts
    require(isinstance(prompts, SceneData), f"{subject.run.source.spec.name} shows no scenes that the oracle could read")
    assert isinstance(prompts, SceneData)
    return prompts.facts(subject.samples(samples).data)


def _valid(subject: Subject, samples: float = 500) -> np.ndarray:
    return np.asarray(_facts(subject, samples).valid, np.float64)


def _colours(subject: Subject, samples: float = 500) -> np.ndarray:
    """Total variation between the colours of what is drawn and those of scenes, which are uniform; 1 where nothing is drawn."""
    colour = np.asarray(_facts(subject, samples).colour)
    counts = np.bincount(colour[colour < scenes.OBJECT_COLOURS], minlength=scenes.OBJECT_COLOURS)
    return np.array([np.abs(counts / counts.sum() - 1 / scenes.OBJECT_COLOURS).sum() / 2 if counts.any() else 1.0])


def _clauses(subject: Subject, samples: float = 500) -> np.ndarray:
    """How much more often a picture follows one statement than several together; "no shapes", which asks for one scene, is neither."""
    asked, verdicts = following.judged(Evaluator(subject.run), subject.params, int(samples))
    prompts = subject.run.source.prompts
    assert prompts is not None
    kinds = np.array([prompts.category(caption) for caption in asked["caption"]])
    several, one = kinds == SEVERAL, ~np.isin(kinds, (SEVERAL, EMPTY))
    require(bool(several.any() and one.any()), f"of {len(kinds)} captions none makes one statement, or none several: ask for more samples")
    return np.array([verdicts.follow[one].mean() - verdicts.follow[several].mean()])


def _told_apart(subject: Subject, samples: float = 500) -> np.ndarray:
    return np.array([two_sample.accuracy(subject.decoded(samples), subject.examples("eval"))])


def _leaves_out(subject: Subject, samples: float = 600) -> np.ndarray:
    """Of "no circle" and the like: whether the picture is one and does not show it. What cannot be read obeys nobody."""
    return negation.judged(Evaluator(subject.run), subject.params, int(samples), "a shape").strict.astype(np.float64)


def _shown(subject: Subject, samples: float = 600) -> np.ndarray:
    """Of the pictures that are valid, the share that shows what it was told to leave out: obedience alone, however well a model draws."""
    found = negation.judged(Evaluator(subject.run), subject.params, int(samples), "a shape")
    require(bool(found.valid.any()), f"none of {len(found.valid)} pictures is valid: train longer before you ask what they leave out")
    return np.array([np.mean(~found.follow[found.valid])])


def _filled(subject: Subject, cell: float = 0, samples: float = 1000) -> np.ndarray:
    """Bits between what is drawn in a hidden cell and the posterior, beyond those of exact draws; of fill-ins that show something that there is."""
    found = hidden_cell.measure(Evaluator(subject.run), subject.params, int(samples), int(cell))
    require(found.valid.value > 0, f"no fill-in of {int(samples)} shows anything that there is: train longer before you ask what they show")
    return np.array([found.divergence])


def _filled_in(subject: Subject, cell: float = 0, samples: float = 1000) -> np.ndarray:
    """How often a hidden cell is filled in with something that there is, an object or nothing."""
    return np.array([hidden_cell.measure(Evaluator(subject.run), subject.params, int(samples), int(cell)).valid.value])


def _right(subject: Subject, samples: float = 500) -> np.ndarray:
    _, measured = questions.judged(Evaluator(subject.run), subject.params, int(samples))
    right, of = next(iter(measured.values()))
    return right / np.maximum(of, 1)


def _chosen(subject: Subject, samples: float = 200, captions: float = 4) -> np.ndarray:
    return choice.right(Evaluator(subject.run), subject.params, int(samples), int(captions)).astype(np.float64)


def _left_open(subject: Subject, samples: float = 100) -> np.ndarray:
    return left_open.excess_entropy(Evaluator(subject.run), subject.params, int(samples))


def _round_trip(subject: Subject, samples: float = 500) -> np.ndarray:
    require(subject.describer is not None, "round_trip is of what was put into words: name the arm that does, --describer=ARM")
    assert subject.describer is not None
    return describing.returned(Evaluator(subject.run), subject.params, subject.describer, int(samples)).back.follow.astype(np.float64)


METRICS: dict[str, Metric] = {
    "bits_per_dim": Metric(_bits, "bits/dim", bounded=True),
    "bound_per_dim": Metric(_bits, "bits/dim", of_bounds=True),
    "excess_bits": Metric(_excess, "bits/example", bounded=True),
    "excess_bound": Metric(_excess, "bits/example", of_bounds=True),
    "follow": Metric(lambda subject, samples=500, several=0: _verdict(subject, "follow", samples, several), "share"),
    "strict": Metric(lambda subject, samples=500, several=0: _verdict(subject, "strict", samples, several), "share"),
    "valid": Metric(_valid, "share"),
    "colours": Metric(_colours, "total variation"),
    "clauses": Metric(_clauses, "share"),
    "told_apart": Metric(_told_apart, "accuracy"),
    "leaves_out": Metric(_leaves_out, "share"),
    "shown": Metric(_shown, "share"),
    "hidden_cell": Metric(_filled, "bits"),
    "filled_in": Metric(_filled_in, "share"),
    "answers": Metric(_right, "share"),
    "round_trip": Metric(_round_trip, "share"),
    "caption_choice": Metric(_chosen, "share"),
    "network_evaluations": Metric(_evaluations, "evaluations"),
    "sequential_depth": Metric(_depth, "evaluations"),
    "sample_flops": Metric(_sample_flops, "log2 flop"),
    "latency": Metric(_latency, "log2 ms", clock=True),
    "throughput": Metric(_rate, "log2 samples/s", clock=True),
    "pixel_frechet": Metric(_frechet, "distance"),
    "vendi": Metric(_vendi, "effective samples"),
    "left_open": Metric(_left_open, "bits"),
    "near_copies": Metric(_near_copies, "share"),
    "membership_tpr": Metric(_membership_tpr, "share"),
    "membership_auc": Metric(_membership_auc, "area"),
    "disagreement": Metric(_disagreement, "share of values"),
}


PLANNED = ("follow", "strict")  # of what is drawn from plans, where something plans


def measure(metric: str, numbers: dict[str, Any], subject: Subject) -> np.ndarray:
    """The values [n] of a metric for one trained model."""
    require(subject.planner is None or metric in PLANNED, f"{metric} is not measured of two models together: only {', '.join(PLANNED)} are")
    require(subject.describer is None or metric == "round_trip", f"{metric} is not measured of what was put into words: only round_trip is")
    return np.asarray(METRICS[metric].measure(subject, **numbers), np.float64)
