"""The loop's promises: what is measured changes nothing, no directory is spoilt, no poisoned state is saved, any devices may go on."""

import json
import os
import shutil
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from genjax.errors import DriftError, NonFiniteError, Preempted, SaveError
from genjax.evaluation.evaluator import Evaluator
from genjax.evaluation.monitors import monitors
from genjax.objectives.next_token import NextToken
from genjax.training.checkpoint import Checkpoints
from genjax.training.loop import Monitor, train
from genjax.training.parallel import Parallel
from genjax.training.setup import Run
from genjax.training.workdir import Workdir
from tests.helpers import assert_trees_close, assert_trees_equal

OBJECTIVES = ("next_token", "noise_prediction")


def train_toy(run):
    return train(run.config, run.path, monitors)


@pytest.fixture(scope="module")
def trained(toy_run, tmp_path_factory):
    """A finished run, not to be changed, and its summary: trained("next_token")."""
    made = {}

    def get(objective):
        if objective not in made:
            run = toy_run(objective, tmp_path_factory.mktemp("trained") / objective)
            made[objective] = run, train_toy(run)
        return made[objective]

    return get


def copy_of(run, path):
    shutil.copytree(run.path, path)
    return run._replace(path=path)


# ---- what is measured changes nothing ------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", [pytest.param("next_token", marks=pytest.mark.slow), "noise_prediction"])
def test_measuring_and_saving_do_not_change_the_training(objective, trained, toy_run, tmp_path):
    seldom, summary = trained(objective)
    often = toy_run(
        objective,
        tmp_path / "often",
        {
            "train.log_every": 3,
            "train.evaluate_every": 4,
            "train.sample_every": "100 percent",
            "train.checkpoint_every": 4,
            "logging.tensorboard": True,
        },
    )
    assert train_toy(often).digest == summary.digest
    train_rows = [[row for row in map(json.loads, run.rows) if row["split"] == "train"] for run in (seldom, often)]
    assert [row["step"] for row in train_rows[0]] == list(range(1, 25))
    assert train_rows[1] == train_rows[0][2::3]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_a_run_leaves(objective, trained):
    run, summary = trained(objective)
    rows = [json.loads(row) for row in run.rows]
    held_out = [row for row in rows if row["split"] == "held_out"]
    assert [row["step"] for row in held_out] == [8, 16, 24]
    assert {row["kind"] for row in held_out} == {"exact" if objective == "next_token" else "upper_bound"}
    assert all(np.isfinite(row["bits_per_dim"]) and row["stderr"] > 0 for row in held_out)
    assert summary.step == 24
    assert summary.metrics == {name: value for name, value in rows[-2].items() if name not in ("step", "split")}
    assert run.status == {"state": "complete", "step": 24, "exit_code": 0, "reason": None, "restarts": 0}
    assert sorted(path.name for path in (run.path / "checkpoints").glob("[0-9]*")) == ["16", "24"], "the newest two"
    sheets = sorted((run.path / "samples").glob("*.png"))
    assert [sheet.name for sheet in sheets] == ["samples_00000012.png", "samples_00000024.png"]
    assert Image.open(sheets[0]).size == (3 * 4 * 10 + 2 * 5, 3 * 4 * 10 + 2 * 5), "three by three images, tenfold, and gaps"


def test_rows_do_not_depend_on_the_length_of_a_dispatch(trained, toy_run, tmp_path):
    whole, _ = trained("next_token")
    single = toy_run("next_token", tmp_path / "single", {"train.steps_per_dispatch": 1})
    train_toy(single)
    expected, got = ([json.loads(row) for row in run.rows] for run in (whole, single))
    assert [(row["step"], row["split"]) for row in got] == [(row["step"], row["split"]) for row in expected]
    # One program of four steps and four programs of one compute the same, up to rounding.
    np.testing.assert_allclose([row["loss"] for row in got if "loss" in row], [row["loss"] for row in expected if "loss" in row], rtol=1e-4)


# ---- directories ---------------------------------------------------------------------------------------------------


def test_a_finished_run_is_left_alone(trained, run_script, tmp_path):
    run, summary = trained("next_token")
    run = copy_of(run, tmp_path / "finished")
    before = run.files
    ended = run_script("train", *run.flags)
    assert ended.digest == summary.digest
    assert ended.err == ""
    assert "already complete\ncomplete at step 24\n" in ended.out
    assert "compiling" not in ended.out
    changed = {name for name, content in run.files.items() if before.get(name) != content}
    assert changed == {".lock", "status.json"}
    assert run.status == json.loads(before["status.json"]) | {"restarts": 1}


