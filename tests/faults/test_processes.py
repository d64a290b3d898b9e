"""Two real processes over loopback, two devices each: they train what one process with four devices trains, and they end together."""

import json
import os
import signal
import socket
import time

import pytest

from tests.conftest import Process

pytestmark = pytest.mark.faults


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def start_two():
    """start_two(run, ...) starts two processes of one training."""
    started = []

    def start(run):
        address = f"127.0.0.1:{free_port()}"
        started.extend(Process("train", *run.flags, f"--processes={address},{index},2", devices=2) for index in range(2))
        return started[-2:]

    yield start
    for process in started:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.communicate()


LONG = {
    "train.duration": "400 steps",
    "train.checkpoint_every": "40 steps",
    "train.evaluate_every": "400 steps",
    "train.sample_every": "400 steps",
    "logging.tensorboard": True,
}


@pytest.mark.parametrize("objective", ["next_token", "noise_prediction"])
@pytest.mark.parametrize("fsdp", [1, 4])
def test_two_processes_train_what_one_does(objective, fsdp, toy_run, start_script, start_two, tmp_path):
    settings = {"parallel.fsdp": fsdp}
    one, two = toy_run(objective, tmp_path / "one", settings), toy_run(objective, tmp_path / "two", settings)
    single, pair = start_script("train", *one.flags, devices=4), start_two(two)
    ends = [process.end() for process in (single, *pair)]
    assert [ended.code for ended in ends] == [0, 0, 0], ends
    assert ends[2].out == "", "process 0 speaks for both"
    got, expected = (list(map(json.loads, run.rows)) for run in (two, one))
    assert [(row["step"], row["split"]) for row in got] == [(row["step"], row["split"]) for row in expected]
    for a, b in zip(got, expected, strict=True):
        for name in ("loss", "bits_per_dim"):
            if name in b:
                assert a[name] == pytest.approx(b[name], rel=1e-4), (a, b)
    assert two.saved == one.saved == 24


@pytest.mark.parametrize("signalled", [0, 1])
def test_a_signal_to_one_stops_both_at_the_same_step(signalled, toy_run, start_two, tmp_path):
    run = toy_run("next_token", tmp_path / "run", LONG)
    pair = start_two(run)
    pair[signalled].wait_for(lambda: run.saved > 0, "a checkpoint")
    pair[signalled].popen.send_signal(signal.SIGTERM)
    ends = [process.end() for process in pair]
    assert [ended.code for ended in ends] == [75, 75], ends
    step = run.status["step"]
    assert run.status == {
        "state": "preempted",
        "step": step,
        "exit_code": 75,
        "reason": f"stopped by SIGTERM; step {step} is saved: run the same command again to go on",
        "restarts": 0,
    }
    assert run.saved == step < 400
    for ended in ends:
        assert f"step {step} is saved" in ended.err


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_peer_ends_the_job(killed, toy_run, start_two, tmp_path):
    run = toy_run("next_token", tmp_path / "run", LONG | {"train.duration": "100000 steps"})
    pair = start_two(run)
    pair[killed].wait_for(lambda: run.saved > 0, "a checkpoint")
    started = time.monotonic()
    assert pair[killed].end(signal.SIGKILL).code == -signal.SIGKILL
    other = pair[1 - killed].end()
    assert time.monotonic() - started < 75, "two heartbeats and a half"
    assert other.code != 0
    assert any(word in other.err.lower() for word in ("heartbeat", "connection reset", "unavailable", "closed", "gloo")), other.err
    assert run.saved > 0


def test_a_failing_process_says_why_and_ends_the_job(toy_run, start_two, tmp_path):
    """The second process cannot read its data: it fails alone, and the first does not wait for it for ever."""
    run = toy_run("next_token", tmp_path / "run")
    address = f"127.0.0.1:{free_port()}"
    first = Process("train", *run.flags, f"--processes={address},0,2", devices=2)
    second = Process(
        "train",
        *[flag for flag in run.flags if "data.source" not in flag],
        "--config.data.source=npz:gone.npz",
        f"--processes={address},1,2",
        devices=2,
    )
    ended = second.end()
    assert ended.code == 65
    assert "gone.npz: cannot be read" in ended.err
    try:
        other = first.end()
        assert other.code != 0
    finally:
        if first.popen.poll() is None:
            os.kill(first.popen.pid, signal.SIGKILL)
