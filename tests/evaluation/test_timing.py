"""The pace of a training against a clock that is known."""

import types

import numpy as np

from genjax import config as configs
from genjax.evaluation import timing
from genjax.training.setup import Run

FIELDS = configs.base_fields()


def test_the_pace_of_a_training_is_its_first_dispatch_and_the_median_step_after_it(monkeypatch):
    """First dispatch 5 s, then 0.8 s for each 8 steps but for one that others delay."""
    durations, clock = iter([5.0, 0.8, 9.0, *[0.8] * 100]), [100.0]

    def step(state, batch):
        assert batch["image"].shape[0] == 8
        clock[0] += next(durations)
        return state + 1, {"loss": np.zeros(8)}

    run = Run.build(configs.load("configs/digits.py", FIELDS, {"train.steps_per_dispatch": "8"}))
    stub = types.SimpleNamespace(config=run.config, source=run.source, parallel=run.parallel, create_state=lambda: 0, compile_step=lambda: step)
    monkeypatch.setattr(timing.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(timing.machine, "wait_for_idle", lambda longest: None)
    found = timing.training(stub, seconds=12.0)
    np.testing.assert_allclose((found.first, found.step), (5.0, 0.1), rtol=1e-12)
    assert sum(1 for _ in durations) == 103 - 6, "0.8 + 9 + 3 * 0.8 is the first sum above 12"


def test_the_pace_of_a_real_training_is_of_its_step():
    """Its parts are seconds of this machine: all that can be said of them is their order."""
    small = {"data.batch_size": "4", "model.width": "16", "model.depth": "1", "train.steps_per_dispatch": "2"}
    config = configs.load("configs/digits.py", FIELDS, small)
    found = timing.training(Run.build(config), seconds=0.0)
    assert found.first > found.step > 0 and found.others >= 0
