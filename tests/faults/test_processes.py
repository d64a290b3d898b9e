"""Two real processes over loopback, two devices each: they train what one process with four devices trains, and they end together."""

import json
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Process

pytestmark = pytest.mark.processes


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


TROUBLED = str(Path(__file__).with_name("troubled_train"))


@pytest.fixture
def start_two():
    """start_two(*flags) starts two processes of one training, or of another script; the second may be in trouble (troubled_train.py)."""
    started = []

    def start(*flags, script="train", trouble=None):
        address = f"127.0.0.1:{free_port()}"
        commands = [(script,), (TROUBLED, trouble) if trouble else (script,)]
        started.extend(Process(*command, *flags, f"--processes={address},{index},2", devices=2) for index, command in enumerate(commands))
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


@pytest.mark.parametrize(("objective", "fsdp"), [("next_token", 4), ("noise_prediction", 2)])
def test_two_processes_train_what_one_does(objective, fsdp, toy_run, run_script, start_script, start_two, tmp_path):
    """Parameters are split over both processes; the second is slower with its data, which changes nothing and is said."""
    settings = {"parallel.fsdp": fsdp, "train.check_replicas": True}
    one, two = toy_run(objective, tmp_path / "one", settings), toy_run(objective, tmp_path / "two", settings)
    single, pair = start_script("train", *one.flags, devices=4), start_two(*two.flags, trouble="slow")
    ends = [process.end() for process in (single, *pair)]
    assert [ended.code for ended in ends] == [0, 0, 0], "\n\n".join(ended.err[-3000:] for ended in ends)
    # Its library prints to stdout, from several threads, so that a line may be torn.
    spoken = [line for line in ends[2].out.splitlines() if "[Gloo]" not in line and "connected peer ranks" not in line]
    assert spoken == [], "process 0 speaks for both"
    got, expected = (list(map(json.loads, run.rows)) for run in (two, one))
    assert [(row["step"], row["split"]) for row in got] == [(row["step"], row["split"]) for row in expected]
    for a, b in zip(got, expected, strict=True):
        for name in ("loss", "bits_per_dim"):
            if name in b:
                assert a[name] == pytest.approx(b[name], rel=1e-4), (a, b)
    assert two.saved == one.saved == 24
    assert ends[1].out.count("process 1 is the slowest") == 3, "at every checkpoint"

    alone = two._replace(overrides=two.overrides | {"parallel.fsdp": "1"})
    assert run_script("train", *alone.flags, "--force").digest == ends[1].digest, "one process with one device restores the very same state"


def test_two_processes_measure_and_draw_what_one_does(toy_run, run_script, start_two, tmp_path):
    run = toy_run("noise_prediction", tmp_path / "run", {"train.duration": "8 steps"})
    assert run_script("train", *run.flags).code == 0
    assert run_script("evaluate", f"--workdir={run.path}").code == 0
    (written,) = run.path.glob("evaluation_*.json")
    expected = json.loads(written.read_text())
    written.unlink()
    ends = [process.end() for process in start_two(f"--workdir={run.path}", script="evaluate")]
    assert [ended.code for ended in ends] == [0, 0], ends
    (written,) = run.path.glob("evaluation_*.json")
    got = json.loads(written.read_text())
    assert got["bits_per_dim"]["value"] == pytest.approx(expected["bits_per_dim"]["value"], rel=1e-5)
    assert got["bits_per_dim"]["examples"] == 10

    assert run_script("sample", f"--workdir={run.path}", f"--out={tmp_path / 'one'}").code == 0
    ends = [process.end() for process in start_two(f"--workdir={run.path}", f"--out={tmp_path / 'two'}", script="sample")]
    assert [ended.code for ended in ends] == [0, 0], ends
    one, two = (np.load(tmp_path / f"{name}.npz")["image"] for name in ("one", "two"))
    assert one.shape == (9, 4, 4, 1)
    np.testing.assert_array_equal(two, one)


@pytest.mark.parametrize("signalled", [0, 1])
def test_a_signal_to_one_stops_both_at_the_same_step(signalled, toy_run, start_two, tmp_path):
    run = toy_run("next_token", tmp_path / "run", LONG)
    pair = start_two(*run.flags)
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


def test_a_signal_to_one_that_measures_stops_both(toy_run, start_two, tmp_path):
    """The measurement is left by both after the same batch, and made when the run goes on."""
    run = toy_run("noise_prediction", tmp_path / "run", {"train.evaluate_every": "8 steps", "train.checkpoint_every": "24 steps"})
    ends = [process.end() for process in start_two(*run.flags, trouble="stopped")]
    assert [ended.code for ended in ends] == [75, 75], ends
    assert (run.saved, run.status["state"], run.status["step"]) == (8, "preempted", 8)
    assert "held_out" not in {json.loads(row)["split"] for row in run.rows}


@pytest.mark.parametrize("killed", [0, 1])
def test_a_killed_peer_ends_the_job(killed, toy_run, start_two, tmp_path):
    run = toy_run("next_token", tmp_path / "run", LONG | {"train.duration": "100000 steps"})
    pair = start_two(*run.flags)
    pair[killed].wait_for(lambda: run.saved > 0, "a checkpoint")
    started = time.monotonic()
    assert pair[killed].end(signal.SIGKILL).code == -signal.SIGKILL
    other = pair[1 - killed].end()
    assert time.monotonic() - started < 45, "a heartbeat and a half"
    if other.code == 69:  # it was told at once that the connection is gone
        assert other.err.splitlines()[-1].startswith("error: another process of this job is gone or cannot be reached"), other.err
        assert killed == 0 or run.status["exit_code"] == 69
    else:  # JAX has ended it, since the other gives no sign of life, or nothing answers at the address of the job
        assert other.code == -signal.SIGABRT and "another task died" in other.err, other
    assert run.saved > 0


def test_a_process_that_hangs_ends_the_job_with_the_stacks(toy_run, start_two, tmp_path):
    """The data of the second stop coming: both wait, the first for the second, and the watchdog of either ends its process. The other then sees its
    peer go, if its own watchdog is not faster.
    """
    run = toy_run("next_token", tmp_path / "run", LONG | {"train.duration": "100000 steps", "train.hang_minutes": 0.6})
    ends = [process.end() for process in start_two(*run.flags, trouble="stuck")]
    said = [ended for ended in ends if ended.code == 124]
    assert said and all(ended.code != 0 for ended in ends), ends
    assert all("nothing has ended for" in ended.err for ended in said)
    assert "take_or_wait" in "".join(path.read_text() for path in run.path.rglob("*hang*") if path.is_file()) or ends[1].code != 124
    assert (run.status["state"], run.status["exit_code"]) == ("failed", 124) and "nothing has ended for" in run.status["reason"]
    assert "_train" in (run.path / "logs" / "hang_process0.txt").read_text()


def test_a_failing_process_says_why_and_ends_the_job(toy_run, start_two, tmp_path):
    """The second process cannot read its data any more: it fails alone, and the first does not wait for it for ever."""
    run = toy_run("next_token", tmp_path / "run", LONG)
    started = time.monotonic()
    other, broken = [process.end() for process in start_two(*run.flags, trouble="broken")]
    assert broken.code == 65 and broken.err.splitlines()[-1] == "error: shard 3 cannot be read", broken
    assert other.code != 0
    assert time.monotonic() - started < 90, "the start, and a heartbeat and a half"
