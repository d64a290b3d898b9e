"""Oracle: what a second process, or the kernel after a kill, sees of the directory."""

import errno
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genjax.errors import CheckpointError, LockedError, SaveError
from genjax.training import workdir as module
from genjax.training.workdir import MetricsLog, Workdir, decide, read_rows

HOLD = "import sys, time; from genjax.training.workdir import Workdir; Workdir(sys.argv[1]).acquire(); print('held', flush=True); time.sleep(60)"


def test_the_lock_names_its_holder_and_ends_with_a_kill(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "JAX_PLATFORMS": "cpu"}
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "run"], env=env, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(LockedError, match=rf"run is in use by process {holder.pid} on .* since 20") as caught:
                Workdir(tmp_path / "run").acquire()
            assert caught.value.exit_code == 73
            assert not holder.poll()
        finally:
            os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with Workdir(tmp_path / "run"):
            pass


def test_one_process_cannot_hold_it_twice_and_release_frees_it(tmp_path):
    with Workdir(tmp_path / "run") as first:
        assert first.checkpoints.is_dir() and first.samples.is_dir()
        with pytest.raises(LockedError, match=str(os.getpid())):
            Workdir(tmp_path / "run").acquire()
        assert json.loads((tmp_path / "run" / ".lock").read_text()).keys() == {"host", "pid", "started", "command"}
    with Workdir(tmp_path / "run"):
        pass


def test_json_that_is_nested_without_end_is_damage(tmp_path):
    deep = 200_000 * "["
    run = Workdir(tmp_path)
    for name in ("config.json", "status.json"):
        (tmp_path / name).write_text(deep)
        with pytest.raises(CheckpointError, match=f"{name} is damaged: it is nested too deeply"):
            run.read_json(name)
    (tmp_path / "metrics.jsonl").write_text(f'{{"step": 1}}\n{deep}\n')
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl is damaged"):
        read_rows(tmp_path / "metrics.jsonl")
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.truncate_after(1)
    log.close()
    assert read_rows(tmp_path / "metrics.jsonl") == [{"step": 1}]


def test_a_relative_path_is_resolved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = Workdir("some/run")
    monkeypatch.chdir("/")
    assert run.path == tmp_path / "some" / "run"
    assert run.checkpoints.is_absolute()


