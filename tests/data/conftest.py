"""Small data that need neither network nor TensorFlow: in-memory sources, and array_record folders written by TFDS itself."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

from genjax.data.base import ArrayRows, Source
from genjax.types import DataSpec

_DATA_FOLDERS = [os.environ.get("GENJAX_DATA_DIR"), str(Path(__file__).parents[3] / "shared" / "data")]


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    """No test reads or writes the user's own cache and data folders."""
    monkeypatch.setenv("GENJAX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("GENJAX_DATA_DIR", raising=False)


@pytest.fixture
def counting_source():
    """Makes a source whose row i is the token i, so that a batch shows which rows it is made of."""

    def make(train: int, held_out: int = 5, labels: bool = True) -> Source:
        def rows(n: int) -> ArrayRows:
            arrays = {"tokens": np.arange(n, dtype=np.int32)[:, None]}
            return ArrayRows(arrays | ({"label": np.arange(n, dtype=np.int32) % 3} if labels else {}))

        spec = DataSpec("counting", "tokens", (1,), max(train, held_out), 3 if labels else 0, train, held_out)
        return Source(spec, {"train": rows(train), "eval": rows(held_out)})

    return make


def source_of(train, held_out, length: int, vocab: int = 1000) -> Source:
    """A source of rows of text."""
    return Source(DataSpec("toy text", "tokens", (length,), vocab, 0, len(train), len(held_out), "byte"), {"train": train, "eval": held_out})


@pytest.fixture
def prepare_tfds():
    """Writes a set that TFDS can read: prepare(folder, splits, features), images given as uint8 arrays [H, W, C]."""
    import PIL.Image
    import tensorflow_datasets as tfds

    def encode(value):
        if not isinstance(value, np.ndarray):
            return value
        stream = io.BytesIO()  # TFDS needs TensorFlow to encode an array, and none to take encoded bytes
        PIL.Image.fromarray(value[..., 0] if value.shape[-1] == 1 else value).save(stream, "png")
        return stream.getvalue()

    def prepare(folder: Path, splits: dict[str, list[dict]], features: dict) -> Path:
        class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
            name = "tiny"
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True)

            def _split_generators(self, dl_manager):
                return {split: self._generate_examples(rows) for split, rows in splits.items()}

            def _generate_examples(self, rows):
                for i, row in enumerate(rows):
                    yield i, {key: encode(value) for key, value in row.items()}

        Tiny(data_dir=str(folder), file_format="array_record").download_and_prepare()
        return folder / "tiny" / "1.0.0"

    return prepare


@pytest.fixture
def pictures():
    """Makes examples of random 6x5 images and labels 0, 1, 2, 0, ..."""

    def make(n: int, seed: int = 0, channels: int = 1) -> list[dict]:
        image = np.random.default_rng(seed).integers(0, 256, (n, 6, 5, channels), dtype=np.uint8)
        return [{"image": image[i], "label": i % 3} for i in range(n)]

    return make


@pytest.fixture
def real_tfds() -> str:
    """A data_dir with fashion_mnist, as a user would name it."""
    for folder in filter(None, _DATA_FOLDERS):
        if any((Path(folder) / part / "fashion_mnist").is_dir() for part in (".", "tfds")):
            return folder
    pytest.skip("fashion_mnist is prepared neither in $GENJAX_DATA_DIR nor in ../shared/data/tfds")
