"""A sweep on a real Slurm of one node that this test starts; `apt-get install slurm-wlm munge` gives what it needs."""

import csv
import getpass
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest

CLUSTER = Path(__file__).with_name("cluster.sh")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A Slurm of one node; the test is skipped where there is none."""
    for program in ("/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd", "sbatch"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: apt-get install slurm-wlm munge")
    folder = tmp_path / "cluster"
    started = subprocess.run([CLUSTER, "start", folder], capture_output=True, text=True, timeout=120)
    if started.returncode:
        pytest.skip(f"Slurm does not start here: {started.stderr}")
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    yield folder
    subprocess.run(["scancel", f"--user={getpass.getuser()}"], capture_output=True, timeout=60)
    subprocess.run([CLUSTER, "stop", folder], timeout=60)


def wait_for(condition, what, seconds=400):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"no sign of {what}"
        time.sleep(0.1)


def queue():
    return subprocess.run(["squeue", "--noheader", "--array", "--format=%K %T %P"], capture_output=True, text=True, timeout=60).stdout.split("\n")[
        :-1
    ]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_of_four_cells_survives_a_preemption(cluster, toy_run, start_script, tmp_path):
    """Two cells train when an urgent job takes the node: they save, wait in the queue, go on where they were, and all four end complete."""
    settings = {
        "train.duration": "400 steps",
        "train.checkpoint_every": "40 steps",
        "train.evaluate_every": "400 steps",
        "train.sample_every": "400 steps",
    }
    run = toy_run("next_token", tmp_path / "sweep", settings)
    flags = [*run.flags, "--sweep=optimizer.learning_rate=1e-3,4e-3", "--sweep=seed=0..1"]
    submitted = start_script("sweep", *flags, "--launcher=slurm", "--workers=2").end()
    assert submitted.code == 0, submitted
    assert "submitted 4 cells as job array" in submitted.out

    cells = run.path / "cells"
    wait_for(lambda: list(cells.glob("*/checkpoints/integrity/*.json")), "a checkpoint")
    urgent = ["sbatch", "--partition=urgent", "--exclusive", f"--output={tmp_path}/urgent.txt", "--wrap=date"]
    assert subprocess.run(urgent, capture_output=True, timeout=60).returncode == 0
    wait_for(lambda: (tmp_path / "urgent.txt").exists(), "the urgent job")
    wait_for(lambda: not queue(), "the end of the queue")

    statuses = {path.parent.name: json.loads(path.read_text()) for path in cells.glob("*/status.json")}
    assert [status["state"] for status in statuses.values()] == ["complete"] * 4, statuses
    restarted = [name for name, status in statuses.items() if status["restarts"]]
    assert restarted
    logs = "".join(path.read_text() for path in sorted((run.path / "logs").glob("task_*.txt")))
    assert logs.count("ended with exit code 75") == len(restarted), logs
    assert logs.count("ended with exit code 0") == 4
    for name in restarted:
        rows = [json.loads(line) for line in (cells / name / "metrics.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows if row["split"] == "train"] == list(range(1, 401)), "nothing is lost or done twice"

    assert start_script("sweep", *flags, "--launcher=none").end().code == 0
    with (run.path / "table.csv").open() as file:
        assert [row["complete"] for row in csv.DictReader(file)] == ["2", "2"]
