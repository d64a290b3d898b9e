"""Can samples be told from held-out data? The classifier two-sample test of Lopez-Paz and Oquab (2017, arXiv:1610.06545)."""

from __future__ import annotations

import numpy as np

_TREES, _FOLDS = 200, 5


def accuracy(samples: np.ndarray, others: np.ndarray) -> float:
    """How often a forest of trees, shown four fifths, tells samples [n, ...] from others [n, ...] in the rest: 0.5 where nothing tells them apart.

    The same numbers for the same values: the forest and the folds are fixed.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    count = min(len(samples), len(others))
    values = np.concatenate([samples[:count].reshape(count, -1), others[:count].reshape(count, -1)])
    of_samples = np.repeat([1, 0], count)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    return float(np.mean(cross_val_score(RandomForestClassifier(_TREES, random_state=0), values, of_samples, cv=folds)))
