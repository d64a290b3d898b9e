"""TFDS sets against TFDS's own reader, without TensorFlow and without a network."""

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

import genjax
from genjax.data import tfds as genjax_tfds
from genjax.data.loader import eval_batches, train_batches
from genjax.data.sources import open_source
from genjax.errors import DataError, UsageError

GRAY = {"image": tfds.features.Image(shape=(6, 5, 1)), "label": tfds.features.ClassLabel(num_classes=3)}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def all_rows(source, name):
    return source.splits[name].rows(np.arange(len(source.splits[name])))


def check(source, split, rows):
    got = all_rows(source, split)
    np.testing.assert_array_equal(got["image"], np.stack([row["image"] for row in rows]))
    np.testing.assert_array_equal(got["label"], [row["label"] for row in rows])
    assert (got["image"].dtype, got["label"].dtype) == (np.uint8, np.int32)


def test_rows_are_what_was_prepared(tmp_path, prepare_tfds, pictures):
    train, test = pictures(7), pictures(4, seed=1)
    prepare_tfds(tmp_path, {"train": train, "test": test, "validation": pictures(2, seed=2)}, GRAY)
    source = open_source("tfds:tiny", str(tmp_path))
    spec = source.spec
    assert (spec.name, spec.key, spec.shape, spec.levels, spec.num_classes) == ("tfds:tiny", "image", (6, 5, 1), 256, 3)
    assert (spec.train_size, spec.eval_size) == (7, 4)
    check(source, "train", train)
    check(source, "eval", test)


def test_large_sets_are_read_row_by_row(tmp_path, prepare_tfds, pictures, monkeypatch):
    rows = pictures(9, channels=3)
    prepare_tfds(tmp_path, {"train": rows, "test": rows}, GRAY | {"image": tfds.features.Image(shape=(6, 5, 3))})
    monkeypatch.setattr(genjax_tfds, "_IN_MEMORY_BYTES", 0)
    source = open_source("tfds:tiny", str(tmp_path))
    check(source, "train", rows)
    got = source.splits["train"].rows(np.array([5, 2, 5]))
    np.testing.assert_array_equal(got["image"], np.stack([rows[i]["image"] for i in (5, 2, 5)]))
    assert not (tmp_path / "cache").exists()
    batches = train_batches(source, 4, 0)
    assert next(batches)["image"].shape == (4, 6, 5, 3)


def test_data_dir_may_be_the_parent_or_the_environment(tmp_path, prepare_tfds, pictures, monkeypatch):
    prepare_tfds(tmp_path / "tfds", {"train": pictures(3), "test": pictures(2)}, GRAY)
    assert open_source("tfds:tiny", str(tmp_path)).spec.train_size == 3
    monkeypatch.setenv("GENJAX_DATA_DIR", str(tmp_path / "tfds"))
    assert open_source("tfds:tiny:1.0.0").spec.train_size == 3


def test_held_out_split(tmp_path, prepare_tfds, pictures):
    rows = pictures(20)
    prepare_tfds(tmp_path / "a", {"train": rows, "validation": pictures(4, seed=3)}, GRAY)
    check(open_source("tfds:tiny", str(tmp_path / "a")), "eval", pictures(4, seed=3))
    prepare_tfds(tmp_path / "b", {"train": rows}, GRAY)
    source = open_source("tfds:tiny", str(tmp_path / "b"))
    assert (source.spec.train_size, source.spec.eval_size) == (18, 2)
    seen = [image.tobytes() for name in ("train", "eval") for image in all_rows(source, name)["image"]]
    assert sorted(seen) == sorted(row["image"].tobytes() for row in rows)


def test_a_row_without_a_class(tmp_path, prepare_tfds, pictures):
    rows = [row | {"label": -1} for row in pictures(3)]
    prepare_tfds(tmp_path, {"train": pictures(3), "test": rows}, GRAY)
    np.testing.assert_array_equal(all_rows(open_source("tfds:tiny", str(tmp_path)), "eval")["label"], 3)


def flip(path, position):
    """Turns one bit of a file over."""
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


