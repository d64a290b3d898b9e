"""What is compared: arms, each the command line of one training, what is made equal and what may differ. Read and checked before jax."""

from __future__ import annotations

import dataclasses
import math
import re
import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import ml_collections

from genjax import config as configs
from genjax.comparison import fairness
from genjax.comparison.fairness import Rules
from genjax.config import require
from genjax.data.options import options_before
from genjax.errors import UsageError

# Arms may differ in what they declare, but never in these: then they see the same examples in the same order.
SHARED = ("seed", "data.source", "data.batch_size", "conditioning.label")
# Kinds of sources that show the examples of another kind, row by row, in another form: what they are worth is the same.
FORMS = {"shapes_codes": "shapes"}
# Kinds and options that say something else of the same examples, or ask it.
SAYING = {"shapes_answers": "shapes"}
SAID = ("told", "task", "p_neg")


@dataclasses.dataclass(frozen=True)
class Plan:
    """A comparison: its own fields (`COMPARISON` in configs/base.py), the checked config of every arm by name, and what it declares.

    frontier: name of an arm -> lines of settings to sample with, see `comparison.frontier`.
    overrides: the training fields that were set for every arm.
    alike: the fields that the line of every arm sets, to the same.
    """

    recipe: str
    config: Any
    arms: dict[str, ml_collections.FrozenConfigDict]
    rules: Rules
    frontier: dict[str, tuple[str, ...]]
    overrides: Mapping[str, str]
    alike: Mapping[str, str]

    @property
    def one_form(self) -> bool:
        """Whether all arms see the data in the same form, so that they count bits by the same unit."""
        return len({arm.data.source for arm in self.arms.values()}) == 1

    @property
    def seeds(self) -> range:
        """The seeds that every arm is trained with."""
        first = self.arms[self.config.reference].seed
        return range(first, first + self.config.seeds)


def load(recipe: str, overrides: Mapping[str, str], seeds: int | None = None, times: Mapping[str, int] | None = None) -> Plan:
    """The comparison `file.py[:variant]`, with overrides {training field: text} that hold for every arm, another number of seeds, and fields that
    are so many `times` what they are in each arm.

    UsageError for an override of a field in which arms differ: it would make them alike in what is compared.
    """
    fields = configs.base_fields("COMPARISON")
    tree = configs.recipe(recipe, "COMPARISON")
    arms = {name: str(line) for name, line in (tree.get("arms") or {}).items()}
    config = configs.check({name: value for name, value in tree.items() if name not in configs.KINDS["COMPARISON"][1]}, fields)
    if seeds is not None:
        config = configs.check(configs.apply(config, fields, {"seeds": str(seeds)}), fields)
    require(len(arms) >= 1, f"the comparison '{recipe}' has no arms: set config.arms = {{name: 'configs/digits.py:next_token'}}")
    require(config.reference in arms, f"the comparison '{recipe}' has no arm '{config.reference}' to be its reference: it has {', '.join(arms)}")
    for name in arms:
        require(
            re.fullmatch(r"[\w(),=+-][\w(),=+ -]{0,63}", name) is not None and name != "real",
            f"arm '{name}' of '{recipe}' names a folder: take letters, digits, spaces and _()=,+- (at most 64), and not 'real', the held-out data",
        )
    checked = {name: load_arm(name, line, overrides, times or {}) for name, line in arms.items()}
    flat = {name: dict(configs.leaves(arm)) for name, arm in checked.items()}
    for name, values in flat.items():
        for path in SHARED:
            require(
                _examples(path, values[path]) == _examples(path, flat[config.reference][path]),
                f"arm '{name}' has {path}={values[path]!r} and arm '{config.reference}' {flat[config.reference][path]!r}: "
                "arms must see the same data in the same order",
            )
    budget = dict(tree.get("budget") or {})
    wrong = [name for name, times in budget.items() if not isinstance(times, (int, float)) or not 0 < times < math.inf]
    require(not wrong, f"the comparison '{recipe}' gives {', '.join(wrong)} no number of times the reference's budget: write {{'arm': 2.0}}")
    rules = Rules(config.match.parts, config.varies.parts, fairness.read_waivers(tree.get("waive") or ()), config.tolerance, budget)
    for name, line in arms.items():
        require(
            name == config.reference or rules.sets_length is None or "train.duration" not in own_fields(name, line)[1],
            f"arm '{name}' sets train.duration, and the length of its training is what gives it the {rules.sets_length} of '{config.reference}': "
            "leave it out, or give it a budget",
        )
    apart = fairness.differing({name: dict(configs.leaves(load_arm(name, line, {}))) for name, line in arms.items()}) if overrides else []
    for name in overrides:
        require(
            name not in apart or (name == "train.duration" and rules.sets_length is not None),
            f"--config.{name}: the arms of {recipe} differ in it, and with one value for all something else would be compared; change the file",
        )
    fairness.check_names(rules, configs.base_fields())
    fairness.check_fields(flat, rules)
    frontier = {name: tuple(map(str, lines)) for name, lines in (tree.get("frontier") or {}).items()}
    for what, given in (("frontier", frontier), ("budget", budget)):
        for name in given:
            require(name in arms, f"the comparison '{recipe}' has a {what} of '{name}', which is no arm: it has {', '.join(arms)}")
    require(config.reference not in budget, f"the comparison '{recipe}' gives its reference '{config.reference}' times its own budget: leave it out")
    require(not budget or rules.sets_length is not None, f"the comparison '{recipe}' has budgets, and matches nothing that lengths decide")
    own = [own_fields(name, line)[1] for name, line in arms.items()]
    alike = {field: value for field, value in own[0].items() if len(own) > 1 and all(each.get(field) == value for each in own)}
    return Plan(recipe, config, checked, rules, frontier, dict(overrides), alike)


