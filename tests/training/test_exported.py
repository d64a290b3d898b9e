"""Exported parameters come back as they were, and what is not theirs is refused before anything is read."""

import json
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax.errors import CheckpointError
from genjax.training import exported
from tests.helpers import assert_trees_equal

PARAMS = {"trunk": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}, "head": {"bias": np.float32([1.5, -np.inf])}}


def abstract(params):
    here = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), params)


def header(path):
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])


def test_parameters_come_back_to_the_bit(tmp_path):
    params = PARAMS | {"half": jnp.asarray([0.1, 3.0], jnp.bfloat16)}
    exported.write(tmp_path / "new" / "folder", {"seed": 3}, params, 7)
    read, step = exported.read(tmp_path / "new" / "folder", abstract(params))
    assert_trees_equal(read, params)
    assert step == 7
    assert {leaf.dtype for leaf in jax.tree.leaves(read)} == {jnp.dtype("float32"), jnp.dtype("bfloat16")}
    assert json.loads((tmp_path / "new" / "folder" / "config.json").read_text()) == {"seed": 3}


def test_the_file_is_as_the_format_says(tmp_path):
    """Eight bytes with the length of a JSON header, the header, and the numbers at its offsets, little-endian."""
    path = exported.write(tmp_path, {}, PARAMS, 7)
    entry = header(path)["trunk/kernel"]
    assert (entry["dtype"], entry["shape"]) == ("F32", [2, 3])
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    first, last = entry["data_offsets"]
    assert content[8 + length + first : 8 + length + last] == PARAMS["trunk"]["kernel"].astype("<f4").tobytes()


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({**PARAMS, "head": {"bias": np.zeros(3, np.float32)}}, r"head/bias +float32\[2\] +float32\[3\]"),
        ({**PARAMS, "head": {"bias": np.zeros(2, np.float16)}}, r"head/bias +float32\[2\] +float16\[2\]"),
        ({**PARAMS, "tail": np.zeros(1, np.float32)}, r"tail +- +float32\[1\]"),
        ({"trunk": PARAMS["trunk"]}, r"head/bias +float32\[2\] +-"),
    ],
)
def test_another_model_is_refused_by_the_header(other, says, tmp_path):
    exported.write(tmp_path, {}, PARAMS, 7)
    with pytest.raises(CheckpointError, match=says):
        exported.read(tmp_path, abstract(other))


def test_damaged_files_and_links_are_refused(tmp_path):
    path = exported.write(tmp_path / "whole", {}, PARAMS, 7)
    content = path.read_bytes()
    for number, damaged in enumerate((b"", content[:5], content[:-4], b"\xff" * 8 + content[8:], content.replace(b'"F32"', b'"F99"', 1))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / exported.FILE).write_bytes(damaged)
        with pytest.raises(CheckpointError):
            exported.read(folder, abstract(PARAMS))
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / exported.FILE).symlink_to(path)
    with pytest.raises(CheckpointError, match="not a regular file"):
        exported.read(tmp_path / "link", abstract(PARAMS))