def test_another_config_is_refused_or_forced(trained, toy_run, run_script, tmp_path):
    run = copy_of(trained("next_token")[0], tmp_path / "run")
    before = run.files
    other = toy_run("next_token", run.path, {"train.duration": "28 steps", "checkpoint.keep": 3})
    ended = run_script("train", *other.flags)
    assert ended.code == 2
    assert "(checkpoint.keep was 2 and is 3, train.duration was '24 steps' and is '28 steps')" in ended.err
    assert "--overwrite" in ended.err
    assert "--force" in ended.err
    assert run.files == before

    forced = run_script("train", *other.flags, "--force")
    assert forced.code == 0
    assert "from step 24" in forced.out
    assert json.loads((run.path / "config.json").read_text())["checkpoint"]["keep"] == 3
    assert run.saved == 28
    assert [json.loads(row)["step"] for row in run.rows if json.loads(row)["split"] == "train"] == list(range(1, 29))


def test_overwrite_moves_the_old_run_aside(trained, toy_run, run_script, tmp_path):
    run = copy_of(trained("next_token")[0], tmp_path / "run")
    before = run.files
    new = toy_run("next_token", run.path, {"train.duration": "4 steps"})
    ended = run_script("train", *new.flags, "--overwrite")
    assert ended.code == 0
    assert "from step" not in ended.out
    assert "steps/s" not in ended.out, "the only dispatch is compiled, and not timed"
    assert new.last_step == new.saved == 4
    (aside,) = [path for path in tmp_path.iterdir() if path != run.path]
    assert str(aside) in ended.out, "it says where the old run is"
    kept = run._replace(path=aside).files
    assert {name: kept[name] for name in before if name != ".lock"} == {name: before[name] for name in before if name != ".lock"}


