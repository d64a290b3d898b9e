"""Data that are not there."""

import pytest

from genjax.data.absent import absent
from genjax.errors import UsageError


def test_data_that_are_not_there():
    spec = absent("image:32x32x4:256:1000")
    assert (spec.key, spec.shape, spec.levels, spec.num_classes) == ("image", (32, 32, 4), 256, 1000)
    spec = absent("tokens:4096:32000")
    assert (spec.key, spec.shape, spec.levels, spec.num_classes) == ("tokens", (4096,), 32000, 0)
    for text in ("tokens", "tokens:x:2", "image:8x8:3", "sound:8:2", "tokens:4:4:4:4", "tokens:4x4:3", "tokens:\u00b2:3"):
        with pytest.raises(UsageError, match="is no data"):
            absent(text)
