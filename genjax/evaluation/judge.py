"""A trained classifier as a judge of samples: how far they are from the data in its features, and whether they are what was asked for."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genjax.data.base import Source
from genjax.errors import UsageError
from genjax.evaluation import frechet
from genjax.evaluation.statistics import Share, share
from genjax.evaluation.trained import Trained
from genjax.objectives.classifier import Classifier

_REFERENCE = 10_000  # training examples that the moments of the data are taken from


class Verdict(NamedTuple):
    """What a judge says of `count` examples.

    Attributes:
      frechet: Fréchet distance to `reference` training examples in the classifier's features. Not an FID.
      as_asked: how many the classifier gives the class that was asked for; None without classes.
    """

    frechet: float
    as_asked: Share | None
    count: int
    reference: int


class Judge:
    """A trained classifier, and the moments of its features on the training data."""

    def __init__(self, trained: Trained) -> None:
        run, objective = trained.run, trained.run.objective
        if not isinstance(objective, Classifier):
            raise UsageError(f"the judge's run is of objective '{run.config.objective}': train one with objective=classifier")
        self.spec, self.source, self.batch_size = run.source.spec, run.source, run.config.data.eval_batch_size
        self.name = f"a {run.config.model.width}-wide classifier of {self.spec.name}, step {trained.step}"
        self._params = trained.params
        self._features = run.parallel.compile(lambda params, image: objective.features_and_logits(params, image, None))
        train = self.source.splits["train"]
        self._data = frechet.moments(self.features(train.rows(np.arange(min(len(train), _REFERENCE)))[self.spec.key])[0])

    def __call__(self, images: np.ndarray, label: np.ndarray | None) -> Verdict:
        """The verdict on integer arrays [n, *axes, C] that were to be of classes label [n]."""
        features, logits = self.features(images)
        known = None if label is None else label < self.spec.num_classes
        as_asked = None if known is None or not known.any() else share((np.argmax(logits, axis=-1) == label)[known])
        return Verdict(frechet.distance(frechet.moments(features), self._data), as_asked, len(images), self._data.count)

    def held_out(self, source: Source, count: int) -> Verdict:
        """The verdict on the first `count` held-out examples of a source, decoded: what a perfect model of it would get with as many samples."""
        rows = source.splits["eval"].rows(np.arange(min(count, source.spec.eval_size)))
        return self(source.decoded(rows[source.spec.key]), rows.get("label"))

    def features(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Features [n, D] and logits [n, classes] of arrays [n, *axes, C]."""
        parts = []
        for start in range(0, len(images), self.batch_size):
            here = images[start : start + self.batch_size]
            filled = np.concatenate([here, np.repeat(here[:1], self.batch_size - len(here), axis=0)])  # one shape, one compilation
            parts.append([np.asarray(part)[: len(here)] for part in self._features(self._params, filled)])
        features, logits = zip(*parts, strict=True)
        return np.concatenate(features), np.concatenate(logits)