def test_overwrite_moves_nothing_that_is_no_run(toy_run, run_script, tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter").write_text("one")
    run = toy_run("next_token", folder, {"train.duration": "4 steps"})
    assert run_script("train", *run.flags, "--overwrite").code == 0
    assert (folder / "chapter").read_text() == "one"


def test_two_runs_in_one_directory(toy_run, run_script, tmp_path):
    run = toy_run("next_token", tmp_path / "run")
    with Workdir(run.path):
        before = run.files
        for more in ([], ["--overwrite"], ["--force"]):
            ended = run_script("train", *run.flags, *more)
            assert ended.code == 73
            assert f"process {os.getpid()}" in ended.err
            assert len(ended.err.splitlines()) == 1
        assert run.files == before


def test_a_directory_that_cannot_be(toy_run, run_script, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    if os.geteuid() == 0:
        forbidden = "/proc/genjax"  # what even root cannot make
    else:
        forbidden = tmp_path / "forbidden"
        forbidden.mkdir(mode=0o500)
    for path in (file, file / "below", forbidden):
        ended = run_script("train", *toy_run("next_token", path).flags)
        assert ended.code == 74
        assert len(ended.err.splitlines()) == 1
        assert str(path) in ended.err
    assert file.read_text() == "mine"


# ---- stops ---------------------------------------------------------------------------------------------------------


def test_a_signal_at_any_moment_is_a_saved_stop(trained, toy_run, tmp_path, monkeypatch):
    """Here it comes when the loop has just decided that nothing is to be saved."""
    poll, steps_so_far = Checkpoints.poll, iter(range(0, 24, 4))

    def poll_and_be_stopped(self):
        poll(self)
        if next(steps_so_far) == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    run = toy_run("next_token", tmp_path / "run", {"train.checkpoint_every": "24 steps", "train.evaluate_every": "24 steps"})
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "poll", poll_and_be_stopped)
        with pytest.raises(Preempted) as stopped:
            train_toy(run)
    at = run.status["step"]
    assert 4 <= at < 24
    assert str(stopped.value) == f"stopped by SIGTERM; step {at} is saved: run the same command again to go on"
    assert run.saved == at
    assert train_toy(run).digest == trained("next_token")[1].digest


@pytest.mark.parametrize("at", [pytest.param(8, marks=pytest.mark.slow), 24])
def test_a_signal_in_the_middle_of_a_measurement_is_a_saved_stop_and_the_measurement_is_made_again(at, trained, toy_run, tmp_path, monkeypatch):
    """At step 8, and at the last one, where nothing but the measurement is left; asked to stop in it twice."""
    likelihoods, run = Evaluator.likelihoods, toy_run("next_token", tmp_path / "run")

    def be_stopped(self, params, *args, **options):
        batches = []

        def once(*given):
            batches.append(1)
            if len(batches) == 1 and run.last_step >= at - 1:
                os.kill(os.getpid(), signal.SIGTERM)
            return of_batch(*given)

        of_batch, self.__dict__["likelihood"] = self.likelihood, once
        try:
            found = likelihoods(self, params, *args, **options)
        finally:
            self.__dict__["likelihood"] = of_batch
        return found

    for restarts in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(Evaluator, "likelihoods", be_stopped)
            with pytest.raises(Preempted, match=f"step {at} is saved"):
                train_toy(run)
        assert (run.status["state"], run.status["step"], run.status["restarts"], run.saved) == ("preempted", at, restarts, at)
        assert not [row for row in map(json.loads, run.rows) if (row["step"], row["split"]) == (at, "held_out")]
    assert train_toy(run).digest == trained("next_token")[1].digest
    assert sorted(run.rows) == sorted(trained("next_token")[0].rows)
    before = run.rows
    train_toy(run)
    assert run.rows == before, "what is complete is left alone"


def test_where_every_checkpoint_is_damaged_nothing_begins_again(trained, run_script, tmp_path):
    run = copy_of(trained("next_token")[0], tmp_path / "run")
    for manifest in (run.path / "checkpoints" / "integrity").glob("*.json"):
        (run.path / "checkpoints" / manifest.stem / "commit_success.txt").write_text("changed")
    before = run.rows
    for _ in range(2):
        ended = run_script("train", *run.flags)
        assert ended.code == 65 and "every checkpoint in" in ended.err and len([line for line in ended.err.splitlines() if "error:" in line]) == 1
        assert run.rows == before and (run.status["state"], run.status["exit_code"]) == ("failed", 65)


def test_a_force_that_does_not_fit_leaves_the_run_as_it_was(trained, run_script, tmp_path):
    run = copy_of(trained("next_token")[0], tmp_path / "run")
    with (run.path / "metrics.jsonl").open("a") as rows:  # as of a run that was killed after its newest checkpoint
        rows.write('{"step": 10000, "split": "train", "loss": 1.0, "seconds": {}}\n')
    config, metrics = (run.path / "config.json").read_bytes(), (run.path / "metrics.jsonl").read_bytes()
    ended = run_script("train", *run.flags, "--force", "--config.model.mlp_ratio=3")
    assert ended.code == 65 and "of another model" in ended.err
    assert (run.path / "config.json").read_bytes() == config and (run.path / "metrics.jsonl").read_bytes() == metrics
    assert run_script("train", *run.flags).code == 0


@pytest.mark.parametrize("error, code", [(RuntimeError("out of memory"), 1), (OSError(28, "No space left on device"), 74)])
def test_however_a_training_ends_its_status_says_so(error, code, toy_run, tmp_path):
    run = toy_run("next_token", tmp_path / "run")

    def fail(run, state, step, log):
        raise error

    with pytest.raises(type(error)):
        train(run.config, run.path, lambda run: [Monitor("held_out", "8 steps", fail)])
    assert run.status == {"state": "failed", "step": 8, "exit_code": code, "reason": str(error), "restarts": 0}


def test_a_failed_save_is_in_the_status(trained, toy_run, run_script, tmp_path, monkeypatch):
    run = toy_run("next_token", tmp_path / "run")

    def fail(self, step, state, meta):
        raise SaveError("the disk is full")

    monkeypatch.setattr(Checkpoints, "save", fail)
    ended = run_script("train", *run.flags)
    assert (ended.code, ended.err) == (74, "error: the disk is full\n")
    assert run.status == {"state": "failed", "step": 8, "exit_code": 74, "reason": "the disk is full", "restarts": 0}


def test_a_second_signal_ends_the_process_at_once():
    code = (
        "import os, signal\n"
        "from genjax.training.signals import Stopper\n"
        "with Stopper() as stopper:\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    assert stopper.received == signal.SIGTERM\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('not reached')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (143, "", "")


def test_devices_that_differ_end_the_training_before_it_saves(toy_run, tmp_path, monkeypatch):
    """As they are found to at the second checkpoint."""
    run = toy_run("next_token", tmp_path / "run", {"train.checkpoint_every": "8 steps", "train.check_replicas": True})
    monkeypatch.setattr(
        Parallel, "compile_drifted", lambda *_: lambda state: {"params/head": np.asarray(state.step == 16), "step": np.asarray(False)}
    )
    with pytest.raises(DriftError, match=r"^after step 16, devices hold different numbers of the same params/head: look for a faulty device"):
        train_toy(run)
    assert run.saved == 8
    assert (run.status["state"], run.status["exit_code"]) == ("failed", 70)


# ---- numbers that are not finite -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_poisoned_state_is_saved(trained, toy_run, tmp_path, monkeypatch):
    """From step 9 on the gradient is not a number, though the loss is; a step is saved after every four."""
    run = toy_run("next_token", tmp_path / "run", {"train.checkpoint_every": "4 steps"})
    loss = NextToken.loss

    def poisoned_loss(self, params, batch, key, *, train):
        sums = loss(self, params, batch, key, train=train)
        late = jnp.max(batch["id"]) >= 8 * 16
        zero = 0.0 * sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params))
        # sqrt(0) is 0, and its slope there is infinite; 0 times that is not a number.
        return sums._replace(loss=sums.loss + jnp.sqrt(jnp.where(late, 0.0, 1.0) + zero) - jnp.where(late, 0.0, 1.0))

    with monkeypatch.context() as patched:
        patched.setattr(NextToken, "loss", poisoned_loss)
        with pytest.raises(NonFiniteError, match="of step 9 is not a finite number"):
            train_toy(run)
    assert run.saved == 8
    assert (run.status["state"], run.status["exit_code"]) == ("failed", 70)
    restore = lambda run, step: Checkpoints(run.path / "checkpoints", keep=None).restore(step, Run.build(run.config).abstract_state)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(restore(run, 8)))
    train_toy(run)  # and from there the training goes on as if nothing had been, but for how the poisoned program rounded
    assert_trees_close(restore(run, 24), restore(trained("next_token")[0], 24), rtol=1e-3, atol=1e-5)


