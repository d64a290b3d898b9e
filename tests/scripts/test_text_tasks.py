"""Tasks on text from their files to their figures: train.py for a few steps, then evaluate.py and sample.py."""

import json

import numpy as np
import pytest

from genjax.evaluation.monitors import monitors
from genjax.training.loop import train

SHORT = {
    "data.length": 24,
    "train.duration": "8 steps",
    "train.accumulation": 1,
    "train.evaluate_every": "8 steps",
    "train.sample_every": "8 steps",
    "train.checkpoint_every": "8 steps",
    "sample.count": 4,
}
BOOK = "".join(f"{n} is a line; the next is {n + 1}.\n" for n in range(300))


def evaluated(run):
    return json.loads(next(run.path.glob("evaluation_step8_*.json")).read_text())


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    path = tmp_path_factory.mktemp("book") / "book.txt"
    path.write_text(BOOK)
    return f"text:{path}"


FAMILIES = {
    "next_token": {"data.middle": 0.5},
    "masked_diffusion": {},
    "blocks": {"objective": "masked_diffusion", "masked_diffusion.block_size": 8},
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_gaps_in_text_are_measured_and_filled_in(family, book, toy_run, run_script, tmp_path):
    run = toy_run("next_token", tmp_path / "run", SHORT | {"data.source": book, "objective": family} | FAMILIES[family])
    train(run.config, run.path, monitors)
    ended = run_script("evaluate", f"--workdir={run.path}", "--gap=3", "--config.sample.count=6")
    assert (ended.code, ended.err) == (0, "") and "6 gaps in held-out text" in ended.out
    record = evaluated(run)["infilling"]
    assert record["gap"] == 3 and record["exact_match"]["count"] == 6
    assert record["bits_per_byte"]["kind"] == ("exact" if family == "next_token" else "upper_bound")
    assert all(gap["prefix"] + gap["middle"] + gap["suffix"] in BOOK and len(gap["middle"]) == 3 for gap in record["first"])

    flags = (f"--workdir={run.path}", f"--out={tmp_path / 'out'}", "--config.sample.length=5", "--config.sample.count=2")
    ended = run_script("sample", *flags, "--prompt=7 is", "--suffix=line;")
    assert (ended.code, ended.err) == (0, "")
    first, second = (tmp_path / "out.txt").read_text().split("---- ")[1:]
    assert all("\n7 is" in text and text.rstrip("\n").endswith("line;") for text in (first, second))
    assert dict(np.load(tmp_path / "out.npz"))["tokens"].shape == (2, 5)


@pytest.mark.slow
def test_a_model_that_sees_no_suffix_says_how_it_would(book, toy_run, run_script, tmp_path):
    run = toy_run("next_token", tmp_path / "run", SHORT | {"data.source": book})
    train(run.config, run.path, lambda run: [])
    ended = run_script("sample", f"--workdir={run.path}", "--suffix=x")
    assert ended.code == 2 and "train it with data.middle=0.5" in ended.err
    ended = run_script("sample", f"--workdir={run.path}", "--suffix=x", "--chat")
    assert ended.code == 2 and "give it with --prompt alone" in ended.err


TASKS = {
    "babi.txt": "".join(f"1 Ann went to {place}.\n2 Where is Ann?\t{place}\t1\n" for place in ("x", "y", "z") * 4),
    "squad.json": json.dumps(
        {"data": [{"paragraphs": [{"context": "x y", "qas": [{"question": f"{n}?", "answers": [{"text": "x"}]} for n in range(9)]}]}]}
    ),
    "seed_tasks.jsonl": "\n".join(json.dumps({"instruction": f"say {n}", "instances": [{"input": "", "output": str(n)}]}) for n in range(9)),
    "gsm8k.jsonl": "\n".join(json.dumps({"question": f"1+{n}?", "answer": f"<<1+{n}={n + 1}>>\n#### {n + 1}"}) for n in range(9)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TASKS, "sums", "reports", "talks", "python_stdlib_docs"])
def test_a_task_is_trained_and_its_answers_are_scored(name, toy_run, run_script, tmp_path):
    source = name
    if name in TASKS:
        (tmp_path / name).write_text(TASKS[name])
        source = f"pairs:{tmp_path / name}"
    options = {"data.source": source, "data.length": 512, "data.batch_size": 2, "evaluate.examples": 2, "sample.length": 4}
    run = toy_run("next_token", tmp_path / "run", SHORT | options)
    train(run.config, run.path, monitors)
    ended = run_script("evaluate", f"--workdir={run.path}")
    assert (ended.code, ended.err) == (0, "")
    scores = evaluated(run)["answers"]["scores"]
    assert set(scores) == {"the model", "the prompt itself", "the prompt word by word"}
    assert ("final_number" in scores["the model"]) == (name in ("gsm8k.jsonl", "sums"))
