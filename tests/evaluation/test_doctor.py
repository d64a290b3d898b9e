"""The doctor finds this machine well, and says what is not."""

import fcntl

import pytest

from genjax.evaluation import doctor


@pytest.mark.slow  # two trainings
def test_this_machine_is_well(tmp_path, capsys):
    assert doctor.check(str(tmp_path)) == []
    lines = capsys.readouterr().out.splitlines()
    assert [line[:17].strip() for line in lines] == list(doctor.CHECKS)
    assert f"{tmp_path}: writes" in lines[3]
    assert list(tmp_path.iterdir()) == [], "it leaves nothing"


def test_a_folder_without_locks_and_what_is_none_are_found(tmp_path, monkeypatch, capsys):
    """One that is not there yet is made by a training: the one above it is examined."""
    monkeypatch.setattr(doctor, "CHECKS", {"writing": doctor.CHECKS["writing"]})
    assert doctor.check(str(tmp_path / "not" / "yet")) == []
    assert f"{tmp_path}: writes" in capsys.readouterr().out
    (tmp_path / "file").touch()
    assert doctor.check(str(tmp_path / "file")) == ["writing"]
    monkeypatch.setattr(fcntl, "flock", lambda *args: None)
    assert doctor.check(str(tmp_path)) == ["writing"]
    shown = capsys.readouterr().out
    assert f"FAILED: {tmp_path}/file is no folder" in shown
    assert "gives the same lock twice" in shown
