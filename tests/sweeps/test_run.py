"""Launching, resuming and tabulating, with a program in place of the training that does what the loop promises about its files."""

import csv
import html.parser
import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from genjax.errors import GenjaxError, UsageError
from genjax.sweeps import cells, launch, table
from genjax.sweeps.run import run

RECIPE = "configs/digits.py:next_token"
AXES = ["model.depth=1,2", "seed=0..2"]

# depth d and seed s give 10 d + s bits; it fails where the file "broken" is, and waits for SIGTERM where the file "long" is.
PROGRAM = """
import json, pathlib, signal, sys, time
flags = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:])
folder = pathlib.Path(flags["workdir"]); folder.mkdir(parents=True, exist_ok=True)
depth, seed = int(flags["config.model.depth"]), int(flags["config.seed"])
def end(state, code, reason=None):
    (folder / "status.json").write_text(json.dumps({"state": state, "step": 8, "exit_code": code, "reason": reason}))
    sys.exit(code)
signal.signal(signal.SIGTERM, lambda *_: end("preempted", 75))
with open("started", "a") as file:
    file.write(folder.name + "\\n")
(folder / "config.json").write_text("{}")
if pathlib.Path("broken").exists() and (depth, seed) == (2, 1):
    end("failed", 70, "the loss of step 3 is not a finite number")
if pathlib.Path("long").exists():
    time.sleep(60)
rows = [{"step": 8, "split": "train", "loss": 3.0, "seconds": {"since_start": 2.5}},
        {"step": 4, "split": "held_out", "bits_per_dim": 99.0, "stderr": 0.1, "kind": "upper_bound", "seconds": {}},
        {"step": 8, "split": "held_out", "bits_per_dim": 10.0 * depth + seed, "stderr": 0.1, "kind": "upper_bound", "seconds": {}}]
(folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\\n" for row in rows) + '{"torn')
end("complete", 0)
"""


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """sweep(axes=..., launcher=...) runs a sweep of the program above in tmp_path / "sweep"."""
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "script", lambda name, arguments, python: [python, str(tmp_path / "program.py"), *arguments])

    def go(axes=AXES, *, overrides=None, launcher="local", workers=3, only=None, dry_run=False):
        made = cells.load(RECIPE, axes, None, overrides or {})
        run(made, "sweep", launcher=launcher, options=launch.Options(workers, ()), only=only, evaluate=None, dry_run=dry_run)

    return go


def started(folder):
    return (folder / "started").read_text().split() if (folder / "started").exists() else []


