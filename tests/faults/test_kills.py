"""kill -9 at random moments, and a signal at the one that lasts longest."""

import json
import random
import signal
import time
from pathlib import Path

import pytest

from genjax.training.loop import train

pytestmark = pytest.mark.processes

# No kill lets a run get further than about 50 steps, so that all ten of them find it alive.
SETTINGS = {
    "train.duration": "480 steps",
    "train.checkpoint_every": "16 steps",
    "train.evaluate_every": "160 steps",
    "train.sample_every": "100 percent",
}


def restarts(run):
    """How often a training was taken up, as it says itself once it trains; -1 before the first time."""
    return run.status["restarts"] if (run.path / "status.json").exists() else -1


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("objective", "devices"), [("next_token", 1), ("noise_prediction", 2)])
def test_ten_random_kills_end_in_the_state_of_no_kill(objective, devices, toy_run, start_script, tmp_path):
    """Whenever they come, the run is readable, goes on from its newest verified checkpoint, and never goes back behind it.

    Two kills come while Python loads, restores or compiles, three after some steps, five after a checkpoint.
    """
    settings = SETTINGS | {"parallel.fsdp": devices}
    whole, killed = toy_run(objective, tmp_path / "whole", settings), toy_run(objective, tmp_path / "killed", settings)
    uninterrupted = start_script("train", *whole.flags, devices=devices)
    moments, saved = random.Random(0), 0
    for number in range(10):
        before = restarts(killed)
        process = start_script("train", *killed.flags, devices=devices)
        if number in (3, 6):
            time.sleep(moments.uniform(1.0, 5.0))
        elif number % 2:
            beyond = saved + moments.randrange(24)
            process.wait_for(lambda before=before, beyond=beyond: restarts(killed) > before and killed.last_step > beyond, f"step {beyond}")
            time.sleep(moments.uniform(0.0, 0.1))
        else:
            process.wait_for(lambda saved=saved: killed.saved > saved, f"a checkpoint after {saved}")
            time.sleep(moments.uniform(0.0, 0.3))
        ended = process.end(signal.SIGKILL)
        assert ended.code == -signal.SIGKILL, ended
        assert killed.saved >= saved
        saved = killed.saved
    assert 0 < saved < 480
    last = start_script("train", *killed.flags, devices=devices).end()
    assert f"from step {saved}\n" in last.out
    assert last.digest == uninterrupted.end().digest
    assert killed.rows == whole.rows
    assert not list((killed.path / "checkpoints").glob("corrupt-*"))


def test_a_signal_while_the_step_is_compiled_is_a_saved_stop(toy_run, start_script, tmp_path):
    run = toy_run("noise_prediction", tmp_path / "run", SETTINGS)
    process = start_script("train", *run.flags)
    process.wait_for(lambda: (run.path / "status.json").exists(), "the start")
    ended = process.end(signal.SIGTERM)
    assert ended.code == 75, ended
    status = json.loads((run.path / "status.json").read_text())
    assert (status["state"], status["exit_code"], status["step"]) == ("preempted", 75, run.saved)


def catches_sigterm(pid):
    """Whether a process has a handler of its own."""
    (mask,) = [line.split()[1] for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt")]
    return int(mask, 16) >> (signal.SIGTERM - 1) & 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="sees in /proc that a process is ready for signals")
def test_a_signal_before_there_is_anything_to_save_ends_with_75(toy_run, start_script, tmp_path):
    """While jax is loaded and the data are opened; the same command begins then as if nothing had been."""
    run = toy_run("next_token", tmp_path / "run", {"train.duration": "4 steps"})
    process = start_script("train", *run.flags)
    process.wait_for(lambda: catches_sigterm(process.popen.pid), "a handler")
    ended = process.end(signal.SIGTERM)
    assert (ended.code, ended.err) == (75, "stopped by SIGTERM: run the same command again\n"), ended
    assert start_script("train", *run.flags).end().code == 0 and run.saved == 4


@pytest.fixture(scope="module")
def trained(toy_run, tmp_path_factory):
    """A trained run, not to be changed."""
    run = toy_run("noise_prediction", tmp_path_factory.mktemp("trained") / "run", {"train.duration": "4 steps"})
    train(run.config, run.path, lambda run: [])
    return run


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="sees in /proc that a process is ready for signals")
@pytest.mark.parametrize(("script", "flag"), [("evaluate", "noise_prediction.eval_times=100000"), ("sample", "sample.count=1000000")])
@pytest.mark.parametrize("seconds", [0, 6], ids=["while it begins", "while it computes"])
def test_a_signal_ends_a_measurement_with_75_and_writes_nothing(script, flag, seconds, trained, start_script):
    before = trained.files
    process = start_script(script, f"--workdir={trained.path}", f"--config.{flag}")
    process.wait_for(lambda: catches_sigterm(process.popen.pid), "a handler")
    time.sleep(seconds)
    ended = process.end(signal.SIGTERM)
    assert (ended.code, ended.err) == (75, "stopped by SIGTERM: run the same command again\n"), ended
    assert trained.files == before
