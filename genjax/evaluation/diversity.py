"""How different samples are from each other, and from what the data would give.

A score over similarities K [n, n] with ones on the diagonal (Vendi, arXiv:2210.02410): the number of samples that are effectively different,

    vendi = exp(-sum_j w_j ln w_j),   w the eigenvalues of K / n                                    (1)

which is 1 for equal samples and n for samples without any similarity. For samples that fall into discrete kinds (classes, oracle attributes,
whole small images) the same questions have exact expectations under independent draws from probabilities p:

    coincident pairs    n (n - 1) / 2  sum_k p_k^2              the birthday problem                 (2)
    kinds seen          sum_k 1 - (1 - p_k)^n                                                       (3)

and the entropy of counts n_k is estimated with Miller's correction (1955), (kinds seen - 1) / 2n nats above the plug-in figure.
"""

from __future__ import annotations

import numpy as np


def vendi(similarity: np.ndarray) -> float:
    """Equation (1) of a positive semi-definite matrix [n, n] with ones on the diagonal."""
    eigenvalues = np.maximum(np.linalg.eigvalsh(np.asarray(similarity, np.float64)) / len(similarity), 0.0)
    kept = eigenvalues[eigenvalues > 0]
    return float(np.exp(-np.sum(kept * np.log(kept))))


def cosine_similarity(features: np.ndarray) -> np.ndarray:
    """[n, n] of feature vectors [n, D], none of them zero."""
    unit = np.asarray(features, np.float64).reshape(len(features), -1)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    return unit @ unit.T


def duplicates(kinds: np.ndarray, probabilities: np.ndarray) -> tuple[int, float]:
    """Pairs of samples of the same kind, and how many there would be among independent draws, equation (2).

    kinds: [n] integers in [0, K); probabilities: [K].
    """
    counts = np.bincount(kinds, minlength=len(probabilities)).astype(np.int64)
    n = len(kinds)
    return int(np.sum(counts * (counts - 1)) // 2), n * (n - 1) / 2 * float(np.sum(np.square(probabilities)))


def coverage(kinds: np.ndarray, probabilities: np.ndarray) -> tuple[int, float]:
    """Kinds that occur among the samples, and how many would among independent draws, equation (3); arguments as in `duplicates`."""
    absent = np.exp(len(kinds) * np.log1p(-np.minimum(np.asarray(probabilities, np.float64), 1 - 1e-16)))
    return len(np.unique(kinds)), float(np.sum(1 - absent))


def kinds_of(examples: np.ndarray) -> np.ndarray:
    """[n] integers that are equal where the examples [n, ...] are."""
    _, kinds = np.unique(np.asarray(examples).reshape(len(examples), -1), axis=0, return_inverse=True)
    return kinds.reshape(-1)


def entropy_bits(kinds: np.ndarray) -> float:
    """The entropy of the distribution that kinds [n] are drawn from, with Miller's correction; for n well above the number of kinds."""
    counts = np.unique(kinds, return_counts=True)[1].astype(np.float64)
    p = counts / counts.sum()
    return float((-np.sum(p * np.log(p)) + (len(counts) - 1) / (2 * counts.sum())) / np.log(2))


def kl_bits(kinds: np.ndarray, probabilities: np.ndarray, smoothing: float = 0.5) -> float:
    """Kullback-Leibler divergence of the kinds' distribution (counts and `smoothing` each) from known probabilities [K], in bits; inf where a
    kind occurs that cannot.
    """
    counts, possible = np.bincount(kinds, minlength=len(probabilities)).astype(np.float64), np.asarray(probabilities) > 0
    if counts[~possible].any():
        return float("inf")
    p = (counts[possible] + smoothing) / (counts[possible] + smoothing).sum()
    return float(np.sum(p * np.log2(p / np.asarray(probabilities)[possible])))
