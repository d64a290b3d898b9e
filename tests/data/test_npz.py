"""A user's own arrays: what is read, and one sentence for each way in which they can be wrong."""

import io
import zipfile

import numpy as np
import pytest

from genjax.data.sources import open_source
from genjax.errors import DataError, UsageError

IMAGE = np.random.default_rng(0).integers(0, 7, (30, 4, 5), dtype=np.uint8)
TOKENS = np.random.default_rng(1).integers(0, 50, (30, 6))
LABEL = np.arange(30) % 4


def write(tmp_path, **arrays):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    return f"npz:{path}"


def all_rows(source, name):
    return source.splits[name].rows(np.arange(len(source.splits[name])))


def test_images_with_their_own_split(tmp_path):
    source = open_source(write(tmp_path, image=IMAGE, label=LABEL, eval_image=IMAGE[:3] + 1, eval_label=LABEL[:3] + 2, levels=9))
    spec = source.spec
    assert (spec.key, spec.shape, spec.levels, spec.num_classes) == ("image", (4, 5, 1), 9, 5)
    assert (spec.train_size, spec.eval_size) == (30, 3)
    train, held_out = all_rows(source, "train"), all_rows(source, "eval")
    np.testing.assert_array_equal(train["image"][..., 0], IMAGE)
    np.testing.assert_array_equal(train["label"], LABEL)
    np.testing.assert_array_equal(held_out["image"][..., 0], IMAGE[:3] + 1)
    assert (train["image"].dtype, train["label"].dtype) == (np.uint8, np.int32)


def test_colour_images_without_labels_have_256_levels(tmp_path):
    source = open_source(write(tmp_path, image=np.repeat(IMAGE[..., None], 3, -1)))
    assert (source.spec.shape, source.spec.levels, source.spec.num_classes) == ((4, 5, 3), 256, 0)
    assert all_rows(source, "train").keys() == {"image"}


@pytest.mark.parametrize("shape", [(30, 8, 1), (30, 5, 3), (30, 3, 4, 4, 1)], ids=str)
def test_arrays_of_any_axes(tmp_path, shape):
    array = np.random.default_rng(2).integers(0, 9, shape, dtype=np.uint8)
    source = open_source(write(tmp_path, array=array, levels=9, eval_array=array[:4]))
    assert (source.spec.key, source.spec.shape, source.spec.levels, source.spec.ordered, source.shown) == ("array", shape[1:], 9, True, None)
    np.testing.assert_array_equal(all_rows(source, "train")["array"], array)
    with pytest.raises(DataError, match=r"arrays are \[N, ..., C\]"):
        open_source(write(tmp_path, array=array[:, 0].reshape(30, -1)))


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.int8])
def test_tokens(tmp_path, dtype):
    tokens = TOKENS.astype(dtype)
    source = open_source(write(tmp_path, tokens=tokens, eval_tokens=tokens[:2] + dtype(3)))
    assert (source.spec.key, source.spec.shape, source.spec.levels) == ("tokens", (6,), max(TOKENS.max(), TOKENS[:2].max() + 3) + 1)
    train = all_rows(source, "train")["tokens"]
    assert train.dtype == np.int32
    np.testing.assert_array_equal(train, TOKENS)


def test_hold_out_is_a_fixed_tenth(tmp_path):
    tokens = np.arange(105)[:, None]
    first, second = (open_source(write(tmp_path, tokens=tokens, label=np.arange(105))) for _ in range(2))
    train, held_out = all_rows(first, "train"), all_rows(first, "eval")
    assert (first.spec.train_size, first.spec.eval_size) == (95, 10)
    assert not set(train["label"]) & set(held_out["label"])
    assert set(train["label"]) | set(held_out["label"]) == set(range(105))
    np.testing.assert_array_equal(train["tokens"][:, 0], train["label"])
    np.testing.assert_array_equal(held_out["label"], all_rows(second, "eval")["label"])
    assert held_out["label"].tolist() == [15, 16, 29, 34, 48, 55, 56, 60, 85, 94]  # may never change
    assert open_source(write(tmp_path, tokens=tokens[:2])).spec.eval_size == 1


