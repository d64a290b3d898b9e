"""The devices that a command line names, "data:64,fsdp:16". Without jax, so that a mistake is answered at once."""

from __future__ import annotations

import re

from genjax.config import require
from genjax.errors import did_you_mean

AXES = ("data", "fsdp", "tensor")
_SIZE = re.compile(r"0*[1-9][0-9]{0,8}")


def parse(text: str) -> dict[str, int]:
    """The sizes of all three axes; one that is not named is 1. UsageError for what names no devices."""
    sizes: dict[str, int] = {}
    for part in text.split(","):
        axis, _, size = part.partition(":")
        require(axis in AXES, f"--mesh='{text}': there is no axis '{axis}'{did_you_mean(axis, AXES) or ': there are data, fsdp and tensor'}")
        require(_SIZE.fullmatch(size) is not None, f"--mesh='{text}': write axis:devices, for example data:64,fsdp:16")
        require(axis not in sizes, f"--mesh='{text}': the axis '{axis}' is given twice")
        sizes[axis] = int(size)
    return dict.fromkeys(AXES, 1) | sizes