def _examples(path: str, value: Any) -> Any:
    """The value of a shared field without the form that examples are shown in, and what is said of them."""
    if path != "data.source":
        return value
    kind, colon, argument = content(value).partition(":")
    if kind == "coded":  # of the same examples a book keeps less, so that they are worth other bits
        return _examples(path, options_before(argument)[1])
    return SAYING.get(kind, kind) + colon + "/".join(part for part in argument.split("/") if part.partition("=")[0] not in SAID)


def content(source: str) -> str:
    """A data source without the form that it shows its examples in: where this is the same, an example is worth the same bits."""
    kind, colon, argument = source.partition(":")
    return FORMS.get(kind, kind) + colon + argument


def own_fields(name: str, line: str) -> tuple[str, dict[str, str]]:
    """The recipe and the {field: text} of an arm's command line "recipe.py:variant --config.field=value ..."."""
    try:
        recipe, *flags = shlex.split(line) or ("",)
    except ValueError as error:  # a quotation without its end
        raise UsageError(f"arm '{name}': '{line}' is no command line of a training ({error}): write 'recipe.py --config.field=value'") from error
    wrong = [flag for flag in flags if not (flag.startswith("--config.") and "=" in flag)]
    require(not wrong, f"arm '{name}': after the recipe come --config.field=value, not {', '.join(map(repr, wrong))}")
    return recipe, dict(flag.removeprefix("--config.").split("=", 1) for flag in flags)


def load_arm(name: str, line: str, overrides: Mapping[str, str], times: Mapping[str, int] = MappingProxyType({})) -> ml_collections.FrozenConfigDict:
    """The config that an arm's command line stands for, with fields that are so many `times` as large."""
    recipe, own = own_fields(name, line)
    fields = configs.base_fields()
    try:
        config = configs.load(recipe, fields, own | dict(overrides))
        if times:
            values = dict(configs.leaves(config))
            config = configs.check(configs.apply(config, fields, {field: str(factor * values[field]) for field, factor in times.items()}), fields)
        configs.validate(config)
    except UsageError as error:
        raise UsageError(f"arm '{name}': {error}") from error
    return config
