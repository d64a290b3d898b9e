"""A training that is stopped, however it is stopped, and started again with the same command ends in the same state, to the last bit."""

import re
import signal

import pytest

# Long enough to be stopped twice on the way.
LONG = {
    "train.duration": "160 steps",
    "train.checkpoint_every": "32 steps",
    "train.evaluate_every": "64 steps",
    "train.sample_every": "100 percent",
}

EXIT_CODES = {signal.SIGKILL: -signal.SIGKILL, signal.SIGTERM: 75}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "signals"),
    [
        ("next_token", [signal.SIGKILL, signal.SIGTERM]),
        ("noise_prediction", [signal.SIGKILL, signal.SIGTERM]),
    ],
)
def test_a_stopped_training_goes_on_to_the_same_state(objective, signals, toy_run, start_script, tmp_path):
    whole, stopped = toy_run(objective, tmp_path / "whole", LONG), toy_run(objective, tmp_path / "stopped", LONG)
    uninterrupted = start_script("train", *whole.flags)

    for restarts, number in enumerate(signals):
        before = stopped.saved
        process = start_script("train", *stopped.flags)
        process.wait_for(lambda before=before: stopped.last_step > stopped.saved > before, f"a checkpoint after {before} and rows beyond it")
        ended = process.end(number)
        assert ended.code == EXIT_CODES[number], ended
        assert stopped.saved < 160
        assert stopped.status["restarts"] == restarts
        if number == signal.SIGKILL:
            assert stopped.status["state"] == "running"
        else:
            status = stopped.status
            assert (status["state"], status["exit_code"]) == ("preempted", EXIT_CODES[number])
            assert status["step"] == stopped.saved == stopped.last_step, "it stopped at a step that is saved and logged"
            assert ended.err == f"stopped by {number.name}; step {status['step']} is saved: run the same command again to go on\n"

    saved = stopped.saved
    finished = start_script("train", *stopped.flags).end()
    assert f"160 steps of 16 examples, from step {saved}\n" in finished.out
    rates = [float(rate) for rate in re.findall(r"(\S+) steps/s", finished.out)]
    assert rates
    assert min(rates) > 0
    assert finished.digest == uninterrupted.end().digest
    assert stopped.rows == whole.rows
    assert stopped.status == {"state": "complete", "step": 160, "exit_code": 0, "reason": None, "restarts": len(signals)}
    assert finished.err == ""