def test_a_diverging_training_ends_with_a_sentence(toy_run, run_script, tmp_path):
    run = toy_run("next_token", tmp_path / "run", {"optimizer.learning_rate": 1e30})
    ended = run_script("train", *run.flags)
    assert ended.code == 70
    (sentence,) = ended.err.splitlines()
    assert "not a finite number" in sentence
    assert "optimizer.learning_rate" in sentence
    assert run.saved == 0


@pytest.mark.slow
def test_a_few_bad_steps_are_left_out(trained, toy_run, tmp_path, monkeypatch):
    """Steps 9 and 10 are poisoned. Two in a row are allowed for; with one, the second of them is the end."""
    healthy = trained("next_token")[1].digest
    poison(monkeypatch, 9, 10)
    run = toy_run("next_token", tmp_path / "two", {"train.max_bad_steps": 2})
    summary = train_toy(run)
    rows = [row for row in map(json.loads, run.rows) if row["split"] == "train"]
    assert [row["step"] for row in rows if row["loss"] == "nan"] == [9, 10]
    assert summary.digest != healthy
    assert np.isfinite(summary.metrics["loss"])
    state = Checkpoints(run.path / "checkpoints", keep=None).restore(24, Run.build(run.config).abstract_state)
    assert int(state.opt_state[1].count) == 22, "Adam has seen all steps but two"

    run = toy_run("next_token", tmp_path / "one", {"train.max_bad_steps": 1})
    with pytest.raises(NonFiniteError, match="the loss of step 10 is not a finite number, as in the 1 steps before it"):
        train_toy(run)


def poison(monkeypatch, first, last):
    """Makes the loss of the steps from first to last not a number."""
    loss = NextToken.loss

    def poisoned_loss(self, params, batch, key, *, train):
        sums = loss(self, params, batch, key, train=train)
        bad = (batch["id"][0] >= (first - 1) * 16) & (batch["id"][0] < last * 16) & train
        return sums._replace(loss=jnp.where(bad, jnp.nan, sums.loss))

    monkeypatch.setattr(NextToken, "loss", poisoned_loss)


