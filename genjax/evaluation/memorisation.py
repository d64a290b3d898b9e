"""What a model has kept of its training examples: whether its samples are near copies of them, and whether its likelihood betrays them.

Near copies. The distance from a held-out example to its nearest training example shows how near real data come to the training set by
chance. A sample is a near copy when it is nearer to the training set than all but the share q of held-out examples,

    near-copy rate = mean[ d(sample, train) < quantile_q d(held-out, train) ],     q by chance,                                     (1)

so what counts is the rate above q. Equally, a sample of a model that has not memorised is as often nearest to a training example as to a held-out one
of a set of the same size: half the time (2).

Membership inference. The attack says "was trained on" where the likelihood is high; it is judged by how many training examples it finds at a fixed
rate of false alarms among held-out ones (arXiv:2112.03570). A Monte-Carlo bound is repeated until the attack on every model has cost the same
FLOPs, so that no model looks safer for being asked less often.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from genjax.evaluation.statistics import wilson

_CHUNK = 256  # rows whose distances are held at once


def nearest(examples: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Euclidean distances float64 [n] of examples [n, ...] to the nearest of reference [m, ...]."""
    flat, other = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (examples, reference))
    squares = np.sum(other**2, axis=1)
    found = [
        np.min(np.sum(rows**2, axis=1)[:, None] - 2 * rows @ other.T + squares, axis=1) for rows in np.split(flat, range(_CHUNK, len(flat), _CHUNK))
    ]
    return np.sqrt(np.maximum(np.concatenate(found), 0.0))


class NearCopies(NamedTuple):
    """Equation (1): the share of samples that are near copies with its Wilson interval, and what chance gives."""

    rate: float
    low: float
    high: float
    chance: float

    @property
    def above_chance(self) -> float:
        return self.rate - self.chance


def near_copies(samples: np.ndarray, train: np.ndarray, held_out: np.ndarray, quantile: float = 0.05) -> NearCopies:
    """Of samples, training and held-out examples [., ...] in the same units. Chance is the share of held-out examples that are as near."""
    real, drawn = nearest(held_out, train), nearest(samples, train)
    threshold = float(np.quantile(real, quantile))
    hits = int(np.sum(drawn < threshold))
    return NearCopies(hits / len(drawn), *wilson(hits, len(drawn)), float(np.mean(real < threshold)))


def nearer_to_train(samples: np.ndarray, train: np.ndarray, held_out: np.ndarray, seed: int = 0) -> float:
    """Equation (2): the share of samples that are nearer to the training than to the held-out examples, of each as many; a tie counts half."""
    size = min(len(train), len(held_out))
    random = np.random.default_rng(seed)
    of_train, of_held_out = (nearest(samples, each[random.permutation(len(each))[:size]]) for each in (train, held_out))
    return float(np.mean(of_train < of_held_out) + 0.5 * np.mean(of_train == of_held_out))


class Attack(NamedTuple):
    """An attack by threshold: the share of members found at the allowed rate of false alarms, and the area under the curve."""

    tpr: float
    auc: float


def attack(members: np.ndarray, others: np.ndarray, fpr: float = 0.01) -> Attack:
    """Membership by scores (higher: more likely a member) of members [n] and of others [m].

    The threshold is the largest at which more than the share `fpr` of others would still not be reached: the rate of false alarms never exceeds it.
    """
    members, others = np.asarray(members, np.float64), np.sort(np.asarray(others, np.float64))
    allowed = int(np.floor(fpr * len(others)))
    threshold = others[len(others) - 1 - allowed]
    below, equal = np.searchsorted(others, members, side="left"), np.searchsorted(others, members, side="right")
    return Attack(float(np.mean(members > threshold)), float(np.mean((below + equal) / 2) / len(others)))


def repeats(costs: dict[str, float]) -> dict[str, int]:
    """How often the likelihood of each model is drawn so that the attacks cost the same, by the FLOPs of one likelihood of each."""
    return {name: max(1, round(max(costs.values()) / cost)) for name, cost in costs.items()}