class TestCache:
    @pytest.fixture
    def prepared(self, tmp_path, prepare_tfds, pictures):
        self.rows = pictures(5)
        self.folder = prepare_tfds(tmp_path, {"train": self.rows, "test": pictures(2, seed=1)}, GRAY)
        self.cache = tmp_path / "cache"
        return tmp_path

    def read(self, prepared):
        source = open_source("tfds:tiny", str(prepared))
        check(source, "train", self.rows)

    def forbid_decoding(self, monkeypatch):
        def refuse(*args):
            raise AssertionError("decoded again")

        monkeypatch.setattr(genjax_tfds._TfdsRows, "_decode", refuse)

    def test_second_process_does_not_decode(self, prepared, monkeypatch):
        self.read(prepared)
        assert self.cache.stat().st_mode & 0o777 == 0o700
        kept = ["image.npy", "image.sha256", "label.npy", "label.sha256"]
        assert sorted(path.name.split(".", 3)[-1] for path in self.cache.iterdir()) == kept
        self.forbid_decoding(monkeypatch)
        self.read(prepared)

    @pytest.mark.parametrize("damage", ["cut", "empty", "pickle", "other shape", "gone", "flip", "no sum"])
    def test_damaged_cache_is_replaced(self, prepared, monkeypatch, damage):
        self.read(prepared)
        (kept,) = self.cache.glob("*.image.npy")
        if damage == "gone":
            kept.unlink()
        elif damage == "pickle":
            np.save(kept, np.array([{}]), allow_pickle=True)
        elif damage == "other shape":
            np.save(kept, np.zeros((5, 6, 5), np.uint8))
        elif damage == "flip":
            flip(kept, -1)
        elif damage == "no sum":
            kept.with_suffix(".sha256").unlink()
        else:
            os.truncate(kept, 0 if damage == "empty" else kept.stat().st_size - 1)
        self.read(prepared)
        self.forbid_decoding(monkeypatch)
        self.read(prepared)

    def test_new_files_are_decoded_again(self, prepared, monkeypatch):
        self.read(prepared)
        (shard,) = self.folder.glob("*train*")
        os.utime(shard, ns=(1, 1))
        self.read(prepared)
        assert len(list(self.cache.glob("*.image.npy"))) == 2

    def test_unwritable_cache_is_no_cache(self, prepared, monkeypatch):
        (prepared / "file").touch()
        monkeypatch.setenv("GENJAX_CACHE_DIR", str(prepared / "file" / "below"))
        self.read(prepared)

    def test_full_disk_is_no_cache(self, prepared, monkeypatch):
        def full(*args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(np, "save", full)
        self.read(prepared)
        assert not list(self.cache.iterdir())

    def test_folder_of_others_is_no_cache(self, prepared):
        self.cache.mkdir()
        self.cache.chmod(0o777)
        self.read(prepared)
        assert not list(self.cache.iterdir())


def test_mocked_data(monkeypatch):
    with tfds.testing.mock_data(num_examples=8):
        source = open_source("tfds:mnist")
        assert (source.spec.shape, source.spec.num_classes, source.spec.train_size, source.spec.eval_size) == ((28, 28, 1), 10, 8, 8)
        batch = next(train_batches(source, 4, 0))
        (held_out,) = eval_batches(source, 8)
        reader = tfds.data_source("mnist", split="train")
        np.testing.assert_array_equal(held_out["image"], np.stack([reader[i]["image"] for i in range(8)]))
    assert (batch["image"].shape, batch["image"].dtype, batch["label"].dtype) == ((4, 28, 28, 1), np.uint8, np.int32)
    assert genjax_tfds._cache_folder() is not None and not list(genjax_tfds._cache_folder().iterdir())


def test_missing_data_is_said_at_once(tmp_path):
    start = time.monotonic()
    with pytest.raises(DataError) as caught:
        open_source("tfds:mnist", str(tmp_path))
    assert time.monotonic() - start < 2
    message = str(caught.value)
    assert "\n" not in message
    assert f"tfds:mnist: no prepared data in {tmp_path}/mnist/3.0.1" in message
    assert f"tfds.builder('mnist', data_dir='{tmp_path}', file_format='array_record').download_and_prepare()" in message
    with pytest.raises(DataError, match=r"no prepared data in .*/cmaterdb/bangla/1.0.0.*tfds.builder\('cmaterdb/bangla'"):
        open_source("tfds:cmaterdb/bangla", str(tmp_path))


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("moving_mnist", "TFDS has it for TensorFlow alone; films are made up by moving:shapes"),
        ("davis", "TFDS has it for TensorFlow alone"),
        ("fashion_mnis", "TFDS knows no set of this name.*did you mean 'fashion_mnist'"),
        ("mnist:9.9.9", r"TFDS cannot open it \(Dataset mnist cannot be loaded at version 9.9.9"),
        ("mnist/nope", r"TFDS cannot open it \(BuilderConfig nope not found"),
        ("spoken_digit", "TFDS cannot open it .*tensorflow"),
    ],
)
def test_unknown_sets(tmp_path, name, sentence):
    start = time.monotonic()
    with pytest.raises(DataError, match=f"^tfds:{name}: {sentence}"):
        open_source(f"tfds:{name}", str(tmp_path))
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("name", ["", "huggingface:mnist", "../mnist", "mnist/", "Fashion MNIST", "mnist/a=1,b=2", "mnist:latest"])
def test_not_a_name(tmp_path, name):
    with pytest.raises(UsageError, match="write tfds:name"):
        open_source(f"tfds:{name}", str(tmp_path))


