"""Arrays that are no images, from training to what is drawn: by the scripts, the loop and the objectives that images have."""

import json
import wave

import numpy as np
import pytest
from PIL import Image

from genjax.evaluation.monitors import monitors
from genjax.training.loop import train

SMALL = {"train.duration": "8 steps", "train.checkpoint_every": "8 steps", "train.sample_every": "8 steps"}
FILMS = SMALL | {"data.source": "moving:shapes/frames=2", "noise_prediction.patch_size": "1,4,4", "evaluate.examples": 4, "sample.count": 6}
POINTS = SMALL | {"data.source": "points:mixture", "evaluate.examples": 32, "sample.count": 64}


@pytest.fixture(scope="module")
def films(toy_run, tmp_path_factory):
    run = toy_run("noise_prediction", tmp_path_factory.mktemp("films") / "run", FILMS)
    train(run.config, run.path, monitors)
    return run


@pytest.fixture(scope="module")
def points(toy_run, tmp_path_factory):
    run = toy_run("next_token", tmp_path_factory.mktemp("points") / "run", POINTS)
    train(run.config, run.path, monitors)
    return run


@pytest.mark.slow
def test_films_are_drawn_as_strips_and_as_a_gif(films, run_script):
    assert run_script("sample", f"--workdir={films.path}").code == 0
    with np.load(films.path / "samples" / "samples_step8.npz") as made:
        assert made["array"].shape == (6, 2, 8, 8, 1) and made["array"].max() < 5
    with Image.open(films.path / "samples" / "samples_step8.gif") as gif:
        assert gif.n_frames == 2


@pytest.mark.slow
def test_the_next_frames_are_drawn_after_the_first(films, run_script, tmp_path):
    ended = run_script("sample", f"--workdir={films.path}", "--image=held_out", "--redraw=1,2", f"--out={tmp_path / 'next'}")
    assert (ended.code, ended.err) == (0, "")
    assert "films that move as they should" in ended.out
    with np.load(tmp_path / "next.npz") as made:
        np.testing.assert_array_equal(made["array"][:, 0], made["before"][:, 0])
        assert (made["array"][:, 1] != made["before"][:, 1]).any()


def test_an_evaluation_tells_the_figures_of_the_data(points, run_script):
    ended = run_script("evaluate", f"--workdir={points.path}")
    assert (ended.code, ended.err) == (0, "")
    (written,) = points.path.glob("evaluation_step8_*.json")
    record = json.loads(written.read_text())
    assert record["figures"]["held_out"]["chamfer"] < record["figures"]["samples"]["chamfer"]
    assert record["bits_per_dim"]["kind"] == "exact" and record["bits_per_dim"]["excess"][0] > 0
    assert list(points.path.rglob("samples_00000008.png")), "the sheet of the training"


