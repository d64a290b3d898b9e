"""A text from its file to a continued prompt: train.py, sample.py and evaluate.py with one tokenizer, and what they answer to what cannot be."""

import json
import math

import numpy as np
import pytest

from genjax.errors import visible
from tests.conftest import TOY, ToyRun

BOOK = "\x1b[31m is a line.\n" + "".join(f"{n} is a line; the next is {n + 1}.\n" for n in range(300))
OVERRIDES = {
    "data.tokenizer": "char",
    "data.length": 16,
    "train.duration": "8 steps",
    "train.accumulation": 1,
    "train.evaluate_every": "8 steps",
    "train.sample_every": "8 steps",
    "sample.count": 3,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished run, made by the library; the tests do not change it."""
    from genjax.evaluation.monitors import monitors
    from genjax.training.loop import train

    folder = tmp_path_factory.mktemp("text")
    (folder / "book.txt").write_text(BOOK)
    values = TOY | OVERRIDES | {"data.source": f"text:{folder / 'book.txt'}"}
    run = ToyRun(folder / "run", "configs/digits.py:next_token", {name: str(value) for name, value in values.items()})
    train(run.config, run.path, monitors)
    return run


def test_training_shows_text_and_keeps_its_tokenizer(trained):
    sheet = (trained.path / "samples" / "samples_00000008.txt").read_text()
    assert sheet.count("---- ") == 3 and set(sheet) <= set(BOOK) | set("-0123456789 \n")
    kept = json.loads((trained.path / "tokenizer.json").read_text())
    assert (kept["name"], kept["learnt"]) == ("char", "".join(sorted(set(BOOK))))
    assert any("bits_per_byte" in row for row in trained.rows)


@pytest.mark.slow
def test_a_prompt_is_continued_to_the_length_that_is_asked_for(trained, run_script, tmp_path):
    flags = (f"--workdir={trained.path}", f"--out={tmp_path / 'out'}", "--config.sample.count=2", "--config.sample.length=40")
    ended = run_script("sample", *flags, "--prompt=12 is a")
    assert (ended.code, ended.err) == (0, "")
    sheet = (tmp_path / "out.txt").read_text()
    assert visible(sheet) in ended.out and sheet.count(f"{'-' * 60}\n12 is a") == 2
    written = dict(np.load(tmp_path / "out.npz"))["tokens"]
    assert written.shape == (2, 40) and (written[0] != written[1]).any()
    alphabet = "".join(sorted(set(BOOK)))
    assert "12 is a" + "".join(alphabet[token] for token in written[0]) + "\n---- 1" in sheet

    (tmp_path / "prompt.txt").write_text("12 is a")
    run_script("sample", *flags, f"--prompt_file={tmp_path / 'prompt.txt'}")
    np.testing.assert_array_equal(dict(np.load(tmp_path / "out.npz"))["tokens"], written)

    ended = run_script("sample", *flags, "--prompt=\x1b[31m is")
    assert "\x1b[31m is" in (tmp_path / "out.txt").read_text()
    assert "\x1b" not in ended.out and r"\x1b[31m is" in ended.out, "a file has what was written, a terminal obeys none of it"
    run_script("sample", *flags)
    assert (dict(np.load(tmp_path / "out.npz"))["tokens"] != written).any()


def test_evaluation_is_in_bits_a_byte_beside_compressors(trained, run_script):
    ended = run_script("evaluate", f"--workdir={trained.path}")
    assert (ended.code, ended.err) == (0, "")
    assert all(words in ended.out for words in ("bits/byte", "nats/token", "perplexity", "tokens of char", "gzip -9", "frequency of each token"))
    record = json.loads(next(trained.path.glob("evaluation_step8_*.json")).read_text())
    bits, counted = record["bits_per_byte"], record["per_token"]
    assert counted["nats"] == pytest.approx(bits["value"] * math.log(2)), "every character is one byte here"
    assert counted["perplexity"] == pytest.approx(2 ** bits["value"])
    assert counted["tokens"] == len(BOOK) - BOOK.find("\n", len(BOOK) - len(BOOK) // 10) - 1

    more = run_script("evaluate", f"--workdir={trained.path}", "--config.data.eval_stride=16")
    assert more.code == 0 and f"{counted['tokens']:,} tokens of char" in more.out


def test_a_run_goes_on_with_its_own_tokenizer_when_its_text_has_changed(trained, run_script, tmp_path):
    book = trained.path.parent / "book.txt"
    flags = (f"--workdir={trained.path}", f"--out={tmp_path / 'out'}", "--config.sample.count=1")
    run_script("sample", *flags)
    before = dict(np.load(tmp_path / "out.npz"))["tokens"]
    try:
        book.write_text(BOOK[: len(BOOK) // 2].replace("x", "n"))  # without some of its characters
        assert run_script("sample", *flags).code == 0
    finally:
        book.write_text(BOOK)
    np.testing.assert_array_equal(dict(np.load(tmp_path / "out.npz"))["tokens"], before)


@pytest.mark.parametrize(
    "script, flags, code, words",
    [
        ("sample", ("--prompt=Zürich",), 65, "the tokenizer char has no 'Z', 'c', 'r', 'ü'"),
        ("sample", ("--prompt=a", "--prompt_file=b"), 2, "choose one"),
        ("sample", ("--prompt=a", "--film"), 2, "--prompt is the beginning of a text"),
        ("sample", ("--film",), 2, "makes no images"),
        ("sample", ("--config.data.length=8",), 2, "'data.length' is part of what was trained"),
        ("evaluate", ("--config.data.eval_stride=17",), 2, "data.eval_stride=17 is more than data.length=16"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(script, flags, code, words, trained, run_script):
    ended = run_script(script, f"--workdir={trained.path}", *flags)
    assert ended.code == code and words in ended.err, ended


@pytest.mark.parametrize("objective", ["noise_prediction", "classifier"])
def test_what_is_for_images_refuses_text(objective, trained, run_script, tmp_path):
    ended = run_script(
        "train", f"--config=configs/digits.py:{objective}", f"--workdir={tmp_path}/run", f"--config.data.source={trained.overrides['data.source']}"
    )
    assert ended.code == 2, ended
    assert not (tmp_path / "run").exists()
