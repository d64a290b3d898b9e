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
    return _answers(records, {"bleu": "BLEU", "chrf": "chrF", "exact_match": "exact match"})


def reasoning(records: Records) -> list[str]:
    """The same where answers end in a number."""
    return _answers(records, {"final_number": "final number", "exact_match": "exact match"})


def summaries(records: Records) -> list[str]:
    """The same by the words that are shared."""
    return _answers(records, {"rouge_1": "ROUGE-1", "rouge_2": "ROUGE-2", "rouge_l": "ROUGE-L", "exact_match": "exact match"})


def _answers(records: Records, figures: Mapping[str, str]) -> list[str]:
    cell = lambda figure, value: f"{value:.1f}" if figure in ("exact_match", "final_number") else f"{value:.2f}"
    row = lambda name, scores, bits="": _line([name, *(cell(figure, scores[figure]) for figure in figures), bits])
    lines, others = _head(["", *figures.values(), "bits a byte"]), {}
    for name, record in records.items():
        scores = record["answers"]["scores"]
        lines.append(row(name, scores["the model"], _bits(record["bits_per_byte"])))
        others |= {other: row(other, each) for other, each in scores.items() if other != "the model"}
    return [*lines, *others.values()]


def infilling(records: Records) -> list[str]:
    """Gaps in text, a row a model."""
    lines = _head(["", "bits a byte of the middle", "given only its prefix", "bits to tell where it ends", "filled in to the letter", "gaps"])
    for name, record in records.items():
        found = record["infilling"]
        before = _bits(found["bits_per_byte_before"]) if "bits_per_byte_before" in found else ""
        end = f"{found['bits_of_end']:.2f}" if "bits_of_end" in found else ""
        count = f"{found['exact_match']['count']:,} of {found['gap']} tokens"
        lines.append(_line([name, _bits(found["bits_per_byte"]), before, end, _share(found["exact_match"]), count]))
    return lines


def _bits(bits: Mapping[str, Any]) -> str:
    return f"{'≤ ' * (bits['kind'] == 'upper_bound')}{bits['value']:.3f} ± {bits['stderr']:.3f}"


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
    "reasoning": reasoning,
    "summaries": summaries,
    "infilling": infilling,
    "negation": negation,
    "noise_levels": noise_levels,
    "hidden_cell": hidden_cell,
}
