"""Text of any length from a model that fills rows, figures a token, and what compressors need. Oracle: a model that counts, and loops."""

import bz2
import gzip
import lzma
import math
from types import SimpleNamespace

import numpy as np
import pytest

from genjax.data.packing import PackedRows, Pieces, Stream, Windows
from genjax.data.sources import open_source
from genjax.data.text import TextFormat
from genjax.errors import UsageError
from genjax.evaluation import baselines, texts
from genjax.evaluation.evaluator import Drawn, Evaluator
from genjax.evaluation.statistics import bits_per_unit
from genjax.training.setup import Run
from tests.data.conftest import source_of
from tests.helpers import config, random_params

WIDTH = 8


class Counter:
    """A model that writes the number after the last one, and 100, 101, ... where it sees nothing; it notes what it was shown."""

    def __init__(self):
        self.run, self.shown, self.turns = SimpleNamespace(source=SimpleNamespace(spec=SimpleNamespace(shape=(WIDTH,)))), [], []

    def draw(self, params, count, *, given, turn):
        seen = int(given["mask"][0].sum()) if given else 0
        assert not given or (given["mask"] == (np.arange(WIDTH) < seen)).all()
        self.shown.append(given["tokens"][0, :seen].tolist() if given else [])
        self.turns.append(turn)
        data = np.zeros((count, WIDTH), np.int32)
        for place in range(WIDTH):
            data[:, place] = given["tokens"][:, place] if place < seen else (data[:, place - 1] + 1 if place else 100)
        return Drawn(data, None, 10.0, 5.0)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 30])
