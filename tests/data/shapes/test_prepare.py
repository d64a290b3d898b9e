"""shapes as a set of tensorflow-datasets, written and read without TensorFlow."""

import sys

import numpy as np

from genjax.data.sources import open_source


def test_a_prepared_tier_is_read_like_any_other_set(tmp_path, monkeypatch):
    monkeypatch.setenv("GENJAX_CACHE_DIR", str(tmp_path / "cache"))
    from genjax.data.shapes.prepare import prepare

    prepare("s16", str(tmp_path), {"train": 30, "validation": 5, "test": 7})
    assert "tensorflow" not in sys.modules
    found = open_source("tfds:shapes/s16", str(tmp_path))
    assert (found.spec.shape, found.spec.levels, found.spec.train_size, found.spec.eval_size) == ((16, 16, 3), 256, 30, 7)
    for split, name, count in (("train", "shapes:s16", 30), ("eval", "shapes:s16/test", 7)):
        expected = open_source(name).splits[split].rows(np.arange(count))["image"]
        np.testing.assert_array_equal(found.splits[split].rows(np.arange(count))["image"], expected)