WRONG = {
    "no key": ({}, "has no keys; it needs exactly one of 'image', 'array' and 'tokens'"),
    "both": ({"image": IMAGE, "tokens": TOKENS}, "has the keys image, tokens; it needs exactly one"),
    "neither": ({"label": LABEL}, "has the keys label; it needs exactly one"),
    "misspelt": ({"image": IMAGE, "labels": LABEL}, "key 'labels' is not one of .*: did you mean 'label'"),
    "stray split": ({"image": IMAGE, "eval_tokens": TOKENS}, "key 'eval_tokens' does not go with 'image'"),
    "float images": ({"image": IMAGE / 255}, "key 'image' has dtype float64; images are integer levels of dtype uint8"),
    "wide images": ({"image": IMAGE.astype(np.int32)}, "key 'image' has dtype int32"),
    "flat images": ({"image": IMAGE[:, 0]}, r"key 'image' has shape \(30, 5\)"),
    "video": ({"image": IMAGE[..., None, None]}, r"key 'image' has shape \(30, 4, 5, 1, 1\)"),
    "no rows": ({"image": IMAGE[:0]}, "key 'image' has shape .*no rows"),
    "no pixels": ({"image": IMAGE[:, :0]}, "key 'image' has shape .*no rows or no values"),
    "one row": ({"image": IMAGE[:1]}, "key 'image' has 1 row"),
    "no eval rows": ({"image": IMAGE, "eval_image": IMAGE[:0]}, "key 'eval_image' has shape"),
    "float tokens": ({"tokens": TOKENS.astype(np.float32)}, "key 'tokens' has dtype float32"),
    "flat tokens": ({"tokens": TOKENS[0]}, r"key 'tokens' has shape \(6,\)"),
    "negative tokens": ({"tokens": TOKENS - 1}, "key 'tokens' holds values from -1"),
    "huge tokens": ({"tokens": TOKENS + 2**31}, r"key 'tokens' holds values .* in \[0, 2\^31\)"),
    "short labels": ({"image": IMAGE, "label": LABEL[:-1]}, "key 'label' has 29 rows and 'image' has 30"),
    "negative labels": ({"image": IMAGE, "label": LABEL - 1}, "key 'label' holds values from -1"),
    "float labels": ({"image": IMAGE, "label": LABEL / 1}, "key 'label' has dtype float64"),
    "one-hot labels": ({"image": IMAGE, "label": np.eye(4, dtype=int)[LABEL]}, r"key 'label' has shape \(30, 4\)"),
    "unlike split": ({"image": IMAGE, "eval_image": IMAGE[:, :2]}, "one row of 'eval_image' has shape"),
    "unlabelled split": ({"image": IMAGE, "label": LABEL, "eval_image": IMAGE}, "key 'eval_label' is missing"),
    "unlabelled train": ({"image": IMAGE, "eval_image": IMAGE, "eval_label": LABEL}, "key 'label' is missing"),
    "labels of nothing": ({"image": IMAGE, "label": LABEL, "eval_label": LABEL}, "key 'eval_label' needs 'eval_image'"),
    "too few levels": ({"image": IMAGE, "levels": 6}, "key 'image' holds the value 6, and 'levels' says that all are below 6"),
    "eval above levels": ({"image": IMAGE, "eval_image": IMAGE + 1, "levels": 7}, "key 'eval_image' holds the value 7"),
    "levels of a byte": ({"image": IMAGE, "levels": 257}, "key 'levels' must be one integer from 2 to 256"),
    "one level": ({"tokens": TOKENS, "levels": 1}, "key 'levels' must be one integer"),
    "float levels": ({"image": IMAGE, "levels": 256.0}, "key 'levels' must be one integer"),
    "many levels": ({"image": IMAGE, "levels": np.array([256, 256])}, "key 'levels' must be one integer"),
    "objects": ({"image": IMAGE, "label": np.array([{}] * 30)}, "key 'label' cannot be read, it holds Python objects, which are never"),
    "text": ({"tokens": np.array([["a"]] * 30)}, "key 'tokens' has dtype <U1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arrays(tmp_path, case):
    arrays, sentence = WRONG[case]
    name = write(tmp_path, **arrays)
    with pytest.raises(DataError, match=f"^{tmp_path}/mine.npz: .*{sentence}") as caught:
        open_source(name)
    assert "\n" not in str(caught.value)


def npy():
    stream = io.BytesIO()
    np.save(stream, IMAGE)
    return stream.getvalue()


def npz(member="image.npy", content=None):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(member, npy() if content is None else content)
    return stream.getvalue()


def flipped():
    content = bytearray(npz())
    content[len(content) // 2] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    "content, sentence",
    [
        (b"", "not an npz archive"),
        (b"hello", "not an npz archive"),
        (npy(), "not an npz archive"),
        (npz()[:-40], "not an npz archive.*cut short"),
        (b"junk" + npz(), "not an npz archive"),
        (flipped(), "key 'image' cannot be read, it is damaged"),
        (npz(content=npy()[:100]), "key 'image' cannot be read, it is damaged"),
        (npz(member="image", content=b"not an array"), "key 'image' is not an array"),
    ],
)
def test_wrong_files(tmp_path, content, sentence):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"^{path}: {sentence}"):
        open_source(f"npz:{path}")


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"absent.npz: cannot be read \(No such file"):
        open_source(f"npz:{tmp_path}/absent.npz")
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory"):
        open_source(f"npz:{tmp_path}")
    with pytest.raises(UsageError, match=r"npz:path/to/file\.npz"):
        open_source("npz")