def test_a_place_that_cannot_be_written_is_one_sentence_before_anything_exists(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "a" / "run"):
        with pytest.raises(SaveError, match="file is a file") as caught:
            Workdir(path).acquire()
        assert caught.value.exit_code == 74
    with pytest.raises(SaveError, match="could not be written"):
        Workdir("/proc/genjax/run").acquire()  # not even root can
    with pytest.raises(SaveError, match="too long"):
        Workdir(tmp_path / ("x" * 300)).acquire()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SaveError, match="no permission to write"):
        Workdir(tmp_path / "a" / "run").acquire()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_json_is_strict_atomic_and_comes_back(tmp_path, monkeypatch):
    run = Workdir(tmp_path)
    run.write_json("x.json", {"a": [1, None, math.nan], "b": (math.inf, -math.inf), "c": np.float32(0.5), "d": np.float32("nan")})
    text = (tmp_path / "x.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert run.read_json("x.json") == {"a": [1, None, "nan"], "b": ["inf", "-inf"], "c": 0.5, "d": "nan"}

    def full(*_):
        raise OSError(28, "No space left on device")

    for function in ("replace", "fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(module.os, function, full)
            with pytest.raises(SaveError, match=r"x.json could not be written: No space left"):
                run.write_json("x.json", {})
        assert (tmp_path / "x.json").read_text() == text

    (tmp_path / "x.json").write_text(text[:-3])
    with pytest.raises(CheckpointError, match="damaged"):
        run.read_json("x.json")
    with pytest.raises(CheckpointError, match="is this a run directory"):
        run.read_json("y.json")


def test_status_counts_the_restarts(tmp_path):
    for restarts in range(3):
        with Workdir(tmp_path) as run:
            run.status("running", 10 * restarts)
            run.status("preempted", 10 * restarts + 5, exit_code=75, reason="SIGTERM")
        expected = {"state": "preempted", "step": 10 * restarts + 5, "exit_code": 75, "reason": "SIGTERM", "restarts": restarts}
        assert run.read_json("status.json") == expected
    (tmp_path / "status.json").write_text("{")  # nobody can count with this; it must not stop a run
    with Workdir(tmp_path) as run:
        run.status("running", 0)
    assert run.read_json("status.json")["restarts"] == 0


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_after_a_resume_every_step_is_there_once(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for step in range(1, 8):
        log.write({"step": step, "loss": 1 / step})
        assert rows(path)[-1]["step"] == step  # a kill now would lose nothing
    uninterrupted = path.read_bytes()
    with path.open("ab") as file:
        file.write(b'{"step": 8, "lo')  # the kill
    resumed = MetricsLog(path)
    resumed.truncate_after(5)
    assert [row["step"] for row in rows(path)] == [1, 2, 3, 4, 5]
    for step in (6, 7):
        resumed.write({"step": step, "loss": 1 / step})
    resumed.flush()
    resumed.close()
    assert path.read_bytes() == uninterrupted


@pytest.mark.parametrize("torn", [b'{"step": 3, "loss": 0.5}', b'{"step": 3, "lo\n', b"[3]\n", b"\xff\xfe\n", b'{"step": "3"}\n', b"\0\0\0\n"])
def test_a_torn_line_is_dropped_wherever_it_is(tmp_path, torn):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + (torn if torn.endswith(b"\n") else b"") + b'{"step": 2}\n' + torn)
    log = MetricsLog(path)
    log.truncate_after(9)
    log.write({"step": 3, "loss": math.nan})
    log.close()
    assert rows(path) == [{"step": 1}, {"step": 2}, {"step": 3, "loss": "nan"}]


def test_rows_for_which_there_is_no_room_wait_and_come_in_order(tmp_path):
    """The disk takes a few bytes of the second row, nothing of the third, and then all."""
    path, room = tmp_path / "metrics.jsonl", [10**6, 7, 0, 0, 10**6, 10**6, 10**6]

    class Small:
        def __init__(self):
            self.file = path.open("ab", buffering=0)

        def write(self, content):
            if not (here := room.pop(0)):
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(content[:here])

        def __getattr__(self, name):
            return getattr(self.file, name)

    log = MetricsLog(path)
    log._file = Small()
    for step in (1, 2, 3):
        log.write({"step": step})
    assert path.read_bytes() == b'{"step": 1}\n{"step"'
    log.write({"step": 4})
    log.close()
    assert rows(path) == [{"step": step} for step in (1, 2, 3, 4)]


def test_what_is_measured_again_is_dropped_at_its_step_only(tmp_path):
    path = tmp_path / "metrics.jsonl"
    kinds = [(1, "train"), (1, "held_out"), (2, "train"), (2, "held_out"), (3, "train")]
    path.write_text("".join(json.dumps({"step": step, "split": split}) + "\n" for step, split in kinds))
    MetricsLog(path).truncate_after(2, ["held_out"])
    assert [(row["step"], row["split"]) for row in rows(path)] == kinds[:3]


def test_a_row_needs_a_step_and_a_full_disk_is_an_error_in_the_end(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    with pytest.raises(ValueError, match="needs a step"):
        log.write({"loss": 1.0})
    full = MetricsLog(Path("/dev/full"))
    full.write({"step": 1})
    with pytest.raises(SaveError, match="No space left"):
        full.close()
    with pytest.raises(SaveError, match=r"metrics.jsonl could not be written"):
        MetricsLog(tmp_path / "none" / "metrics.jsonl")


def test_what_process_0_decides_or_raises():
    assert decide(lambda: 7) == 7
    assert decide(lambda: -1) == -1
    with pytest.raises(LockedError, match="held"):
        decide(lambda: (_ for _ in ()).throw(LockedError("held")))