def test_too_many_bad_steps_are_rolled_back_and_their_data_left_out(toy_run, run_script, tmp_path, monkeypatch):
    """Steps 9 to 12 are bad, which is noticed when step 16 is on its way: its state is that of step 8, and step 17 goes on from there."""
    poison(monkeypatch, 9, 12)
    settings = {"train.max_bad_steps": 1, "train.after_bad_steps": "roll_back", "train.sample_every": "24 steps", "checkpoint.keep": 3}
    run = toy_run("next_token", tmp_path / "run", settings)
    ended = run_script("train", *run.flags)
    assert "the loss of step 10 is not a finite number, as in the 1 steps before it: rolled back to step 8, without the data since" in ended.out
    rows = [row for row in map(json.loads, run.rows) if row["split"] == "train"]
    assert [row["step"] for row in rows] == list(range(1, 25)), "every step has its row"
    assert [row["step"] for row in rows if row["loss"] == "nan"] == [9, 10, 11, 12]
    checkpoints = Checkpoints(run.path / "checkpoints", keep=None)
    before, after, last = (checkpoints.restore(step, Run.build(run.config).abstract_state) for step in (8, 16, 24))
    assert int(after.step) == 16
    assert_trees_equal(after.replace(step=before.step), before)
    assert int(last.opt_state[1].count) == 16, "Adam has seen 1 to 8 and 17 to 24"

    for part in (run.path / "checkpoints" / "24", run.path / "checkpoints" / "integrity" / "24.json"):
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    assert run_script("train", *run.flags).digest == ended.digest, "the state after it is a checkpoint like any other"


@pytest.mark.slow
def test_a_roll_back_that_helps_nothing_is_the_last(toy_run, run_script, tmp_path, monkeypatch):
    poison(monkeypatch, 9, 24)
    settings = {"train.max_bad_steps": 1, "train.after_bad_steps": "roll_back"}
    ended = run_script("train", *toy_run("next_token", tmp_path / "run", settings).flags)
    assert ended.code == 70
    assert ended.out.count("rolled back to step 8") == 1


def test_a_training_of_no_steps_saves_the_model_it_begins_with(toy_run, tmp_path):
    run = toy_run("next_token", tmp_path / "run", {"train.duration": 0})
    train_toy(run)
    state = Checkpoints(run.path / "checkpoints", keep=None).restore(0, Run.build(run.config).abstract_state)
    assert int(state.step) == 0


def test_fields_that_say_how_a_model_is_used_may_change_without_force(trained, toy_run, run_script, tmp_path):
    run = copy_of(trained("next_token")[0], tmp_path / "run")
    other = toy_run("next_token", run.path, {"sample.count": 5, "data.eval_batch_size": 4})
    assert run_script("train", *other.flags).code == 0
    assert json.loads((run.path / "config.json").read_text())["sample"]["count"] == 5


def test_a_saved_config_that_is_wrong_names_its_file(trained, run_script, tmp_path):
    run = copy_of(trained("next_token")[0], tmp_path / "run")
    config = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps(config | {"modle": {"width": 3}}))
    for ended in (run_script("train", *run.flags), run_script("evaluate", f"--workdir={run.path}")):
        assert ended.code == 2
        assert f"{run.path / 'config.json'}: unknown config field 'modle.width': did you mean 'model.width'?" in ended.err


# ---- devices -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_goes_on_with_other_devices(toy_run, run_script, start_script, tmp_path, monkeypatch):
    """Eight devices that split parameters too, stopped by Ctrl-C, then four, then one."""
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # of the processes, which compile anew
    whole = {"train.duration": "40 steps", "train.evaluate_every": "40 steps", "train.sample_every": "40 steps"}
    split = whole | {"parallel.fsdp": 2}
    eight = toy_run("next_token", tmp_path / "run", split)
    process = start_script("train", *eight.flags, devices=8)
    process.wait_for(lambda: eight.saved > 0, "a checkpoint")
    assert process.end(signal.SIGINT).code == 130
    one = copy_of(eight, tmp_path / "one")._replace(overrides=eight.overrides | {"parallel.fsdp": "1"})

    process = start_script("train", *eight.flags, devices=4)
    assert run_script("train", *one.flags, "--force").code == 0
    reference = toy_run("next_token", tmp_path / "reference", whole)
    train_toy(reference)
    four = process.end()
    assert "4 cpu device(s)" in four.out
    for run in (eight, one):
        got, expected = ([row for row in map(json.loads, made.rows) if row["split"] == "train"] for made in (run, reference))
        assert len(got) == 40
        for a, b in zip(got, expected, strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-3), a["step"]

    # The finished run, restored from four devices onto one, is the very same state.
    on_one = eight._replace(overrides=one.overrides)
    assert run_script("train", *on_one.flags, "--force").digest == four.digest