def test_a_table_of_settings_with_intervals_over_seeds(sweep, tmp_path, capsys):
    sweep()
    with (tmp_path / "sweep" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    # Seeds 0, 1, 2: standard deviation 1; Student's t with 2 degrees of freedom has its 97.5 % point at 4.302653 (any table of it).
    half = 4.302653 / 3**0.5
    for row, depth in zip(rows, (1, 2), strict=True):
        assert row["model.depth"] == str(depth)
        assert float(row["held_out/bits_per_dim"]) == 10 * depth + 1
        assert float(row["held_out/bits_per_dim ±95%"]) == pytest.approx(half, rel=1e-6)
        assert (row["complete"], row["cells"], row["held_out/bits_per_dim n"]) == ("3", "3", "3")
        assert (float(row["train/loss"]), float(row["train/loss ±95%"]), float(row["seconds"])) == (3.0, 0.0, 2.5)
    shown = capsys.readouterr().out
    assert "≤ 11.0 ± 2.5" in shown
    assert "model.depth=2" in shown


def test_a_complete_sweep_starts_nothing_and_a_longer_one_only_what_is_new(sweep, tmp_path):
    sweep()
    sweep()
    assert len(started(tmp_path)) == 6
    sweep(["model.depth=1,2", "seed=0..3"])
    assert sorted(started(tmp_path)[6:]) == ["depth-1_seed-3", "depth-2_seed-3"]


def test_a_failed_cell_is_reported_and_runs_again_alone(sweep, tmp_path, capsys):
    (tmp_path / "broken").touch()
    with pytest.raises(GenjaxError, match="1 of 6 cells are not complete"):
        sweep()
    shown = capsys.readouterr().out
    assert "depth-2_seed-1: failed with exit code 70: the loss of step 3 is not a finite number" in shown
    assert f"again  python {tmp_path / 'program.py'}" in shown
    with (tmp_path / "sweep" / "table.csv").open() as file:
        assert [row["complete"] for row in csv.DictReader(file)] == ["3", "2"]

    (tmp_path / "broken").unlink()
    sweep(only="depth-2_seed-1")
    assert started(tmp_path)[6:] == ["depth-2_seed-1"]
    with pytest.raises(UsageError, match="did you mean 'depth-2_seed-1'"):
        sweep(only="depth-2_seed1")


def test_a_dry_run_prints_the_commands_and_writes_nothing(sweep, tmp_path, capsys):
    before = sorted(tmp_path.rglob("*"))
    sweep(dry_run=True, overrides={"train.duration": "20 epochs"})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    words = "--workdir=sweep/cells/depth-1_seed-0 '--config.train.duration=20 epochs' --config.model.depth=1 --config.seed=0"
    assert lines[0] == f"python {tmp_path / 'program.py'} --config={RECIPE} {words}"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_cell_of_another_config_is_refused_before_anything_starts(sweep, tmp_path):
    sweep()
    with pytest.raises(UsageError, match=r"has a cell 'depth-1_seed-0' of another config \(model.dropout was 0.2 and is 0.0\)"):
        sweep(overrides={"model.dropout": "0"})
    assert len(started(tmp_path)) == 6


def test_no_more_cells_run_at_a_time_than_workers(tmp_path):
    watch = "import os, sys, time; os.mkdir(sys.argv[1]); time.sleep(0.1); print(len(os.listdir('.'))); os.rmdir(sys.argv[1])"
    (tmp_path / "here").mkdir()
    jobs = {str(n): [[sys.executable, "-c", f"import os; os.chdir({str(tmp_path / 'here')!r}); {watch}", str(n)]] for n in range(6)}
    assert set(launch.local(jobs, tmp_path, launch.Options(2, ())).values()) == {0}
    seen = [int((tmp_path / "logs" / f"{n}.txt").read_text()) for n in range(6)]
    assert max(seen) <= 2


def test_a_job_stops_at_its_first_failure(tmp_path):
    jobs = {"a": [[sys.executable, "-c", "raise SystemExit(65)"], [sys.executable, "-c", "print('not reached')"]]}
    assert launch.local(jobs, tmp_path, launch.Options(1, ())) == {"a": 65}
    assert (tmp_path / "logs" / "a.txt").read_text() == ""


def test_asked_to_stop_a_sweep_has_its_cells_save_and_exits_with_75(sweep, tmp_path):
    """In a process of its own: two of six cells run; SIGTERM comes, both save, the others are never started."""
    (tmp_path / "long").touch()
    code = (
        "import sys; from genjax import cli; from genjax.sweeps import cells, launch; from genjax.sweeps.run import run\n"
        f"launch.script = lambda name, arguments, python: [python, {str(tmp_path / 'program.py')!r}, *arguments]\n"
        f"made = cells.load({RECIPE!r}, {AXES!r}, None, {{}})\n"
        "cli.run(lambda args: run(made, 'sweep', launcher='local', options=launch.Options(2, ()), only=None, evaluate=None, dry_run=False),"
        " '', [], config='none')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    give_up = time.monotonic() + 60
    while len(started(tmp_path)) < 2:
        assert time.monotonic() < give_up and process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 75, (out, err)
    assert err == "stopped by SIGTERM; every cell that ran is saved: run the same command again to go on\n"
    assert len(started(tmp_path)) == 2
    assert [json.loads(path.read_text())["exit_code"] for path in sorted((tmp_path / "sweep" / "cells").glob("*/status.json"))] == [75, 75]
    assert "0/3" in out, "the table is shown all the same"
    (tmp_path / "long").unlink()
    sweep()
    assert len(started(tmp_path)) == 2 + 6


def test_slurm_is_asked_for_where_it_is_missing(sweep, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs Slurm's sbatch on this machine"):
        sweep(launcher="slurm")


def test_slurm_gets_one_array_whose_preempted_task_queues_again(sweep, monkeypatch, tmp_path, capsys):
    """Slurm's three commands are played by scripts: sbatch runs every task at once, and scontrol notes who asks to be queued again."""
    bin = tmp_path / "bin"
    bin.mkdir()
    played = {
        "sbatch": f'for i in 0 1 2 3 4 5; do SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=$i bash "${{@: -1}}" >>{tmp_path}/output 2>&1; '
        f"echo $? >>{tmp_path}/codes; done; echo '7;cluster'",
        "srun": '[[ "$*" == *depth=1*seed=2* ]] && exit 75; exec "$@"',
        "scontrol": f'echo "$@" >>{tmp_path}/requeued',
    }
    for name, body in played.items():
        (bin / name).write_text(f"#!/bin/bash\n{body}\n")
        (bin / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{bin}:{os.environ['PATH']}")
    (tmp_path / "broken").touch()
    sweep(launcher="slurm")
    assert (tmp_path / "codes").read_text().split() == ["0", "0", "75", "0", "70", "0"]
    assert (tmp_path / "requeued").read_text() == "requeue 7_2\n"
    assert "submitted 6 cells as job array 7" in capsys.readouterr().out
    script = (tmp_path / "sweep" / "slurm.sh").read_text()
    assert "#SBATCH --array=0-5%3\n" in script
    assert "#SBATCH --requeue\n" in script
    assert "depth-2_seed-1 ended with exit code 70" in (tmp_path / "output").read_text()


@pytest.mark.parametrize("name", ["two words", "a'b", 'a"b', "a\\b", "a #b", "a%ab"])
def test_a_folder_of_any_name_is_one_value_of_sbatch(name, tmp_path, monkeypatch):
    """sbatch reads its lines as a shell does double quotes; a percent sign in --output is two. (Slurm writes no log below a backslash.)"""
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    lines = launch.array_script({"cell": [["true"]]}, tmp_path / name, launch.Options(1, ())).splitlines()
    said = dict(word.removeprefix("--").partition("=")[::2] for line in lines if line.startswith("#SBATCH") for word in shlex.split(line[7:], True))
    assert (said["job-name"], said["chdir"]) == (name, str(tmp_path / name))
    assert said["output"] == f"{tmp_path}/{name.replace('%', '%%')}/logs/task_%a.txt"
    assert set(said) == {"job-name", "array", "requeue", "signal", "open-mode", "chdir", "output"}


def test_the_page_is_escaped_and_well_formed(tmp_path):
    bad = "<script>alert(1)</script>"
    made = cells.Sweep(bad, {}, ())
    rows = [table.Row({"data.source": bad}, 1, 1, {"held_out/bits_per_dim": table.Value(1.0, 0.5, 2)}, {"exact"})]
    page = table.write(made, tmp_path, rows, ["python", bad]).read_text()
    assert "<script" not in page
    tags = []

    class Balanced(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.extend([tag] * (tag not in ("meta", "line", "circle")))

        def handle_endtag(self, tag):
            assert tags.pop() == tag

    parser = Balanced(convert_charrefs=True)
    parser.handle_startendtag = lambda tag, attrs: None
    parser.feed(page)
    assert tags == []


@pytest.mark.slow
def test_a_real_sweep(start_script, toy_data, toy_run, tmp_path):
    flags = [flag for flag in toy_run("next_token", tmp_path / "sweep").flags if "seed" not in flag]
    ended = start_script("sweep", *flags, "--sweep=optimizer.learning_rate=1e-3,4e-3", "--sweep=seed=0..1", "--workers=2").end()
    assert ended.code == 0, ended
    with (tmp_path / "sweep" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["complete"] for row in rows] == ["2", "2"]
    assert all(float(row["held_out/bits_per_dim"]) > 0 and float(row["held_out/bits_per_dim ±95%"]) > 0 for row in rows)
