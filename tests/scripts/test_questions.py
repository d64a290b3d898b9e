"""Questions about pictures from training to an answer: train.py, evaluate.py, sample.py --image --question."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from genjax.data.shapes import scenes
from genjax.data.sources import open_source
from genjax.errors import UsageError
from genjax.evaluation.describing import Describer
from tests.conftest import TOY, ToyRun


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "x.png"
    circle = scenes.Scenes(np.array([1]), np.array([[int(scenes.content(1, 0, 0))]]))
    Image.fromarray(scenes.image(scenes.TIERS["s8"], circle)[0]).save(path)
    return path


@pytest.mark.parametrize(
    "variant, question", [("questions", ["--question=how many hearts?"]), pytest.param("masked_captions", [], marks=pytest.mark.slow)]
)
def test_a_model_of_questions_is_trained_measured_and_asked(variant, question, picture, tmp_path, run_script):
    from genjax.evaluation.monitors import monitors
    from genjax.training.loop import train

    values = TOY | {"train.duration": "8 steps", "train.accumulation": 1, "evaluate.examples": 16, "masked_diffusion.steps": 3}
    run = ToyRun(tmp_path / "run", f"configs/shapes_answers.py:{variant}", {name: str(value) for name, value in values.items()})
    train(run.config, run.path, monitors)
    ended = run_script("evaluate", f"--workdir={run.path}")
    assert (ended.code, ended.err) == (0, "")
    assert "bits/answer" in ended.out and "the commonest answer" in ended.out
    record = json.loads(next(run.path.glob("evaluation_step8_*.json")).read_text())["questions"]
    assert set(record["all"]) == {"model", "commonest"}
    ended = run_script("sample", f"--workdir={run.path}", f"--image={picture}", *question)
    assert (ended.code, ended.err) == (0, "")
    assert len(ended.out.splitlines()) == 1
    ended = run_script("sample", f"--workdir={run.path}", "--image=held_out", "--config.sample.count=2", f"--out={tmp_path / 'seen'}")
    assert (ended.code, ended.err) == (0, "") and ended.out.count("(expected: ") == 2
    assert Image.open(tmp_path / "seen.png").size[0] > 2 * 8, "two pictures beside each other"
    assert ("? " in ended.out) == (variant == "questions"), "what was asked stands before the answer"
    refused = run_script("sample", f"--workdir={run.path}", f"--image={picture}", *question, f"--out={tmp_path / 'x'}")
    assert refused.code == 2 and "--out is for what is drawn, or for --image=held_out" in refused.err
    refused = run_script("sample", f"--workdir={run.path}", "--image=held_out", f"--out={tmp_path / 'x.mp4'}")
    assert refused.code == 2 and "films are written as GIF" in refused.err and "ffmpeg -i x.gif x.mp4" in refused.err
    if variant == "questions":  # it would have to be asked
        with pytest.raises(UsageError, match="does not describe what it looks at by itself"):
            Describer.load(run.path, SimpleNamespace(captioned=True, source=open_source("shapes:s8")))
    for wrong, told in ([f"--image={picture}", "--question=how many dogs?"], "question"), (["--question=how many hearts?"], "give --image"):
        refused = run_script("sample", f"--workdir={run.path}", *wrong)
        assert refused.code == 2 and told in refused.err