def test_sets_that_are_not_images_of_one_shape(tmp_path, prepare_tfds, pictures):
    prepare_tfds(tmp_path / "text", {"train": [{"text": "a"}], "test": [{"text": "b"}]}, {"text": tfds.features.Text()})
    with pytest.raises(DataError, match="no image feature called 'image', only text"):
        open_source("tfds:tiny", str(tmp_path / "text"))
    ragged = GRAY | {"image": tfds.features.Image(shape=(None, None, 1))}
    prepare_tfds(tmp_path / "ragged", {"train": pictures(2), "test": pictures(2)}, ragged)
    with pytest.raises(DataError, match=r"images are uint8 of shape \(None, None, 1\), not uint8 of one shape"):
        open_source("tfds:tiny", str(tmp_path / "ragged"))
    prepare_tfds(tmp_path / "test", {"test": pictures(2)}, GRAY)
    with pytest.raises(DataError, match="no split is called 'train' among test"):
        open_source("tfds:tiny", str(tmp_path / "test"))


def test_damaged_files(tmp_path, prepare_tfds, pictures):
    folder = prepare_tfds(tmp_path, {"train": pictures(40), "test": pictures(2)}, GRAY)
    (shard,) = folder.glob("*train*")
    content = shard.read_bytes()

    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=f"^tfds:tiny, split train: {folder} cannot be read"):
        all_rows(open_source("tfds:tiny", str(tmp_path)), "train")
    shard.unlink()
    with pytest.raises(DataError, match=f"^tfds:tiny, split train: {folder} cannot be read"):
        all_rows(open_source("tfds:tiny", str(tmp_path)), "train")
    shard.write_bytes(content)
    found = 0
    for position in np.flatnonzero(np.frombuffer(content, np.uint8))[::97].tolist():
        flip(shard, position)
        try:
            check(open_source("tfds:tiny", str(tmp_path)), "train", pictures(40))  # what was prepared, or no answer
        except DataError as error:
            assert str(error).startswith(f"tfds:tiny, split train: {folder} cannot be read")
            found += 1
        flip(shard, position)
    assert found > 5

    info = json.loads((folder / "dataset_info.json").read_text())
    (folder / "dataset_info.json").write_text(json.dumps(info | {"fileFormat": "tfrecord"}))
    with pytest.raises(DataError, match="is prepared as tfrecord, which has no random access"):
        open_source("tfds:tiny", str(tmp_path))
    (folder / "dataset_info.json").write_text("{")
    with pytest.raises(DataError, match=r"^tfds:tiny: TFDS cannot open it"):
        open_source("tfds:tiny", str(tmp_path))


class TestFashionMnist:
    """The real thing, where it is at hand."""

    def test_eval_split_decoded(self, real_tfds):
        source = open_source("tfds:fashion_mnist", real_tfds)
        assert (source.spec.shape, source.spec.train_size, source.spec.eval_size) == ((28, 28, 1), 60000, 10000)
        reader = self.reader(real_tfds, "test")
        got = all_rows(source, "eval")
        expected = reader.__getitems__(list(range(10000)))
        assert np.isclose(got["image"].mean(), np.mean([example["image"].mean() for example in expected]), rtol=1e-12)
        np.testing.assert_array_equal(got["image"], np.stack([example["image"] for example in expected]))
        np.testing.assert_array_equal(got["label"], [example["label"] for example in expected])
        np.testing.assert_array_equal(np.bincount(got["label"]), 1000)

    def test_train_split_row_by_row(self, real_tfds, monkeypatch):
        monkeypatch.setattr(genjax_tfds, "_IN_MEMORY_BYTES", 0)
        source = open_source("tfds:fashion_mnist", real_tfds)
        batch = next(train_batches(source, 64, 0))
        reader = self.reader(real_tfds, "train")
        indices = np.random.default_rng([0, 0]).permutation(60000)[:64]
        np.testing.assert_array_equal(batch["image"], np.stack([reader[i]["image"] for i in indices]))
        np.testing.assert_array_equal(batch["label"], [reader[i]["label"] for i in indices])

    def test_without_tensorflow(self, real_tfds):
        program = (
            "import sys\n"
            "from genjax.data.sources import open_source\n"
            "from genjax.data.loader import eval_batches\n"
            "source = open_source('tfds:fashion_mnist', sys.argv[1])\n"
            "print(next(eval_batches(source, 4))['image'].shape, 'tensorflow' in sys.modules)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, real_tfds], cwd=Path(genjax.__file__).parents[1], capture_output=True, text=True, timeout=60
        )
        assert done.stdout == "(4, 28, 28, 1) False\n", done.stderr

    @staticmethod
    def reader(folder, split):
        inner = os.path.join(folder, "tfds")
        return tfds.data_source("fashion_mnist", split=split, data_dir=inner if os.path.isdir(inner) else folder)


@pytest.mark.parametrize("name", ["spoken_digit", "starcraft_video"])
def test_sound_and_films_of_tfds_are_answered_with_what_can_be_done(name, tmp_path):
    if importlib.util.find_spec("tensorflow"):
        pytest.skip("TensorFlow is installed")
    with pytest.raises(DataError, match=r"cannot open it without TensorFlow .* npz:FILE"):
        open_source(f"tfds:{name}", str(tmp_path))
