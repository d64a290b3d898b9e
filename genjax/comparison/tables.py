"""The tables of README.md and docs/, written from results/*.json: no number there is typed by hand.

A table stands between two comments, `<!-- results/NAME.json -->` and `<!-- end -->`; `rewrite` replaces what is between them. The form of a
table that is not a comparison's is named behind the file: `<!-- results/NAME.json as samplers -->`. `<!-- results/NAME/ as following -->` puts all
records of scripts/evaluate.py in a folder side by side. `<!-- claims -->` stands for all records of claims, `<!-- family by form -->` for those of
C3 on scenes, and `<!-- options -->` for the options of the diffusion side, which come from the code; `<!-- gallery -->`, `<!-- gallery cards -->` and
`<!-- bits -->` for the entries of the gallery, `<!-- kinds -->` for the lines that every kind of data took.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from genjax.comparison import cards, claims, frontier, gallery, isoflop, measured, options

FIGURE = "claims/effects.png"  # of all claims, as docs/claims.md names it
COSTS = {"train_flops": ".3g", "network_evaluations_per_sample": "g", "samples_per_second": ".0f"}
_WHOLE = re.compile(r"(<!-- (claims|family by form|options|gallery|gallery cards|bits|kinds) -->\n).*?(<!-- end -->)", re.DOTALL)
_FOLDER = re.compile(r"(<!-- (results/[\w./-]+)/ as (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PLACE = re.compile(r"(<!-- (results/[\w.-]+\.json)(?: as (\w+))? -->\n).*?(<!-- end -->)", re.DOTALL)


def rewrite(text: str, root: Path) -> str:
    """The text with every table made anew from its file under `root`."""

    def table(match: re.Match[str]) -> str:
        record = json.loads((root / match[2]).read_text())
        lines = [*FORMS[match[3] or "comparison"](record), "", f"{_protocol(record)}; all of it in `{match[2]}`.", ""]
        return match[1] + "\n".join(lines) + match[4]

    def side_by_side(match: re.Match[str]) -> str:
        records = {path.stem: json.loads(path.read_text()) for path in sorted((root / match[2]).glob("*.json"))}
        protocol = [f"- {name}: {_protocol(record)}" for name, record in records.items()]
        return match[1] + "\n".join([*measured.FORMS[match[3]](records), "", *protocol, ""]) + match[4]

    text = _FOLDER.sub(side_by_side, text)
    text = _WHOLE.sub(lambda match: match[1] + WHOLE[match[2]](root) + match[3], text)
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
    rows = [row for row in record["metrics"] if re.fullmatch(r"bits_per_[^_]+", row["metric"])]
    lines = [f"| | {rows[0]['unit']} | kind | training FLOPs | network evaluations a sample | samples a second |", "|---|---|---|---|---|---|"]
    for _, mine in itertools.groupby(rows, key=lambda row: row["arm"]):
        row, *others = mine
        value = {m["metric"]: m["value"] for m in record["metrics"] if m["arm"] == row["arm"]}
        figure = f"{row['value']:.3f}" + (f" ± {row['stderr']:.3f}" if row["stderr"] else "")
        if others:  # seeds: the mean with its interval over seeds and examples
            figure = "{value:.3f} [{low:.3f}, {high:.3f}]".format(**record["intervals"][row["arm"]])
        bits = "≤ " * (row["kind"] == "upper_bound") + figure
        costs = [f"{value[name]:{form}}" if name in value else "" for name, form in COSTS.items()]
        lines.append("| " + " | ".join([row["arm"], bits, row["kind"].replace("_", " "), *costs]) + " |")
    return lines


def text(record: dict[str, Any]) -> list[str]:
    """A comparison of models of text, in bits and in nats: an arm by the mean and interval of its seeds, then the baselines."""
    rows = {row["arm"]: row for row in record["metrics"] if re.fullmatch(r"bits_per_[^_]+", row["metric"])}
    unit = next(iter(rows.values()))["unit"].removeprefix("bits/")
    lines = [f"| | bits/{unit} | nats/{unit} | kind | parameters | training FLOPs |", "|---|---|---|---|---|---|"]
    for arm, row in rows.items():
        bound, nats = "≤ " * (row["kind"] == "upper_bound"), row["value"] * math.log(2)
        bits, costs = f"{row['value']:.3f}", ["", ""]
        if arm in record["intervals"]:
            seeds, value = record["intervals"][arm], {m["metric"]: m["value"] for m in record["metrics"] if m["arm"] == arm}
            bits, nats = "{value:.3f} [{low:.3f}, {high:.3f}]".format(**seeds), seeds["value"] * math.log(2)
            costs = [f"{value['parameters']:,}", f"{value['train_flops']:.3g}"]
        lines.append("| " + " | ".join([arm, bound + bits, f"{bound}{nats:.3f}", row["kind"].replace("_", " "), *costs]) + " |")
    return lines


def excess(record: dict[str, Any]) -> list[str]:
    """The metric excess_bits of a comparison, a row an arm."""
    lines = ["| | bits/image above the exact -log₂ p | kind | parameters | training FLOPs |", "|---|---|---|---|---|"]
    for row in (row for row in record["metrics"] if row["metric"] == "excess_bits"):
        value = {m["metric"]: m["value"] for m in record["metrics"] if m["arm"] == row["arm"]}
        bits = f"{'≤ ' if row['kind'] == 'upper_bound' else ''}{row['value']:.2f} ± {row['stderr']:.2f}"
        lines.append(f"| {row['arm']} | {bits} | {row['kind'].replace('_', ' ')} | {value['parameters']:,} | {value['train_flops']:.3g} |")
    return lines


def compute(record: dict[str, Any]) -> list[str]:
    """The metric excess_bits against training FLOPs, and the power law through all points; through all but the largest, what it foretells of that."""
    rows = [row for row in record["metrics"] if row["metric"] == "excess_bits"]
    flops = {row["arm"]: row["value"] for row in record["metrics"] if row["metric"] == "train_flops"}
    rows.sort(key=lambda row: flops[row["arm"]])
    x, y = np.array([flops[row["arm"]] for row in rows]), np.array([row["value"] for row in rows])
    law, before = isoflop.power_law(x, y), isoflop.power_law(x[:-1], y[:-1])
    lines = ["| | training FLOPs | bits/image above the exact -log₂ p | the law through all |", "|---|---|---|---|"]
    for row, at in zip(rows, x, strict=True):
        lines.append(f"| {row['arm']} | {at:.3g} | {'≤ ' * (row['kind'] == 'upper_bound')}{row['value']:.2f} ± {row['stderr']:.2f} | {law(at):.2f} |")
    return [
        *lines,
        "",
        f"Least squares in logarithms: bits ∝ FLOPs^{law.exponent:.2f}. Without the largest run the exponent is {before.exponent:.2f}, which "
        f"foretells {before(x[-1]):.1f} bits for it. Extrapolated, 10 bits take {law.inverse(10):.2g} FLOPs and 1 bit {law.inverse(1):.2g}.",
    ]


def biases(record: dict[str, Any]) -> list[str]:
    """The record of `comparison.biases`: a row for every way of sampling, what was measured beside what is exact."""
    lines = [f"| {record['config']['rows']:,} samples each | mean | exact | standard deviation | exact | KL, nats |", "|---|---|---|---|---|---|"]
    for arm in dict.fromkeys(row["arm"] for row in record["metrics"]):
        row = {m["metric"]: m for m in record["metrics"] if m["arm"] == arm}
        measured = {what: f"{row[what]['value']:.3f} ± {row[what]['stderr']:.3f}" for what in ("mean", "std", "kl")}
        cells = [arm, measured["mean"], f"{row['exact_mean']['value']:.3f}", measured["std"], f"{row['exact_std']['value']:.3f}", measured["kl"]]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def samplers(record: dict[str, Any]) -> list[str]:
    """Arms "sampler(steps=N)" as a table: a row a number of steps, a group of columns a sampler; then the arms without steps."""
    value = {(row["arm"], row["metric"]): row["value"] for row in record["metrics"]}
    split = [re.fullmatch(r"(\w+)\(steps=(\d+)\)", arm) for arm, _ in value]
    found = [(match[1], int(match[2])) for match in split if match]
    kinds, metrics = list(dict.fromkeys(kind for kind, _ in found)), ("valid", "mean_count", "total_variation")
    show = lambda arm: " / ".join(f"{value[arm, metric]:.{2 if metric == 'mean_count' else 3}f}" for metric in metrics)
    lines = [
        "| evaluations | " + " | ".join(f"{kind.replace('_', ' ')}: valid / mean count / TV" for kind in kinds) + " |",
        "|---" * (len(kinds) + 1) + "|",
    ]
    for steps in sorted({steps for _, steps in found}):
        lines.append(f"| {steps} | " + " | ".join(show(f"{kind}(steps={steps})") for kind in kinds) + " |")
    lines += [f"| {arm} | {show(arm)} |" + " |" * (len(kinds) - 1) for arm, metric in value if metric == "valid" and "(" not in arm]
    return lines


def bounds(record: dict[str, Any]) -> list[str]:
    """The metrics excess_bits and predicted_excess_bits, a row an arm."""
    rows = {(row["arm"], row["metric"]): f"{row['value']:.3f} ± {row['stderr']:.3f}" for row in record["metrics"] if row["stderr"] is not None}
    arms = [arm for arm, metric in rows if metric == "excess_bits"]
    lines = ["| | bits/image above the entropy | predicted |", "|---|---|---|"]
    lines += [f"| {arm} | {rows[arm, 'excess_bits']} | {rows[arm, 'predicted_excess_bits']} |" for arm in arms]
    return lines


def frontiers(record: dict[str, Any]) -> list[str]:
    """The record of `comparison.frontier`, a row a setting, then what held-out data would be given."""
    by = record["ordered_by"]
    names = [name for name in record["points"][0]["quality"] if name in (by, "classified_as_asked", "vendi")]
    lines = ["| | " + " | ".join(n.replace("_", " ") for n in names) + " | evaluations | FLOPs a sample |", "|---" * (len(names) + 3) + "|"]
    for point in frontier.read(record):
        quality = " | ".join(f"{point.quality[name]:.3f}" for name in names)
        lines.append(f"| {point.arm}, {point.label} | {quality} | {point.nfe:g} | {point.flops:.3g} |")
    held_out = " | ".join(f"{record['held_out'][name]:.3f}" if name in record["held_out"] else "" for name in names)
    return [*lines, f"| held-out data | {held_out} | | |"]


def performance(record: dict[str, Any]) -> list[str]:
    """The record of `benchmarks.run`: a row a workload, the median time of a call (with its quartiles), and the ratio to the fastest equal peer."""
    lines = ["| | | genjax, ms | rate | fastest peer, ms | ratio | floor | goal |", "|---|---|---|---|---|---|---|---|"]
    for name, one in record["workloads"].items():
        if "fastest_peer" not in one:
            continue
        ours, show = one["systems"]["genjax"], lambda value, form: "" if value is None else format(value, form)
        peer = None if one["fastest_peer"] is None else one["systems"][one["fastest_peer"]]
        cells = [name, one["what"], _spread(ours), f"{one['items'] / ours['median']:,.4g} {one['unit']}/s"]
        cells += ["", ""] if peer is None else [f"{_spread(peer)} ({one['fastest_peer']})", f"{peer['ratio']:.2f}"]
        lines.append("| " + " | ".join([*cells, show(one["floor"], ".2f"), show(one["goal"], ".2f")]) + " |")
    return lines


def peers(record: dict[str, Any]) -> list[str]:
    """The record of `benchmarks.run`: every system on every workload, what was equal, and how much others used the machine meanwhile."""
    lines = ["| | | median, ms | CPU, ms | parameters | operations a call | ratio | cores used by others |", "|---|---|---|---|---|---|---|---|"]
    for name, one in record["workloads"].items():
        for system, about in one["systems"].items() if "fastest_peer" in one else ():
            if "error" in about:
                lines.append(f"| {name} | {system} | failed |" + " |" * 5)
                continue
            ratio = {"genjax": "1"}.get(system) or (f"{about['ratio']:.2f}" if about["equal"] else "another net")
            cells = [
                _spread(about),
                f"{1e3 * about['cpu']:.4g}",
                f"{about['parameters']:,}",
                f"{about['flops']:.4g}",
                ratio,
                f"{about['others']:.2f}",
            ]
            lines.append("| " + " | ".join([name, system, *cells]) + " |")
    return lines


def _spread(about: dict[str, Any]) -> str:
    low, high = about["quartiles"]
    return f"{1e3 * about['median']:.4g} [{1e3 * low:.4g}, {1e3 * high:.4g}]"


def starts(record: dict[str, Any]) -> list[str]:
    """The record of `benchmarks.run`: seconds to the end of the first call, and peak memory, of fresh processes."""
    timed, sized = (record["workloads"].get(name, {"systems": {}})["systems"] for name in ("C", "M"))
    lines = ["| | | seconds to the first step | peak memory, MiB |", "|---|---|---|---|"]
    for name in sorted({*timed, *sized}):
        for system in timed.get(name, {}) | sized.get(name, {}):
            first, most = (where.get(name, {}).get(system, {}).get(what) for where, what in ((timed, "first_seconds"), (sized, "peak_memory")))
            cells = ["" if first is None else f"{first:.1f}", "" if most is None else f"{most / 2**20:,.0f}"]
            lines.append("| " + " | ".join([name, system, *cells]) + " |")
    return lines


def loaders(record: dict[str, Any]) -> list[str]:
    """The record of `benchmarks.run`: batches a second of the loader by itself, beside those that a training takes."""
    lines = ["| | source | batches a second | times the training's |", "|---|---|---|---|"]
    for name, systems in record["workloads"].get("D", {"systems": {}})["systems"].items():
        for system, about in systems.items():
            if "over_step" in about:
                lines.append(f"| {name} | {system.removeprefix('loader ')} | {1 / about['median']:,.4g} | {about['over_step']:,.0f} |")
    return lines


def learning(record: dict[str, Any]) -> list[str]:
    """The record of `benchmarks.run`: when what is held out of a text costs the target, from the start of a process, and beside ours."""
    lines = ["| | held-out nats a character | steps | seconds | over ours |", "|---|---|---|---|---|"]
    one = record["workloads"].get("N", {"systems": {}})
    for system, about in one["systems"].items():
        if "error" in about:
            lines.append(f"| {system} | failed |" + " |" * 3)
            continue
        there = "" if about["there"] else f", not {one['target']}"
        lines.append(f"| {system} | {about['loss']:.3f}{there} | {about['steps']:,} | {about['seconds']:.1f} | {about['ratio']:.2f} |")
    return lines


# Family -> form of the data -> which side of which claim's record.
SCENES = {
    "next-token prediction": {"codes": ("c03_next_token", 1), "pixels": ("c03_next_token", 0)},
    "diffusion": {"codes": ("c03_shapes", 0), "pixels": ("c03_shapes", 1)},
}


def family_by_form(root: Path) -> str:
    """C3 on scenes: either family on either form of the data, the mean of the seeds and the least and the most of them, and what each was given."""

    def row(family: str, form: str, name: str, side: int) -> str:
        if (record := claims.record_of(name, root)) is None:
            return f"| {family} | {form} | not yet run | | |"
        seeds, given = np.mean(record["values"][side], axis=1), record["trained"][record["registered"][("first", "second")[side]].split()[0]]
        bits = f"{'≤ ' * (record['kinds'][side] == 'upper_bound')}{np.mean(seeds):.3g} ({np.min(seeds):.3g} to {np.max(seeds):.3g})"
        return f"| {family} | {form} | {bits} | {given['train_flops']:.3g} | {given['examples']:,} |"

    lines = ["| | form | bits a scene above the entropy | training FLOPs | scenes seen |", "|---|---|---|---|---|"]
    lines += [row(family, form, *cell) for family, cells in SCENES.items() for form, cell in cells.items()]
    return "\n".join([*lines, ""])


FORMS = {
    "comparison": comparison,
    "biases": biases,
    "samplers": samplers,
    "bounds": bounds,
    "excess": excess,
    "compute": compute,
    "frontier": frontiers,
    "text": text,
    "performance": performance,
    "peers": peers,
    "starts": starts,
    "loaders": loaders,
    "learning": learning,
}

# What stands for all records of its kind, or for none.
WHOLE = {
    "claims": lambda root: cards.markdown(claims.standings(root)),
    "family by form": family_by_form,
    "options": lambda root: options.markdown(),
    "gallery": gallery.markdown,
    "gallery cards": gallery.cards,
    "bits": gallery.bits,
    "kinds": gallery.kinds,
}


def _protocol(record: dict[str, Any]) -> str:
    protocol = [
        f"`{record['command']}`",
        record["date"][:10],
        record["hardware"],
        f"jax {record['versions']['jax']}",
        f"seed {', '.join(map(str, record['seeds']))}",
    ]
    return ", ".join(protocol)
