"""What sample.py and evaluate.py make of a trained run, and what they answer where there is nothing to be made."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from genjax.evaluation.monitors import monitors
from genjax.training.loop import train

GENERATORS = ("next_token", "noise_prediction")


@pytest.fixture(scope="module")
def trained(toy_run, tmp_path_factory):
    """A finished toy run of every objective."""
    runs = {objective: toy_run(objective, tmp_path_factory.mktemp("trained") / objective) for objective in (*GENERATORS, "classifier")}
    for run in runs.values():
        train(run.config, run.path, monitors)
    return runs


def arrays(path):
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def newest(folder, pattern):
    return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("objective", GENERATORS)
def test_samples(objective, trained, run_script):
    run = trained[objective]
    before = run.files
    ended = run_script("sample", f"--workdir={run.path}")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("9 samples of step 24 (ema weights)")
    evaluations = {"next_token": 16, "noise_prediction": 4}[objective]  # values of an image; steps, and one to the clean image
    assert f"{evaluations} network evaluations each" in ended.out
    written = {name for name, content in run.files.items() if before.get(name) != content}
    assert written == {"samples/samples_step24.npz", "samples/samples_step24.png"}
    assert all(str(run.path / name) in ended.out for name in written)

    made = arrays(run.path / "samples" / "samples_step24.npz")
    assert set(made) == {"image", "label"}
    assert made["image"].shape == (9, 4, 4, 1)
    assert np.issubdtype(made["image"].dtype, np.integer)
    assert 0 <= made["image"].min() < made["image"].max() < 5
    np.testing.assert_array_equal(made["label"], [0, 1, 2] * 3)
    picture = np.asarray(Image.open(run.path / "samples" / "samples_step24.png"))
    assert picture.shape == (130, 130), "three by three images of 4x4 pixels, tenfold, and two gaps of five"
    # The middle of the first image's pixels, black to white in five levels.
    np.testing.assert_array_equal(picture[5:40:10, 5:40:10], np.round(made["image"][0, :, :, 0] * 255 / 4))


@pytest.mark.parametrize("objective", ["next_token", pytest.param("noise_prediction", marks=pytest.mark.slow)])
def test_a_sample_depends_on_its_number_alone(objective, trained, run_script, start_script, tmp_path):
    """On the seed and the model too; not on how many are drawn, in which batches, or in which process."""

    def draw(name, *flags):
        assert run_script("sample", f"--workdir={trained[objective].path}", f"--out={tmp_path / name}", *flags).code == 0
        return arrays(tmp_path / f"{name}.npz")["image"]

    other = start_script("sample", f"--workdir={trained[objective].path}", f"--out={tmp_path / 'process'}", "--config.sample.count=12")
    twelve = draw("twelve", "--config.sample.count=12")
    assert len({image.tobytes() for image in twelve}) == 12
    np.testing.assert_array_equal(draw("again", "--config.sample.count=12"), twelve)
    np.testing.assert_array_equal(draw("five", "--config.sample.count=5"), twelve[:5])
    np.testing.assert_array_equal(draw("batches", "--config.sample.count=12", "--config.data.eval_batch_size=5"), twelve)
    assert other.end().code == 0
    np.testing.assert_array_equal(arrays(tmp_path / "process.npz")["image"], twelve)


def test_an_exported_model_draws_and_measures_the_same(trained, run_script, tmp_path):
    run, out = trained["next_token"], tmp_path / "exported"
    ended = run_script("export", f"--workdir={run.path}", f"--out={out}", "--config.sample.count=5")
    assert (ended.code, ended.err) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == ["config.json", "model.safetensors"]
    for folder, name in ((run.path, "a"), (out, "b")):
        assert run_script("sample", f"--workdir={folder}", f"--out={tmp_path / name}", "--config.sample.count=5").code == 0
    np.testing.assert_array_equal(arrays(tmp_path / "a.npz")["image"], arrays(tmp_path / "b.npz")["image"])
    assert run_script("evaluate", f"--workdir={out}", "--weights=raw").code == 2
    assert run_script("export", f"--workdir={run.path}", f"--out={run.path}").code == 2


def test_the_ending_of_a_file_that_is_asked_for_is_not_doubled(trained, run_script, tmp_path):
    assert run_script("sample", f"--workdir={trained['next_token'].path}", f"--out={tmp_path / 'x.png'}", "--config.sample.count=2").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.npz", "x.png"]


def test_one_class(trained, run_script, tmp_path):
    ended = run_script(
        "sample", f"--workdir={trained['next_token'].path}", f"--out={tmp_path / 'new' / 'ones'}", "--label=1", "--config.sample.count=4"
    )
    assert ended.code == 0
    np.testing.assert_array_equal(arrays(tmp_path / "new" / "ones.npz")["label"], [1, 1, 1, 1])


@pytest.mark.slow
def test_guidance_costs_twice_and_changes_the_samples(trained, run_script, tmp_path):
    plain, guided = (
        run_script("sample", f"--workdir={trained['noise_prediction'].path}", f"--out={tmp_path / name}", f"--config.sample.guidance_scale={scale}")
        for name, scale in (("plain", 1), ("guided", 100))  # a model this little trained hardly knows its classes
    )
    assert "4 network evaluations each" in plain.out
    assert "8 network evaluations each" in guided.out
    assert (arrays(tmp_path / "plain.npz")["image"] != arrays(tmp_path / "guided.npz")["image"]).any()


@pytest.mark.parametrize("objective", ["next_token", pytest.param("noise_prediction", marks=pytest.mark.slow)])
def test_evaluation_is_what_the_training_measured(objective, trained, run_script, tmp_path):
    """The same examples, the same averaged parameters, the same draws: the same digits."""
    path = tmp_path / "copy"
    shutil.copytree(trained[objective].path, path)
    run = trained[objective]._replace(path=path)
    rows = {row["step"]: row for row in map(json.loads, run.rows) if row["split"] == "held_out"}
    ended = run_script("evaluate", f"--workdir={path}")
    assert (ended.code, ended.err) == (0, "")
    record = json.loads(newest(path, "evaluation_step24_*.json").read_text())
    assert (record["step"], record["weights"]) == (24, "ema")
    bits = record["bits_per_dim"]
    assert (bits["value"], bits["stderr"], bits["kind"], bits["examples"]) == (rows[24]["bits_per_dim"], rows[24]["stderr"], rows[24]["kind"], 10)
    assert sum(bits["terms"].values()) == pytest.approx(bits["value"] if objective == "noise_prediction" else 0)
    assert f"{bits['value']:.4f} ± {bits['stderr']:.4f}" in ended.out
    assert "uniform over 5 levels" in ended.out
    assert f"{np.log2(5):.4f}" in ended.out

    assert run_script("evaluate", f"--workdir={path}", "--step=16").code == 0
    assert json.loads(newest(path, "evaluation_step16_*.json").read_text())["bits_per_dim"]["value"] == rows[16]["bits_per_dim"]
    assert run_script("evaluate", f"--workdir={path}", "--weights=raw", "--config.evaluate.examples=7").code == 0
    raw = json.loads(newest(path, "evaluation_step24_*.json").read_text())
    assert (raw["weights"], raw["bits_per_dim"]["examples"]) == ("raw", 7)
    assert raw["bits_per_dim"]["value"] != bits["value"]
    assert run.status["restarts"] == 0, "reading a run is not taking it up"
    files = {file.name for file in path.glob("evaluation_*.json")}
    assert len(files) == 3, "a file for each measurement"
    assert run_script("evaluate", f"--workdir={path}").code == 0
    assert {file.name for file in path.glob("evaluation_*.json")} == files, "and the same one for the same"


@pytest.mark.parametrize(
    ("script", "flags", "code", "fragments"),
    [
        ("sample", ["--label=3"], 2, ["--label=3, but the classes of npz:", "are 0 to 2"]),
        ("sample", ["--label=-1"], 2, ["--label=-1, but the classes of npz:", "are 0 to 2"]),
        ("sample", ["--config.model.width=32"], 2, ["'model.width' is part of what was trained", "sample.count"]),
        ("evaluate", ["--config.seed=1"], 2, ["'seed' is part of what was trained"]),
        ("sample", ["--image=held_out", "--redraw=0,0,2,4", "--label=3"], 2, ["are 0 to 2"]),
        ("sample", ["--image=held_out", "--redraw=0,0,9,9"], 2, ["no box in images of 4x4"]),
        ("sample", ["--image=held_out"], 2, ["say which part to draw anew with --redraw"]),
        ("sample", ["--image=nothing.png", "--label=1"], 65, ["nothing.png cannot be read as a picture"]),
        ("evaluate", ["--classifier=nothing"], 65, ["nothing/config.json cannot be read"]),
        ("evaluate", ["--step=17"], 65, ["there is no checkpoint 17 in ", "there is 16, 24"]),
        ("sample", ["--step=-1"], 65, ["checkpoint -1"]),
        ("sample", ["--config.parallel.data=3"], 2, ["do not multiply to the 1 devices here"]),
        ("sample", ["--out=/proc/genjax/samples"], 74, ["/proc/genjax/samples could not be written"]),
    ],
)
def test_what_a_run_cannot_do(script, flags, code, fragments, trained, run_script):
    run = trained["next_token"]
    before = run.files
    ended = run_script(script, f"--workdir={run.path}", *flags)
    assert (ended.code, ended.out) == (code, "")
    assert len(ended.err.splitlines()) == 1
    assert all(fragment in ended.err for fragment in fragments)
    assert run.files == before


@pytest.mark.parametrize("objective", GENERATORS)
def test_a_part_of_an_image_is_drawn_anew(objective, trained, run_script, toy_data, tmp_path):
    ended = run_script("sample", f"--workdir={trained[objective].path}", f"--out={tmp_path / 'edited'}", "--image=held_out", "--redraw=0,0,2,4")
    assert (ended.code, ended.err) == (0, "")
    made, given = arrays(tmp_path / "edited.npz"), arrays(toy_data)["eval_image"][:9, ..., None]
    np.testing.assert_array_equal(made["before"], given)
    np.testing.assert_array_equal(made["image"][:, 2:], given[:, 2:], err_msg="the lower half is kept")
    assert (made["image"][:, :2] != given[:, :2]).any()
    assert Image.open(tmp_path / "edited.png").size[0] > 0


def test_a_picture_of_ones_own(trained, run_script, tmp_path):
    levels = np.arange(16).reshape(4, 4) % 5
    Image.fromarray((levels * 255 // 4).astype(np.uint8)).save(tmp_path / "mine.png")
    flags = (f"--workdir={trained['noise_prediction'].path}", f"--out={tmp_path / 'edited'}", f"--image={tmp_path / 'mine.png'}")
    assert "needs --label" in run_script("sample", *flags).err
    assert run_script("sample", *flags, "--label=2").code == 0
    np.testing.assert_array_equal(arrays(tmp_path / "edited.npz")["before"][0, ..., 0], levels)


@pytest.mark.slow
def test_the_way_between_two_images(trained, run_script, toy_data, tmp_path):
    flags = (f"--workdir={trained['noise_prediction'].path}", f"--out={tmp_path / 'way'}")
    assert run_script("sample", *flags, "--interpolate=3,7").code == 0
    made, given = arrays(tmp_path / "way.npz"), arrays(toy_data)["eval_image"][[3, 7], ..., None]
    np.testing.assert_array_equal(made["ends"], given)
    assert made["image"].shape == (11, 4, 4, 1)
    assert Image.open(tmp_path / "way.png").size == (13 * 45 - 5, 40)
    assert "rows 0 to 9" in run_script("sample", *flags, "--interpolate=3,10").err
    assert "give two" in run_script("sample", *flags, "--interpolate=3").err
    assert "no way between images" in run_script("sample", f"--workdir={trained['next_token'].path}", "--interpolate=3,7").err


@pytest.mark.slow
def test_guides_are_other_runs(trained, run_script, tmp_path):
    """The run itself as its guide changes nothing; a classifier does, and is not told to a model that draws no noise."""

    def draw(name, *flags):
        ended = run_script("sample", f"--workdir={trained['noise_prediction'].path}", f"--out={tmp_path / name}", *flags)
        assert (ended.code, ended.err) == (0, "")
        return arrays(tmp_path / f"{name}.npz")["image"]

    scale = "--config.sample.guidance_scale=30"
    plain = draw("plain")
    np.testing.assert_array_equal(draw("itself", f"--config.sample.guide={trained['noise_prediction'].path}", scale), plain)
    assert (draw("classifier", f"--config.sample.guide={trained['classifier'].path}", scale) != plain).any()
    ended = run_script("sample", f"--workdir={trained['next_token'].path}", f"--config.sample.guide={trained['classifier'].path}", scale)
    assert ended.code == 2 and "is for objective=noise_prediction" in ended.err


@pytest.mark.parametrize(("objective", "films"), [("next_token", ["writing"]), ("noise_prediction", ["denoising", "noising"])])
def test_films(objective, films, trained, run_script, tmp_path):
    assert run_script("sample", f"--workdir={trained[objective].path}", f"--out={tmp_path / 'film'}", "--film").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"film_{name}.{kind}" for name in films for kind in ("gif", "png")]
    for path in tmp_path.glob("*.gif"):
        assert Image.open(path).n_frames > 1


def test_a_classifier_judges(trained, run_script, tmp_path):
    path = tmp_path / "copy"
    shutil.copytree(trained["next_token"].path, path)
    ended = run_script("evaluate", f"--workdir={path}", f"--classifier={trained['classifier'].path}", "--config.sample.count=12")
    assert (ended.code, ended.err) == (0, "")
    judged = json.loads(newest(path, "evaluation_step24_*.json").read_text())["judged"]
    assert judged["samples"]["count"] == 12
    assert judged["held_out"]["count"] == 10, "there are no more"
    assert judged["samples"]["frechet"] > 0
    assert judged["samples"]["as_asked"]["count"] == 12 and (judged["samples"]["as_asked"]["value"] * 12) % 1 == pytest.approx(0, abs=1e-9)
    assert "12 samples judged by a 16-wide classifier" in ended.out


def test_codes_are_drawn_and_judged_as_what_they_stand_for(toy_run, trained, run_script, tmp_path):
    source = f"coded:patch=2/codes=16+{trained['classifier'].config.data.source}"
    run = toy_run("next_token", tmp_path / "run", {"data.source": source, "train.duration": "4 steps", "sample.count": 12})
    train(run.config, run.path, monitors)
    assert run_script("sample", f"--workdir={run.path}").code == 0
    (made,) = run.path.rglob("samples_step4.npz")
    with np.load(made) as arrays:
        assert arrays["tokens"].shape == (12, 2, 2) and arrays["image"].shape == (12, 4, 4, 1)
    ended = run_script("evaluate", f"--workdir={run.path}", f"--classifier={trained['classifier'].path}")
    assert (ended.code, ended.err) == (0, "") and "12 samples judged by a 16-wide classifier of npz" in ended.out
    (written,) = run.path.glob("evaluation_step4_*.json")
    record = json.loads(written.read_text())
    assert record["bits_per_code"]["kind"] == "exact" and record["judged"]["held_out"]["count"] == 10
    refused = run_script("sample", f"--workdir={run.path}", "--image=held_out", "--redraw=0,0,2,4")
    assert refused.code == 2 and "is of tokens, of which no part is drawn anew" in refused.err


def test_a_classifier_is_not_measured_like_a_generator(trained, run_script, tmp_path):
    path = tmp_path / "copy"
    shutil.copytree(trained["classifier"].path, path)
    ended = run_script("evaluate", f"--workdir={path}")
    assert ended.code == 0
    assert "uniform over 5 levels" not in ended.out, "bits of a class and bits of a pixel are not to be compared"


@pytest.mark.parametrize(
    ("script", "flags", "code", "fragments"),
    [
        ("sample", [], 2, ["a classifier draws no samples"]),
        ("sample", ["--film"], 2, ["makes no images"]),
    ],
)
def test_what_a_classifier_cannot_do(script, flags, code, fragments, trained, run_script):
    ended = run_script(script, f"--workdir={trained['classifier'].path}", *flags)
    assert ended.code == code
    assert len(ended.err.splitlines()) == 1
    assert all(fragment in ended.err for fragment in fragments)


@pytest.mark.slow
def test_a_model_without_a_likelihood_is_judged_by_its_samples(trained, toy_run, run_script, tmp_path):
    run = toy_run("mean_flow", tmp_path / "run", {"train.duration": "8 steps", "train.accumulation": 1})
    train(run.config, run.path, monitors)
    assert [row for row in map(json.loads, run.rows) if row["split"] == "held_out"] == []
    refused = run_script("evaluate", f"--workdir={run.path}")
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "has no likelihood (mean_flow)" in refused.err
    judged = run_script("evaluate", f"--workdir={run.path}", f"--classifier={trained['classifier'].path}")
    assert (judged.code, judged.err) == (0, "")
    assert "only its samples are judged" in judged.out
    record = json.loads(newest(run.path, "evaluation_step8_*.json").read_text())
    assert record["judged"]["samples"]["count"] == 9
    assert "bits_per_dim" not in record


@pytest.mark.parametrize("script", ["sample", "evaluate"])
def test_nothing_in_the_directory_of_a_run_is_executed(script, trained, run_script, tmp_path, monkeypatch):
    """Not the recipe that it was trained with, by its name either, which may be another file by now."""
    folder = tmp_path / "run"
    shutil.copytree(trained["next_token"].path, folder)
    code = f"import pathlib\npathlib.Path({str(tmp_path / 'executed')!r}).touch()\n"
    for name in ("config.py", "configs/base.py", "configs/digits.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code)
    monkeypatch.chdir(folder)
    before = set(tmp_path.rglob("*"))
    assert run_script(script, f"--workdir={folder}").code == 0
    assert not (tmp_path / "executed").exists()
    assert all(path.is_relative_to(folder) for path in set(tmp_path.rglob("*")) - before), "and nothing is written elsewhere"


@pytest.mark.parametrize("script", ["sample", "evaluate"])
def test_what_is_no_run(script, trained, toy_run, run_script, tmp_path):
    def answer(code):
        ended = run_script(script, f"--workdir={tmp_path / 'run'}")
        assert ended.code == code
        assert len(ended.err.splitlines()) == 1
        return ended.err

    assert f"{tmp_path}/run/config.json cannot be read (No such file or directory): is this a run directory?" in answer(65)
    assert list(tmp_path.iterdir()) == []

    new = toy_run("next_token", tmp_path / "run", {"train.duration": 0})
    train(new.config, new.path, monitors)
    shutil.rmtree(new.path / "checkpoints")
    assert f"{tmp_path}/run has no checkpoint yet" in answer(65)

    config = tmp_path / "run" / "config.json"
    text = config.read_text()
    for damage, code, sentence in [
        (text[:-20], 65, "config.json is damaged"),
        ("[]", 2, "the saved config is damaged"),
        (text.replace('"mlp_ratio"', '"mlp_ratoi"'), 2, "unknown config field 'model.mlp_ratoi'"),
        (re.sub(r'"mlp_ratio": [0-9.]+', '"mlp_ratio": NaN', text), 2, "'model.mlp_ratio' cannot be nan"),
    ]:
        config.write_text(damage)
        assert sentence in answer(code)


@pytest.mark.slow
def test_a_model_without_classes(toy_run, run_script, tmp_path):
    run = toy_run("next_token", tmp_path / "run", {"conditioning.label": False, "train.duration": 4})
    train(run.config, run.path, lambda run: [])
    ended = run_script("sample", f"--workdir={run.path}", "--label=1")
    assert ended.code == 2
    assert "knows no classes" in ended.err
    ended = run_script("sample", f"--workdir={run.path}", "--config.sample.guidance_scale=2")
    assert ended.code == 2
    assert "sample.guidance_scale needs a class or words to guide to" in ended.err
    assert run_script("sample", f"--workdir={run.path}").code == 0


def test_a_damaged_checkpoint(trained, run_script, tmp_path):
    """It is never used silently: sampling takes the one before, and says so, or says that it cannot."""
    path = tmp_path / "copy"
    shutil.copytree(trained["next_token"].path, path)
    damaged = max((path / "checkpoints" / "24").rglob("*"), key=lambda file: file.stat().st_size if file.is_file() else 0)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    ended = run_script("sample", f"--workdir={path}")
    assert ended.code == 0
    assert "samples of step 16" in ended.out
    ended = run_script("sample", f"--workdir={path}", "--step=24")
    assert ended.code == 65
    assert "checkpoint 24" in ended.err
    assert "is damaged" in ended.err
    assert os.path.exists(path / "checkpoints" / "24"), "reading changes nothing"


@pytest.mark.slow
@pytest.mark.parametrize(("objective", "source"), [("next_token", "shapes_codes:s8"), ("noise_prediction", "shapes:s8")])
def test_a_model_that_is_told_of_captions_draws_what_it_is_asked_for(objective, source, toy_run, run_script, tmp_path):
    """The picture, the oracle's verdict on it, and how often held-out prompts are followed; what is no caption is refused."""
    overrides = {
        "data.source": source,
        "conditioning.text": "tokens",
        "train.duration": "4 steps",
        "evaluate.examples": 8,
        "train.evaluate_every": "4 steps",
        "noise_prediction.decoder": "palette" if objective == "noise_prediction" else "levels",
    }
    run = toy_run(objective, tmp_path / "run", overrides)
    train(run.config, run.path, monitors)
    ended = run_script("sample", f"--workdir={run.path}", "--prompt=a red circle and no triangle", f"--out={tmp_path / 'asked'}")
    assert (ended.code, ended.err) == (0, "")
    assert "verdict  'a red circle and no triangle.' valid " in ended.out
    assert np.asarray(Image.open(tmp_path / "asked.png")).shape[2] == 3
    ended = run_script("sample", f"--workdir={run.path}", "--prompt=a red elephant")
    assert ended.code == 2
    assert "there is no word 'elephant'" in ended.err
    assert run_script("evaluate", f"--workdir={run.path}").code == 0
    found = json.loads(newest(run.path, "evaluation_step4_*.json").read_text())
    assert found["following"]["rows"]["all"]["follow"]["count"] == 9
    assert found["bits_per_dim"]["excess"] is None, "given a caption it is not known what a scene is worth"
