"""What a sweep trains: cells, each one training with a config of its own. All of them are read and checked here, without jax.

An axis is text, "field=value,value": "optimizer.learning_rate=1e-4,3e-4", "seed=0..4" (both ends belong), "unet.multipliers=(1,2),(1,2,2)".
How axes make cells is the mode: `product` crosses them, `zip` takes their first values, then their second ones, and `ablate` changes one
field at a time from the recipe. Seeds are repetitions, not settings: in every mode they are crossed with the rest.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import itertools
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from genjax import config as configs
from genjax.config import require
from genjax.errors import UsageError

REPETITION = "seed"  # the axis over which intervals are taken
_RANGE = re.compile(r"([+-]?\d{1,12})\.\.([+-]?\d{1,12})")
_LONGEST = 10_000  # values of a range
_SEPARATOR = re.compile(r",(?![^()]*\))")  # a comma that is not in parentheses


class Axis(NamedTuple):
    """A field and the texts of its values."""

    field: str
    values: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training: its name, what it changes of the recipe (without what all cells change), and its checked config."""

    name: str
    changes: dict[str, str]
    config: Any


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The cells of a sweep, in order, and what makes them: `overrides` hold for all."""

    recipe: str
    overrides: dict[str, str]
    cells: tuple[Cell, ...]

    def command(self, cell: Cell, root: Path) -> list[str]:
        """The arguments of scripts/train.py that train a cell."""
        changes = self.overrides | cell.changes
        return [f"--config={self.recipe}", f"--workdir={root / 'cells' / cell.name}", *(f"--config.{name}={text}" for name, text in changes.items())]


def load(name: str, axes: Sequence[str], mode: str | None, overrides: Mapping[str, str]) -> Sweep:
    """The sweep of a recipe over `axes`, or of a sweep file (configs/sweeps/), which names recipe, axes and mode itself.

    Raises:
      UsageError: an axis that is none, or a cell that could not be trained; the sentence names the cell.
    """
    if configs.kind_of(name) == "SWEEP":
        require(not axes and mode is None, f"'{name}' is a sweep and has its own axes: give no --sweep, --zip or --ablate")
        fields = configs.base_fields("SWEEP")
        tree = configs.recipe(name, "SWEEP")
        axes = [str(text) for text in tree.get("axes") or ()]
        config = configs.check({key: value for key, value in tree.items() if key != "axes"}, fields)
        name, mode = config.recipe, config.mode
    parsed = [axis(text) for text in axes]
    require(len(parsed) > 0, "a sweep needs an axis, for example --sweep='optimizer.learning_rate=1e-4,3e-4'")
    for field in overrides:
        require(field not in [each.field for each in parsed], f"config field '{field}' is set for all cells and swept too: give one of the two")
    sweep = Sweep(name, dict(overrides), tuple(_cell(name, changes, overrides) for changes in _rows(parsed, mode or "product")))
    trainings: dict[tuple[tuple[str, Any], ...], str] = {}
    for cell in sweep.cells:
        values = tuple(configs.leaves(cell.config))
        require(values not in trainings, f"the cells '{trainings.get(values)}' and '{cell.name}' are the same training: drop one value")
        trainings[values] = cell.name
    require(len({cell.name for cell in sweep.cells}) == len(sweep.cells), "two cells have the same name")
    return sweep


def axis(text: str) -> Axis:
    """The axis that a text stands for; its values are parsed by their field, and a wrong one is refused here."""
    field, equals, values = text.partition("=")
    fields = configs.base_fields()
    require(equals == "=" and values.strip() != "", f"the axis '{text}' has no values: write field=value,value, for example seed=0..4")
    configs.known(field, fields)
    parts = [part.strip() for part in _SEPARATOR.split(values)]
    found = tuple(itertools.chain.from_iterable(_range(part) if fields[field].kind is int else (part,) for part in parts))
    for value in found:
        configs.apply(configs.defaults(fields), fields, {field: value})
    return Axis(field, found)


def _range(text: str) -> Sequence[str]:
    match = _RANGE.fullmatch(text)
    if not match:
        return (text,)
    first, last = int(match[1]), int(match[2])
    require(first <= last, f"the range '{text}' is empty: its first number is above its last")
    require(last - first < _LONGEST, f"the range '{text}' has more than {_LONGEST:,} numbers")
    return [str(number) for number in range(first, last + 1)]


def _product(axes: Sequence[Axis]) -> list[dict[str, str]]:
    return [dict(zip([each.field for each in axes], values, strict=True)) for values in itertools.product(*(each.values for each in axes))]


def _zip(axes: Sequence[Axis]) -> list[dict[str, str]]:
    counts = {each.field: len(each.values) for each in axes}
    listed = ", ".join(f"{field} has {count}" for field, count in counts.items())
    require(len(set(counts.values())) <= 1, f"axes that go together need equally many values: {listed}")
    return [dict(zip(counts, values, strict=True)) for values in zip(*(each.values for each in axes), strict=True)] or [{}]


def _ablate(axes: Sequence[Axis]) -> list[dict[str, str]]:
    return [{}, *({each.field: value} for each in axes for value in each.values)]


MODES: dict[str, Callable[[Sequence[Axis]], list[dict[str, str]]]] = {"product": _product, "zip": _zip, "ablate": _ablate}


def _rows(axes: Sequence[Axis], mode: str) -> list[dict[str, str]]:
    twice = [one.field for one, other in itertools.combinations(axes, 2) if one.field == other.field]
    require(not twice, f"the field '{''.join(twice[:1])}' is swept twice: put all its values in one axis")
    settings = MODES[mode]([each for each in axes if each.field != REPETITION])
    return [setting | seed for setting, seed in itertools.product(settings, _product([each for each in axes if each.field == REPETITION]))]


def _cell(recipe: str, changes: Mapping[str, str], overrides: Mapping[str, str]) -> Cell:
    name = _name(changes)
    try:
        config = configs.load(recipe, configs.base_fields(), dict(overrides) | dict(changes))
        configs.validate(config)
    except UsageError as error:
        raise UsageError(f"cell '{name}': {error}" if changes else str(error)) from None
    return Cell(name, dict(changes), config)


def _name(changes: Mapping[str, str]) -> str:
    """A name for a folder, a function of the changes alone, so that a longer sweep finds the cells of a shorter one."""
    last = collections.Counter(field.rpartition(".")[2] for field in configs.base_fields())
    short = {field: field.rpartition(".")[2] if last[field.rpartition(".")[2]] == 1 else field for field in changes}
    words = [f"{short[field]}-{text}" for field, text in changes.items()] or ["base"]
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", "_".join(words)).strip("-._")
    whole = shlex.join(f"{field}={text}" for field, text in changes.items())
    lossless = plain == "_".join(words) and len(plain) <= 100
    return plain if lossless else f"{plain[:100]}-{hashlib.sha256(whole.encode()).hexdigest()[:6]}"
