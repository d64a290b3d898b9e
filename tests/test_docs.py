"""The how-to pages run as written."""

import re
import sys
import types

import jax
import numpy as np
import pytest

from genjax import config as configs
from genjax import objectives
from genjax.config import REPOSITORY
from genjax.data.sources import open_source
from genjax.evaluation import baselines
from genjax.evaluation.evaluator import Evaluator
from genjax.training.setup import Run


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / page).read_text(), re.DOTALL)


def test_the_objective_of_the_how_to_learns_the_histogram(monkeypatch):
    module = types.ModuleType("independent")
    monkeypatch.setitem(sys.modules, "independent", module)
    exec(compile(blocks("add_an_objective.md")[0], "add_an_objective.md", "exec"), module.__dict__)
    monkeypatch.setitem(objectives.OBJECTIVES, "independent", module.Independent)
    fields = dict(configs.base_fields())
    fields["objective"] = configs.field("independent", "what is learned", choices=("independent",))
    config = configs.defaults(fields)
    recipe = {}
    exec(compile(blocks("add_an_objective.md")[1], "add_an_objective.md", "exec"), recipe)
    config = configs.check(recipe["get_config"](config, "independent"), fields)
    values = {"train.duration": "240 steps", "train.steps_per_dispatch": "240", "optimizer.ema_decay": "0.9"}
    config = configs.check(configs.apply(config, fields, values), fields)

    run = Run.build(config)
    state, evaluator = run.create_state(), Evaluator(run)
    assert evaluator.bits(state.ema).value == pytest.approx(np.log2(17), abs=1e-6)
    from genjax.data.loader import train_batches

    batches = train_batches(run.source, config.data.batch_size, config.seed)
    state, _ = run.compile_step()(state, run.parallel.put(batches.take(240), stacked=True))
    batches.close()
    learned = evaluator.bits(jax.device_get(state.ema))
    assert learned.kind == "exact"
    # Adam on a convex problem comes near the smoothed counts, whose smoothing was chosen to be best.
    assert learned.value == pytest.approx(baselines.histogram(open_source("digits"), by_class=True).value, abs=0.1)
    assert evaluator.draw(state.ema, 20).data.shape == (20, 8, 8, 1)
