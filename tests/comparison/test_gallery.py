"""The gallery: every entry is three commands that are right, a record fits the entry that it is of, and the pages say what the records say."""

import functools
import json
import runpy
import shlex
import shutil

import jax
import numpy as np
import pytest
from PIL import Image

from genjax import cli
from genjax import config as configs
from genjax.comparison import gallery, tables
from genjax.config import REPOSITORY
from genjax.data.loader import eval_batches
from genjax.errors import UsageError
from genjax.evaluation import statistics
from genjax.training.setup import Run

FIELDS = configs.base_fields()
SMALL = {"data.batch_size": "4", "model.width": "16", "model.depth": "1", "model.heads": "2", "train.steps_per_dispatch": "1"}
ENTRIES = gallery.entries()  # read once: they are many
FILES = sorted((REPOSITORY / gallery.PICTURES).glob("*.*"))

ENTRY = """
def get_config(config, variant):
    config.shows = "tiny images"
    config.train = "configs/digits.py:noise_prediction {flags}"
    config.evaluate = "--redraw=0,0,2,4 --config.sample.count=6"
    config.sample = "--config.sample.count=3"
    config.figures = "as it was=redrawn.as it was"
    return config
"""


REDRAWN = {"sample": "--image=held_out --redraw=0,0,2,4 --label=0 --config.sample.count=3"}


@functools.cache
def flags_of(script):
    return runpy.run_path(str(REPOSITORY / "scripts" / f"{script}.py"))["FLAGS"]


@pytest.mark.parametrize("name", ENTRIES)
def test_every_entry_is_commands_that_are_right(name):
    entry = ENTRIES[name]
    configs.validate(entry.training)
    for script, line in (("train", f"--config={entry.config.train}"), ("evaluate", entry.config.evaluate), ("sample", entry.config.sample)):
        flags = flags_of(script)
        kind = "recipe" if script == "train" else "late"
        cli.parse(["--workdir=x", *shlex.split(line)], "", flags, config=kind, fields=FIELDS)
    fits = {
        "classifier": lambda training: training.objective == "classifier",
        "planner": lambda training: "task=plan" in training.data.source,
        "describer": lambda training: (
            training.hybrid.describes > 0 or "task=caption" in training.data.source or training.data.source.startswith("said:")
        ),
    }
    others = [flag.removeprefix("--").partition("=") for line in (entry.config.evaluate, entry.config.sample) for flag in shlex.split(line)]
    assert all(fits[flag](ENTRIES[other].training) for flag, _, other in others if flag in fits)
    assert bool(entry.config.needs) == ("DATA" in entry.config.train), "what is read from elsewhere is named"


@pytest.mark.slow
@pytest.mark.parametrize("name", [e.name for e in ENTRIES.values() if "--config" in e.config.train and not e.config.needs])
def test_a_training_that_its_recipe_is_not_alone_traces(name):
    config = ENTRIES[name].training
    run = Run.build(configs.check(configs.apply(config, FIELDS, SMALL), FIELDS))
    after, metrics = jax.eval_shape(run.make_step(), run.abstract_state, next(eval_batches(run.source, 4)))
    assert jax.tree.structure(after.params) == jax.tree.structure(run.abstract_state.params) and "loss" in metrics


@pytest.fixture
def tiny(toy_run, tmp_path, monkeypatch):
    """A gallery of one tiny entry, and its file."""
    flags = {"noise_prediction.patch_size": 4, "train.duration": 8, "train.sample_every": 8, "evaluate.examples": 4}
    run = toy_run("noise_prediction", tmp_path / "run", flags)
    line = " ".join(f"--config.{name}={shlex.quote(value)}" for name, value in run.overrides.items())
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "tiny.py").write_text(ENTRY.format(flags=line))
    monkeypatch.setattr(gallery, "FOLDER", tmp_path / "configs")
    return tmp_path / "configs" / "tiny.py"


