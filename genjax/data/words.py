"""Captions of words that are told apart by nothing but their numbers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence

import numpy as np

from genjax.errors import UsageError, did_you_mean

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclasses.dataclass(frozen=True)
class Words:
    """Captions int32 [length] of words, whose numbers are their places in `known`; the first, "", is padding.

    Attributes:
      known: all words.
      length: words of the longest caption.
      rare: the number of all words that are not known, or None where there are none.
    """

    known: tuple[str, ...]
    length: int
    rare: int | None = None

    @classmethod
    def of(cls, words: Iterable[str], length: int) -> Words:
        """Captions of these words, in this order."""
        return cls(("", *words), length)

    def encode(self, text: str) -> np.ndarray:
        """int32 [length]; UsageError for words that are not known, none, or too many."""
        said = split(text)
        for word in said:
            if word not in self.known:
                raise UsageError(f"--prompt: '{word}' is none of the {len(self.known) - 1} words of these captions{did_you_mean(word, self.known)}")
        if not 1 <= len(said) <= self.length:
            raise UsageError(f"--prompt: give 1 to {self.length} words, not {len(said)}")
        return self.number(said)

    def number(self, said: Sequence[str]) -> np.ndarray:
        """The caption int32 [length] of words, cut to that; ValueError for one that is not known, where none is rare."""
        if self.rare is None and not {*said} <= {*self.known}:
            raise ValueError(f"{said} are no words of these captions")
        numbers = [self.known.index(word) if word in self.known else self.rare for word in said[: self.length]]
        return np.array(numbers + [0] * (self.length - len(numbers)), np.int32)

    def decode(self, caption: np.ndarray) -> str:
        """The words of a caption."""
        return " ".join(self.known[number] for number in caption if number)


def split(text: str) -> list[str]:
    """The words of a text."""
    return re.findall(r"[a-z0-9]+", text.lower())
