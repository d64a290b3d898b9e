"""Prompts with answers from their file to a dialogue: train.py, evaluate.py, sample.py --prompt and --chat, once a model has learnt its answers."""

import io
import json
import sys

import numpy as np
import pytest

from tests.conftest import TOY, ToyRun

SAID = {"a": "x", "b": "yy", "c": "z"}
OVERRIDES = {
    "data.length": 16,
    "data.batch_size": 8,
    "train.duration": "120 steps",
    "train.accumulation": 1,
    "train.evaluate_every": "120 steps",
    "train.sample_every": "120 steps",
    "train.steps_per_dispatch": 40,
    "optimizer.learning_rate": 0.02,
    "optimizer.ema": "constant(decay=0.9)",
    "next_token.attention": "prefix",
    "next_token.temperature": 0,
    "sample.count": 3,
    "sample.length": 4,
}


def train_on_pairs(folder, objective, options):
    """A finished run on 90 pairs, of which 3 differ; the tests do not change it."""
    from genjax.evaluation.monitors import monitors
    from genjax.training.loop import train

    lines = [f"{prompt}\t{answer}" for prompt, answer in SAID.items()]
    (folder / "train.tsv").write_text("\n".join(lines * 30))
    (folder / "test.tsv").write_text("\n".join(lines))
    values = (
        TOY | OVERRIDES | options | {"objective": objective, "data.source": f"pairs:{folder / 'train.tsv'}", "data.held_out": folder / "test.tsv"}
    )
    run = ToyRun(folder / "run", "configs/digits.py:next_token", {name: str(value) for name, value in values.items()})
    train(run.config, run.path, monitors)
    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A prefix language model."""
    return train_on_pairs(tmp_path_factory.mktemp("pairs"), "next_token", {})


def test_a_model_that_draws_answers_at_once_is_scored_and_talked_to(tmp_path, run_script, monkeypatch):
    options = {"data.answer_room": 3, "masked_diffusion.order": "confidence", "train.duration": "240 steps", "model.dropout": 0}
    run = train_on_pairs(tmp_path, "masked_diffusion", options)
    ended = run_script("evaluate", f"--workdir={run.path}")
    assert (ended.code, ended.err) == (0, "")
    record = json.loads(next(run.path.glob("evaluation_step240_*.json")).read_text())["answers"]
    assert record["scores"]["the model"]["exact_match"] == pytest.approx(100)
    monkeypatch.setattr(sys, "stdin", io.StringIO("b\na\n"))
    assert run_script("sample", f"--workdir={run.path}", "--chat").out.splitlines()[1:] == ["yy", "x"]


@pytest.mark.slow
def test_training_shows_held_out_prompts_with_their_answers(trained):
    sheet = (trained.path / "samples" / "samples_00000120.txt").read_text()
    assert [line for line in sheet.splitlines() if not line.startswith("----")] == [line for p, a in SAID.items() for line in (p, f"> {a}")]


def test_evaluation_scores_the_answers_beside_the_baselines(trained, run_script):
    ended = run_script("evaluate", f"--workdir={trained.path}")
    assert (ended.code, ended.err) == (0, "")
    record = json.loads(next(trained.path.glob("evaluation_step120_*.json")).read_text())["answers"]
    assert record["prompts"] == 3
    assert {name: scores["exact_match"] for name, scores in record["scores"].items()} == {
        "the model": pytest.approx(100),
        "the prompt itself": 0,
        "the prompt word by word": pytest.approx(100),
    }
    assert record["first"][1] == {"prompt": "b", "answer": "yy", "given": "yy"}
    assert "3 held-out prompts answered" in ended.out and "word by word" in ended.out


def test_a_prompt_is_answered(trained, run_script, tmp_path):
    ended = run_script("sample", f"--workdir={trained.path}", f"--out={tmp_path / 'out'}", "--prompt=b", "--config.sample.count=2")
    assert (ended.code, ended.err) == (0, "")
    assert (tmp_path / "out.txt").read_text().count("\nyy\n") == 2
    np.testing.assert_array_equal(dict(np.load(tmp_path / "out.npz"))["tokens"], [[ord("y"), ord("y"), 256]] * 2)


def test_a_dialogue_is_answered_line_by_line(trained, run_script, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("b\n\na\nb\n"))
    ended = run_script("sample", f"--workdir={trained.path}", "--chat")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[1:] == ["yy", "x", "yy"]


def test_a_chat_is_a_gallery_entry(trained, monkeypatch):
    from genjax import config as configs
    from genjax.comparison import gallery

    entry = gallery.Entry("x", configs.from_json({"sample": "--chat", "typed": "b\na"}, configs.base_fields("GALLERY")))
    assert gallery.draw(entry, trained.path, trained.path / "pictures") == {"files": [], "text": "> b\nyy\n> a\nx"}


def test_chat_does_not_search(trained, run_script, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\n"))
    ended = run_script("sample", f"--workdir={trained.path}", "--chat", "--config.next_token.beams=2")
    assert ended.code == 2 and "a beam search does not" in ended.err


def test_chat_is_alone(trained, run_script):
    ended = run_script("sample", f"--workdir={trained.path}", "--chat", "--prompt=a")
    assert ended.code == 2 and "--chat reads its prompts line by line" in ended.err
