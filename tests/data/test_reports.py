"""Reports that are made up: every summary is worked out again from its report, by other means."""

import re

import pytest

from genjax.data.reports import COUNT, read_reports
from genjax.errors import UsageError


@pytest.fixture(scope="module")
def reports():
    return read_reports("")


def summary(report):
    """Reads a report from its end: the last place that somebody comes to, and the last thing unless it is gone."""
    people = dict.fromkeys(re.findall(r"(?:Then )?(\w+) \w+ to the", report))
    told = []
    for who in people:
        place = re.findall(rf"\b{who} \w+ to the (\w+)\.", report)[-1]
        things = re.findall(rf"\b{who} (found|bought|borrowed|lost|sold|returned) (?:a|the) (\w+)\.", report)
        held = [thing for how, thing in things[-1:] if how in ("found", "bought", "borrowed")]
        told.append(f"{who} is in the {place}" + "".join(f" with a {thing}" for thing in held) + ".")
    return " ".join(told)


def test_every_summary_says_where_everybody_is_in_the_end_and_with_what(reports):
    for split in reports:
        for ((report, said),) in split:
            assert said == summary(report)


def test_reports_are_more_than_their_summaries(reports):
    """Someone moves again, loses what was found, or does something beside the point."""
    sentences = [report.count(".") - said.count(".") for ((report, said),) in reports.train]
    assert min(sentences) >= 3
    assert any("lost" in report or "sold" in report for ((report, _),) in reports.train)


def test_no_report_is_in_both_splits(reports):
    train, held_out = ({report for ((report, _),) in split} for split in reports)
    assert not train & held_out
    assert len(reports.train) + len(reports.eval) == COUNT and 0.08 < len(reports.eval) / COUNT < 0.12


def test_they_are_always_the_same_and_take_no_argument(reports):
    assert read_reports("") == reports
    with pytest.raises(UsageError, match="takes no argument"):
        read_reports("3")
