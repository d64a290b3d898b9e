"""Text as a source: documents of two splits, cut into tokens, laid into rows of one length.

A corpus of several documents has one id more than its tokenizer has pieces: the end of a document, which is predicted and charged like any
other and stands for no bytes. A likelihood is counted in bytes of the text, which are the same whatever the tokenizer and the packing are:
every token is scored once, and the bytes of all rows add up to those of the split.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from genjax.data import packing, tokenizers
from genjax.data.base import Marks, Rows, Source
from genjax.data.infilling import MARKS, SuffixFirst
from genjax.data.packing import PackedRows, Stream, Windows
from genjax.errors import DataError, UsageError
from genjax.types import DataSpec

_HELD_OUT = 10  # one part in so many

# Folders of the standard library that hold tests, other people's packages or files of this machine, and the length from which a file is data.
_NOT_LIBRARY = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "_bundled", "__pycache__"}
_LONG = 200_000


class Corpus(NamedTuple):
    """The documents of both splits."""

    train: list[str]
    eval: list[str]


@dataclasses.dataclass(frozen=True)
class TextFormat:
    """How text becomes rows: the fields of `data.*` in configs/base.py."""

    tokenizer: tokenizers.Choice = ("byte", {})
    length: int = 256
    packing: str = "windows"
    eval_stride: int | None = None
    held_out: str | None = None
    middle: float = 0.0
    answer_room: int | None = None

    @classmethod
    def of(cls, data: Any) -> TextFormat:
        """From the group `data` of a config."""
        return cls(data.tokenizer.parts, data.length, data.packing, data.eval_stride, data.held_out, data.middle, data.answer_room)

    @property
    def stride(self) -> int:
        """New tokens a window of evaluation."""
        return self.eval_stride or max(1, self.length // 2)


def text_source(name: str, corpus: Corpus, text: TextFormat, folder: Path | None = None) -> Source:
    """The source of a corpus.

    Args:
      name: as the config names it.
      corpus: its documents.
      text: how they become rows.
      folder: a run's directory, whose own tokenizer is used where it keeps one for these data.

    Raises:
      UsageError: an option that cannot be.
      DataError: too little text, or characters that the tokenizer does not have.
    """
    if text.stride > text.length:
        raise UsageError(f"data.eval_stride={text.stride} is more than data.length={text.length}: tokens between the windows would not be scored")
    tokenizer = tokenizers.make(text.tokenizer, name, corpus.train, folder)
    end = [] if len(corpus.train) == len(corpus.eval) == 1 else [tokenizer.vocab]
    train, held_out = (_stream(documents, tokenizer, end) for documents in corpus)
    if text.middle and text.length <= MARKS:
        raise UsageError(f"data.middle={text.middle:g} needs {MARKS} places of a row, and data.length={text.length} has no others")
    if len(train.tokens) < 2 * text.length or not len(held_out.tokens):
        raise DataError(
            f"{name}: {len(train.tokens):,} training and {len(held_out.tokens):,} held-out tokens are too few for data.length={text.length}: "
            "give more text or a smaller length"
        )
    marks = Marks.after(tokenizer.vocab + len(end)) if text.middle else None
    splits = LAYOUTS[text.packing](train, held_out, text, marks)
    return Source(
        spec=DataSpec(
            name=name,
            key="tokens",
            shape=(text.length,),
            levels=tokenizer.vocab + len(end) + (MARKS if marks else 0),
            num_classes=0,
            train_size=len(splits["train"]),
            eval_size=len(splits["eval"]),
            unit="byte",
        ),
        splits=splits,
        tokenizer=tokenizer,
        marks=marks,
    )


def _windows(train: Stream, held_out: Stream, text: TextFormat, marks: Marks | None) -> dict[str, Rows]:
    """Windows of the documents one after the other: each sees what is before it, be it another document."""
    pieces = packing.cover(0, len(held_out.tokens), text.length, text.stride)
    windows = Windows(train, text.length) if marks is None else SuffixFirst(Windows(train, text.length - MARKS), text.middle, marks)
    return {"train": windows, "eval": PackedRows.one_each(held_out, pieces, text.length)}


def _documents(train: Stream, held_out: Stream, text: TextFormat, marks: Marks | None) -> dict[str, Rows]:
    """Documents apart from each other, as many to a row as fit; a long one is cut."""
    if marks is not None:
        raise UsageError(f"data.middle={text.middle:g} is of windows of text, and not of data.packing=documents: set one of them back")
    return {"train": _pack(train, text.length, text.length), "eval": _pack(held_out, text.length, text.stride)}


def _pack(stream: Stream, length: int, stride: int) -> PackedRows:
    starts = np.concatenate([[0], stream.ends[:-1]])
    pieces = [packing.cover(start, stop, length, stride) for start, stop in zip(starts, stream.ends, strict=True)]
    return PackedRows.packed(stream, packing.join(pieces), length)


LAYOUTS = {"windows": _windows, "documents": _documents}


def _stream(documents: list[str], tokenizer: tokenizers.Tokenizer, end: list[int]) -> Stream:
    parts = [np.concatenate([tokenizer.encode(document), np.array(end, np.int32)]) for document in documents if document]
    tokens = np.concatenate([np.zeros(0, np.int32), *parts])
    sizes = np.concatenate([tokenizer.sizes, np.zeros(len(end), np.int64)])
    units, ends = sizes.astype(np.min_scalar_type(sizes.max()))[tokens], np.cumsum([len(part) for part in parts], dtype=np.int64)
    return Stream(tokens, units, ends, np.broadcast_to(True, tokens.shape))


# ---- where text comes from -----------------------------------------------------------------------------------------


def read_text(argument: str, data_dir: str | None = None) -> Corpus:
    """A UTF-8 file, whose last tenth, from the beginning of a line, is held out; or every file in a folder, of which a tenth is held out by name.

    Raises:
      UsageError: no file is named.
      DataError: a file is missing, is not UTF-8, or there is none.
    """
    if not argument:
        raise UsageError("data source 'text' needs a file or a folder: text:path/to/file.txt")
    path = Path(argument)
    if not path.is_dir():
        return hold_out_end(_read(path))
    files = sorted(file for file in path.rglob("*") if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts))
    documents = {file.relative_to(path).as_posix(): _read(file) for file in files}
    if len(documents) < 2:
        raise DataError(f"{path}: a folder of documents needs at least two files, and it has {len(documents)}; name the file itself")
    return hold_out_documents(documents)


def read_stdlib(argument: str, data_dir: str | None = None) -> Corpus:
    """The sources of the running interpreter's standard library, without tests and generated files: real code, on every machine.

    They differ a little from one version of Python to the next; a module is in the same split in all of them.
    """
    if argument:
        raise UsageError(f"data source 'python_stdlib:{argument}': it takes no argument, write 'python_stdlib'")
    return hold_out_documents(stdlib_files())


def stdlib_files() -> dict[str, str]:
    """The modules of the standard library by their names, without tests and generated files; DataError where they are no files."""
    root = Path(sysconfig.get_paths()["stdlib"])
    documents = {}
    for file in sorted(root.rglob("*.py")):
        name = file.relative_to(root)
        if _NOT_LIBRARY & set(name.parts) or file.stat().st_size > _LONG:
            continue
        try:
            text = file.read_bytes().decode()
        except UnicodeDecodeError:
            continue  # a module in another encoding
        if text and "generated" not in text[:400].lower():
            documents[name.as_posix()] = text
    if len(documents) < 100:
        raise DataError(f"python_stdlib: Python {sys.version.split()[0]} has its standard library not as files in {root}; use text:<folder of code>")
    return documents


def hold_out_end(text: str) -> Corpus:
    """Nine tenths of the bytes, to the end of a line, and the rest."""
    raw = text.encode()
    cut = raw.find(b"\n", len(raw) - len(raw) // _HELD_OUT) + 1
    if not 0 < cut < len(raw):  # no line ends there: between two characters
        cut = len(raw[: len(raw) - len(raw) // _HELD_OUT].decode("utf-8", "ignore").encode())
    return Corpus([raw[:cut].decode()], [raw[cut:].decode()])


def hold_out_documents(documents: Mapping[str, str]) -> Corpus:
    """About a tenth of the documents, by a hash of their names, so that others that come or go change nothing; at least one in each split."""
    held_out = chosen_by_name(documents)
    return Corpus([text for name, text in documents.items() if name not in held_out], [documents[name] for name in documents if name in held_out])


def chosen_by_name(names: Iterable[str]) -> set[str]:
    """About a tenth of the names, by their hashes; at least one, and not all of two or more."""
    by_hash = {int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]): name for name in names}
    chosen = {name for key, name in by_hash.items() if key % _HELD_OUT == 0}
    return (chosen or {by_hash[min(by_hash)]}) - ({by_hash[max(by_hash)]} if len(chosen) == len(by_hash) else set())


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()  # as it is, line ends and all
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}): give the path that it has here") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start}): convert it, or move it away") from error
