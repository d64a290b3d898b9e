"""What an effect says of a statement: supported, refuted or inconclusive against a margin that was fixed before the run; and who is better in bits.

With margin d > 0 and the true effect t,

    greater    supported: t > d          refuted: t < d                                             (1)
    less       supported: t < -d         refuted: t > -d                                            (2)
    equal      supported: -d < t < d     refuted: t < -d or t > d                                   (3)

each at one-sided 2.5 %, which is: the 95 % interval lies on that side. Anything else is inconclusive, and so is a single seed: what it shows may
be luck of the seed. An effect that is only bounded (`Effect.may_be_lower`) can be refuted or supported on the other side alone.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from genjax.config import require
from genjax.evaluation.statistics import LEVEL, Effect

DIRECTIONS = ("greater", "less", "equal")
Word = Literal["supported", "refuted", "inconclusive"]


class Evidence(NamedTuple):
    """p-values, one-sided, of a statement's two sides; the smaller is the one that was found."""

    supported: float
    refuted: float

    @property
    def p(self) -> float:
        """Two-sided: what a family of claims is corrected by."""
        return min(1.0, 2 * min(self))


def evidence(effect: Effect, direction: str, margin: float) -> Evidence:
    """Equations (1) to (3). One seed is no evidence."""
    require(margin > 0, f"a margin must be above 0, not {margin:g}: it says which difference is too small to matter")
    if effect.seeds < 2:
        return Evidence(1.0, 1.0)
    return {
        "greater": lambda: Evidence(effect.p_above(margin), effect.p_below(margin)),
        "less": lambda: Evidence(effect.p_below(-margin), effect.p_above(-margin)),
        "equal": lambda: Evidence(
            max(effect.p_above(-margin), effect.p_below(margin)),
            min(effect.p_above(margin), effect.p_below(-margin)),
        ),
    }[direction]()


def reachable(first_may_be_lower: bool, second_may_be_lower: bool, direction: str) -> tuple[Word, ...]:
    """Which of supported and refuted an effect, first less second, can come to, where a side is an upper bound of what it stands for."""
    high, low = not second_may_be_lower, not first_may_be_lower  # whether the interval ends there
    found: dict[str, tuple[bool, bool]] = {"greater": (low, high), "less": (high, low), "equal": (low and high, low or high)}
    words: tuple[Word, Word] = ("supported", "refuted")
    return tuple(word for word, possible in zip(words, found[direction], strict=True) if possible)


def verdict(found: Evidence, corrected: float) -> Word:
    """The word for a claim whose p-value, corrected for its family, is `corrected`."""
    if corrected >= 1 - LEVEL:
        return "inconclusive"
    return "supported" if found.supported < found.refuted else "refuted"


def order(effect: Effect, first: str, second: str) -> str:
    """Who needs fewer bits, by the difference first - second: a sentence that claims no more than the kinds of the two figures allow."""
    low, high = effect.interval()
    measured = f"{first} - {second} = {effect.value:+.3f} bits, 95 % interval [{low:+.3f}, {high:+.3f}]".replace("+inf", "∞").replace("-inf", "-∞")
    if high < 0 or low > 0:
        return f"{first if high < 0 else second} is better in bits: {measured}{'' if effect.seeds > 1 else ', of one seed'}."
    if effect.may_be_lower or effect.may_be_higher:
        return f"{first} and {second} are not comparable by this bound: {measured}."
    return f"{first} and {second} are not told apart: {measured}."
