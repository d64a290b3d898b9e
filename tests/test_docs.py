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
from genjax.evaluation.monitors import monitors
from genjax.training.checkpoint import Checkpoints
from genjax.training.loop import train
from genjax.training.setup import Run


def blocks(page):
    return re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs" / page).read_text(), re.DOTALL)


def test_the_objective_of_the_how_to_learns_the_histogram(monkeypatch, tmp_path):
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
    values = {"train.duration": "240 steps", "train.steps_per_dispatch": "240", "optimizer.ema": "constant(decay=0.9)"}
    config = configs.check(configs.apply(config, fields, values), fields)

    run = Run.build(config)
    evaluator = Evaluator(run)
    assert evaluator.bits(run.create_state().ema).value == pytest.approx(np.log2(17), abs=1e-6)
    monkeypatch.setattr(configs, "base_fields", lambda table="FIELDS": fields)
    train(config, tmp_path / "run", monitors)
    state = Checkpoints(tmp_path / "run" / "checkpoints", keep=None).restore(240, run.abstract_state)
    learned = evaluator.bits(jax.device_get(state.ema))
    assert learned.kind == "exact"
    # Adam on a convex problem comes near the smoothed counts, whose smoothing was chosen to be best.
    assert learned.value == pytest.approx(baselines.table(open_source("digits"))[2].value, abs=0.1)
    assert evaluator.draw(state.ema, 20).data.shape == (20, 8, 8, 1)


def test_the_solver_of_the_how_to_is_of_second_order():
    """On data N(0, 1) the flow is y(s) = y(S) sqrt((1 + s^2) / (1 + S^2)), and halving the steps divides the error by four."""
    import jax.numpy as jnp

    from genjax.diffusion import grid, solvers
    from genjax.diffusion.process import Process, bcast

    scope = {"Solver": solvers.Solver, "jnp": jnp}
    exec(blocks("diffusion.md")[0], scope)
    process = Process("linear", "ve", -4.0, 4.0)

    def denoise(x, logsnr):
        return x / (1 + bcast(jnp.exp(-logsnr), x))

    with jax.enable_x64(True):
        x = jnp.ones((1, 1))
        exact = np.sqrt((1 + np.exp(-4.0)) / (1 + np.exp(4.0)))
        keys = jax.random.split(jax.random.key(0), 1)
        errors = [
            abs(float(solvers.sample(denoise, scope["adams_bashforth"](), grid.make("uniform_logsnr", process, n, "stop"), x, keys).x[0, 0]) - exact)
            for n in (64, 128)
        ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.1)


def test_the_page_on_shapes_runs_as_written(tmp_path, monkeypatch):
    monkeypatch.setenv("GENJAX_CACHE_DIR", str(tmp_path / "cache"))
    captioned, read, prepared = blocks("shapes.md")
    scope = {}
    exec(captioned, scope)
    assert scope["true"].shape == (1000,) and 0 < scope["true"].mean() < 0.2
    exec(read, scope)
    from genjax.data.shapes import prepare

    monkeypatch.setattr(prepare, "SIZES", {"train": 3, "validation": 2, "test": 2})
    exec(prepared, {"data_dir": str(tmp_path)})
    assert open_source("tfds:shapes/s16", str(tmp_path)).spec.train_size == 3


def test_every_test_that_the_page_on_reliability_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", (REPOSITORY / "docs" / "reliability.md").read_text()))
    there = {name for path in (REPOSITORY / "tests").rglob("test_*.py") for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE)}
    assert len(named) > 20
    assert named <= there, named - there
