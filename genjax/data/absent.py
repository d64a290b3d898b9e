"""Data that are not there, for plans: only their spec."""

from __future__ import annotations

from genjax.errors import UsageError
from genjax.types import DataSpec

_RANK = {"image": 3, "tokens": 1}


def absent(text: str) -> DataSpec:
    """The spec of "tokens:4096:32000" (length, vocabulary) or "image:32x32x4:256:1000" (shape, levels, classes); UsageError for other text."""
    kind, *parts = text.split(":")
    numbers = [part.split("x") if place == 0 else [part] for place, part in enumerate(parts)]
    right = kind in _RANK and len(parts) in (2, 3) and all(number.isdecimal() for part in numbers for number in part)
    if not right or len(numbers[0]) != _RANK[kind]:
        example = "write tokens:4096:32000 (length, vocabulary) or image:32x32x4:256:1000 (shape, levels, classes)"
        raise UsageError(f"--data='{text}' is no data: {example}")
    shape, (levels, *classes) = tuple(map(int, numbers[0])), [int(part[0]) for part in numbers[1:]]
    return DataSpec(text, "image" if kind == "image" else "tokens", shape, levels, sum(classes), 1_000_000, 10_000)
