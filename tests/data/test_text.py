"""Text from files, folders, the standard library and TFDS: what is held out, that nothing is lost, and that bytes are bytes."""

import math

import numpy as np
import pytest

from genjax.data import markov
from genjax.data.loader import eval_batches
from genjax.data.sources import open_source
from genjax.data.text import TextFormat, hold_out_documents, hold_out_end, read_stdlib
from genjax.errors import DataError, UsageError

LINES = "".join(f"line {n}: the naïve café — {'x' * (n % 7)}\r\n" for n in range(120))


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_bytes(LINES.encode())
    return f"text:{path}"


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "notes"
    for number in range(30):
        file = path / f"part {number % 3}" / f"{number}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"{number} é\n".encode() * (number % 5 * 8 + 1))
    (path / ".git").mkdir()
    (path / ".git" / "HEAD").write_bytes(b"\xff")
    return f"text:{path}"


def scored(source):
    """The tokens of the held-out rows that count, in order, and their units."""
    batches = list(eval_batches(source, 16))
    column = lambda name: np.concatenate([batch[name][batch["weight"] > 0] for batch in batches])
    return column("tokens")[column("loss_mask") > 0], column("num_units").astype(np.float64)


# ---- bytes are bytes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", [None, 3, 16])
@pytest.mark.parametrize("packing", ["windows", "documents"])
@pytest.mark.parametrize("kind", ["book", "folder"])
def test_the_units_of_a_split_are_its_bytes_whatever_the_tokenizer(kind, packing, stride, request):
    name = request.getfixturevalue(kind)
    units, counts, texts = set(), set(), set()
    for tokenizer in (("byte", {}), ("char", {}), ("bpe", {"vocab": 270})):
        source = open_source(name, text=TextFormat(tokenizer, 16, packing, stride))
        tokens, found = scored(source)
        pieces = [source.tokenizer.pieces[token] for token in tokens if token < source.tokenizer.vocab]
        units.add(found.sum())
        counts.add(len(tokens))
        texts.add(bytes(sorted(b"".join(pieces))))  # rows of documents have another order with every tokenizer
        assert found.sum() == sum(map(len, pieces))
        assert source.spec.unit == "byte"
    assert len(units) == len(texts) == 1 and len(counts) == 3


def test_the_units_of_a_file_are_the_bytes_of_its_end(book):
    source = open_source(book, text=TextFormat(length=16))
    tokens, units = scored(source)
    held_out = hold_out_end(LINES).eval[0].encode()
    assert source.tokenizer.raw(tokens) == held_out
    assert units.sum() == len(held_out)


def test_an_end_is_charged_in_every_document_and_stands_for_no_byte(folder):
    for packing in ("windows", "documents"):
        source = open_source(folder, text=TextFormat(length=16, packing=packing))
        tokens, units = scored(source)
        ends = int((tokens == source.tokenizer.vocab).sum())
        assert source.spec.levels == 257
        assert ends == 30 - len(open_folder(folder).train)
        assert units.sum() == len(tokens) - ends


def open_folder(name):
    from genjax.data.text import read_text

    return read_text(name.removeprefix("text:"))


def test_one_document_has_no_end(book):
    assert open_source(book, text=TextFormat(length=16)).spec.levels == 256


# ---- what is held out ----------------------------------------------------------------------------------------------


def test_the_last_tenth_of_a_file_is_held_out_from_the_beginning_of_a_line():
    train, held_out = (documents[0] for documents in hold_out_end(LINES))
    assert train + held_out == LINES
    assert train.endswith("\r\n") and held_out.startswith("line ")
    assert 0.1 * len(LINES.encode()) - 60 < len(held_out.encode()) <= 0.1 * len(LINES.encode())


@pytest.mark.parametrize("text", ["é" * 55, "one line without an end" * 4, "a\n" + "b" * 98])
def test_text_without_lines_is_cut_between_two_characters(text):
    train, held_out = (documents[0] for documents in hold_out_end(text))
    assert train + held_out == text
    assert abs(len(held_out.encode()) - 0.1 * len(text.encode())) <= 2


def test_a_tenth_of_the_documents_is_held_out_by_name_and_others_that_come_change_nothing():
    documents = {f"module_{number}.py": str(number) for number in range(1000)}
    before, after = hold_out_documents(documents), hold_out_documents(documents | {"new.py": "new", "newer.py": "newer"})
    assert sorted(before.train + before.eval) == sorted(documents.values())
    assert 70 < len(before.eval) < 130
    assert set(before.eval) <= set(after.eval) and set(before.train) <= set(after.train)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_few_documents_are_in_both_splits(count):
    for first in range(60):
        corpus = hold_out_documents({f"{first}/{number}": str(number) for number in range(count)})
        assert len(corpus.train) >= 1 and len(corpus.eval) >= 1 and len(corpus.train + corpus.eval) == count


def test_a_folder_is_read_without_what_is_hidden(folder):
    corpus = open_folder(folder)
    assert sorted(corpus.train + corpus.eval) == sorted(f"{number} é\n" * (number % 5 * 8 + 1) for number in range(30))


