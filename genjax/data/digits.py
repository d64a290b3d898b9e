"""scikit-learn's handwritten digits: 1797 images of 8x8 pixels in 17 levels (0..16), 10 classes. No download, read in 0.1 s.

The set has no held-out split of its own. Here it is 20 % of each class (rounded; 359 images in all), drawn once by a seed that is
part of this file: a function of nothing, so that every number ever reported on digits is about the same 359 images. `digits:tuning` holds out 20 %
of each class of the training split instead and never shows those 359: what is chosen on it has not seen what it is reported on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from genjax.data.base import ArrayRows, Source, fixed_permutation
from genjax.errors import UsageError
from genjax.types import DataSpec

_SPLIT_SEED = 8
_EVAL_FRACTION = 0.2


def open_digits(argument: str = "", data_dir: str | None = None) -> Source:
    """The digits, or with "tuning" those of the training split alone, split once more. Images are uint8 [n, 8, 8, 1], labels int32 [n].

    Raises:
      UsageError: `argument` is another one.
    """
    if argument not in ("", "tuning"):
        raise UsageError(f"data source 'digits:{argument}': write 'digits', or 'digits:tuning' to choose settings without the held-out images")
    from sklearn.datasets import load_digits

    digits: Any = load_digits()
    image, label = digits.images.reshape(-1, 8, 8, 1).astype(np.uint8), digits.target.astype(np.int32)
    train, held_out = split(label)
    if argument == "tuning":
        train, held_out = (train[rows] for rows in split(label[train]))
    return Source(
        spec=DataSpec(
            name=f"digits:{argument}" if argument else "digits",
            key="image",
            shape=image.shape[1:],
            levels=17,
            num_classes=10,
            train_size=len(train),
            eval_size=len(held_out),
        ),
        splits={
            "train": ArrayRows({"image": image[train], "label": label[train]}),
            "eval": ArrayRows({"image": image[held_out], "label": label[held_out]}),
        },
    )


def split(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the train and of the held-out rows, both ascending, for labels [N]: the same share of every class."""
    held_out = np.zeros(len(label), bool)
    for digit in range(10):
        members = np.flatnonzero(label == digit)
        shuffled = members[fixed_permutation(len(members), _SPLIT_SEED + digit)]
        held_out[shuffled[: round(_EVAL_FRACTION * len(members))]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
