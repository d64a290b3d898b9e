"""Tables of measurements of single runs, side by side: the records of scripts/evaluate.py, each under the name of its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Records = Mapping[str, dict[str, Any]]


def excess(records: Records) -> list[str]:
    """Bits above the exact -log2 p, a row a model."""
    lines = ["| | bits/image above the exact -log₂ p | kind | steps |", "|---|---|---|---|"]
    for name, record in records.items():
        bits = next(record[key] for key in record if key.startswith("bits_per_"))
        value, stderr = bits["excess"]
        bound = "≤ " * (bits["kind"] == "upper_bound")
        lines.append(f"| {name} | {bound}{value:.3f} ± {stderr:.3f} | {bits['kind'].replace('_', ' ')} | {record['step']:,} |")
    return lines


def halves(records: Records) -> list[str]:
    """Bits an example above the exact -log2 p of captions, of pictures given their captions, and of both; a row a model, of one half or of both."""
    lines = _head(["", "captions", "pictures given their captions", "both", "steps"])
    for name, record in records.items():
        bits = next(record[key] for key in record if key.startswith("bits_per_"))
        bound = "≤ " * (bits["kind"] == "upper_bound")
        value = lambda part, bound="": f"{bound}{part[0]:.3f} ± {part[1]:.3f}"
        words, picture, both = "", "", ""
        if parts := bits["excess_terms"]:
            words, picture, both = value(parts["words"]), value(parts["picture"], bound), value(bits["excess"], bound)
        elif bits["kind"] == "exact":
            words = value(bits["excess"])
        else:
            picture = value(bits["excess"], bound)
        lines.append(_line([name, words, picture, both, f"{record['step']:,}"]))
    return lines


def following(records: Records) -> list[str]:
    """How often samples follow their captions, a row a category."""
    return _shares(
        records,
        ("following", "rows"),
        "prompts",
        lambda row: f"{_share(row['follow'])} ({_percent(row['strict'])})",
        lambda row: [_percent(row["by_chance"]), f"{row['follow']['count']:,}"],
        ["by chance", "count"],
    )


def questions(records: Records) -> list[str]:
    """How often answers are right, a row a group; of captions, how often all of one is true."""
    what = next(iter(next(iter(records.values()))["questions"]["all"]["model"]))
    return _shares(
        records,
        ("questions",),
        "",
        lambda row: _share(row["model"][what]),
        lambda row: [_percent(row["commonest"][what]), f"{row['model'][what]['count']:,}"],
        ["the commonest answer", "count"],
    )


def answers(records: Records) -> list[str]:
    """How good answers are, a row a model, and those without a network once; bits are of the answers."""
    row = lambda name, scores, bits="": _line([name, f"{scores['bleu']:.2f}", f"{scores['chrf']:.2f}", f"{scores['exact_match']:.1f}", bits])
    lines, others = _head(["", "BLEU", "chrF", "exact match", "bits a byte"]), {}
    for name, record in records.items():
        bits, scores = record["bits_per_byte"], record["answers"]["scores"]
        bound = "≤ " * (bits["kind"] == "upper_bound")
        lines.append(row(name, scores["the model"], f"{bound}{bits['value']:.3f} ± {bits['stderr']:.3f}"))
        others |= {other: row(other, each) for other, each in scores.items() if other != "the model"}
    return [*lines, *others.values()]


def negation(records: Records) -> list[str]:
    """How often something is shown although it was forbidden, a row a kind of thing."""
    return _shares(
        records,
        ("negation",),
        "shown although forbidden",
        lambda row: f"{_share(row['shown'])}, {row['efficacy']:+.2f} ({_percent(row['valid'])})",
        lambda row: [f"{100 * row['neutral']:.1f} %", f"{100 * row['occupied']:.1f} %"],
        ["in the data", "in scenes with an object"],
    )


def noise_levels(records: Records) -> list[str]:
    """Bits above the ideal denoiser's between two log-SNRs, and their sum."""
    first, *_ = records.values()
    lines = _head(["log-SNR", "the ideal denoiser", *records])
    for number, row in enumerate(first["noise_levels"]):
        name = "all" if number == len(first["noise_levels"]) - 1 else f"{row['low']:g} to {row['high']:g}"
        above = [record["noise_levels"][number]["above"] for record in records.values()]
        lines.append(_line([name, f"{row['ideal']['value']:.2f}", *(f"{part['value']:.2f} ± {part['stderr']:.2f}" for part in above)]))
    return lines


def hidden_cell(records: Records) -> list[str]:
    """Divergence of what is drawn in a hidden cell from its posterior, a row a part; beside it that of as many exact draws."""
    first, *_ = records.values()
    lines = _head(["bits", *records, "as many exact draws"])
    for part, exact in first["hidden_cell"]["exact"].items():
        lines.append(_line([part, *(f"{record['hidden_cell']['bits'][part]:.3f}" for record in records.values()), f"{exact:.3f}"]))
    for what in ("valid", "kept"):
        lines.append(_line([what, *(_share(record["hidden_cell"][what]) for record in records.values()), ""]))
    return lines


def _shares(
    records: Records,
    path: tuple[str, ...],
    head: str,
    cell: Callable[[Any], str],
    common: Callable[[Any], list[str]],
    columns: list[str],
) -> list[str]:
    tables = {}
    for name, record in records.items():
        if path[0] not in record:  # a model of which this cannot be measured
            continue
        table: Any = record
        for key in path:
            table = table[key]
        tables[name] = table
    lines = _head([head, *tables, *columns])
    for group in dict.fromkeys(group for table in tables.values() for group in table):
        rows = [table.get(group) for table in tables.values()]
        lines.append(_line([group, *("" if row is None else cell(row) for row in rows), *common(next(row for row in rows if row is not None))]))
    return lines


def _head(columns: list[str]) -> list[str]:
    return [_line(columns), "|" + "---|" * len(columns)]


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _percent(part: Mapping[str, float]) -> str:
    return f"{100 * part['value']:.1f} %"


def _share(part: Mapping[str, float]) -> str:
    return f"{100 * part['value']:.1f} % [{100 * part['low']:.1f}, {100 * part['high']:.1f}]"


FORMS = {
    "excess": excess,
    "halves": halves,
    "following": following,
    "questions": questions,
    "answers": answers,
    "negation": negation,
    "noise_levels": noise_levels,
    "hidden_cell": hidden_cell,
}
