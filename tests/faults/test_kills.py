"""kill -9 at random moments, and a signal at the one that lasts longest."""

import json
import random
import signal
import time

import pytest

pytestmark = pytest.mark.faults

SETTINGS = {
    "train.duration": "120 steps",
    "train.checkpoint_every": "16 steps",
    "train.evaluate_every": "64 steps",
    "train.sample_every": "100 percent",
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("objective", ["next_token", "noise_prediction"])
def test_ten_random_kills_end_in_the_state_of_no_kill(objective, toy_run, start_script, tmp_path):
    """Whenever they come, the run is readable, goes on from its newest verified checkpoint, and never goes back behind it."""
    whole, killed = toy_run(objective, tmp_path / "whole", SETTINGS), toy_run(objective, tmp_path / "killed", SETTINGS)
    began = time.monotonic()
    expected = start_script("train", *whole.flags).end().digest
    lasts = time.monotonic() - began
    moments, saved = random.Random(0), 0
    for _ in range(10):
        process = start_script("train", *killed.flags)
        time.sleep(moments.uniform(0.3, 1.0) * lasts)
        ended = process.end(signal.SIGKILL)
        assert ended.code in (0, -signal.SIGKILL), ended
        assert killed.saved >= saved
        saved = killed.saved
    last = start_script("train", *killed.flags).end()
    assert last.digest == expected
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
