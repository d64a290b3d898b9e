"""Less work for XLA: compiling is what tests wait for, and what they are about is not how fast a program runs."""

from __future__ import annotations

import os
import subprocess
import sys

# Without the optimisations of the back end, with the older way of writing a fused kernel, and in one piece: a training step of a toy takes a fifth of
# the time.
QUICK = (
    "--xla_backend_optimization_level=0",
    "--xla_llvm_disable_expensive_passes=true",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)


def quicken() -> None:
    """Programs of this process and of those that it starts are compiled quickly. To be called before jax is first used.

    An XLA that does not know one of the flags would end the process, so another process tries them; where it fails, all stays as it is.
    """
    flags = xla_flags(*QUICK)
    if flags != os.environ.get("XLA_FLAGS"):
        tried = subprocess.run([sys.executable, "-c", "import jax; jax.devices()"], env=os.environ | {"XLA_FLAGS": flags}, capture_output=True)
        if tried.returncode == 0:
            os.environ["XLA_FLAGS"] = flags


def thorough() -> dict[str, str]:
    """The environment of a process that trains for minutes, where programs run longer than they are compiled."""
    flags = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if flag not in QUICK]
    return os.environ | {"XLA_FLAGS": " ".join(flags)}


def xla_flags(*more: str) -> str:
    """The variable XLA_FLAGS with more of them."""
    given = os.environ.get("XLA_FLAGS", "").split()
    return " ".join([*given, *(flag for flag in more if flag not in given)])


def devices(count: int) -> str:
    """The variable XLA_FLAGS for so many pretended devices."""
    return xla_flags(f"--xla_force_host_platform_device_count={count}")
