"""Data sources by name: `kind:argument`, one function a kind.

A new kind is one function `(argument, data_dir) -> Source` and one line in `OPENERS`. A file format's libraries are imported when a
source of that kind is opened and not before.
"""

from __future__ import annotations

from collections.abc import Callable

from genjax.data.base import Rows, Source
from genjax.data.digits import open_digits
from genjax.data.npz import open_npz
from genjax.data.shapes.source import open_shapes, open_shapes_codes
from genjax.data.tfds import open_tfds
from genjax.errors import UsageError, did_you_mean

__all__ = ["OPENERS", "Rows", "Source", "open_source"]

OPENERS: dict[str, Callable[[str, str | None], Source]] = {
    "digits": open_digits,  # digits                 scikit-learn's 8x8 handwritten digits, always at hand
    "tfds": open_tfds,  #     tfds:fashion_mnist     an image set that TensorFlow Datasets has prepared
    "npz": open_npz,  #       npz:path/to/file.npz   arrays of your own
    "shapes": open_shapes,  #                  shapes:s16          captioned scenes whose entropy is known, as pictures
    "shapes_codes": open_shapes_codes,  #      shapes_codes:s16    the same as codes
}


def open_source(name: str, data_dir: str | None = None) -> Source:
    """Opens the data set that a config names.

    Args:
      name: "digits", "tfds:<name>", "npz:<file>", "shapes:<tier>" or "shapes_codes:<tier>".
      data_dir: the folder of prepared TFDS data; None means $GENJAX_DATA_DIR, and without it TFDS's own default.

    Raises:
      UsageError: there is no such kind of source, or its name is incomplete.
      DataError: the data are missing or malformed; one sentence says what, where and how to mend it.
    """
    kind, _, argument = name.partition(":")
    if kind not in OPENERS:
        raise UsageError(f"data source '{name}': the kinds are {', '.join(OPENERS)}{did_you_mean(kind, OPENERS)}")
    return OPENERS[kind](argument, data_dir)