def test_an_entry_is_trained_measured_and_drawn_once(tiny, tmp_path):
    (entry,) = gallery.entries().values()
    assert gallery.record_of(entry, tmp_path) is None
    assert "not yet run" in gallery.listing(tmp_path) and "Not yet run" in gallery.cards(tmp_path) and "tiny" not in gallery.markdown(tmp_path)
    record = gallery.run(entry, tmp_path / "runs", "cmd", tmp_path)
    assert gallery.record_of(entry, tmp_path) == json.loads((tmp_path / "results" / "gallery" / "tiny.json").read_text())

    assert (record["bits"]["kind"], record["bits"]["unit"], record["bits"]["examples"]) == ("upper_bound", "dim", 4)
    assert (record["values"], record["steps"], record["seeds"], record["files"]) == (16, 8, [0], ["tiny.png"])
    (share,) = record["figures"]
    assert share["name"] == "as it was" and share["value"] in np.arange(7) / 6 and share["held_out"] is None
    assert record["train_flops"] > 8 * 16 * record["parameters"] > 0 and record["seconds"]["train"] > 0
    with Image.open(tmp_path / "docs" / "gallery" / "tiny.png") as picture:
        assert 500 < picture.width <= 1000 and picture.height <= 260

    before = (tmp_path / "results" / "gallery" / "tiny.json").stat().st_mtime_ns
    (workdir,) = (tmp_path / "runs").iterdir()
    redrawn = entry._replace(
        config=configs.check(configs.apply(entry.config, configs.base_fields("GALLERY"), REDRAWN), configs.base_fields("GALLERY"))
    )
    assert gallery.draw(redrawn, workdir, tmp_path / "redrawn") == {"files": ["tiny.png"], "text": ""}
    trained = (workdir / "status.json").stat().st_mtime_ns
    gallery.run(entry, tmp_path / "runs", "cmd", tmp_path)
    assert (workdir / "status.json").stat().st_mtime_ns == trained, "it is not trained again"
    assert (tmp_path / "results" / "gallery" / "tiny.json").stat().st_mtime_ns > before

    text = tables.rewrite("a\n<!-- gallery -->\nstale\n<!-- end -->\nb <!-- bits -->\n<!-- end --> <!-- gallery cards -->\n<!-- end -->", tmp_path)
    bits = record["bits"]
    assert text.startswith("a\n") and "stale" not in text and tables.rewrite(text, tmp_path) == text
    assert '<img src="docs/gallery/tiny.png"' in text and '<img src="gallery/tiny.png"' in text and "tiny images<br>`cmd`" in text
    by_sample = f"≤ {16 * bits['value']:,.1f} ± {16 * bits['stderr']:,.1f} a sample"
    assert f"≤ {bits['value']:.3f} ± {bits['stderr']:.3f} bits/dim, {by_sample} (4 examples) |" in text
    assert f"python scripts/evaluate.py --workdir=runs/gallery/{workdir.name} --redraw=0,0,2,4 --config.sample.count=6" in text

    tiny.write_text(tiny.read_text().replace("tiny images", "other images"))
    assert gallery.record_of(gallery.load("tiny"), tmp_path) is None, "it says something else now"
    tiny.write_text(tiny.read_text().replace("other images", "tiny images").replace("8", "9"))
    assert gallery.record_of(gallery.load("tiny"), tmp_path) is None, "something else is trained now"


def test_minutes_are_those_of_the_first_steps_where_they_are_known(tiny, tmp_path, monkeypatch):
    (entry,) = gallery.entries().values()
    pace = {"minutes": 12.5, "first": 30.0, "step": 0.1, "others": 0.0, "steps": 7200}
    record = {"seconds": {"compile": 60.0, "data": 6.0, "train": 120.0, "save": 99.0}, "train_flops": 2e12, "steps": 7200}
    assert gallery._cost(entry, record, {}) == "3.1 min beside other work, 2e+12 FLOPs"
    assert gallery._cost(entry, record, {gallery.folder(entry): pace}) == "12.5 min, 2e+12 FLOPs"
    assert gallery._cost(entry, record | {"steps": 7201}, {gallery.folder(entry): pace}).startswith("3.1 min beside"), "it is of another training"


