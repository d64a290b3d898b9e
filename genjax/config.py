"""Configs: one table of fields, recipes that are short diffs of it, overrides from the command line, validation before jax.

`configs/base.py` holds FIELDS: every key with default, help, type and range. A recipe is a file with

    VARIANTS = ("next_token", "noise_prediction")      # optional; the first is the default

    def get_config(config, variant): ...               # takes the defaults, returns them changed

named on the command line as `configs/digits.py:noise_prediction`. Recipes see only the base, so a diff is one level deep.
A config is an `ml_collections.FrozenConfigDict` of plain values; `to_json` / `from_json` carry it through a run's directory.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.machinery
import importlib.util
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_collections

from genjax.errors import UsageError, did_you_mean

REPOSITORY = Path(__file__).resolve().parents[1]

_NUMBER = re.compile(r"([+-]?(?:\d[\d_]*\.?[\d_]*|\.\d+)(?:e[+-]?\d+)?)([kMG]?)", re.IGNORECASE)
_MULTIPLES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_CHOICE = re.compile(r"(\w+)\s*(?:\(([^()]*)\))?")
_DURATION = re.compile(r"(.+?)\s*(steps?|epochs?|examples?|percent|%)?", re.IGNORECASE)


class Duration(str):
    """A length of training as text: "2000", "2000 steps", "10 epochs", "1e6 examples", "5 percent" (of the whole training)."""

    @property
    def parts(self) -> tuple[float, str]:
        """(amount, unit) with unit one of steps, epochs, examples, percent."""
        match = _DURATION.fullmatch(self.strip())
        if not match:
            raise ValueError("expected a duration")
        text, unit = match[1], {"%": "percent"}.get(match[2], match[2] or "steps").lower()
        return _number(text), unit if unit == "percent" else unit.rstrip("s") + "s"

    def steps(self, *, batch_size: int, train_size: int, total: int | None = None) -> int:
        """The duration in optimizer steps, rounded to the nearest; `total` is the whole training, for percentages.

        UsageError for a percentage of nothing, and for more steps than a counter of 32 bits holds.
        """
        amount, unit = self.parts
        if unit == "percent":
            if total is None:
                raise UsageError(f"the length of the training cannot be '{self}': a percentage of itself; use steps, epochs or examples")
            steps = round(amount / 100 * total)
        else:
            steps = round({"steps": amount, "examples": amount / batch_size, "epochs": amount * train_size / batch_size}[unit])
        require(steps < 2**31, f"the duration '{self}' is {steps:,} steps, more than can be counted: write at most {2**31 - 1:,}")
        return steps


class Choice(str):
    """A name of a table, with numbers for it in parentheses where the defaults will not do: "ddim" or "ddim(eta=0.5)"."""

    @property
    def parts(self) -> tuple[str, dict[str, float]]:
        """(name, {option: number}); ValueError for anything else."""
        match = _CHOICE.fullmatch(self.strip())
        if not match:
            raise ValueError("expected a name, or a name with numbers such as 'name(option=0.5)'")
        pairs = [pair.partition("=") for pair in (match[2] or "").split(",") if pair.strip()]
        return match[1], {option.strip(): _number(number) for option, _, number in pairs}


class Source(str):
    """A kind of data, and after a colon what it needs: "digits" or "tfds:fashion_mnist"."""

    @property
    def parts(self) -> tuple[str, str]:
        """(kind, what it needs)."""
        kind, _, argument = self.partition(":")
        return kind, argument


class Paths(str):
    """Files or folders as text, with commas between them."""

    @property
    def resolved(self) -> Paths:
        """The same as they are called from any folder."""
        paths = [self] if os.path.exists(os.path.expanduser(self)) else self.split(",")
        return Paths(",".join(str(Path(path).expanduser().resolve()) for path in paths))


class Names(str):
    """A list of names as text: "train_flops, parameters"; empty for none."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(name.strip() for name in self.split(",") if name.strip())


