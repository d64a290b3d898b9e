"""Data sources by name: `kind:argument`, one function a kind.

A new kind is one function `(argument, data_dir) -> Source` and one line in `OPENERS`; a new kind of text is one function `(argument, data_dir) ->
Corpus` and one line in `CORPORA`, and becomes rows as the config says (`data.text.TextFormat`); prompts with answers are the same in `DIALOGUES`,
which are given `data.held_out`. What is made of other sources is one function `(name, argument, opened) -> Source` in `COMPOSED`, and opened(name)
is one of them.
The names stand in configs/base.py too, so that a wrong one is refused before anything is loaded.
A file format's libraries are imported when a source of that kind is opened and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from genjax.data.audio import open_audio, open_spoken_digit
from genjax.data.base import Rows, Source
from genjax.data.coded import coded_source
from genjax.data.digits import open_digits
from genjax.data.docstrings import read_stdlib_docs
from genjax.data.emoji import open_emoji
from genjax.data.markov import open_markov
from genjax.data.moving import open_moving
from genjax.data.npz import open_npz
from genjax.data.pairs import Dialogues, pairs_source, read_pairs
from genjax.data.points import open_points
from genjax.data.reports import read_reports
from genjax.data.said import said_source
from genjax.data.shapes.source import open_shapes, open_shapes_answers, open_shapes_captions, open_shapes_codes
from genjax.data.sums import read_sums
from genjax.data.talks import read_talks
from genjax.data.text import Corpus, TextFormat, read_stdlib, read_text, text_source
from genjax.data.tfds import open_tfds, read_tfds_text
from genjax.data.together import together_source
from genjax.errors import UsageError, did_you_mean

__all__ = ["COMPOSED", "CORPORA", "DIALOGUES", "OPENERS", "Rows", "Source", "TextFormat", "open_source"]

OPENERS: dict[str, Callable[[str, str | None], Source]] = {
    "digits": open_digits,  # digits                 scikit-learn's 8x8 handwritten digits, always at hand; digits:tuning without the held-out ones
    "tfds": open_tfds,  #     tfds:fashion_mnist     an image set that TensorFlow Datasets has prepared
    "npz": open_npz,  #       npz:path/to/file.npz   arrays of your own
    "shapes": open_shapes,  # shapes:s16             captioned scenes whose entropy is known, as pictures
    "shapes_codes": open_shapes_codes,  # shapes_codes:s16   the same as codes
    "shapes_captions": open_shapes_captions,  # shapes_captions:s16   what is said of them, alone
    "shapes_answers": open_shapes_answers,  # shapes_answers:s16/task=caption   the codes, and what is said of them or answered about them
    "points": open_points,  # points:mixture         points of a known distribution
    "moving": open_moving,  # moving:shapes          short films that are made up
    "spoken_digit": open_spoken_digit,  # spoken_digit       spoken digits, from the files as they were published
    "audio": open_audio,  #   audio:folder           sound of your own
    "emoji": open_emoji,  #   emoji                  named pictures, from the files as they were published
}

CORPORA: dict[str, Callable[[str, str | None], Corpus]] = {
    "text": read_text,  #                text:book.txt or text:folder           UTF-8 text of your own
    "python_stdlib": read_stdlib,  #     python_stdlib                          the sources of Python's standard library, always at hand
    "tfds_text": read_tfds_text,  #      tfds_text:tiny_shakespeare             a text set that TensorFlow Datasets has prepared
    "markov": open_markov,  #            markov or markov:<seed>                text of a known entropy
}


DIALOGUES: dict[str, Callable[[str, str | None], Dialogues]] = {
    "pairs": read_pairs,  #   pairs:a.en,a.de or pairs:qa.jsonl              prompts and their answers: translation, questions, dialogues
    "sums": read_sums,  #     sums                                           word problems that are made up
    "reports": read_reports,  # reports                                      who went where with what, and in short
    "talks": read_talks,  #   talks                                          dialogues in which what was said before matters
    "python_stdlib_docs": read_stdlib_docs,  # python_stdlib_docs            functions of Python's standard library and what they do
}
_HOLD_OUT_FILES = ("pairs",)

COMPOSED: dict[str, Callable[[str, str, Callable[[str], Source]], Source]] = {
    "coded": coded_source,  # coded:emoji or coded:patch=2/codes=512+emoji   pictures as numbers of patches
    "said": said_source,  #   said:emoji+spoken_digit                        what is said of pictures, sounds and films, to be found out
    "together": together_source,  # together:spoken_digit+moving:digits      what several sources show of the same thing
}


def open_source(name: str, data_dir: str | None = None, text: TextFormat | None = None, folder: Path | None = None) -> Source:
    """Opens the data set that a config names.

    Args:
      name: a kind of OPENERS or CORPORA with its argument, "kind:argument".
      data_dir: the folder of prepared TFDS data; None means $GENJAX_DATA_DIR, and without it TFDS's own default.
      text: how text becomes rows; None is the defaults.
      folder: the directory of the run that the data are opened for; what it keeps of them (`Source.kept`) is used again.

    Raises:
      UsageError: there is no such kind of source, or its name is incomplete.
      DataError: the data are missing or malformed; one sentence says what, where and how to mend it.
    """
    kind, _, argument = name.partition(":")
    text = text or TextFormat()
    if text.held_out is not None and kind not in _HOLD_OUT_FILES:
        raise UsageError(
            f"data.held_out names files of {', '.join(_HOLD_OUT_FILES)}, and data.source='{name}' has a held-out split of its own: leave it out"
        )
    if text.answer_room is not None and kind not in DIALOGUES:
        raise UsageError(f"data.answer_room is for the answers of {', '.join(DIALOGUES)}, and data.source='{name}' has none: leave it out")
    if kind in DIALOGUES:
        return pairs_source(name, DIALOGUES[kind](argument, text.held_out), text, folder)
    if kind in COMPOSED:
        return COMPOSED[kind](name, argument, lambda part: open_source(part, data_dir, text, folder))
    if kind in CORPORA:
        return text_source(name, CORPORA[kind](argument, data_dir), text, folder)
    if kind not in OPENERS:
        kinds = [*OPENERS, *CORPORA, *DIALOGUES, *COMPOSED]
        raise UsageError(f"data source '{name}': the kinds are {', '.join(kinds)}{did_you_mean(kind, kinds)}")
    return OPENERS[kind](argument, data_dir)
