"""How training steps are compiled: what a back end is told beside its own defaults, where that was measured to help (docs/performance.md)."""

from __future__ import annotations

import functools
import os
from typing import Any

import jax

# Products of matrices, with what is done to their results, by the library that XLA's CPU back end has besides its default.
CPU = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"}


@functools.cache
def options() -> dict[str, Any]:
    """Compiler options for `jax.jit`: those of the CPU where it is the back end, as far as this XLA knows them and XLA_FLAGS says nothing of them."""

    def known(name: str, value: str) -> bool:
        try:
            jax.jit(lambda: 0, compiler_options={name: value}).lower().compile()
        except Exception:  # XLA names its errors differently from version to version
            return False
        return True

    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in CPU.items() if name not in os.environ.get("XLA_FLAGS", "") and known(name, value)}
