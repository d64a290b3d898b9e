"""Prompts of any lengths as one array, of one of a few sizes, so that few programs are compiled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genjax.errors import UsageError


def bucket(length: int) -> int:
    """The power of two that is not below `length`."""
    return 1 << max(0, length - 1).bit_length()


def pad(prompts: Sequence[Sequence[int]], *, side: str = "right") -> tuple[np.ndarray, np.ndarray]:
    """tokens int32 [B, P] and real bool [B, P], with P the bucket of the longest prompt; padding is 0 and means nothing.

    side: "left" or "right", where the padding stands. What is drawn does not depend on it.
    """
    if any(len(prompt) == 0 for prompt in prompts):
        raise UsageError("a prompt has no tokens: begin it with the start token")
    size = bucket(max(map(len, prompts)))
    tokens, real = np.zeros((len(prompts), size), np.int32), np.zeros((len(prompts), size), bool)
    for row, prompt in enumerate(prompts):
        where = slice(size - len(prompt), size) if side == "left" else slice(0, len(prompt))
        tokens[row, where], real[row, where] = prompt, True
    return tokens, real
