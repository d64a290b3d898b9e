"""How claims are told: in the terminal, as Markdown for docs/claims.md, and as one page of HTML."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markdown_it import MarkdownIt
from markupsafe import Markup

from genjax.comparison import verdict
from genjax.comparison.claims import Standing, effect_of


def markdown(all_standings: Sequence[Standing]) -> str:
    """The claims of docs/claims.md: a table of answers, and a card for each."""
    head, *rows = answers(all_standings)
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for standing, row in zip(all_standings, rows, strict=True):
        number = standing.claim.config.number
        lines.append(f"| {' | '.join([row[0].replace(number, f'[{number}](#{standing.claim.name})', 1), *row[1:]])} |")
    for standing in all_standings:
        title, *parts = card(standing)
        lines += ["", f'<a id="{standing.claim.name}"></a>', f"### {title}"]
        lines += [line for part in parts for line in ("", part)]
    return "\n".join([*lines, ""])


_ANCHOR = re.compile(r'<a id="(\w+)"></a>\n(### .*)')
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)


def page(text: str, folder: Path, provenance: Mapping[str, Any], figures: Mapping[str, bytes]) -> bytes:
    """docs/claims.md as one page of HTML that needs nothing else.

    Args:
      text: the page as Markdown; what of it is HTML, comments and anchors apart, is shown and not obeyed.
      folder: where its pictures lie, those apart that are given as {name in the text: PNG}.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(_COMMENT.sub("", _ANCHOR.sub(r"\2 {#\1}", text)))
    link = "a"
    for token, after in itertools.pairwise(tokens):
        if token.type == "heading_open" and after.children and (anchor := re.search(r" \{#(\w+)\}$", after.children[-1].content)):
            token.attrSet("id", anchor[1])
            after.children[-1].content = after.children[-1].content.removesuffix(anchor[0])
        for part in token.children or ():
            if part.type == "link_open" and not str(part.attrGet("href")).startswith("#"):  # the other pages lie elsewhere
                link, part.attrs = "span", {}
            elif part.type == "link_open":
                link = "a"
            if part.type in ("link_open", "link_close"):
                part.tag = link
            if part.type == "image":
                name = str(part.attrGet("src"))
                png = figures[name] if name in figures else (folder / name).read_bytes()
                part.attrSet("src", f"data:image/png;base64,{base64.b64encode(png).decode()}")
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined)
    body = parser.renderer.render(tokens, parser.options, {})
    for tag in ("table", "p><img"):  # wider than a phone: scrolled by itself
        end = tag.partition("><")[0]
        body = re.sub(rf"<{tag}(.*?)</{end}>", lambda match: f'<div class="scroll">{match[0]}</div>', body, flags=re.DOTALL)
    return environment.get_template("claims.html.j2").render(body=Markup(body), provenance=provenance).encode()


def answers(all_standings: Sequence[Standing]) -> list[list[str]]:
    """The table of answers: its head, and a row for every claim."""
    rows = [["claim", "the statement, in our words", "is it so?", "the hypothesis about it", "measured"]]
    for standing in all_standings:
        config = standing.claim.config
        rows.append([f"{config.number} {config.aspect}", config.statement, _answer(standing), standing.word, _measured(standing)])
    return rows


def _answer(standing: Standing) -> str:
    """What a verdict says of the statement; {more} and {less} are the sides of which more and less was measured."""
    config = standing.claim.config
    words = {"supported": f"**{config.if_supported}**", "refuted": f"**{config.if_refuted}**", "inconclusive": "Not decided."}
    if standing.effect is None:
        return ""
    less, more = [f"`{side.name}`" for side in standing.claim.sides][:: 1 if standing.effect.value < 0 else -1]
    return words[standing.word].replace("{more}", more).replace("{less}", less)


def _measured(standing: Standing) -> str:
    return "" if standing.record is None else _difference(standing.record)


def _difference(record: Mapping[str, Any]) -> str:
    effect = effect_of(record)
    low, high = effect.interval()
    return f"{_number(effect.value)} [{_number(low)}, {_number(high)}] {record['unit']}"


def _p(value: float) -> str:
    """A p-value; of one far out in the tail no digit is known."""
    return f"{value:.2g}" if value >= 1e-6 else "under 1e-6"


def _number(value: float) -> str:
    return f"{value:.3g}".replace("inf", "∞").replace("-", "−")