@dataclasses.dataclass(frozen=True)
class Field:
    """One key of a config: what it means, its type, and what it may be.

    `late` fields say how a trained model is used, not what it is: sampling and evaluation may override them.
    Fields of `recomputes` save memory by computing again what is known; their default does not.
    Of a `Source`, `files` are the kinds that need paths.
    """

    default: Any
    help: str
    kind: type
    optional: bool = False
    choices: tuple[str, ...] = ()
    at_least: float = -math.inf
    at_most: float = math.inf
    above: float = -math.inf
    late: bool = False
    recomputes: bool = False
    files: tuple[str, ...] = ()

    @property
    def type_name(self) -> str:
        name = "|".join(self.choices) or self.kind.__name__.lower()
        name += {Choice: "[(option=number)]", Source: "[:what]"}.get(self.kind, "")
        return f"{name}|None" if self.optional else name

    def parse(self, text: str) -> Any:
        """The value that `text` from a command line stands for; ValueError with a reason otherwise."""
        if self.optional and text in ("None", "none", "null", ""):
            return None
        if self.kind is bool:
            if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
                raise ValueError("expected true or false")
            return text.lower() in ("true", "1", "yes")
        if self.kind is tuple:
            return self.check(tuple(_number(part) for part in text.strip("() ").split(",") if part.strip()))
        return self.check(_number(text) if self.kind in (int, float) else text)

    def check(self, value: Any) -> Any:
        """`value` in the field's type; ValueError with a reason where it is not, or out of range."""
        if value is None and self.optional:
            return None
        if self.kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if self.kind is Duration and isinstance(value, str | int | float) and not isinstance(value, bool):
            return self._check_duration(str(value))
        if self.kind is tuple and type(value) is int:
            value = (value,)
        if self.kind is tuple and isinstance(value, list | tuple):
            return self._check_numbers(tuple(value))
        if self.kind in (Choice, Source, Names, Paths) and isinstance(value, str):
            value = self.kind(value)
        if type(value) is not self.kind:
            raise ValueError(f"expected {self.type_name}")
        named = value.parts if isinstance(value, Names) else (value.parts[0] if isinstance(value, Choice | Source) else value,)
        for name in named if self.choices else ():
            if name not in self.choices:
                number = "some" if isinstance(value, Names) else "one"
                raise ValueError(f"expected {number} of {', '.join(self.choices)}{did_you_mean(name, self.choices)}")
        if isinstance(value, int | float):
            self._check_range(value)
        return value

    def located(self, value: Any) -> Any:
        """`value` with its paths as they are called from any folder; also where a source is made of others, "kind:one+another"."""
        if isinstance(value, Paths):
            return value.resolved
        if not isinstance(value, Source) or not value.parts[1]:
            return value
        kind, needs = value.parts
        return Source(f"{kind}:" + (Paths(needs).resolved if kind in self.files else "+".join(self.located(Source(one)) for one in needs.split("+"))))

    def _check_numbers(self, values: tuple[Any, ...]) -> tuple[int, ...]:
        if not all(type(value) is int and self.at_least <= value <= self.at_most for value in values):
            raise ValueError(f"expected whole numbers of at least {self.at_least:g} and at most {self.at_most:g} such as 1,2,4")
        return values

    def _check_range(self, value: float) -> None:
        if not math.isfinite(value):
            raise ValueError("expected a finite number")
        if not (self.at_least <= value <= self.at_most and value > self.above):
            bounds = [f"at least {self.at_least:g}"] * (self.at_least > -math.inf) + [f"above {self.above:g}"] * (self.above > -math.inf)
            raise ValueError("expected " + " and ".join(bounds + [f"at most {self.at_most:g}"] * (self.at_most < math.inf)))

    def _check_duration(self, text: str) -> Duration:
        try:
            amount, _ = Duration(text).parts
        except ValueError:
            raise ValueError("expected a duration such as '2000 steps', '10 epochs', '1e6 examples' or '5 percent'") from None
        self._check_range(amount)
        return Duration(text)


_LARGEST = {int: 1e9, tuple: 1e9, Duration: 1e12}


def field(default: Any, help: str, *, kind: type | None = None, choices: tuple[str, ...] = (), **limits: Any) -> Field:
    """A field whose type is its default's; a field whose default is None is optional and must name its `kind`.

    What counts something has a largest value also where none is given: that of a slip of the keyboard, far from any that is meant.
    """
    kind = kind or type(default)
    usual: dict[str, Any] = {"optional": default is None, "at_most": _LARGEST.get(kind, math.inf)}
    return Field(default, help, kind, choices=choices, **(usual | limits))


