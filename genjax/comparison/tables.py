"""The tables of README.md and docs/, written from results/*.json: no number there is typed by hand.

A table stands between two comments, `<!-- results/NAME.json -->` and `<!-- end -->`; `rewrite` replaces what is between them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

COSTS = {"train_flops": ".3g", "network_evaluations_per_sample": "g", "samples_per_second": ".0f"}
_PLACE = re.compile(r"(<!-- (results/[\w.-]+\.json) -->\n).*?(<!-- end -->)", re.DOTALL)


def rewrite(text: str, root: Path) -> str:
    """The text with every table made anew from its file under `root`."""

    def table(match: re.Match[str]) -> str:
        record = json.loads((root / match[2]).read_text())
        return (
            match[1]
            + "\n".join([*TABLES.get(record["name"], comparison)(record), "", f"{_protocol(record)}; all of it in `{match[2]}`.", ""])
            + match[3]
        )

    return _PLACE.sub(table, text)


def rewrite_pages(root: Path) -> None:
    """Writes the tables of README.md and of every page of docs/ anew."""
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        text = path.read_text()
        if (new := rewrite(text, root)) != text:
            path.write_text(new)
            print(f"rewritten {path.relative_to(root)}")


def comparison(record: dict[str, Any]) -> list[str]:
    """A comparison's record as the lines of a table."""
    rows = [row for row in record["metrics"] if row["metric"] == "bits_per_dim"]
    lines = ["| | bits/dim | kind | training FLOPs | network evaluations a sample | samples a second |", "|---|---|---|---|---|---|"]
    for row in rows:
        value = {m["metric"]: m["value"] for m in record["metrics"] if m["arm"] == row["arm"]}
        bits = f"{'≤ ' if row['kind'] == 'upper_bound' else ''}{row['value']:.3f}" + (f" ± {row['stderr']:.3f}" if row["stderr"] else "")
        costs = [f"{value[name]:{form}}" if name in value else "" for name, form in COSTS.items()]
        lines.append("| " + " | ".join([row["arm"], bits, row["kind"].replace("_", " "), *costs]) + " |")
    return lines


def biases(record: dict[str, Any]) -> list[str]:
    """The record of `comparison.biases`: a row for every way of sampling, what was measured beside what is exact."""
    lines = [f"| {record['config']['rows']:,} samples each | mean | exact | standard deviation | exact | KL, nats |", "|---|---|---|---|---|---|"]
    for arm in dict.fromkeys(row["arm"] for row in record["metrics"]):
        row = {m["metric"]: m for m in record["metrics"] if m["arm"] == arm}
        measured = {what: f"{row[what]['value']:.3f} ± {row[what]['stderr']:.3f}" for what in ("mean", "std", "kl")}
        cells = [arm, measured["mean"], f"{row['exact_mean']['value']:.3f}", measured["std"], f"{row['exact_std']['value']:.3f}", measured["kl"]]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


TABLES = {"diffusion_biases": biases}  # the name of a record -> its table; the others are comparisons


def _protocol(record: dict[str, Any]) -> str:
    protocol = [
        f"`{record['command']}`",
        record["date"][:10],
        record["hardware"],
        f"jax {record['versions']['jax']}",
        f"seed {', '.join(map(str, record['seeds']))}",
    ]
    return ", ".join(protocol)