def test_the_standard_library_is_code_without_tests():
    corpus = read_stdlib("")
    again = read_stdlib("")
    assert corpus == again
    documents = corpus.train + corpus.eval
    assert not set(corpus.train) & set(corpus.eval)
    assert any("class ArgumentParser" in text for text in documents)
    assert not any("import unittest\nimport test.support" in text for text in documents)
    size = [sum(len(text) for text in split) for split in corpus]
    assert sum(size) > 4_000_000 and 0.03 < size[1] / sum(size) < 0.2


def test_text_of_tfds(tmp_path, prepare_tfds):
    import tensorflow_datasets as tfds

    texts = {"train": ["Grüße\n" * 20, "more"], "test": ["held out\n" * 5], "validation": ["not this"]}
    rows = {split: [{"text": text} for text in documents] for split, documents in texts.items()}
    prepare_tfds(tmp_path, rows, {"text": tfds.features.Text()})
    source = open_source("tfds_text:tiny", str(tmp_path), TextFormat(length=8))
    tokens, units = scored(source)
    assert source.tokenizer.decode(tokens) == "held out\n" * 5
    assert units.sum() == 45


def test_an_image_set_has_no_text(tmp_path, prepare_tfds, pictures):
    import tensorflow_datasets as tfds

    prepare_tfds(tmp_path, {"train": pictures(2)}, {"image": tfds.features.Image(shape=(6, 5, 1)), "label": tfds.features.ClassLabel(num_classes=3)})
    with pytest.raises(DataError, match="tfds_text:tiny: it has no text feature called 'text', only image, label"):
        open_source("tfds_text:tiny", str(tmp_path))


# ---- what cannot be ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, form, error, words",
    [
        ("text", {}, UsageError, "needs a file or a folder"),
        ("text:absent.txt", {}, DataError, "absent.txt: cannot be read"),
        ("text:{tmp}/latin.txt", {}, DataError, r"latin.txt: not UTF-8 \(byte 3\)"),
        ("text:{tmp}/empty", {}, DataError, "a folder of documents needs at least two files, and it has 0"),
        ("text:{tmp}/short.txt", {}, DataError, "too few for data.length=256"),
        ("text:{tmp}/short.txt", {"length": 8, "eval_stride": 9}, UsageError, "data.eval_stride=9 is more than data.length=8"),
        ("python_stdlib:3.11", {}, UsageError, "takes no argument"),
        ("markov:one", {}, UsageError, "markov:<seed>"),
        ("markov:\u00b2", {}, UsageError, "markov:<seed>"),
    ],
)
def test_bad_names_and_files(name, form, error, words, tmp_path):
    (tmp_path / "latin.txt").write_bytes("cafés".encode("latin-1"))
    (tmp_path / "short.txt").write_text("a few words\n" * 4)
    (tmp_path / "empty").mkdir()
    with pytest.raises(error, match=words):
        open_source(name.format(tmp=tmp_path), text=TextFormat(**form))


# ---- the source of known entropy -----------------------------------------------------------------------------------


def test_entropy_rate_of_chains_that_one_can_do_in_the_head():
    fair = np.full((2, 2, 2), 0.5)
    assert markov.entropy_rate(fair) == pytest.approx(1)
    sure = np.zeros((2, 2, 2))
    sure[..., 0] = 1
    assert markov.entropy_rate(sure) == pytest.approx(0)
    flips = np.array([[[0.9, 0.1], [0.1, 0.9]]] * 2)  # of first order and symmetric: H(0.1)
    assert markov.entropy_rate(flips) == pytest.approx(-0.9 * math.log2(0.9) - 0.1 * math.log2(0.1))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_text_of_a_chain_is_drawn_from_it(seed):
    """Each transition's frequency, and the ideal code's length on fresh text: the entropy rate within four standard errors."""
    chain, (train, held_out) = markov.transitions(seed), (documents[0] for documents in markov.open_markov(str(seed)))
    assert train[:1000] != held_out[:1000] and len(train) == markov.TRAIN
    symbols = np.array([markov.LETTERS.index(letter) for letter in train])
    counts = np.zeros(chain.shape)
    np.add.at(counts, (symbols[:-2], symbols[1:-1], symbols[2:]), 1)
    seen = counts.sum(-1, keepdims=True)
    assert (np.abs(counts / seen - chain) < 5 * np.sqrt(chain * (1 - chain) / seen) + 1 / seen).all()
    bits = -np.log2(chain[symbols[:-2], symbols[1:-1], symbols[2:]])
    stderr = bits.reshape(-1, 254).mean(axis=1).std() / math.sqrt(len(bits) / 254) if len(bits) % 254 == 0 else bits.std() / math.sqrt(len(bits))
    assert abs(bits.mean() - markov.entropy_rate(chain)) < 5 * stderr
    assert 0.3 < markov.entropy_rate(chain) < 1.9
