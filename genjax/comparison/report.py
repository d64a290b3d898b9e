"""The report of a comparison: one self-contained, escaped HTML page, PNGs, and the same tables as Markdown and in the terminal."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from genjax.comparison import fairness, frontier, ledger
from genjax.comparison.figures import bits_figure, curves_figure, frontier_figure, png
from genjax.comparison.ledger import Row
from genjax.comparison.plan import Plan, content
from genjax.evaluation import media
from genjax.evaluation.baselines import Baseline
from genjax.training.setup import Run
from genjax.training.workdir import Workdir, replace

if TYPE_CHECKING:
    from genjax.comparison.run import Arm

READING = {
    ("exact", "upper_bound"): (
        "An exact likelihood and an upper bound stand side by side, and they are not ranked. The bound says that the model needs at most this many "
        "bits; it may need fewer, by an amount that this page does not measure. If the bound lies below the exact figure, the model with the "
        "bound is better in bits. If it lies above, bits alone cannot tell how much of the gap is the model and how much the bound."
    ),
}
OTHERS = "Arms that are told of something else, or asked, or see codes, have other bits to tell: they are not subtracted, and the axis ranks nothing."
TWO_BOUNDS = "Two upper bounds are not ranked either: the smaller may be the tighter bound of the worse model."


def write_report(folder: Path, plan: Plan, record: dict[str, Any], arms: Sequence[Arm], floor: Sequence[Baseline], run: Run) -> Path:
    """Writes report.html, report.md and the PNGs that they show into `folder`, prints the table, and returns the page's path."""
    sheets = sample_sheets(plan, arms, run)
    for sheet in sheets:
        replace(folder / f"{sheet['name']}.png", sheet["bytes"])
    figures = {"bits": bits_figure(arms, floor), "curves": curves_figure(arms)}
    for name, drawn in figures.items():
        replace(folder / f"{name}.png", drawn)

    swept = Workdir(folder).read_json("frontier.json") if (folder / "frontier.json").exists() else None
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined)
    bits, table = bits_rows(arms, floor), ledger.table(arms, plan.rules)
    differences = ledger.config_differences({arm.name: arm.config for arm in arms}, plan.rules)
    kinds, contents = [arm.kind for arm in arms], {content(arm.config.data.source) for arm in arms}
    notes = [READING[pair] for pair in READING if set(pair) <= set(kinds)] + [TWO_BOUNDS] * (kinds.count("upper_bound") > 1)
    originality = originality_rows(record)
    page = environment.get_template("report.html.j2").render(
        record=record,
        question=plan.config.question,
        classes=run.classes,
        sheets=[{"caption": sheet["caption"], "png": base64.b64encode(sheet["bytes"]).decode()} for sheet in sheets],
        bits_figure=base64.b64encode(figures["bits"]).decode(),
        curves_figure=base64.b64encode(figures["curves"]).decode(),
        frontier=swept,
        frontier_figure=base64.b64encode(frontier_figure(swept)).decode() if swept else "",
        frontier_rows=frontier.text(frontier.read(swept)) if swept else [],
        examples=arms[0].items,
        unit=arms[0].unit,
        bits=bits,
        reading=notes + [OTHERS] * (len(contents) > 1),
        originality=originality,
        matched=[people(name) for name in plan.rules.match],
        tolerance=f"{plan.rules.tolerance:.0%}",
        varies=[people(name) for name in plan.rules.varies],
        waived=plan.rules.waive,
        arms=[arm.name for arm in arms],
        ledger=table,
        differences=differences,
        configs=json.dumps(record["config"], indent=2),
    )
    report = folder / "report.html"
    replace(report, page.encode())
    pictures = [*figures, *(sheet["name"] for sheet in sheets)]
    replace(folder / "report.md", "\n".join(markdown(record, plan, bits, [*table, *differences], [arm.name for arm in arms], pictures)).encode())
    print_table(record, bits, table, [arm.name for arm in arms])
    print(f"\nreport    {report}\nnumbers   {folder / 'results.json'}\npictures  {', '.join(sheet['name'] + '.png' for sheet in sheets)} beside it")
    return report


def sample_sheets(plan: Plan, arms: Sequence[Arm], run: Run) -> list[dict[str, Any]]:
    """Real examples and the samples of every arm that can be looked at, in the same layout: one column a class.

    Arms may see the data in other forms.
    """
    per_class, columns = plan.config.samples_per_class, run.classes or 10
    sheets = [("real", "real, held-out", run.source, real_examples(run, per_class, columns))]
    for arm in arms:
        unit = f"{arm.drawn.nfe:g} network evaluations each"
        sheets.append((arm.name, f"{arm.name}: {unit}", arm.source, arm.drawn.data[: per_class * columns]))
    return [
        {"name": f"samples_{name}", "caption": caption, "bytes": png(media.sheet(source, images, columns))}
        for name, caption, source, images in sheets
        if source.shown is not None
    ]


