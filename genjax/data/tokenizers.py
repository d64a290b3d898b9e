"""Text as integers and back, without loss.

A tokenizer is a table of pieces, the bytes that each id stands for, and a way to cut a text into them. To decode is to put the pieces one after
the other, and the bytes of an id are known exactly, also where a piece ends in the middle of a character.

  byte    the 256 bytes
  char    the characters of the training split; a text with another character is refused, since it could not be had back
  bpe     byte-level byte-pair encoding (arXiv:1508.07909, GPT-2's splitting), trained on the training split; `vocab` pieces, the bytes among them

What was learnt from the training split is kept in the run's directory (`Source.kept`) and used by whatever opens the data for that run again.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np

from genjax.errors import CheckpointError, DataError
from genjax.registry import Range, bind

FILE = "tokenizer.json"

Choice = tuple[str, Mapping[str, Any]]  # a name of TOKENIZERS, and its options


@dataclasses.dataclass(frozen=True)
class Tokenizer:
    """decode(encode(text)) == text for every text that `encode` takes.

    Attributes:
      choice: what it is.
      learnt: what it took from the training split, as JSON values.
      pieces: the bytes that ids 0, 1, ... stand for. The id after the last one, where data have it, ends a document.
      cut: text -> the ids of its pieces.
    """

    choice: Choice
    learnt: Any
    pieces: tuple[bytes, ...]
    cut: Callable[[str], np.ndarray]

    @property
    def vocab(self) -> int:
        """How many pieces there are."""
        return len(self.pieces)

    @property
    def name(self) -> str:
        """As a config names it."""
        options = ", ".join(f"{option}={value}" for option, value in self.choice[1].items())
        return f"{self.choice[0]}({options})" if options else self.choice[0]

    @functools.cached_property
    def sizes(self) -> np.ndarray:
        """Bytes of each piece, int64 [vocab]."""
        return np.array([len(piece) for piece in self.pieces])

    def encode(self, text: str) -> np.ndarray:
        """The ids of a text, int32 [n]; DataError where its pieces are not the text again."""
        ids = self.cut(text)
        if self.sizes[ids].sum() != len(text.encode()):
            raise DataError(f"the tokenizer {self.name} loses a part of '{text[:40]}...': use byte")
        return ids

    def decode(self, ids: Sequence[int] | np.ndarray) -> str:
        """The text of ids [n], up to the end of the document; bytes that are no UTF-8, as a model may draw them, show as replacement characters."""
        return self.raw(ids).decode("utf-8", "replace")

    def raw(self, ids: Sequence[int] | np.ndarray) -> bytes:
        """The bytes of ids [n], up to the end of the document."""
        ids = np.asarray(ids)
        ends = np.flatnonzero(ids >= self.vocab)
        return b"".join(self.pieces[token] for token in ids[: ends[0] if len(ends) else None])


def _learn_byte(texts: Sequence[str]) -> None:
    return None


def _byte(choice: Choice, learnt: None) -> Tokenizer:
    pieces = tuple(bytes([byte]) for byte in range(256))
    return Tokenizer(choice, learnt, pieces, lambda text: np.frombuffer(text.encode(), np.uint8).astype(np.int32))


def _learn_char(texts: Sequence[str]) -> str:
    return "".join(sorted(set().union(*texts)))


def _char(choice: Choice, learnt: str) -> Tokenizer:
    code_points = np.array([ord(character) for character in learnt], np.uint32)

    def cut(text: str) -> np.ndarray:
        wanted = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        ids = np.minimum(np.searchsorted(code_points, wanted), len(code_points) - 1)
        unknown = wanted[code_points[ids] != wanted]
        if len(unknown):
            shown = ", ".join(repr(chr(point)) for point in np.unique(unknown)[:5])
            raise DataError(f"the tokenizer char has no {shown}, which the training split never has: use byte or bpe, which take any text")
        return ids.astype(np.int32)

    return Tokenizer(choice, learnt, tuple(character.encode() for character in learnt), cut)


def _learn_bpe(texts: Sequence[str], vocab: Annotated[int, Range(at_least=257, at_most=2**20, whole=True)] = 1024) -> Any:
    from tokenizers import Tokenizer as Model
    from tokenizers import models, pre_tokenizers, trainers

    model = Model(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    model.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet, show_progress=False))
    return json.loads(model.to_str())


def _bpe(choice: Choice, learnt: Any) -> Tokenizer:
    from tokenizers import Tokenizer as Model

    model = Model.from_str(json.dumps(learnt))
    byte_of = {shown: byte for byte, shown in _shown_bytes().items()}
    entries = sorted(model.get_vocab().items(), key=lambda entry: entry[1])
    pieces = tuple(bytes(byte_of[shown] for shown in entry) for entry, _ in entries)
    return Tokenizer(choice, learnt, pieces, lambda text: np.array(model.encode(text).ids, np.int32))


def _shown_bytes() -> dict[int, str]:
    """The character that byte-level models write for each byte: itself where it can be printed, else one from 256 on, in order (GPT-2)."""
    printed = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printed]
    return {byte: chr(byte) for byte in printed} | {byte: chr(256 + number) for number, byte in enumerate(others)}


class Kind(NamedTuple):
    """learn(training texts, **options) -> JSON values; make(choice, those) -> the tokenizer."""

    learn: Callable[..., Any]
    make: Callable[[Choice, Any], Tokenizer]


TOKENIZERS = {"byte": Kind(_learn_byte, _byte), "char": Kind(_learn_char, _char), "bpe": Kind(_learn_bpe, _bpe)}


def make(choice: Choice, data: str, texts: Sequence[str], folder: Path | None = None) -> Tokenizer:
    """The tokenizer of a choice: the one that the run in `folder` keeps for these data, or one learnt from the training texts.

    Raises:
      UsageError: there is no such tokenizer or option.
      CheckpointError: what the run keeps is damaged.
    """
    learn, (name, options) = bind({name: kind.learn for name, kind in TOKENIZERS.items()}, choice, "tokenizer"), choice
    kept = _read(folder / FILE) if folder is not None and (folder / FILE).is_file() else {}
    same = kept and (kept["name"], kept["options"], kept["data"]) == (name, dict(options), data)
    return TOKENIZERS[name].make((name, dict(options)), kept["learnt"] if same else learn(texts))


def record(tokenizer: Tokenizer, data: str) -> dict[str, Any]:
    """What `make` reads from a run's directory, as JSON values."""
    name, options = tokenizer.choice
    return {"name": name, "options": dict(options), "data": data, "learnt": tokenizer.learnt}


def _read(path: Path) -> dict[str, Any]:
    try:
        kept = json.loads(path.read_text())
        return {key: kept[key] for key in ("name", "options", "data", "learnt")}
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({type(error).__name__}: {error})") from error