@pytest.mark.processes
def test_the_pace_of_an_entry_is_told_by_a_process_of_its_own_once(tmp_path, capsys):
    entry = gallery.load("points_moons_noise_prediction")
    ((name, found),) = gallery.pace([entry], 0.0, tmp_path).items()
    assert name == gallery.folder(entry) and found["steps"] == 2000
    assert found["minutes"] == pytest.approx((found["first"] + 2000 * found["step"]) / 60, rel=1e-12)
    assert json.loads((tmp_path / gallery.PACE).read_text())["trainings"] == {name: found}
    assert "min, others used" in capsys.readouterr().out
    assert gallery.pace([entry], 0.0, tmp_path) == {name: found} and capsys.readouterr().out == "", "it is known"


def test_an_entry_whose_data_are_not_there_says_where_they_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("GENJAX_DATA_DIR", str(tmp_path))
    entry = gallery.load("spoken_digit_classifier")
    assert "needs the archive of the Free Spoken Digit Dataset" in entry.absent and "spoken_digit/" in entry.absent
    assert entry.absent in gallery.listing(tmp_path)
    (tmp_path / "sources" / "spoken_digit").mkdir(parents=True)
    assert entry.absent == "" and entry.training.data.dir == str(tmp_path / "sources")
    assert entry.portable(entry.training)["data"]["dir"] == "DATA"
    assert gallery.load("points_sphere_next_token").absent == ""


def test_an_entry_needs_what_those_need_that_it_names(tmp_path, monkeypatch):
    monkeypatch.setenv("GENJAX_DATA_DIR", str(tmp_path))
    entry = gallery.load("emoji_next_token")
    assert entry.config.needs.parts == ("noto_emoji",) and {*entry.needs} == {"noto_emoji", "spoken_digit"}
    (tmp_path / "noto_emoji").mkdir()
    assert "noto_emoji/" in entry.absent and "spoken_digit/" in entry.absent, "its describer hears as well"
    (tmp_path / "spoken_digit").mkdir()
    assert entry.absent == ""


def test_records_of_elsewhere_fit_where_the_data_are_not(tmp_path, monkeypatch):
    """A config names the folder of the data, and a record does not."""
    entry, there = gallery.load("shakespeare_next_token"), tmp_path / "there"
    (there / "tiny_shakespeare").mkdir(parents=True)
    monkeypatch.setenv("GENJAX_DATA_DIR", str(there))
    elsewhere = entry.portable(entry.training)
    shutil.rmtree(there)
    assert entry.portable(entry.training) == elsewhere and elsewhere["data"]["source"] == "text:DATA/tiny_shakespeare/input.txt"


@pytest.mark.parametrize("path", sorted((REPOSITORY / gallery.RESULTS).glob("*.json")), ids=lambda path: path.stem)
def test_a_record_is_of_the_entry_as_it_is(path):
    record = gallery.record_of(ENTRIES[path.stem])
    assert record is not None, f"run: python scripts/gallery.py --name={path.stem}"
    assert all((REPOSITORY / gallery.PICTURES / file).is_file() for file in record["files"])
    assert bool(record["files"] or record["text"]) == bool(record["registered"]["sample"])


def test_pictures_are_small_and_of_an_entry():
    sizes = {path.name: path.stat().st_size for path in FILES}
    assert max(sizes.values(), default=0) < 60_000 and sum(sizes.values()) < 600_000, sizes
    assert {*sizes} == {file for _, record in gallery.records() if record is not None for file in record["files"]}


def test_what_is_not_in_the_gallery_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no entry 'points_spere_next_token'.*points_sphere_next_token"):
        gallery.load("points_spere_next_token")
    entry = gallery.load("digits_next_token")
    with pytest.raises(UsageError, match=r"'--step' is no flag for it"):
        entry.flags("--step=3", ("label",))
    with pytest.raises(UsageError, match=r"no 'a\.c': there are b where 'c'"):
        gallery.figure({"a": {"b": 1}}, "x=a.c")
    measured = {"a": {"samples": {"y z": 1}, "held_out": {"y z": 2}}, "b": statistics.Share(0.5, 0.3, 0.7, 20)._asdict()}
    assert gallery.figure(measured, "x=a.samples.y z") == {"name": "x", "value": 1, "interval": None, "held_out": 2}
    assert gallery.figure(measured, "x=b.value") == {"name": "x", "value": 0.5, "interval": [0.3, 0.7], "held_out": None}
