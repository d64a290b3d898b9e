"""A user's own arrays, in one .npz file (`np.savez`).

  image   uint8 [N, H, W] or [N, H, W, C]     exactly one of these three
  array   uint8 [N, ..., C]                   the same with any axes: sound [N, T, 1], points [N, n, 3], films [N, F, H, W, C]
  tokens  integer >= 0 [N, T]
  label   integer >= 0 [N]                    optional
  eval_image | ..., eval_label               optional held-out split; without it, a fixed 10 % of the rows is held out
  levels  one integer                         optional: every value is below it. Without it, 256 for images and arrays; for tokens the largest id
                                              in the file plus one (at least 2), which is too few if the vocabulary has ids beyond it

The file is outside our control, so everything is checked before anything is computed, and objects are never unpickled.
"""

from __future__ import annotations

import logging
import zipfile
from typing import Literal

import numpy as np

from genjax.data.base import ArrayRows, Arrays, Rows, Source, hold_out
from genjax.errors import DataError, UsageError, did_you_mean
from genjax.types import DataSpec

_KINDS: tuple[Literal["image", "array", "tokens"], ...] = ("image", "array", "tokens")
_KEYS = (*_KINDS, "label", *(f"eval_{kind}" for kind in _KINDS), "eval_label", "levels")
_INT32_END = 2**31

_log = logging.getLogger(__name__)


def open_npz(argument: str, data_dir: str | None = None) -> Source:
    """The arrays of the file `argument` (relative to the working directory; `data_dir` is not used).

    Raises:
      UsageError: no file is named.
      DataError: the file is missing, unreadable or malformed; the sentence names the file and the key.
    """
    if not argument:
        raise UsageError("data source 'npz' needs a file: npz:path/to/file.npz")
    arrays = _load(argument)
    kind = _kind(argument, arrays)

    splits = {"train": _split(argument, arrays, "", kind)}
    if f"eval_{kind}" in arrays:
        splits["eval"] = _split(argument, arrays, "eval_", kind)
        _check_alike(argument, kind, splits["train"], splits["eval"])
    elif "eval_label" in arrays:
        raise DataError(f"{argument}: key 'eval_label' needs 'eval_{kind}'")
    levels = _levels(argument, arrays, kind, splits)
    labels = [split["label"] for split in splits.values() if "label" in split]
    shape = splits["train"][kind].shape[1:]

    rows: dict[str, Rows] = {name: ArrayRows(split) for name, split in splits.items()}
    if "eval" not in rows:
        if len(rows["train"]) < 2:
            raise DataError(f"{argument}: key '{kind}' has 1 row; holding some out needs at least 2 (or give 'eval_{kind}')")
        rows = hold_out(rows["train"])
    return Source(
        spec=DataSpec(
            name=f"npz:{argument}",
            key=kind,
            shape=shape,
            levels=levels,
            num_classes=1 + max(int(label.max()) for label in labels) if labels else 0,
            train_size=len(rows["train"]),
            eval_size=len(rows["eval"]),
        ),
        splits=rows,
    )


