"""Image and text sets of TensorFlow Datasets, read without TensorFlow from a prepared array_record folder.

TFDS's parser takes 0.1-0.2 ms an example, far more than a small model's step. A split of at most 1 GiB is therefore decoded once, on
its first use, into uint8 arrays that are also kept as .npy files for the next process; a larger one is read row by row.

Nothing here touches the network: what is missing is said in one sentence, with the command that prepares it.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import math
import os
import re
import stat
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genjax.data.base import Arrays, Rows, Source, hold_out
from genjax.data.text import Corpus, hold_out_documents, hold_out_end
from genjax.errors import DataError, UsageError, did_you_mean
from genjax.types import DataSpec

_IN_MEMORY_BYTES = 2**30
_CHUNK = 1024  # examples decoded at a time

_log = logging.getLogger(__name__)


def open_tfds(argument: str, data_dir: str | None = None) -> Source:
    """The set that TFDS calls `argument`: "name", "name/config", either with ":version".

    Images are uint8 [n, H, W, C] in 256 levels (C = 1 for grayscale); `label` is there if the set has a ClassLabel of that name, and a
    row without a class has `num_classes`. "eval" is the set's test split, else its validation split, else a fixed 10 % of train.

    Args:
      argument: the name in TFDS.
      data_dir: where the prepared data are; None means $GENJAX_DATA_DIR, and without it TFDS's own default. A folder `tfds` in it is
        looked into instead.

    Raises:
      UsageError: `argument` is not a TFDS name.
      DataError: the set is unknown, not prepared, not in array_record, damaged, or not images of one shape.
    """
    builder, mocked, held_out = _prepared(argument, data_dir)
    shape, num_classes = _features(argument, builder.info.features)
    splits: dict[str, Rows] = {
        split: _TfdsRows(argument, builder, name, shape, num_classes, mocked)
        for split, name in (("train", "train"), ("eval", held_out))
        if name is not None
    }
    if held_out is None:
        splits = hold_out(splits["train"])
    return Source(
        spec=DataSpec(
            name=f"tfds:{argument}",
            key="image",
            shape=shape,
            levels=256,
            num_classes=num_classes,
            train_size=len(splits["train"]),
            eval_size=len(splits["eval"]),
        ),
        splits=splits,
    )


def read_tfds_text(argument: str, data_dir: str | None = None) -> Corpus:
    """The documents of the set that TFDS calls `argument`: its feature `text`. Names, splits and errors are those of `open_tfds`.

    A set without a held-out split has a tenth of its documents held out, or of its one document the end.
    """
    import tensorflow_datasets as tfds

    builder, _, held_out = _prepared(argument, data_dir)
    features = builder.info.features
    features = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    if not isinstance(features.get("text"), tfds.features.Text):
        raise DataError(f"tfds_text:{argument}: it has no text feature called 'text', only {', '.join(sorted(features))}")

    def documents(split: str) -> list[str]:
        try:
            found = [example["text"] for example in builder.as_data_source(split=split)]
        except Exception as error:  # as in _TfdsRows
            raise DataError(f"tfds_text:{argument}, split {split}: {builder.data_path} cannot be read ({_first_line(error)})") from error
        return [text if isinstance(text, str) else text.decode() for text in found]  # a mocked set has str, a real one bytes

    train = documents("train")
    if held_out is not None:
        return Corpus(train, documents(held_out))
    return hold_out_end(train[0]) if len(train) == 1 else hold_out_documents({str(number): text for number, text in enumerate(train)})


def _prepared(argument: str, data_dir: str | None) -> tuple[Any, bool, str | None]:
    """The builder of a set that can be read, whether it is mocked, and the name of its held-out split."""
    if not re.fullmatch(r"\w+(/[\w.+-]+)?(:\d+\.\d+\.\d+)?", argument):
        raise UsageError(f"data source 'tfds:{argument}': write tfds:name, tfds:name/config or tfds:name:1.2.3")
    builder = _builder(argument, _folder(data_dir))
    mocked = _is_mocked(builder)
    if not mocked:
        _check_prepared(argument, builder)
    names = list(builder.info.splits) or ["train", "test"]  # a mocked builder does not know its splits
    if "train" not in names:
        raise DataError(f"tfds:{argument}: no split is called 'train' among {', '.join(names)}")
    return builder, mocked, next((name for name in ("test", "validation") if name in names), None)


def _folder(data_dir: str | None) -> str | None:
    folder = data_dir or os.environ.get("GENJAX_DATA_DIR")
    if not folder:
        return None
    path = Path(folder).expanduser()
    return str(path / "tfds" if (path / "tfds").is_dir() else path)


def _builder(argument: str, folder: str | None) -> Any:
    # It asks for OpenCV, to read images faster that are not read here.
    logging.getLogger("absl").addFilter(lambda record: "OpenCV" not in record.getMessage())
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(argument, data_dir=folder)
    except tfds.core.DatasetNotFoundError as error:
        name = argument.split("/")[0].split(":")[0]
        if any(Path(tfds.__file__).parent.glob(f"*/{name}.py")) or any(Path(tfds.__file__).parent.glob(f"*/{name}/{name}*.py")):
            raise DataError(
                f"tfds:{argument}: TFDS has it for TensorFlow alone; films are made up by moving:shapes and moving:digits, and any array is read by "
                "npz:FILE"
            ) from error
        known = tfds.list_builders(with_community_datasets=False)
        where = f" and {folder} holds no such set" if folder else ""
        raise DataError(f"tfds:{argument}: TFDS knows no set of this name{where}{did_you_mean(name, known)}") from error
    except ModuleNotFoundError as error:  # the features Audio and Video
        raise DataError(
            f"tfds:{argument}: TFDS cannot open it without TensorFlow ({_first_line(error)}); sound is read by spoken_digit and "
            "audio:FOLDER, and any array by npz:FILE"
        ) from error
    except Exception as error:  # a config or version that does not exist, metadata that cannot be parsed
        raise DataError(f"tfds:{argument}: TFDS cannot open it ({_first_line(error)})") from error


def _is_mocked(builder: Any) -> bool:
    """True inside `tfds.testing.mock_data`, which stands in for the files: there is nothing on the disk to check or to keep."""
    return type(builder).as_data_source.__module__.startswith("tensorflow_datasets.testing")


def _check_prepared(argument: str, builder: Any) -> None:
    # TFDS itself answers missing data with minutes of retries, or with a sentence about TFRecord.
    folder = Path(builder.data_path)
    name, _, version = argument.partition(":")
    arguments = [repr(name), *([f"version={version!r}"] if version else []), f"data_dir={str(builder.data_dir_root)!r}"]
    code = f"import tensorflow_datasets as tfds; tfds.builder({', '.join(arguments)}, file_format='array_record').download_and_prepare()"
    if not (folder / "dataset_info.json").is_file():
        raise DataError(
            f"tfds:{argument}: no prepared data in {folder}; point data_dir or GENJAX_DATA_DIR at the folder that has them, "
            f'or prepare them, with a network and TensorFlow installed: python -c "{code}"'
        )
    if builder.info.file_format is None or builder.info.file_format.value != "array_record":
        raise DataError(
            f"tfds:{argument}: {folder} is prepared as {builder.info.file_format and builder.info.file_format.value}, which has no "
            f'random access; move it away and prepare it again: python -c "{code}"'
        )


def _features(argument: str, features: Any) -> tuple[tuple[int, ...], int]:
    """The shape of an image and the number of classes (0 without labels)."""
    import tensorflow_datasets as tfds

    features = dict(features.items()) if isinstance(features, tfds.features.FeaturesDict) else {}
    image, label = features.get("image"), features.get("label")
    if not isinstance(image, tfds.features.Image):
        raise DataError(f"tfds:{argument}: it has no image feature called 'image', only {', '.join(sorted(features))}")
    shape: Any = image.shape
    dtype = image.np_dtype
    if None in shape or dtype != np.uint8:
        raise DataError(f"tfds:{argument}: its images are {dtype} of shape {shape}, not uint8 of one shape")
    num_classes = label.num_classes if isinstance(label, tfds.features.ClassLabel) else None
    return tuple(shape), num_classes or 0


class _TfdsRows:
    """One split; decoded whole on first use if it is small enough, else read row by row."""

    def __init__(self, argument: str, builder: Any, split: str, shape: tuple[int, ...], num_classes: int, mocked: bool):
        self._name, self._split = f"tfds:{argument}, split {split}", split
        self._builder, self._shape, self._num_classes, self._mocked = builder, shape, num_classes, mocked
        self._reader = self._guard(lambda: builder.as_data_source(split=split))
        self._length = self._guard(lambda: len(self._reader))

    def __len__(self) -> int:
        return self._length

    def rows(self, indices: np.ndarray) -> Arrays:
        if self._length * math.prod(self._shape) > _IN_MEMORY_BYTES:
            return self._decode(indices.tolist())
        return {key: array[indices] for key, array in self._arrays.items()}

    @functools.cached_property
    def _arrays(self) -> Arrays:
        arrays = {"image": np.empty((self._length, *self._shape), np.uint8)}
        if self._num_classes:
            arrays["label"] = np.empty(self._length, np.int32)
        stem = None if self._mocked else self._guard(self._stem)
        if stem and (kept := _load_kept(stem, arrays)):
            return kept
        _log.info("%s: decoding %d examples once", self._name, self._length)
        for start in range(0, self._length, _CHUNK):
            stop = min(start + _CHUNK, self._length)
            for key, values in self._decode(range(start, stop)).items():
                arrays[key][start:stop] = values
        if stem:
            _keep(stem, arrays)
        return arrays

    def _decode(self, indices: Sequence[int]) -> Arrays:
        # A mocked reader has no working __getitems__.
        examples = self._guard(lambda: [self._reader[i] for i in indices] if self._mocked else self._reader.__getitems__(list(indices)))
        arrays = {"image": np.stack([example["image"] for example in examples])}
        if self._num_classes:
            label = np.array([example["label"] for example in examples], np.int32)
            arrays["label"] = np.where(label < 0, np.int32(self._num_classes), label)  # TFDS marks "no class" by -1
        return arrays

    def _stem(self) -> str:
        """The name under which the decoded split is kept; another one as soon as the prepared files change."""
        info = self._builder.info
        shards = [Path(path) for path in info.splits[self._split].filepaths]
        state = [(shard.name, shard.stat().st_size, shard.stat().st_mtime_ns) for shard in shards]
        metadata = (Path(self._builder.data_path) / "dataset_info.json").read_bytes()
        fingerprint = hashlib.sha256(repr(state).encode() + metadata).hexdigest()[:16]
        return f"{info.full_name.replace('/', '-')}-{self._split}-{fingerprint}"

    def _guard(self, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except Exception as error:  # a shard that is missing, cut short or damaged: array_record has no exception type of its own
            raise DataError(f"{self._name}: {self._builder.data_path} cannot be read ({_first_line(error)})") from error


def _cache_folder() -> Path | None:
    """Where decoded arrays are kept: a folder that only this user can write to, or None if there can be no such folder."""
    given = os.environ.get("GENJAX_CACHE_DIR")
    try:
        folder = Path(given).expanduser() if given else Path.home() / ".cache" / "genjax" / "data"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        return None
    return folder if status.st_uid == os.getuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else None


def _load_kept(stem: str, like: Arrays) -> Arrays | None:
    """The kept arrays, mapped into memory; None if one is absent, damaged or unlike the one in `like`."""
    folder = _cache_folder()
    if folder is None:
        return None
    kept = {}
    for key, expected in like.items():
        path = folder / f"{stem}.{key}.npy"
        try:
            if _sha256(path) != path.with_suffix(".sha256").read_text():
                return None
            kept[key] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError):
            return None
        if kept[key].shape != expected.shape or kept[key].dtype != expected.dtype:
            return None
    return kept


def _keep(stem: str, arrays: Arrays) -> None:
    """Writes the arrays for the next process; keeping them is a convenience, so a full or read-only disk is not an error."""
    folder = _cache_folder()
    if folder is None:
        return
    for key, array in arrays.items():
        temporary = None
        try:
            with tempfile.NamedTemporaryFile(dir=folder, suffix=".tmp", delete=False) as stream:
                temporary = stream.name
                np.save(stream, array)
                stream.flush()
                os.fsync(stream.fileno())
            path = folder / f"{stem}.{key}.npy"
            path.with_suffix(".sha256").write_text(_sha256(Path(temporary)))
            os.replace(temporary, path)
        except OSError as error:
            _log.info("%s: not kept in %s (%s)", stem, folder, error)
            if temporary:
                Path(temporary).unlink(missing_ok=True)
            return


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _first_line(error: Exception) -> str:
    text = re.sub(r'^Failed to construct dataset .*?}": ', "", str(error).strip())  # TFDS repeats its own arguments
    return text.splitlines()[0] if text else type(error).__name__