@pytest.mark.slow
def test_sound_is_drawn_as_a_spectrogram_and_a_wav(toy_run, tmp_path, run_script):
    for label in range(2):
        for take in range(9):
            with wave.open(str(tmp_path / f"{label}_{take}.wav"), "wb") as file:
                file.setparams((1, 2, 2000, 64, "NONE", ""))
                file.writeframes(np.round(9000 * np.sin((label + 1) * np.arange(64) / 3 + take)).astype("<i2").tobytes())
    sound = {"data.source": f"audio:{tmp_path}@length=64", "noise_prediction.patch_size": "8", "evaluate.examples": 1, "sample.count": 2}
    run = toy_run("noise_prediction", tmp_path / "run", SMALL | sound)
    train(run.config, run.path, lambda run: [])
    assert run_script("sample", f"--workdir={run.path}", "--label=1").code == 0
    with wave.open(str(run.path / "samples" / "samples_step8.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (2000, 2 * (64 + 200))


BOTH = {"conditioning.text": "tokens", "conditioning.label": False, "hybrid.describes": 0.5, "next_token.temperature": 0}


@pytest.fixture(scope="module")
def speaker(toy_run, tmp_path_factory):
    run = toy_run("noise_prediction", tmp_path_factory.mktemp("speaker") / "run", FILMS | BOTH | {"objective": "hybrid"})
    train(run.config, run.path, lambda run: [])
    return run


@pytest.mark.slow
def test_one_model_draws_films_and_puts_films_into_words(speaker, run_script):
    assert run_script("sample", f"--workdir={speaker.path}", "--prompt=bright ring sideways").code == 0
    said = run_script("sample", f"--workdir={speaker.path}", "--image=held_out", "--describe")
    assert (said.code, said.err) == (0, "") and len(said.out.strip("\n").split("\n")) == 6
    ended = run_script("evaluate", f"--workdir={speaker.path}", f"--describer={speaker.path}")
    assert (ended.code, ended.err) == (0, "")
    (written,) = speaker.path.glob("evaluation_step8_*.json")
    record = json.loads(written.read_text())
    assert record["described"]["all"]["words"]["count"] == 3 * 6 and record["round_trip"]["by_chance"]["count"] == 6
    assert set(record["following"]["rows"]["all"]) == {"follow", "strict", "by_chance"}


@pytest.mark.slow
def test_what_is_known_of_a_thing_says_what_else_is_drawn_of_it(toy_run, tmp_path, run_script):
    """One model of words and two kinds of arrays: the words of one, and another that they say."""
    things = {"data.source": "together:moving:digits/frames=2+moving:digits/frames=3", "conditioning.shown_patches": "1,6,6; 1,6,6"}
    few = {"objective": "hybrid", "evaluate.examples": 4, "sample.count": 4}
    run = toy_run("noise_prediction", tmp_path / "run", SMALL | BOTH | things | few)
    train(run.config, run.path, monitors)
    assert list(run.path.rglob("samples_00000008.png")), "the sheet of the training"
    assert run_script("sample", f"--workdir={run.path}", "--prompt=seven sideways").code == 0
    assert {file.name for file in (run.path / "samples").glob("samples_step8*.gif")} == {
        f"samples_step8_moving_digits_frames_{frames}.gif" for frames in (2, 3)
    }
    ended = run_script("evaluate", f"--workdir={run.path}", "--redraw=moving:digits/frames=3")
    assert (ended.code, ended.err) == (0, "")
    (written,) = run.path.glob("evaluation_step8_*.json")
    record = json.loads(written.read_text())
    names = ["moving:digits/frames=2", "moving:digits/frames=3"]
    assert list(record["described"]) == ["all", *names, *(f"{name} drawn" for name in names)]
    assert record["baselines"][0]["name"] == "uniform over 17 and 17 levels"
    assert set(record["bits_per_dim"]["terms"]) == {"words", "moving_digits_frames_2", "moving_digits_frames_3"}
    assert record["redrawn"]["described"]["right"]["count"] == 4
    drawn = run_script("sample", f"--workdir={run.path}", "--image=held_out", "--redraw=moving:digits/frames=3", f"--out={tmp_path / 'new'}")
    assert (drawn.code, drawn.err, drawn.out.count("  said     ")) == (0, "", 4)
    assert (tmp_path / "new_moving_digits_frames_3.gif").exists()
    with np.load(tmp_path / "new.npz") as made:
        np.testing.assert_array_equal(made["array"][:, : 2 * 144], made["before"][:, : 2 * 144])
    wrong = run_script("sample", f"--workdir={run.path}", "--image=held_out", "--redraw=0,4")
    assert wrong.code == 2 and "a row has several arrays, name one of them" in wrong.err


def test_files_are_no_films(speaker, run_script):
    ended = run_script("sample", f"--workdir={speaker.path}", "--image=mine.png")
    assert ended.code == 2 and "give --image=held_out" in ended.err


@pytest.mark.slow
def test_what_is_said_of_films_is_learned_and_told(toy_run, tmp_path, run_script, speaker):
    said = {"data.source": "said:moving:shapes/frames=2", "conditioning.text": "tokens", "conditioning.shown_patches": "1,4,4"}
    run = toy_run("next_token", tmp_path / "run", FILMS | said)
    train(run.config, run.path, lambda run: [])
    told = run_script("sample", f"--workdir={run.path}", "--image=held_out")
    assert (told.code, told.err) == (0, "") and told.out.count("(expected: ") == 6
    ended = run_script("evaluate", f"--workdir={run.path}")
    assert ended.code == 0 and "the commonest answer" in ended.out
    trip = run_script("evaluate", f"--workdir={speaker.path}", f"--describer={run.path}")
    assert (trip.code, trip.err) == (0, "") and "drawn again as their caption says" in trip.out
    ended = run_script("sample", f"--workdir={run.path}", "--image=mine.png")
    assert ended.code == 2 and "give --image=held_out" in ended.err


def test_a_describer_must_say_something(points, speaker, run_script):
    ended = run_script("evaluate", f"--workdir={speaker.path}", f"--describer={points.path}")
    assert ended.code == 2 and "puts nothing into words" in ended.err
