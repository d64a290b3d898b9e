"""Averages made after a training. Oracle: the same average, tracked while the training ran."""

import jax
import numpy as np
import pytest

from genjax.errors import CheckpointError, UsageError
from genjax.evaluation.trained import load
from genjax.training import snapshots
from genjax.training.checkpoint import Checkpoints, digest
from genjax.training.loop import Monitor, train
from genjax.training.setup import Run
from tests.helpers import assert_trees_close

STEPS = 64
OVERRIDES = {
    "optimizer.ema": "power(sigma_rel=0.07)",
    "optimizer.tracked": "pair",
    "optimizer.learning_rate": "0.02",
    "train.duration": f"{STEPS} steps",
    "train.snapshot_every": "8 steps",
    "train.checkpoint_every": "24 steps",
    "train.log_every": "100 percent",
    "train.steps_per_dispatch": "8",
}


class PowerCut(Exception):
    pass


def no_monitors(run):
    return []


def power_cut(run):
    """Ends the training after step 40, whose snapshot is written and whose checkpoint is not due."""

    def measure(run, state, step, log):
        if step > 40:
            raise PowerCut

    return [Monitor("power", "8 steps", measure)]


@pytest.fixture(scope="module")
def trained(toy_run, tmp_path_factory):
    """A run, and the digest of its last state."""
    run = toy_run("next_token", tmp_path_factory.mktemp("trained") / "run", OVERRIDES)
    return run, train(run.config, run.path, no_monitors).digest


def state_of(run):
    return Checkpoints(run.path / "checkpoints", keep=None).restore(STEPS, Run.build(run.config).abstract_state)


def reconstruct(run, sigma_rel, step=None):
    return snapshots.reconstruct(run.path / "snapshots", sigma_rel, Run.build(run.config).abstract_state.params, step)


def norm(tree):
    return np.sqrt(sum(np.sum(np.square(np.asarray(leaf, np.float64))) for leaf in jax.tree.leaves(tree)))


def minus(a, b):
    return jax.tree.map(np.subtract, a, b)


def test_an_average_made_afterwards_is_the_one_that_was_tracked(trained):
    """The width 0.07 was tracked, and is made of snapshots of the widths 0.05 and 0.1: it misses by less than 0.5 % of what averaging moves."""
    state, made = state_of(trained[0]), reconstruct(trained[0], 0.07)
    assert made.step == STEPS
    assert norm(minus(made.params, state.ema)) < 0.005 * norm(minus(state.params, state.ema))
    other = reconstruct(trained[0], 0.1).params
    assert norm(minus(other, state.ema)) > 0.1 * norm(minus(state.params, state.ema)), "the width matters"


@pytest.mark.parametrize(("index", "width"), [(0, 0.05), (1, 0.1)])
def test_a_stored_average_is_made_of_itself_alone(index, width, trained):
    assert_trees_close(reconstruct(trained[0], width).params, state_of(trained[0]).tracked[index], rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_a_run_that_is_cut_off_has_the_snapshots_of_one_that_is_not(trained, tmp_path):
    whole, state = trained
    cut = whole._replace(path=tmp_path / "cut")
    with pytest.raises(PowerCut):
        train(cut.config, cut.path, power_cut)
    opened = Checkpoints(cut.path / "snapshots", keep=None)
    assert (opened.verified()[-1], cut.saved) == (40, 24), "it goes on from a step before its last snapshot"
    assert train(cut.config, cut.path, no_monitors).digest == state
    abstract = Run.build(cut.config).abstract_state.tracked
    ours, theirs = (Checkpoints(run.path / "snapshots", keep=None) for run in (cut, whole))
    assert ours.verified() == theirs.verified() == list(range(8, STEPS + 1, 8)), "all are kept"
    for step in (8, 40, 48, STEPS):
        assert digest(ours.restore(step, abstract)) == digest(theirs.restore(step, abstract))


def test_a_model_is_loaded_with_an_average_made_afterwards(trained):
    loaded = load(trained[0].path, {}, weights="posthoc(sigma_rel=0.07)")
    assert loaded.step == STEPS
    assert digest(loaded.params) == digest(reconstruct(trained[0], 0.07).params)
    assert load(trained[0].path, {}, weights="posthoc", step=50).step == 50, "between two snapshots"


@pytest.mark.parametrize(
    ("weights", "step", "error", "sentence"),
    [
        ("posthoc(sigma_rel=0.5)", None, UsageError, "sigma_rel=0.5 must lie in"),
        ("posthoc(sigma=0.1)", None, UsageError, "the kind of weights 'posthoc' has no option 'sigma': did you mean 'sigma_rel'?"),
        ("posthoc", STEPS + 1, UsageError, f"averages stored until update {STEPS}"),
        ("posthoc", -1, UsageError, "update -1"),
        ("ema(decay=0.9)", None, UsageError, "has no option 'decay'"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights, step, error, sentence, trained):
    with pytest.raises(error, match=sentence.replace("(", r"\(").replace("?", r"\?")):
        load(trained[0].path, {}, weights=weights, step=step)


@pytest.mark.slow
def test_a_run_without_snapshots_says_so(trained, toy_run, tmp_path):
    run = toy_run("next_token", tmp_path / "run", OVERRIDES | {"optimizer.tracked": "none", "train.duration": "8 steps"})
    train(run.config, run.path, no_monitors)
    assert not (run.path / "snapshots").exists()
    with pytest.raises(CheckpointError, match=r"train with optimizer\.tracked=pair"):
        load(run.path, {}, weights="posthoc")


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("optimizer.ema", "constant(decay=2)", r"'decay' of the average of the parameters 'constant' must be"),
        ("optimizer.ema", "power(sigma_rel=0.3)", "sigma_rel=0.3 must lie in"),
        ("optimizer.ema", "power(decay=0.9)", "has no option 'decay'"),
        ("optimizer.tracked", "pair(narrow=0.1)", "narrow=0.1 must be below wide=0.1"),
        ("optimizer.tracked", "pair(wide=0.4)", "sigma_rel=0.4 must lie in"),
    ],
)
def test_averages_that_cannot_be_are_refused_before_anything_is_compiled(key, value, sentence, toy_run, tmp_path):
    run = toy_run("next_token", tmp_path / "run", {key: value})
    with pytest.raises(UsageError, match=sentence):
        Run.build(run.config)
