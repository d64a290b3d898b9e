"""Tokenizers lose nothing, know the bytes of every id, and are the same in every process that reads a run."""

import json
import subprocess
import sys

import numpy as np
import pytest

from genjax.data import tokenizers
from genjax.data.tokenizers import FILE, TOKENIZERS, make, record
from genjax.errors import CheckpointError, DataError, UsageError
from tests.conftest import REPOSITORY

NASTY = [
    "",
    "a",
    "the cat\r\nthe  hat\n\n\n",
    "naïve Ångström Ⅷ 漢字 👩‍👩‍👧",
    "\x00\x01\x7f\x85\u2028",
    " lead and trail ",
    "e\u0301 is not é",
    "<s>[PAD]<|endoftext|>",
]
TRAINING = [*NASTY, "to be or not to be, that is the question\n" * 20]
CHOICES = [("byte", {}), ("char", {}), ("bpe", {"vocab": 300})]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@pytest.mark.parametrize("text", TRAINING, ids=range(len(TRAINING)))
def test_decoding_is_the_inverse_of_encoding(choice, text):
    tokenizer = make(choice, "toy", TRAINING)
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int32 and (not len(ids) or 0 <= ids.min() <= ids.max() < tokenizer.vocab)
    assert tokenizer.decode(ids) == text
    assert tokenizer.raw(ids) == text.encode()
    assert tokenizer.sizes[ids].sum() == len(text.encode())


def test_tokens_are_what_they_are_called():
    byte, char, bpe = (make(choice, "toy", TRAINING) for choice in CHOICES)
    np.testing.assert_array_equal(byte.encode("é"), list("é".encode()))
    assert [byte.vocab, char.vocab, bpe.vocab] == [256, len(set("".join(TRAINING))), 300]
    assert len(char.encode("👩é")) == 2 and char.pieces == tuple(sorted(char.pieces, key=lambda piece: ord(piece.decode())))
    assert set(bpe.pieces) > {bytes([value]) for value in range(256)}
    assert len(bpe.encode("the question")) < len("the question") / 2
    assert [tokenizer.name for tokenizer in (byte, char, bpe)] == ["byte", "char", "bpe(vocab=300)"]


def test_byte_level_pairs_take_text_that_they_never_saw():
    bpe = make(("bpe", {"vocab": 260}), "toy", ["abc abc abc"])
    for text in NASTY:
        assert bpe.decode(bpe.encode(text)) == text


def test_the_characters_of_byte_level_models_are_those_of_the_library():
    from tokenizers.pre_tokenizers import ByteLevel

    shown = tokenizers._shown_bytes()
    assert sorted(shown.values()) == sorted(ByteLevel.alphabet())
    whole = ByteLevel(add_prefix_space=False, use_regex=False)
    for text in filter(None, NASTY):
        assert "".join(shown[byte] for byte in text.encode()) == whole.pre_tokenize_str(text)[0][0]


def test_a_decoded_text_ends_where_its_document_does():
    tokenizer = make(("byte", {}), "toy", [])
    assert tokenizer.decode([104, 105, 256, 104]) == "hi"
    assert tokenizer.decode([256]) == ""
    assert tokenizer.decode([104, 0xC3, 104]) == "h\N{REPLACEMENT CHARACTER}h"


def test_a_character_that_the_training_text_never_has_is_refused():
    with pytest.raises(DataError, match=r"char has no 'x', 'ż', which the training split never has: use byte or bpe"):
        make(("char", {}), "toy", ["abc"]).encode("abcżaxb")


def test_pairs_are_learnt_the_same_in_every_process():
    """Also with other hashes and other threads: a comparison's arms are not read from one directory."""
    code = (
        "from pathlib import Path; from genjax.data.tokenizers import make, record; import hashlib, json; "
        "texts = [path.read_text() for path in sorted(Path('genjax').rglob('*.py'))]; "
        "print(hashlib.sha256(json.dumps(record(make(('bpe', {'vocab': 600}), 'toy', texts), 'toy')).encode()).hexdigest())"
    )
    digests = set()
    for environment in (
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "2", "RAYON_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "3", "RAYON_NUM_THREADS": "5"},
    ):
        ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=REPOSITORY)
        assert ended.stderr == ""
        digests.add(ended.stdout)
    assert len(digests) == 1


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_what_a_run_keeps_is_used_again_whatever_became_of_the_text(choice, tmp_path):
    first = make(choice, "mine", TRAINING)
    (tmp_path / FILE).write_text(json.dumps(record(first, "mine")))
    again = make(choice, "mine", ["quite another text " * 50], tmp_path)
    assert again.pieces == first.pieces
    for text in TRAINING:
        np.testing.assert_array_equal(again.encode(text), first.encode(text))


def test_what_a_run_keeps_of_other_data_or_another_choice_is_not_used(tmp_path):
    (tmp_path / FILE).write_text(json.dumps(record(make(("char", {}), "mine", ["abc"]), "mine")))
    assert make(("char", {}), "yours", ["xyz"], tmp_path).vocab == 3 and make(("char", {}), "yours", ["xyz"], tmp_path).decode([0]) == "x"
    assert make(("byte", {}), "mine", ["xyz"], tmp_path).vocab == 256


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"name": "char"}', pytest.param(5000 * "[", id="nested")])
def test_what_is_damaged_is_not_used(content, tmp_path):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is damaged"):
        make(("char", {}), "mine", ["abc"], tmp_path)


@pytest.mark.parametrize(
    "choice, words",
    [
        (("bytes", {}), "there is no tokenizer 'bytes': did you mean 'byte'"),
        (("byte", {"vocab": 3}), "the tokenizer 'byte' has no option 'vocab'. It has none"),
        (("bpe", {"size": 3}), "the tokenizer 'bpe' has no option 'size'. It has vocab"),
        (("bpe", {"vocab": 256}), "option 'vocab' of the tokenizer 'bpe' must be a whole number at least 257"),
        (("bpe", {"vocab": 300.5}), "option 'vocab' of the tokenizer 'bpe' must be a whole number at least 257"),
    ],
)
def test_bad_choices(choice, words):
    with pytest.raises(UsageError, match=words):
        make(choice, "toy", TRAINING)


def test_the_config_offers_what_there_is():
    from genjax import config as configs
    from genjax.data.text import LAYOUTS

    fields = configs.base_fields()
    assert fields["data.tokenizer"].choices == tuple(TOKENIZERS)
    assert fields["data.packing"].choices == tuple(LAYOUTS)