def real_examples(run: Run, per_class: int, columns: int) -> np.ndarray:
    """Held-out rows [per_class * columns, ...], one column a class."""
    spec = run.source.spec
    held_out = run.source.splits["eval"]
    rows = held_out.rows(np.arange(min(len(held_out), 200 * columns)))
    real = np.full((per_class, columns, *spec.shape), spec.levels - 1, rows[spec.key].dtype)  # white where a class has too few examples
    for column in range(columns):
        of_class = rows["label"] == column if run.classes else slice(column, None, columns)
        found = rows[spec.key][of_class]
        real[: len(found[:per_class]), column] = found[:per_class]
    return real.reshape(-1, *spec.shape)


def bits_rows(arms: Sequence[Arm], floor: Sequence[Baseline]) -> list[dict[str, Any]]:
    """The table of bits; models in the order of the plan, then the baselines. It is not sorted: kinds are not ranked."""
    models = [
        {
            "name": arm.name,
            "value": f"{'≤ ' if arm.kind == 'upper_bound' else ''}{arm.effect.value:.3f}",
            "stderr": f"± {arm.stderr:.3f}",
            "kind": arm.kind.replace("_", " "),
            "model": True,
        }
        for arm in arms
    ]
    return models + [
        {"name": b.name, "value": f"{b.value:.3f}", "stderr": f"± {b.stderr:.3f}" if b.stderr else "", "kind": "exact", "model": False} for b in floor
    ]


def originality_rows(record: dict[str, Any]) -> list[list[str]]:
    """How different the samples are from one another and from the training examples, a row a measure; empty where it was not measured."""
    measured = {name: found for name, found in record["originality"].items() if found}
    if not measured:
        return []
    first, values = next(iter(measured.values())), measured.values()

    def share(found: dict[str, Any]) -> str:
        return f"{found['rate']:.0%} [{100 * found['low']:.0f}, {100 * found['high']:.0f}]"

    return [
        ["", *measured],
        [f"effectively different (Vendi score; held-out data {first['vendi_held_out']:.2f})", *(f"{found['vendi']:.2f}" for found in values)],
        [f"distinct, of {first['samples']}", *(str(found["distinct"]) for found in values)],
        [f"near copies of training examples (by chance {first['near_copies']['chance']:.0%})", *(share(found["near_copies"]) for found in values)],
        ["nearer to a training than to a held-out example (by chance 50%)", *(f"{found['nearer_to_train']:.0%}" for found in values)],
    ]


def people(name: str) -> str:
    """A declared name for people: a quantity in words, a config field as it is."""
    return name.replace("_", " ").replace("train flops", "training FLOPs") if name in fairness.QUANTITIES else name


def markdown(
    record: dict[str, Any], plan: Plan, bits: Sequence[dict[str, Any]], table: Sequence[Row], names: Sequence[str], pictures: Sequence[str]
) -> list[str]:
    """The report's tables, pictures and protocol as lines of Markdown, for notes and pages of documentation."""

    def line(*cells: str) -> str:
        return "| " + " | ".join(html.escape(cell, quote=False).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    rules, escaped = plan.rules, lambda text: html.escape(text, quote=False)
    lines = [f"# {escaped(record['title'])}", "", escaped(plan.config.question), "", line("held-out split", record["metrics"][0]["unit"], "", "kind")]
    lines += ["|---|---|---|---|", *(line(row["name"], row["value"], row["stderr"], row["kind"]) for row in bits), ""]
    lines += [escaped(pair["says"]) + "\n" for pair in record["differences"]]
    head, *original = originality_rows(record) or [[]]
    lines += [line(*head), "|---" * len(head) + "|", *(line(*row) for row in original), ""] * bool(head)
    lines += [line("", *names, ""), "|---" * (len(names) + 2) + "|", *(line(row.name.strip(), *row.cells, row.status) for row in table), ""]
    lines.append(f"Matched: {', '.join(map(people, rules.match))}. Declared to differ: {', '.join(map(people, rules.varies)) or 'nothing'}.")
    lines += [f"Waived: {escaped(name)}, {escaped(reason)}." for name, reason in rules.waive.items()]
    lines += ["", *(f"![{escaped(name.replace('_', ' '))}](<{name}.png>)" for name in pictures), ""]
    lines.append(
        f"`{record['command']}`, commit {record['commit']}, {record['date']}, {record['hardware']}, seeds {', '.join(map(str, record['seeds']))}."
    )
    return [*lines, ""]


def print_table(record: dict[str, Any], bits: Sequence[dict[str, Any]], table: Sequence[Row], names: Sequence[str]) -> None:
    """The report's tables as text."""
    wide = max(len(name) for name in [*(row["name"] for row in bits), *(row.name for row in table)]) + 2
    print(f"\n{record['title']}\n")
    print(f"{record['metrics'][0]['unit'] + ' on the held-out split':<{wide}}{'':>12}{'':>10}  kind")
    for row in bits:
        print(f"{row['name']:<{wide}}{row['value']:>12}{row['stderr']:>10}  {row['kind']}")
    for pair in record["differences"]:
        print(pair["says"])
    print(f"\n{'':<{wide}}" + "".join(f"{name:>20}" for name in names))
    for row in table:
        if all(len(cell) < 20 for cell in row.cells):  # how each draws is told in the report
            print(f"{row.name:<{wide}}" + "".join(f"{cell:>20}" for cell in row.cells) + f"  {row.status}")
