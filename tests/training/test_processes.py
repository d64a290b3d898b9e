"""What names a job of many processes. Real ones are in tests/faults."""

import os
import subprocess
import sys

import pytest

from genjax.errors import UsageError
from genjax.training import processes

OUTSIDE = """
from genjax.errors import UsageError
from genjax.training import processes
for name in ("slurm", "mpi", "kubernetes", "auto"):
    try:
        with processes.joined(name):
            pass
    except UsageError as error:
        print(error)
"""


def test_a_process_of_a_job_and_a_cluster():
    assert processes.parse("node[1]:65535,0,2") == ("node[1]:65535", 0, 2)
    assert processes.parse("[::1]:80,7,8") == ("[::1]:80", 7, 8)
    assert [processes.parse(name) for name in ("one", "auto", "slurm", "mpi", "kubernetes")] == [None] * 5


@pytest.mark.parametrize(
    "text", ["", "two", "host,0,2", ":80,0,2", "host:80,2,2", "host:80,-1,2", "host:\u00b2,0,2", "host:80,0,\u0663", "host:80,0,2,3"]
)
def test_what_is_no_process_of_a_job(text):
    with pytest.raises(UsageError, match="names no job"):
        processes.parse(text)


def test_outside_a_cluster_there_is_a_sentence_that_names_what_is_missing():
    """In a process of its own, since JAX joins a job only before it has computed anything."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "OMPI_", "PMI", "KUBERNETES_"))}
    ended = subprocess.run([sys.executable, "-c", OUTSIDE], capture_output=True, text=True, env=clean, timeout=120)
    assert ended.returncode == 0, ended.stderr
    slurm, mpi, *others = ended.stdout.splitlines()
    assert slurm.startswith("--processes=slurm: the variable 'SLURM_JOB_ID' is not set here: start every process with srun")
    assert mpi.startswith("--processes=mpi: the variable 'OMPI_MCA_orte_hnp_uri' is not set here")
    assert [line.partition(" (")[0] for line in others] == [
        f"--processes={name}: the processes did not find each other" for name in ("kubernetes", "auto")
    ]