@pytest.mark.parametrize("prompt", [0, 1, 7, 8, 20])
def test_what_is_written_goes_on_from_the_prompt_however_long_it_is(prompt, length):
    model, begun = Counter(), np.arange(100, 100 + prompt)
    drawn = texts.write(model, None, 3, begun, length)
    np.testing.assert_array_equal(drawn.data, np.tile(np.arange(100 + prompt, 100 + prompt + length), (3, 1)))
    assert model.turns == list(range(len(model.turns))), "every row is drawn with numbers of its own"
    assert model.shown[0] == begun.tolist()[-(prompt if prompt < WIDTH else WIDTH // 2) :] * (prompt > 0)
    assert all(len(shown) == WIDTH // 2 for shown in model.shown[1:])
    assert (drawn.nfe, drawn.sequential_depth) == (10 * len(model.turns), 5 * len(model.turns))


OPTIONS = {"data__source": "markov", "data__tokenizer": "char", "data__length": WIDTH, "data__eval_batch_size": 2, "conditioning__label": False}


@pytest.fixture(scope="module")
def decoder():
    """A run of a tiny model with random parameters, whose rows are 8 characters long."""
    run = Run.build(config("next_token", **OPTIONS))
    return Evaluator(run), random_params(run.objective.init)


@pytest.mark.parametrize("prompt", [0, 3])
def test_a_prompt_that_is_read_once_goes_on_as_a_row_that_is_filled_in(prompt, decoder):
    """With as many samples as fill a batch and a half: the same random numbers wherever a row lies."""
    (model, params), begun = decoder, np.array([1, 3, 0], np.int32)[:prompt]
    read, filled = (write(model, params, 3, begun, WIDTH - prompt) for write in (texts.go_on, texts.write))
    np.testing.assert_array_equal(read.data, filled.data)
    assert read.data.shape == (3, WIDTH - prompt)
    assert len(np.unique(read.data, axis=0)) > 1


def test_text_costs_the_calls_that_were_made(decoder):
    """One a token, or, of one sample, as many as the draft leaves over."""
    (model, params), begun = decoder, np.array([1, 3, 0], np.int32)
    plain = texts.go_on(model, params, 1, begun, 30)
    drafted = texts.go_on(Evaluator(Run.build(config("next_token", **OPTIONS, next_token__draft="repeat_last(context=1)"))), params, 1, begun, 30)
    np.testing.assert_array_equal(drafted.data, plain.data)
    assert (plain.nfe, plain.sequential_depth) == (30, 30)
    assert drafted.nfe == drafted.sequential_depth < 30


def test_text_beyond_a_row_begins_as_the_row_does(decoder):
    (model, params), begun = decoder, np.array([1, 3, 0], np.int32)
    longer = texts.go_on(model, params, 2, begun, 3 * WIDTH)
    assert longer.data.shape == (2, 3 * WIDTH)
    np.testing.assert_array_equal(longer.data[:, : WIDTH - 3], texts.write(model, params, 2, begun, WIDTH - 3).data)


def test_a_sheet_numbers_its_texts():
    assert texts.sheet(["one\n", "two"]) == f"---- 0 {'-' * 60}\none\n\n---- 1 {'-' * 60}\ntwo\n"


def test_prompts_come_from_the_command_line_or_a_file(tmp_path):
    (tmp_path / "prompt.txt").write_bytes("Grüße\r\n".encode())
    (tmp_path / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    assert texts.read_prompt(None, None) == ""
    assert texts.read_prompt("a b", None) == "a b"
    assert texts.read_prompt(None, str(tmp_path / "prompt.txt")) == "Grüße\r\n"
    with pytest.raises(UsageError, match=r"latin.txt is not UTF-8 \(byte 2\)"):
        texts.read_prompt(None, str(tmp_path / "latin.txt"))
    with pytest.raises(UsageError, match="choose one"):
        texts.read_prompt("a", str(tmp_path / "prompt.txt"))


def two_byte_source():
    """Tokens of two bytes and, every fifth, of none; 23 held-out tokens in rows of 8, each scored once, with context."""
    random = np.random.default_rng(0)

    def stream(n):
        tokens = random.choice(5, n, p=[0.4, 0.3, 0.2, 0.1, 0]).astype(np.int32)
        return Stream(tokens, np.where(tokens == 3, 0, 2).astype(np.uint8), np.array([n]), np.ones(n, bool))

    train, held_out = stream(64), stream(23)
    pieces = Pieces(np.array([0, 4, 12, 15]), np.array([0, 8, 12, 20]), np.array([8, 12, 20, 23]))
    return source_of(Windows(train, WIDTH), PackedRows.one_each(held_out, pieces, WIDTH), WIDTH, vocab=5), train, held_out


def test_nats_a_token_are_bits_a_byte_of_the_same_rows():
    source, _, held_out = two_byte_source()
    rows = source.splits["eval"].rows(np.arange(4))
    nats = np.array([5.0, 3.0, 7.0, 2.0])
    for examples, tokens in ((None, 23), (4, 23), (2, 12)):
        n = examples or 4
        bits = bits_per_unit(nats[:n], rows["num_units"][:n], np.zeros(n), {}, "exact", "byte")
        found = texts.per_token(bits, source, examples)
        assert found.tokens == tokens
        assert found.nats == pytest.approx(nats[:n].sum() / tokens)
        assert found.perplexity == pytest.approx(math.exp(nats[:n].sum() / tokens))
        assert found.stderr == pytest.approx(bits.stderr * math.log(2) * held_out.units[: [23, 12][n == 2]].sum() / tokens)


def test_the_baselines_of_text_are_frequencies_and_compressors(tmp_path):
    (tmp_path / "book.txt").write_text("".join(f"{n} is a line of the book, and {n * n} another\n" for n in range(400)))
    source = open_source(f"text:{tmp_path / 'book.txt'}", text=TextFormat(("char", {}), 32))
    floor = {baseline.name.split(",")[0]: baseline for baseline in baselines.table(source)}
    raw = (tmp_path / "book.txt").read_bytes()
    train = source.splits["train"].rows(np.arange(source.spec.train_size))["tokens"].reshape(-1).tolist()
    held_out = source.tokenizer.encode(raw.decode())[-int(source.splits["eval"].rows(np.arange(source.spec.eval_size))["num_units"].sum()) :]
    raw = raw[-len(held_out) :]
    assert floor["gzip -9"].value == pytest.approx(8 * len(gzip.compress(raw)) / len(raw), rel=0.01)  # its header holds the time
    assert floor["bzip2 -9"].value == 8 * len(bz2.compress(raw)) / len(raw)
    assert floor["xz -9"].value == 8 * len(lzma.compress(raw, preset=9)) / len(raw)
    assert floor[f"uniform over {source.spec.levels} tokens"].value == pytest.approx(math.log2(source.spec.levels))

    def nats(a, token, left_out):
        return -math.log((train.count(token) - left_out + a) / (len(train) - left_out + a * source.spec.levels))

    tokens = sorted(set(train))
    best = min(baselines.SMOOTHING, key=lambda a: sum(train.count(token) * nats(a, token, 1) for token in tokens))
    expected = {token: nats(best, token, 0) for token in range(source.spec.levels)}
    assert floor["frequency of each token"].value == pytest.approx(np.mean([expected[token] for token in held_out.tolist()]) / math.log(2))
    assert floor["frequency of each token"].stderr > 0


def test_bytes_and_not_tokens_are_what_the_baselines_are_for():
    source, train, held_out = two_byte_source()
    counts = np.bincount(train.tokens[:56], minlength=5)  # seven whole windows, wherever they begin
    known = dict(zip(range(5), baselines._unigram(counts), strict=True))
    assert sum(math.exp(-value) for value in known.values()) == pytest.approx(1)
    assert known[4] > known[3] > known[0]
    letters = SimpleNamespace(vocab=5, pieces=[b"aa", b"bb", b"cc", b"", b"dd"])
    floor = {baseline.name: baseline.value for baseline in baselines.text_table(source, letters, baselines.first(source.splits["eval"]))}
    total = int(held_out.units.sum())
    assert floor["frequency of each token"] == pytest.approx(sum(known[token] for token in held_out.tokens.tolist()) / math.log(2) / total)
    assert floor["uniform over 5 tokens"] == pytest.approx(math.log2(5) * 23 / total)
