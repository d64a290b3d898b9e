"""The command line of every script: flags and config fields as one argparse parser, errors as one sentence with an exit code.

def main(args): ...                          # args.config is the frozen config, the other flags are attributes
if __name__ == "__main__":
    cli.run(main, __doc__, [cli.Flag("workdir", "the run's directory", required=True)], config="recipe")
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NoReturn

from genjax import config as configs
from genjax.errors import GenjaxError, UsageError, did_you_mean, report


@dataclasses.dataclass(frozen=True)
class Flag:
    """`--name=VALUE`, or a bare `--name` where the kind is bool; `many` may be given several times and is a list."""

    name: str
    help: str
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    kind: type = str
    many: bool = False


WEIGHTS = Flag(
    "weights",
    "the averaged parameters, those of the last step, or an average made of snapshots: posthoc(sigma_rel=0.07)",
    default="ema",
    choices=("ema", "raw", "posthoc"),
    kind=configs.Choice,
)


def run(
    main: Callable[[argparse.Namespace], None],
    description: str,
    flags: Sequence[Flag],
    *,
    config: Literal["recipe", "overrides", "late", "none"],
    fields: Callable[[], Mapping[str, configs.Field]] = configs.base_fields,
    validate: Callable[[Any], None] = configs.validate,
) -> NoReturn:
    """Parse `sys.argv`, call `main`, and exit with the code of `genjax.errors`.

    config="recipe": `--config=file.py[:variant]` and `--config.field=value`; args.config is loaded, checked and frozen.
    config="overrides": only `--config.field=value`, left as args.overrides for a config that is read later.
    config="late": the same for a model that is trained, so that only the fields that say how it is used are there.
    """
    told = logging.getLogger("genjax.data")  # what was guessed about the data is for the person to see
    told.setLevel(logging.INFO)
    told.handlers = [logging.StreamHandler(sys.stdout)]
    try:
        args = parse(sys.argv[1:], description, flags, config=config, fields=fields())
        if config == "recipe":
            validate(args.config)
        main(args)
    except BrokenPipeError:  # the reader of our output (less, head) has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (GenjaxError, KeyboardInterrupt, OSError) as error:
        sys.exit(report(error))
    sys.exit(0)


def parse(
    argv: Sequence[str],
    description: str,
    flags: Sequence[Flag],
    *,
    config: Literal["recipe", "overrides", "late", "none"],
    fields: Mapping[str, configs.Field],
) -> argparse.Namespace:
    """The flags of a command line; UsageError for anything that is not one."""
    parser = _Parser(
        prog=os.path.basename(sys.argv[0]),
        description=description,
        formatter_class=_Formatter,
        allow_abbrev=False,
        usage="%(prog)s [--flag=value ...]",
    )
    for flag in flags:
        text = flag.help + (" (required)" if flag.required else "")
        if flag.kind is bool:
            parser.add_argument(f"--{flag.name}", help=text, action="store_true")
        elif flag.many:
            parser.add_argument(f"--{flag.name}", help=text, action="append", default=[], metavar="VALUE")
        else:
            parser.add_argument(f"--{flag.name}", help=text, action=_Once, default=flag.default, metavar="|".join(flag.choices) or "VALUE")
    if config == "recipe":
        parser.add_argument("--config", action=_Once, metavar="FILE.py[:VARIANT]", help="the recipe; its fields follow below (required)")
    if config != "none":
        shown = {name: spec for name, spec in fields.items() if config != "late" or spec.late}
        _add_fields(parser, shown, _values_for_help(argv, fields) if config == "recipe" else {})

    args, unknown = parser.parse_known_args(argv)
    known = [option for action in parser._actions for option in action.option_strings]
    for word in unknown:
        raise UsageError(_explain(word, known, fields))
    given = vars(args)
    for flag in flags:
        if isinstance(given[flag.name], str) and (flag.kind is not str or flag.choices):
            given[flag.name] = _value(flag, given[flag.name])
        configs.require(not flag.required or given[flag.name] not in (None, ""), f"--{flag.name} is required: {flag.help}")
    args.overrides = {name.removeprefix("config."): value for name, value in given.items() if name.startswith("config.")}
    if config == "recipe":
        configs.require(args.config is not None, "--config is required, for example --config=configs/digits.py:next_token")
        args.recipe = args.config
        args.config = configs.load(args.config, fields, args.overrides)
    elif config != "none":
        configs.apply(configs.defaults(fields), fields, args.overrides)  # a value that can never be right is refused here, before jax is loaded
    return args


def _value(flag: Flag, text: str) -> Any:
    try:
        return configs.Field(None, flag.help, flag.kind, choices=flag.choices).parse(text)
    except ValueError as error:
        raise UsageError(f"--{flag.name} cannot be '{text}': {error}") from None


def _explain(word: str, known: Sequence[str], fields: Mapping[str, configs.Field]) -> str:
    name = word.split("=")[0]
    if name.removeprefix("--config.") in fields:
        return configs.not_late(name.removeprefix("--config."), fields)
    if name.startswith("--config."):
        return configs._unknown_field(name.removeprefix("--config."), fields)
    if name.startswith("-"):
        return f"unknown flag '{name}'{did_you_mean(name, known) or '; --help lists them all'}"
    return f"unexpected argument '{word}': values are given as --flag=value"


def _values_for_help(argv: Sequence[str], fields: Mapping[str, configs.Field]) -> dict[str, Any]:
    """The values that the named recipe gives, so that --help shows what would be run."""
    if not {"-h", "--help"} & set(argv):
        return {}
    words = [part for word in argv for part in word.split("=", 1)]
    names = [name for flag, name in itertools.pairwise(words) if flag == "--config"]
    return dict(configs.leaves(configs.load(names[0], fields))) if names else {}


def _add_fields(parser: argparse.ArgumentParser, fields: Mapping[str, configs.Field], values: Mapping[str, Any]) -> None:
    groups: dict[str, argparse._ArgumentGroup] = {}
    for path, spec in fields.items():
        name = path.rpartition(".")[0]
        group = groups.setdefault(name, parser.add_argument_group(f"config: {name}" if name else "config")) if name not in groups else groups[name]
        text = f"{spec.help} (default: {values.get(path, spec.default)})".replace("%", "%%")
        group.add_argument(f"--config.{path}", dest=f"config.{path}", action=_Once, default=argparse.SUPPRESS, metavar=spec.type_name, help=text)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=12, width=120)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class _Once(argparse.Action):
    """A flag given twice is a mistake, not a wish for the second."""

    def __call__(self, parser, namespace, values, option_string=None):
        seen = namespace.__dict__.setdefault("_seen", set())
        if option_string in seen:
            raise UsageError(f"{option_string} is given twice")
        seen.add(option_string)
        setattr(namespace, self.dest, values)
