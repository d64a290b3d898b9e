"""Where scalars go, and the profiler's window."""

import json
import sys
from types import SimpleNamespace

import jax.numpy as jnp

from genjax.training import logging
from genjax.training.logging import Logger
from genjax.training.loop import _Profile
from genjax.training.workdir import Workdir
from tests.helpers import config


def test_weights_and_biases_get_every_number_under_the_name_of_the_run(tmp_path, monkeypatch):
    """A package of that name in the place of the real one, which talks to a server. A run that goes on is the same run there."""
    told = []
    project = SimpleNamespace(log=lambda values, step: told.append((step, values)), finish=lambda: told.append("finished"))
    fake = SimpleNamespace(__spec__=SimpleNamespace(), init=lambda **options: told.append(options) or project)
    monkeypatch.setitem(sys.modules, "wandb", fake)
    made = config("next_token", logging__wandb="bits", logging__tensorboard=False)
    for folder in ("one", "one", "two"):
        with Workdir(tmp_path / folder / "a_run") as workdir:
            log = Logger(workdir, made, start_step=0, total_steps=4)
            log.scalars(3, "held_out", {"bits_per_dim": 2.5, "kind": "exact"}, since_start=1.0)
            log.close()
    first, second, other = (entry for entry in told if isinstance(entry, dict))
    assert (first["project"], first["name"], first["resume"]) == ("bits", "a_run", "allow")
    assert first["id"] == second["id"] != other["id"], "a folder is one run, and another with that name another"
    options, *logged = told[: told.index("finished") + 1]
    assert options["config"]["model"]["width"] == made.model.width
    assert logged == [(3, {"held_out/bits_per_dim": 2.5}), "finished"]
    (row,) = map(json.loads, (tmp_path / "two" / "a_run" / "metrics.jsonl").read_text().splitlines())
    assert row == {"step": 3, "split": "held_out", "bits_per_dim": 2.5, "kind": "exact", "seconds": {"since_start": 1.0}}


def test_steps_that_are_compiled_count_neither_in_the_time_nor_in_the_rate(tmp_path, monkeypatch, capsys):
    """Eight steps in 10 s that compile, 16 in 4 s, and a shorter last dispatch that compiles again: 4 steps a second before and after it."""
    now = [0.0]
    monkeypatch.setattr(logging.time, "monotonic", lambda: now[0])
    with Workdir(tmp_path) as workdir:
        log = Logger(workdir, config("next_token", logging__tensorboard=False), start_step=0, total_steps=28)
        with log.pause(steps=8):
            now[0] += 10
        log.progress(8, {})
        now[0] += 4
        log.progress(24, {})
        with log.pause(steps=4):
            now[0] += 100
        log.progress(28, {})
        log.close()
    first, *timed = capsys.readouterr().out.splitlines()
    assert "steps/s" not in first and ["4.0 steps/s" in line for line in timed] == [True, True]


def test_the_profiler_records_its_window_and_nothing_else(tmp_path):
    profile = _Profile((2, 4), tmp_path / "profile")
    profile.at(0)
    assert not profile.folder.exists()
    profile.at(2)
    jnp.ones(3).sum().block_until_ready()
    profile.at(4)
    recorded = sorted(profile.folder.rglob("*.xplane.pb"))
    assert recorded
    profile.at(6)
    profile.stop()
    assert sorted(profile.folder.rglob("*.xplane.pb")) == recorded
