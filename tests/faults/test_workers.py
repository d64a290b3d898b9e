"""A comparison whose trainings are processes of their own, and is asked to stop."""

import signal
import time

import pytest

from genjax.training.workdir import read_rows

pytestmark = pytest.mark.processes

TINY = {
    "model.width": "16",
    "model.depth": "1",
    "model.heads": "2",
    "train.duration": "100000",
    "train.log_every": "8",
    "train.checkpoint_every": "100 percent",
    "train.evaluate_every": "100 percent",
    "train.sample_every": "100 percent",
    "logging.tensorboard": "false",
}


@pytest.mark.timeout(400)
def test_a_signal_reaches_every_training_once_and_each_saves_what_it_has(start_script, tmp_path):
    flags = [f"--config.{name}={value}" for name, value in TINY.items()]
    process = start_script("compare", "--config=configs/compare/digits.py", f"--workdir={tmp_path}", "--workers=2", *flags)
    runs = [tmp_path / "arms" / arm / "seed_0" for arm in ("next_token", "noise_prediction")]

    def steps(run):
        return [row["step"] for row in read_rows(run / "metrics.jsonl")] if (run / "metrics.jsonl").exists() else []

    process.wait_for(lambda: all(steps(run) for run in runs), "steps of both trainings")
    time.sleep(0.5)
    ended = process.end(signal.SIGTERM)
    assert ended.code == 75 and "has saved itself" in ended.err
    for run in runs:
        assert list((run / "checkpoints").iterdir()), "a step is saved"
        assert "saved" in (run / "log.txt").read_text()