def card(standing: Standing) -> list[str]:
    """What there is to say of a claim: its title, and a paragraph for each thing, with the marks of Markdown."""
    config, record, name = standing.claim.config, standing.record, standing.claim.name
    relation = {"greater": "> +", "less": "< −", "equal": "within ±"}[config.direction]
    lines = [
        f"{config.number} {config.aspect}: {standing.word}",
        f"*Statement.* {config.statement}",
        f"*Hypothesis.* {config.hypothesis} Registered as: {config.metric} of `{config.first}` less that of `{config.second}` is "
        f"{relation}{config.margin:g}; {config.seeds} seeds, family `{config.family}`{_tried(config.tried)}.",
    ]
    if answer := _answer(standing):
        lines += [f"*Is it so?* {answer}"]
    if config.confounds:
        lines += [f"*What the statement mixes.* {config.confounds}"]
    for tier, found in standing.larger.items():
        lines += [f"*Larger.* Difference {_difference(found)}: `{found['command']}`, {found['date'][:10]}, {found['hardware']} (tier `{tier}`)."]
    if record is None or standing.effect is None:
        return [*lines, f"Not yet run: `python scripts/claims.py --name={name}`."]
    loose = record["may_be_higher"]
    if len(possible := verdict.reachable(loose[0], loose[1], config.direction)) < 2:
        only = f"could only be {possible[0]}" if possible else "could not be decided"
        lines += [f"*Of bounds.* A bound may be above the likelihood that it bounds, so this {only}."]
    points = [", ".join(_number(float(np.mean(row))) for row in side) for side in record["values"]]
    rules = record["rules"]
    of_bits = any(word in config.metric for word in ("bits", "excess", "bound"))
    kinds = f" Likelihoods: {' against '.join(kind.replace('_', ' ') for kind in record['kinds'])}." * of_bits
    level, below = ("reading", "seeds") if "readings" in record else ("seed", "items")
    return [
        *lines,
        f"*Measured.* Difference {_measured(standing)} (95 % interval over {level}s{f' and {below}' * (standing.effect.items > 1)}; "
        f"p = {_p(standing.p)} after Holm's correction). By {level}: `{config.first}` {points[0]}; `{config.second}` {points[1]}.{kinds}",
        f"*Protocol.* `{record['command']}`, {record['date'][:10]}, {record['hardware']}, jax {record['versions']['jax']}, "
        f"matched: {', '.join(rules['match'])}{_more(rules.get('budget', {}))}; declared to differ: {', '.join(rules['varies']) or 'nothing'}"
        f"{_waived(rules['waive'])}.{_trained(record)}{_beside(record)}",
    ]


def _trained(record: Mapping[str, Any]) -> str:
    """What the trainings took, where the record tells, and with which code."""
    took = [
        f"{name} {account['steps']:,} steps of {account['parameters']:,} parameters" + _minutes(account.get("seconds", ()))
        for name, account in record.get("trained", {}).items()
    ]
    seconds = sum(sum(account.get("seconds", ())) for account in record.get("trained", {}).values())
    total = f", {seconds / 60:.0f} minutes in all" * bool(seconds)
    if "took" in record:
        took_all = "{seconds:.0f} s, with {trainings} trainings by {workers} at a time".format_map(record["took"])
        total += f"; the whole command took {took_all}"
    return f" Trained: {'; '.join(took)}{total}." * bool(took) + f" Commit {record['commit'][:8]}{'-dirty' * record['commit'].endswith('-dirty')}."


def _beside(record: Mapping[str, Any]) -> str:
    """What else the machine did while clocks were read, where the record tells."""
    used = [reading["used_by_others"] for reading in record.get("readings", ())]
    told = ", ".join("not told" if cores is None else f"{cores:.2f}" for cores in used)
    return f" While clocks were read, others used at most, in cores: {told}." * bool(used)


def _minutes(seconds: Sequence[float]) -> str:
    return f" in {sum(seconds) / len(seconds) / 60:.1f} minutes each" if seconds else ""


def _tried(times: int) -> str:
    return f", measured {times} times before in another form" if times > 1 else ", measured once before in another form" * times


def _waived(waive: Mapping[str, str]) -> str:
    return "".join(f"; waived: {name}, since {reason}" for name, reason in waive.items())


def _more(budget: Mapping[str, float]) -> str:
    return "".join(f", {arm} with {times:g} times as much" for arm, times in budget.items())


def listing(all_standings: Sequence[Standing]) -> str:
    """The claims for a terminal."""
    return "\n".join(
        f"{s.claim.name:<28} {s.claim.config.number:<5} {s.word:<13} {_measured(s):<42} {s.claim.config.hypothesis}" for s in all_standings
    )
