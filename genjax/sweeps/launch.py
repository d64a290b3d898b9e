"""How the cells of a sweep are run: a few at a time on this machine, or as a job array of Slurm.

A launcher is a function (jobs, root, options) -> {cell: exit code} of what it saw end. It starts the commands that a person could type, one process
each, and knows nothing of what they do but their exit codes: 75 means "stopped and saved, run me again".
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from genjax.config import REPOSITORY, require
from genjax.errors import GenjaxError, Preempted, UsageError
from genjax.training.signals import Stopper
from genjax.training.workdir import replace, writing

Job = list[list[str]]  # commands that run one after the other, as long as each exits with 0


@dataclasses.dataclass(frozen=True)
class Options:
    """workers: cells at a time. slurm: further options of sbatch, such as --gres=gpu:1 --time=8:00:00."""

    workers: int
    slurm: tuple[str, ...]


def local(jobs: Mapping[str, Job], root: Path, options: Options) -> dict[str, int]:
    """Runs the jobs here, `options.workers` at a time, each with its output in <root>/logs/<cell>.txt.

    Asked to stop, it hands SIGTERM on, so that every running cell saves, waits for them and raises Preempted.
    """
    running: dict[str, subprocess.Popen] = {}

    def run(name: str, job: Job) -> int:
        code = 0
        for command in job:
            if stopper.received is not None:
                return Preempted.exit_code
            with (root / "logs" / f"{name}.txt").open("ab") as log:
                # A group of its own: Ctrl-C in the terminal reaches the sweep alone, which then asks the cells to stop.
                process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True)
                running[name] = process
                if stopper.received is not None:  # between the question above and now
                    process.send_signal(signal.SIGTERM)
                code = process.wait()
                del running[name]
            if code:
                break
        return code

    codes: dict[str, int] = {}
    with writing(root / "logs"):
        (root / "logs").mkdir(parents=True, exist_ok=True)
    with Stopper() as stopper, concurrent.futures.ThreadPoolExecutor(options.workers) as pool:
        futures = {pool.submit(run, name, job): name for name, job in jobs.items()}
        waiting, asked = set(futures), False
        while waiting:
            done, waiting = concurrent.futures.wait(waiting, timeout=0.2, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                name = futures[future]
                codes[name] = future.result()
                print(f"  {time.strftime('%H:%M:%S')}  {len(codes)} of {len(jobs)}  {name}: {describe(codes[name])}", flush=True)
            if stopper.received is not None and not asked:
                asked = True
                for process in list(running.values()):
                    process.send_signal(signal.SIGTERM)
        if stopper.received is not None:
            raise stopper.error("every cell that ran is saved")
    return codes


def slurm(jobs: Mapping[str, Job], root: Path, options: Options) -> dict[str, int]:
    """Submits the jobs as one array, `options.workers` tasks at a time; a task that exits with 75 puts itself back into the queue."""
    require(
        shutil.which("sbatch") is not None, "--launcher=slurm needs Slurm's sbatch on this machine: run it on a login node, or use --launcher=local"
    )
    with writing(root / "logs"):
        (root / "logs").mkdir(parents=True, exist_ok=True)
    script = root / "slurm.sh"
    replace(script, array_script(jobs, root, options).encode())
    submitted = subprocess.run(["sbatch", "--parsable", *options.slurm, str(script)], capture_output=True, text=True)
    if submitted.returncode:
        raise GenjaxError(f"sbatch refused {script}: {' '.join(submitted.stderr.split())}")
    number = submitted.stdout.strip().partition(";")[0]
    print(f"submitted {len(jobs)} cells as job array {number}; logs are in {root / 'logs'}, and this command with --launcher=none shows the table")
    return {}


def array_script(jobs: Mapping[str, Job], root: Path, options: Options) -> str:
    """The script of the array. Task i is the i-th job; Slurm's own SIGTERM two minutes before the end goes to its steps, which then save."""
    cases = [f"  {number}) name={shlex.quote(name)}; {_chain(job)} ;;" for number, (name, job) in enumerate(jobs.items())]
    lines = [
        "#!/bin/bash",
        f"#SBATCH --job-name={_quoted(root.name)}",
        f"#SBATCH --array=0-{len(jobs) - 1}%{options.workers}",
        "#SBATCH --requeue",
        "#SBATCH --signal=TERM@120",
        "#SBATCH --open-mode=append",
        f"#SBATCH --chdir={_quoted(str(Path.cwd()))}",
        f"#SBATCH --output={_quoted(str(root / 'logs').replace('%', '%%') + '/task_%a.txt')}",
        "trap : TERM  # the steps are to stop, this shell is to see how they ended",
        "case $SLURM_ARRAY_TASK_ID in",
        *cases,
        "esac",
        "code=$?",
        'echo "$name ended with exit code $code"',
        f'[ $code -eq {Preempted.exit_code} ] && scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"',
        "exit $code",
    ]
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    """A value on a line of #SBATCH, whose quotes are not the shell's: a backslash is one in single quotes too."""
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def _chain(job: Job) -> str:
    return " && ".join(f"srun {shlex.join(command)}" for command in job)


def none(jobs: Mapping[str, Job], root: Path, options: Options) -> dict[str, int]:
    """Runs nothing: for the table of what is there."""
    return {}


LAUNCHERS: dict[str, Callable[[Mapping[str, Job], Path, Options], dict[str, int]]] = {"local": local, "slurm": slurm, "none": none}


def describe(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return {0: "done", Preempted.exit_code: "stopped and saved"}.get(code, f"failed with exit code {code}")


def words(text: str, flag: str) -> tuple[str, ...]:
    """The words of a flag that holds further flags, as a shell would see them; UsageError for a quotation without end."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"{flag} cannot be '{text}': {str(error).lower()}") from None


def script(name: str, arguments: Sequence[str], python: str) -> list[str]:
    """A command of this repository; from inside of it, as a person would type it."""
    path = REPOSITORY / "scripts" / f"{name}.py"
    return [python, os.path.relpath(path) if Path.cwd() == REPOSITORY else str(path), *arguments]