def leaves(tree: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of every leaf of a nested mapping or config."""
    for key, value in tree.items():
        if isinstance(value, Mapping | ml_collections.ConfigDict | ml_collections.FrozenConfigDict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@functools.cache
def base_fields(table: str = "FIELDS") -> dict[str, Field]:
    """The fields of every training config, by dotted path; or another table of configs/base.py."""
    return dict(leaves(getattr(_load_module(REPOSITORY / "configs" / "base.py"), table)))


def defaults(fields: Mapping[str, Field]) -> ml_collections.ConfigDict:
    """A locked config with every field at its default."""
    return open_defaults(fields).lock()


def open_defaults(fields: Mapping[str, Field]) -> ml_collections.ConfigDict:
    """A config with every field at its default, to which keys may be added."""
    return _nested({path: spec.default for path, spec in fields.items()})


def load(name: str, fields: Mapping[str, Field], overrides: Mapping[str, str] | None = None) -> ml_collections.FrozenConfigDict:
    """The recipe `file.py[:variant]` with command-line overrides {dotted path: text}, each value checked against its field."""
    values = _applied(_checked(dict(leaves(recipe(name, "FIELDS", fields))), fields), fields, overrides or {})
    # A run must find its data from whatever folder it is used in.
    return _frozen(_checked({path: fields[path].located(value) for path, value in values.items()}, fields))


def apply(config: Any, fields: Mapping[str, Field], overrides: Mapping[str, str]) -> ml_collections.ConfigDict:
    """A copy of `config` with the overrides {dotted path: text} parsed and set."""
    return _nested(_applied(dict(leaves(config)), fields, overrides))


def _applied(values: Mapping[str, Any], fields: Mapping[str, Field], overrides: Mapping[str, str]) -> dict[str, Any]:
    """`apply`, of values {dotted path: value}."""
    values = dict(values)
    for path, text in overrides.items():
        known(path, fields)
        try:
            values[path] = fields[path].parse(text)
        except ValueError as error:
            raise UsageError(f"config field '{path}' cannot be '{text}': {error}") from None
    return values


def altered(config: Any, values: Mapping[str, Any]) -> ml_collections.FrozenConfigDict:
    """The config with other values {dotted path: value}, for what is built from a part of it."""
    return _frozen(dict(leaves(config)) | dict(values))


def check(config: Any, fields: Mapping[str, Field]) -> ml_collections.FrozenConfigDict:
    """The config frozen, once every key is known and every value is in its field's type and range."""
    return _frozen(_checked(dict(leaves(config)), fields))


def _checked(values: Mapping[str, Any], fields: Mapping[str, Field]) -> dict[str, Any]:
    """`check`, of values {dotted path: value}."""
    values = dict(values)
    for path in [*values, *fields]:
        known(path, fields)
        if path not in values:
            raise UsageError(
                f"config field '{path}' is missing: a group was replaced as a whole, or the config was written by another version of genjax"
            )
        try:
            values[path] = fields[path].check(values[path])
        except ValueError as error:
            raise UsageError(f"config field '{path}' cannot be {values[path]!r}: {error}") from None
    return values


def to_json(config: Any) -> dict[str, Any]:
    """The config as nested plain values."""
    return {key: to_json(value) if hasattr(value, "items") else str(value) if isinstance(value, str) else value for key, value in config.items()}


def from_json(tree: Mapping[str, Any], fields: Mapping[str, Field]) -> ml_collections.FrozenConfigDict:
    """The config that `to_json` wrote, checked again: a run's directory is data, not code.

    A field that came after the run takes its default, which must be what was done before there was a choice.
    """
    require(isinstance(tree, Mapping), "the saved config is damaged: it holds no fields")
    given = dict(leaves(tree))
    for path in given:
        known(path, fields)
    return _frozen(_checked({path: spec.default for path, spec in fields.items()} | given, fields))


def difference(config: Any, other: Any) -> dict[str, tuple[Any, Any]]:
    """{path: (value in config, value in other)} where two configs of the same fields differ."""
    mine, theirs = dict(leaves(config)), dict(leaves(other))
    return {path: (mine.get(path), theirs.get(path)) for path in mine | theirs if mine.get(path) != theirs.get(path)}


def require(condition: bool, sentence: str) -> None:
    """UsageError with the sentence unless the condition holds."""
    if not condition:
        raise UsageError(sentence)


def validate(config: Any) -> None:
    """What no single field can tell: combinations that cannot work, each answered with the way out."""
    model, diffusion, parallel = config.model, config.noise_prediction, config.parallel
    require(model.width % model.heads == 0, f"model.width={model.width} is not divisible by model.heads={model.heads}")
    head_size = model.width // model.heads
    require(
        head_size % 2 == 0 and head_size >= 6,
        f"model.width / model.heads = {head_size}: rotary positions need an even head size of at least 6 (two for each of three axes)",
    )
    require(
        config.data.batch_size % config.train.accumulation == 0,
        f"data.batch_size={config.data.batch_size} is not divisible by train.accumulation={config.train.accumulation}",
    )
    require(
        diffusion.logsnr_min < diffusion.logsnr_max,
        f"noise_prediction.logsnr_min={diffusion.logsnr_min:g} must be below noise_prediction.logsnr_max={diffusion.logsnr_max:g}",
    )
    require(
        parallel.mode == "jit" or (parallel.fsdp == 1 and parallel.tensor == 1),
        "parallel.mode=pmap only splits the batch: set parallel.fsdp=1 and parallel.tensor=1, or use parallel.mode=jit",
    )
    alone = config.sample.guide is None
    require(
        config.conditioning.label or config.conditioning.text != "none" or config.sample.guidance_scale == 1.0 or not alone,
        "sample.guidance_scale needs a class or words to guide to: set conditioning.label=true or conditioning.text=tokens, or guidance_scale=1",
    )
    require(
        not config.conditioning.label
        or config.conditioning.drop_rate > 0
        or config.sample.guidance_scale == 1.0
        or config.sample.negative_label is not None
        or not alone,
        "sample.guidance_scale other than 1 needs a model trained without labels too: set conditioning.drop_rate above 0, for example 0.1",
    )
    require(alone or config.sample.negative_label is None, "sample.guide and sample.negative_label both say what to lead away from: give one")
    require(
        config.sample.negative_label is None or config.sample.guidance_scale != 1.0,
        "sample.negative_label does nothing at sample.guidance_scale=1: set it above 1, for example 2",
    )
    learned = diffusion.curve == "learned"
    require(
        not learned or Choice(diffusion.time_sampler).parts[0] in ("uniform", "antithetic", "stratified"),
        f"noise_prediction.curve=learned is learned by training at even times: set noise_prediction.time_sampler=stratified, "
        f"not {diffusion.time_sampler}",
    )
    require(not learned or diffusion.shift == 0, "noise_prediction.curve=learned finds its own place: set noise_prediction.shift=0")
    require(
        not learned or Choice(diffusion.weighting).parts[0] != "target_mse",
        "noise_prediction.curve=learned needs a loss that does not depend on the curve: use another weighting than target_mse, such as elbo",
    )
    require(
        Duration(config.train.duration).parts[1] != "percent",
        "train.duration cannot be a percentage of itself: use steps, epochs or examples",
    )
    window = config.train.profile_steps
    require(
        len(window) == 0 or (len(window) == 2 and window[0] < window[1]),
        f"train.profile_steps={','.join(map(str, window))} must be two steps, from and to, for example 100,110",
    )
    require(
        config.logging.wandb is None or importlib.util.find_spec("wandb") is not None,
        "logging.wandb needs the package wandb: install genjax[wandb], or set logging.wandb=None",
    )
    require(
        config.optimizer.base_width is None or diffusion.network == "trunk",
        "optimizer.base_width is about model.width, which a U-Net does not have: set it to None",
    )
    require(
        model.kv_heads is None or model.heads % model.kv_heads == 0,
        f"model.heads={model.heads} is not divisible by model.kv_heads={model.kv_heads}: each head of keys serves as many heads of queries",
    )
    require(
        config.optimizer.base_width is None or model.qk_norm,
        "optimizer.base_width needs scores of attention that do not grow with the width: set model.qk_norm=true",
    )
    low, high = diffusion.guidance_logsnr_min, diffusion.guidance_logsnr_max
    require(
        low is None or high is None or low < high,
        f"noise_prediction.guidance_logsnr_min={low} must be below guidance_logsnr_max={high}: guidance would never be on",
    )
    require(
        not config.data.source.endswith(":"),
        f"data.source='{config.data.source}' names no data set: use digits, tfds:<name>, npz:<file>, text:<file> or another kind",
    )


def _number(text: str) -> int | float:
    match = _NUMBER.fullmatch(str(text).strip())
    if not match:
        raise ValueError("expected a number such as 3, 0.1, 1e3, 10_000 or 2M")
    value = float(match[1].replace("_", "")) * _MULTIPLES[match[2].lower()]
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _nested(values: Mapping[str, Any]) -> ml_collections.ConfigDict:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *groups, leaf = path.split(".")
        functools.reduce(lambda node, key: node.setdefault(key, {}), groups, tree)[leaf] = value
    # Types are the business of Field.check: ml_collections would refuse an int where a float stands, and None everywhere.
    return ml_collections.ConfigDict(tree, type_safe=False)


def _frozen(values: Mapping[str, Any]) -> ml_collections.FrozenConfigDict:
    return ml_collections.FrozenConfigDict(_nested(values))


def known(path: str, fields: Mapping[str, Field]) -> None:
    """UsageError with the nearest field unless there is a field of this path."""
    if path not in fields:
        raise UsageError(_unknown_field(path, fields))


def not_late(path: str, fields: Mapping[str, Field]) -> str:
    """The sentence about a field that a trained model cannot change."""
    late = ", ".join(field for field, spec in fields.items() if spec.late)
    return f"config field '{path}' is part of what was trained and cannot be changed now; these can: {late}"


def _unknown_field(path: str, fields: Mapping[str, Field]) -> str:
    group = sorted(name for name in fields if name.startswith(path + "."))
    if group:
        return f"'{path}' is a group of config fields: set one of {', '.join(group)}"
    return f"unknown config field '{path}'{did_you_mean(path, fields) or '; --help lists them all'}"


# A table of configs/base.py -> the script that its files are for, and the groups that a file adds to the table's fields.
KINDS = {
    "FIELDS": ("scripts/train.py", ()),
    "COMPARISON": ("scripts/compare.py", ("arms", "waive", "frontier", "budget")),
    "CLAIM": ("scripts/claims.py", ()),
    "GALLERY": ("scripts/gallery.py", ()),
    "SWEEP": ("scripts/sweep.py", ("axes",)),
}


def recipe(name: str, table: str = "FIELDS", fields: Mapping[str, Field] | None = None) -> ml_collections.ConfigDict:
    """What `get_config` of the file `file.py[:variant]` makes of the defaults of a table; its values are not checked yet.

    UsageError that names the right script where the file is of another table.
    """
    made, problem = _make(name, base_fields(table) if fields is None else fields)
    if made is None or not _fits(made, table):
        other = kind_of(name)
        require(other in (None, table), f"config file '{name}' is not for this command: give it to {KINDS[other or table][0]}")
    if made is None:
        raise UsageError(problem)
    return made


def kind_of(name: str) -> str | None:
    """The table of configs/base.py that a config file changes, or None for a file that fits none."""
    made = {table: _make(name, base_fields(table))[0] for table in KINDS}
    return next((table for table, tree in made.items() if tree is not None and _fits(tree, table)), None)


def _fits(tree: ml_collections.ConfigDict, table: str) -> bool:
    return {path.partition(".")[0] for path, _ in leaves(tree)} <= {path.partition(".")[0] for path in base_fields(table)} | {*KINDS[table][1]}


def _make(name: str, fields: Mapping[str, Field]) -> tuple[ml_collections.ConfigDict | None, str]:
    """What get_config makes of the defaults, or None and why it makes nothing of them."""
    filename, _, variant = name.partition(":")
    module = _load_module(_find(filename))
    if not hasattr(module, "get_config"):
        raise UsageError(f"config file '{filename}' has no function get_config(config, variant)")
    variants = getattr(module, "VARIANTS", ())
    require(
        not variant or variant in variants,
        f"config file '{filename}' has no variant '{variant}'{did_you_mean(variant, variants) or '.'}"
        + (f" It has {', '.join(variants)}." if variants else " It takes none."),
    )
    try:
        made = module.get_config(open_defaults(fields), variant or (variants[0] if variants else ""))
    except Exception as error:
        return None, f"config file '{filename}': {type(error).__name__}: {' '.join(str(error).split())}"
    return (made, "") if hasattr(made, "items") else (None, f"config file '{filename}': get_config must end with 'return config'")


def _find(filename: str) -> Path:
    for path in (Path(filename), REPOSITORY / filename):
        if path.is_file():
            return path
    here = sorted(str(path) for path in Path().glob("*.py"))
    known = sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "configs").rglob("*.py"))
    nearest = did_you_mean(filename, here) or did_you_mean(filename, known)
    raise UsageError(f"no config file '{filename}'{nearest or '; those of the repository are in configs/'}")


def _load_module(path: Path) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(f"genjax_config_{path.stem}", str(path))
    module = ModuleType(loader.name)
    try:
        loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"config file '{path}' cannot be read: {type(error).__name__}: {error}") from error
    return module
