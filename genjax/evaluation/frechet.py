"""The Fréchet distance between two sets of examples in a space of features.

    d^2 = |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))                                         (1)

of means and covariances (Dowson & Landau 1982; as a score of generators arXiv:1706.08500). The features are those of a classifier that genjax has
trained on the same data, so the number is not an FID and is never called one: it compares models that were measured with the same
classifier, the same number of samples and the same reference, all of which are printed beside it.

The estimate is biased: for n samples from the reference itself it is positive and falls like 1/n.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """mean [D] and covariance [D, D] in float64 of `count` feature vectors."""

    mean: np.ndarray
    covariance: np.ndarray
    count: int


def moments(features: np.ndarray) -> Moments:
    """Of feature vectors [n, D], n > 1."""
    features = np.asarray(features, np.float64)
    return Moments(features.mean(axis=0), np.cov(features, rowvar=False), len(features))


def distance(a: Moments, b: Moments) -> float:
    """d^2 of equation (1).

    tr (C_1 C_2)^(1/2) is the sum of the roots of the eigenvalues of the symmetric R C_2 R with R = C_1^(1/2): unlike the root of the product itself
    it stays real for covariances of less than full rank.
    """
    values, vectors = np.linalg.eigh(a.covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b.covariance @ root), 0.0)).sum()
    return float(np.sum((a.mean - b.mean) ** 2) + np.trace(a.covariance) + np.trace(b.covariance) - 2 * shared)
