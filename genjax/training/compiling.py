"""How steps and samplers are compiled: what a back end is told beside its own defaults, where that was measured to help (docs/performance.md)."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

import jax
from jax.stages import Compiled, Lowered, Wrapped

# Loops in which more of what goes round is written where it lay than by default: several steps, or the tokens of a text with their cache.
LOOPS = {"xla_cpu_copy_insertion_use_region_analysis": True}
# Products of matrices, with what is done to their results, and sums, by the library that XLA's CPU back end has besides its default.
STEPS = LOOPS | {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"}


def options(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Compiler options for `jax.jit`: LOOPS or STEPS on a CPU, as far as XLA knows them and XLA_FLAGS says nothing of them."""
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in measured.items() if name not in os.environ.get("XLA_FLAGS", "") and _known(name, value)}


@functools.cache
def _known(name: str, value: Any) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options={name: value}).lower().compile()
    except Exception:  # XLA names its errors differently from version to version
        return False
    return True


def compiled(lowered: Lowered) -> Compiled:
    """The program, with the memory that the compiler has freed given back to the system: the C library would keep hundreds of MB of it."""
    program = lowered.compile()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)
    return program


class Ahead:
    """A jitted function that can be compiled before there is anything to compute on, so that the compiler and the state need not both have memory.

    Called with shapes that it was not prepared for, it is compiled then.
    """

    def __init__(self, function: Wrapped, layout: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        self.function, self.layout = function, layout
        self.programs: dict[tuple[Any, ...], Compiled] = {}

    def prepare(self, *args: Any) -> Compiled:
        """The program for arguments of these shapes, dtypes and shardings: arrays, or their abstract likes."""
        key = tuple((leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(args))
        if key not in self.programs:
            with self.layout():
                self.programs[key] = compiled(self.function.lower(*args))
        return self.programs[key]

    def __call__(self, *args: Any) -> Any:
        return self.prepare(*args)(*args)