def _load(file: str) -> Arrays:
    """Every array of the archive; a key that has no meaning here is an error, since a misspelt 'label' would be lost silently."""
    try:
        with open(file, "rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise DataError(f"{file}: not an npz archive (np.savez writes one), or cut short")
        archive = np.load(file, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: not an npz archive ({error})") from error
    arrays = {}
    with archive:
        for key in archive.files:
            if key not in _KEYS:
                raise DataError(f"{file}: key '{key}' is not one of {', '.join(_KEYS)}{did_you_mean(key, _KEYS)}")
            try:
                arrays[key] = archive[key]
            except Exception as error:  # whatever zipfile, zlib and numpy find wrong with a damaged member
                objects = "Object arrays" in str(error)
                why = "it holds Python objects, which are never unpickled" if objects else f"it is damaged ({error})"
                raise DataError(f"{file}: key '{key}' cannot be read, {why}") from error
            if not isinstance(arrays[key], np.ndarray):
                raise DataError(f"{file}: key '{key}' is not an array")
    return arrays


def _kind(file: str, arrays: Arrays) -> Literal["image", "array", "tokens"]:
    kinds = [key for key in _KINDS if key in arrays]
    if len(kinds) != 1:
        found = f"the keys {', '.join(arrays)}" if arrays else "no keys"
        raise DataError(f"{file}: has {found}; it needs exactly one of 'image', 'array' and 'tokens'")
    for stray in (f"eval_{key}" for key in _KINDS if key != kinds[0]):
        if stray in arrays:
            raise DataError(f"{file}: key '{stray}' does not go with '{kinds[0]}'")
    return kinds[0]


def _split(file: str, arrays: Arrays, prefix: str, kind: str) -> Arrays:
    """One split in the types of a batch: 'image' uint8 [N, H, W, C] or 'array' uint8 [N, ..., C] or 'tokens' int32 [N, T], and 'label' int32 [N]."""
    key, values = prefix + kind, arrays[prefix + kind]
    if kind != "tokens":
        if values.dtype != np.uint8:
            raise DataError(f"{file}: key '{key}' has dtype {values.dtype}; {kind}s are integer levels of dtype uint8")
        if kind == "array" and values.ndim < 3:
            raise DataError(f"{file}: key '{key}' has shape {values.shape}; arrays are [N, ..., C], with one axis or more between")
        if kind == "image" and values.ndim not in (3, 4):
            raise DataError(f"{file}: key '{key}' has shape {values.shape}; images are [N, H, W] or [N, H, W, C]")
        values = values[..., None] if kind == "image" and values.ndim == 3 else values
    else:
        values = _integers(file, key, values, rank=2)
    if values.size == 0:
        raise DataError(f"{file}: key '{key}' has shape {arrays[key].shape}, which holds no rows or no values")
    split = {kind: values}
    if prefix + "label" in arrays:
        label = _integers(file, prefix + "label", arrays[prefix + "label"], rank=1)
        if len(label) != len(values):
            raise DataError(f"{file}: key '{prefix}label' has {len(label)} rows and '{key}' has {len(values)}")
        split["label"] = label
    return split


def _integers(file: str, key: str, values: np.ndarray, *, rank: int) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.integer):
        raise DataError(f"{file}: key '{key}' has dtype {values.dtype}; it must be an integer type")
    if values.ndim != rank:
        raise DataError(f"{file}: key '{key}' has shape {values.shape}; it must be {'[N, T]' if rank == 2 else '[N]'}")
    if values.size and not 0 <= values.min() <= values.max() < _INT32_END:
        raise DataError(f"{file}: key '{key}' holds values from {values.min()} to {values.max()}; they must be in [0, 2^31)")
    return values.astype(np.int32)


def _check_alike(file: str, kind: str, train: Arrays, held_out: Arrays) -> None:
    if held_out[kind].shape[1:] != train[kind].shape[1:]:
        raise DataError(f"{file}: one row of 'eval_{kind}' has shape {held_out[kind].shape[1:]} and one of '{kind}' {train[kind].shape[1:]}")
    if ("label" in held_out) != ("label" in train):
        missing, present = ("label", "eval_label") if "label" in held_out else ("eval_label", "label")
        raise DataError(f"{file}: key '{missing}' is missing although '{present}' and 'eval_{kind}' are there")


def _levels(file: str, arrays: Arrays, kind: str, splits: dict[str, Arrays]) -> int:
    largest = {("" if name == "train" else "eval_") + kind: int(split[kind].max()) for name, split in splits.items()}
    if "levels" not in arrays:
        levels = 256 if kind != "tokens" else max(2, 1 + max(largest.values()))
        _log.info("%s: no key 'levels', taking %d", file, levels)
        return levels
    given, end = arrays["levels"], 256 if kind != "tokens" else _INT32_END
    if given.ndim != 0 or not np.issubdtype(given.dtype, np.integer) or not 2 <= given <= end:
        raise DataError(f"{file}: key 'levels' must be one integer from 2 to {end}")
    for key, value in largest.items():
        if value >= given:
            raise DataError(f"{file}: key '{key}' holds the value {value}, and 'levels' says that all are below {given}")
    return int(given)
