"""A job of many processes: how they find each other, and how they end together.

Each process has its own devices and its own part of every batch; parameters are laid out over all of them. What the processes may not do is
disagree: process 0 decides (`workdir.decide`), a stop is agreed on at a step boundary (`agree`), and a process that fails ends at once, so that the
others, which wait for it in a collective, are ended by JAX's heartbeat instead of hanging in a barrier at their exit.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from genjax.config import require
from genjax.errors import PeerError, Preempted, UsageError, report

HEARTBEAT_SECONDS = 30  # after so long without a sign of life a process is taken for dead, and the job ends
CLUSTERS = {"auto": None, "slurm": "slurm", "mpi": "ompi", "kubernetes": "k8s"}  # as JAX calls them; auto finds TPU pods too
_BROKEN = re.compile(r"Gloo|NCCL|UNAVAILABLE|[Cc]onnection (reset|closed|refused)|[Hh]eartbeat")  # as the libraries of XLA put it
_JOB = re.compile(r"(.+:[0-9]{1,5}),([0-9]{1,9}),([0-9]{1,9})")
HELP = "one (no others), auto (TPU pod or any cluster below), slurm, mpi, kubernetes, or HOST:PORT,INDEX,COUNT of this process"


@contextlib.contextmanager
def joined(processes: str) -> Iterator[None]:
    """A context in which this process is one of the job that `processes` names (see HELP). Enter it before anything is computed.

    Raises:
      UsageError: text that names no job, or a cluster that is not there.
    """
    explicit = parse(processes)
    if processes == "one":
        yield
        return

    import jax

    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM away from `signals.Stopper`
    options: dict[str, Any] = {} if explicit is None else dict(zip(("coordinator_address", "process_id", "num_processes"), explicit, strict=True))
    if explicit is None and CLUSTERS[processes] is not None:
        options["cluster_detection_method"] = CLUSTERS[processes]
    if explicit is not None and explicit[0].rpartition(":")[0] in ("127.0.0.1", "localhost"):
        options["coordinator_bind_address"] = explicit[0]  # not to be reached from elsewhere
    try:
        jax.distributed.initialize(heartbeat_timeout_seconds=HEARTBEAT_SECONDS, **options)
    except KeyError as error:
        require(
            False, f"--processes={processes}: the variable {error} is not set here: start every process with srun, mpirun or what your cluster has"
        )
    except (ValueError, RuntimeError) as error:
        require(False, f"--processes={processes}: the processes did not find each other ({' '.join(str(error).split())})")
    try:
        silent = contextlib.nullcontext() if jax.process_index() == 0 else contextlib.redirect_stdout(io.StringIO())  # process 0 speaks
        with silent, peers_named():
            yield
    except Preempted:
        jax.distributed.shutdown()  # all of them have stopped here: they part in peace
        raise
    except BaseException as error:
        code = report(error)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # without the barrier at exit, in which this process would wait for others that wait for it
    jax.distributed.shutdown()


@contextlib.contextmanager
def peers_named() -> Iterator[None]:
    """A context in which what XLA says of a connection that broke is a sentence, PeerError. What the others were doing is in their own logs."""
    import jax

    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() > 1 and _BROKEN.search(str(error)):
            first = str(error).splitlines()[0][:200]
            raise PeerError(
                f"another process of this job is gone or cannot be reached ({first}): its own log says why; start the job again with the same command"
            ) from error
        raise


def parse(processes: str) -> tuple[str, int, int] | None:
    """(address, index, count) of HOST:PORT,INDEX,COUNT, or None for the name of a cluster; UsageError for anything else."""
    if processes in ("one", *CLUSTERS):
        return None
    match = _JOB.fullmatch(processes)
    if match is None or not int(match[2]) < int(match[3]):
        raise UsageError(f"--processes='{processes}' names no job: use {HELP}, for example 10.0.0.1:1234,0,2")
    return match[1], int(match[2]), int(match[3])


def each(value: float) -> list[float]:
    """Every process's value, in the order of the processes, on all of them."""
    import numpy as np
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(np.array(value, np.float32))).ravel().tolist()


def slowest(seconds: list[float]) -> str:
    """A line on the work that processes do on their own, between two steps of all: it alone shows who keeps whom waiting."""
    worst = max(range(len(seconds)), key=seconds.__getitem__)
    others = sorted(seconds[:worst] + seconds[worst + 1 :])
    middle = others[len(others) // 2]
    return f"  data       process {worst} is the slowest with {1000 * seconds[worst]:.1f} ms a step, others take {1000 * middle:.1f} ms"


def agree(number: int) -> int:
    """The largest of the processes' numbers, the same on all of them; every process must call it. Costs nothing where there is one."""
    import jax
    import numpy as np
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return number
    return int(np.max(multihost_utils.process_allgather(np.array(number, np.int32))))
