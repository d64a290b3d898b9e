"""The devices that a command line names."""

import pytest

from genjax.errors import UsageError
from genjax.training import mesh


def test_an_axis_that_is_not_named_has_one_device():
    assert mesh.parse("fsdp:16,data:64") == {"data": 64, "fsdp": 16, "tensor": 1}


@pytest.mark.parametrize(
    "text",
    ["", "data", "data:", "data:0", "fsp:2", "data:2;fsdp:2", "data:-1", "data:\u00b2", "data:\u0663", "data:8,data:4", "data:" + 30 * "9"],
)
def test_what_is_no_mesh(text):
    with pytest.raises(UsageError, match="--mesh="):
        mesh.parse(text)
