"""The training loop, for every objective. Its order is fixed, and each part relies on it:

    compile -> restore -> [ evaluate -> save -> next batch -> step -> log ]

Whatever a step is measured by is written before its checkpoint, so a run that is killed and started again writes every row once.
The metrics of a dispatch are read after the next one is under way, so logging costs nothing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from genjax import __version__
from genjax.config import base_fields, difference, require, to_json
from genjax.data.loader import train_batches
from genjax.errors import DriftError, GenjaxError, HangError, NonFiniteError, Preempted, UsageError, exit_code
from genjax.training import planning, snapshots
from genjax.training.checkpoint import Checkpoints, digest
from genjax.training.logging import Logger
from genjax.training.processes import agree, each, peers_named, slowest
from genjax.training.setup import Run
from genjax.training.signals import Stopper, Watchdog
from genjax.training.state import TrainState
from genjax.training.workdir import Workdir, is_primary, writing


class Monitor(NamedTuple):
    """Something measured during training: every so often, with the averaged parameters; it must not change them.

    Its rows have its name as their split. It may be left in the middle (`signals.leave_if_asked`), and is measured again when the run goes on.
    """

    name: str
    every: str  # a duration
    measure: Callable[[Run, TrainState, int, Logger], None]


class Summary(NamedTuple):
    """How a training ended: the last row of metrics, the state's digest, the seconds of each part."""

    step: int
    digest: str
    metrics: dict[str, float]
    seconds: dict[str, float]


def train(config: Any, path: Path, monitors: Callable[[Run], Sequence[Monitor]], *, overwrite: bool = False, force: bool = False) -> Summary:
    """Trains a config in a directory; a directory with a part of this very training goes on where it stopped.

    Args:
      config: a checked and validated config.
      path: the run's directory.
      monitors: what to measure on the way.
      overwrite: move an existing run of this directory aside and begin anew.
      force: go on with an existing run although its config differs.

    Raises:
      UsageError: the directory holds a run of another config.
      Preempted: a signal asked for a stop; everything is saved.
      PeerError: another process of the job is gone.
      NonFiniteError: the loss is not a number.
      DriftError: devices differ in what they should hold alike.
    """
    require(config.sample.guide is None, "sample.guide is a trained model: give it to sample.py and evaluate.py, a training knows none")
    workdir = Workdir(path)
    run = Run.build(config, None if overwrite else workdir.path)  # before jax is asked for its devices: the config may say which
    require(not overwrite or jax.process_count() == 1, "--overwrite is for one process: move the old run aside before the job starts")
    if overwrite or not begun(workdir):
        _ = run.inherited  # what a fresh run takes from elsewhere is read before anything is written
    if overwrite:
        move_aside(workdir)
    elif not force:
        refuse_other_config(workdir, config)
    hang = workdir.path / "logs" / f"hang_process{jax.process_index()}.txt"
    with Stopper() as stopper, workdir:
        hung = lambda reason: workdir.status("failed", exit_code=HangError.exit_code, reason=reason)
        try:
            with (
                Watchdog(config.train.hang_minutes, hang, hung) as watchdog,
                Checkpoints(workdir.checkpoints, keep=config.checkpoint.keep) as saved,
                peers_named(),
                contextlib.ExitStack() as ending,
            ):
                return _train(run, workdir, saved, stopper, watchdog, ending, [*monitors(run), *_snapshots(run, workdir)])
        except BaseException as error:
            ended = "preempted" if isinstance(error, Preempted) else "failed"
            with contextlib.suppress(GenjaxError):  # it must not hide the error that ends the run
                workdir.status(ended, exit_code=exit_code(error), reason=str(error) or type(error).__name__)
            raise


def move_aside(workdir: Workdir) -> None:
    """Renames an existing run's directory, so that nothing is ever deleted; LockedError where it is in use.

    A directory that is not a run's is left alone: --workdir=~ --overwrite must not rename a home.
    """
    if (workdir.path / "config.json").exists():
        with workdir, writing(workdir.path):
            aside = workdir.path.with_name(f"{workdir.path.name}-{time.strftime('%Y%m%d-%H%M%S')}")
            workdir.path.rename(aside)
            print(f"the old run is now {aside}")


ADVICE = "choose another --workdir, move the old run aside with --overwrite, or go on with the new config with --force"


def begun(workdir: Workdir) -> bool:
    """Whether a directory holds a run that has reached a checkpoint."""
    return (workdir.path / "config.json").exists() and any((workdir.checkpoints / "integrity").glob("*.json"))


def refuse_other_config(workdir: Workdir, config: Any, advice: str = ADVICE) -> None:
    """UsageError where the directory holds a run of another config; one that never reached a checkpoint holds nothing.

    Fields that say how a trained model is used may differ: the new values are taken.
    """
    path = workdir.path
    if not begun(workdir):
        return
    other = workdir.read_config(base_fields())
    changed = {name: values for name, values in difference(config, other).items() if not base_fields()[name].late}
    if changed:
        listed = ", ".join(f"{name} was {old!r} and is {new!r}" for name, (new, old) in list(changed.items())[:4])
        raise UsageError(f"{path} holds a run of another config ({listed}{', ...' if len(changed) > 4 else ''}): " + advice)


def _train(
    run: Run,
    workdir: Workdir,
    checkpoints: Checkpoints,
    stopper: Stopper,
    watchdog: Watchdog,
    ending: contextlib.ExitStack,
    monitors: Sequence[Monitor],
) -> Summary:
    config, total, seconds = run.config, run.total_steps, dict.fromkeys(("restore", "compile", "data", "train", "evaluate", "save"), 0.0)
    clock = _Clock(seconds)

    # The whole of a run's past is its state and its step: data order and noise are functions of them.
    restored = checkpoints.latest()
    step = restored or 0
    left: list[str] = []  # monitors that are due at this step still
    if restored is not None:  # the time that the run has taken so far is its own, however often it was stopped
        checkpoints.check(restored, run.abstract_state)
        meta = checkpoints.read_meta(restored)
        seconds.update(meta["seconds"])
        left = [] if workdir.was_complete else meta.get("left", [])  # older checkpoints know of none

    # Only now, when it is known that the run can go on with them.
    workdir.write_json("config.json", to_json(config))
    for name, values in run.source.kept.items():
        workdir.write_json(name, values)
    log = Logger(workdir, config, start_step=step, total_steps=total, again=left)
    ending.callback(log.close)
    describe(run, workdir, log, step)
    workdir.status("running", step)
    batches = train_batches(
        run.source,
        config.data.batch_size,
        config.seed,
        start_step=step,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    ending.callback(batches.close)

    def length(step: int) -> int:
        # Dispatches end at multiples of their length, so a resumed run compiles and computes what this one does.
        return min(config.train.steps_per_dispatch - step % config.train.steps_per_dispatch, total - step)

    # 1. Compile the first dispatch, then restore: the compiler and the state need not both have memory.
    with log.pause():
        clock.lap("restore")
        train_step = run.compile_step(*([batches.like(length(step))] if step < total else []))
        clock.lap("compile")
        watchdog.beat()
        state = run.create_state() if restored is None else checkpoints.restore(restored, run.abstract_state)
        jax.block_until_ready(state)
        clock.lap("restore")
        watchdog.beat()

    every = {monitor.name: max(1, run.steps(monitor.every)) for monitor in monitors}
    every |= {"log": max(1, run.steps(config.train.log_every)), "save": max(1, run.steps(config.train.checkpoint_every))}
    before, waiting, last = step, None, {}
    bad, profile = (
        _Bad(config.train.max_bad_steps, config.train.after_bad_steps == "roll_back"),
        _Profile(config.train.profile_steps, workdir.path / "profile"),
    )
    compiled, timed, timed_from = set(), 0, seconds["train"]
    drifted = run.parallel.compile_drifted(run.state_shardings) if config.train.check_replicas else None
    fetched, fetched_at = seconds["data"], step

    def read() -> None:
        # Writes the rows of the dispatch that waits. With too many bad steps in a row the state is another from here on, or the training is over.
        nonlocal state, last, waiting
        if waiting is not None:
            last, waiting = _log(log, waiting, every["log"], total, clock, bad), None
            if bad.error is not None:
                state = _rolled_back(run, checkpoints, step, bad, log)

    def due(name: str) -> bool:
        # What is due at a step is done at the first step boundary at or after it: dispatches do not depend on what is measured.
        return name in left or (step > before and (step // every[name] > before // every[name] or step == total))

    try:
        while True:
            # 2. Evaluate.
            if any(due(monitor.name) for monitor in monitors):
                read()
            clock.lap("train")
            with log.pause():
                left = [monitor.name for monitor in monitors if due(monitor.name)]
                with stopper.during(agree):
                    for monitor in monitors:
                        if monitor.name in left:
                            monitor.measure(run, state, step, log)
                            left = [name for name in left if name != monitor.name]
                clock.lap("evaluate")

                # 3. Save. The stopper is asked once: a signal that comes later waits for the next step, and is saved there.
                stopping = stopper.asked(agree)
                if due("save") or stopping or total == 0:  # a step that is saved already is left as it is
                    read()
                    log.rows.flush()
                    if drifted is not None:
                        _refuse_drift(drifted(state), step)
                    if step > fetched_at and jax.process_count() > 1:
                        log.line(slowest(each((seconds["data"] - fetched) / (step - fetched_at))))
                        fetched, fetched_at = seconds["data"], step
                    workdir.status("running", step)
                    checkpoints.save(step, state, _meta(config, step, seconds, left))
                checkpoints.poll()
                clock.lap("save")
            if stopping:
                checkpoints.wait()
                raise stopper.error(f"step {step} is saved")
            if step >= total:
                break

            # 4. Next batch.
            watchdog.beat()
            count = length(step)
            batch = run.parallel.put(batches.take(count), stacked=True)
            clock.lap("data")
            profile.at(step)

            # 5. Step.
            if count in compiled:
                state, metrics = train_step(state, batch)
                timed += count
            else:  # the first dispatch of its length is not timed: what was not compiled ahead is compiled now
                read()
                clock.lap("train")
                with log.pause(steps=count):
                    state, metrics = jax.block_until_ready(train_step(state, batch))
                clock.lap("compile")
                compiled.add(count)
            before, step = step, step + count

            # 6. Log the dispatch before this one.
            read()
            waiting = (before, metrics)
        checkpoints.wait()
    finally:
        workdir.reached(step)
        profile.stop()
        ending.close()
    summary = Summary(step, digest(state), last, seconds)
    workdir.status("complete", step, exit_code=0)
    _summarise(run, workdir, summary)
    used = planning.utilisation(run, timed, seconds["train"] - timed_from) if is_primary() else None
    if used is not None:
        print(f"  MFU     {used}")
    return summary


def _snapshots(run: Run, workdir: Workdir) -> Sequence[Monitor]:
    """What stores the tracked averages, where there are any. Like whatever a step is measured by, it comes before the step's checkpoint."""

    def store(run: Run, state: TrainState, step: int, log: Logger) -> None:
        snapshots.save(workdir.snapshots, step, state.tracked, run.widths)

    return [Monitor("snapshots", run.config.train.snapshot_every, store)] if run.widths else []


class _Profile:
    """A recording of the steps from first to last, for XProf or TensorBoard; it begins and ends at the next dispatch."""

    def __init__(self, steps: Sequence[int], folder: Path) -> None:
        self.steps, self.folder, self.running = steps, folder, False

    def at(self, step: int) -> None:
        if self.steps and not self.running and self.steps[0] <= step < self.steps[1]:
            jax.profiler.start_trace(str(self.folder))
            self.running = True
        elif self.running and step >= self.steps[1]:
            self.stop()

    def stop(self) -> None:
        if self.running:
            jax.profiler.stop_trace()
            self.running = False


class _Bad:
    """Counts the steps in a row that were not finite, and changed nothing; one more than `limit` are too many, and `error` says so."""

    def __init__(self, limit: int, rolls_back: bool) -> None:
        self.limit, self.rolls_back, self.row = limit, rolls_back, 0
        self.error: NonFiniteError | None = None
        self.forgiven, self.learnt = 0, True  # steps that do not count; whether a later one was good

    def count(self, step: int, finite: bool) -> None:
        if step <= self.forgiven:
            return
        self.row, self.learnt = (0, True) if finite else (self.row + 1, self.learnt)
        if self.row > self.limit and self.error is None:
            self.error = NonFiniteError(
                f"the loss of step {step} is not a finite number"
                + (f", as in the {self.limit} steps before it" if self.limit else "")
                + ": lower optimizer.learning_rate, or look at the data of that step"
            )

    def forgive(self, step: int) -> None:
        """Begins anew after a step."""
        self.row, self.error, self.forgiven, self.learnt = 0, None, step, False


def _rolled_back(run: Run, checkpoints: Checkpoints, step: int, bad: _Bad, log: Logger) -> TrainState:
    """The state of the newest checkpoint, taken for that of `step`: the steps since then have changed nothing but the count.

    So the state still is a function of the step and of the steps that were bad, and the data in between, which may be to blame, are not seen again.
    The error that led here is raised where no one asked for this, and where not one step was good since the last time.
    """
    assert bad.error is not None
    wanted = bad.rolls_back and bad.learnt
    if wanted:
        checkpoints.wait()
    newest = checkpoints.latest() if wanted else None
    if newest is None:
        raise bad.error
    log.line(f"  {str(bad.error).partition(':')[0]}: rolled back to step {newest}, without the data since")
    bad.forgive(step)
    state = checkpoints.restore(newest, run.abstract_state)
    return state.replace(step=jax.device_put(np.asarray(step, state.step.dtype), state.step.sharding))


def _refuse_drift(drifted: dict[str, jax.Array], step: int) -> None:
    names = [name for name, differs in drifted.items() if differs]
    if names:
        raise DriftError(
            f"after step {step}, devices hold different numbers of the same {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}: "
            "look for a faulty device; the newest checkpoint is from before"
        )


def _log(log: Logger, waiting: tuple[int, dict[str, Any]], every: int, total: int, clock: _Clock, bad: _Bad) -> dict[str, float]:
    """Writes the rows of a dispatch that are due, and returns its last row."""
    start, stacked = waiting
    metrics = {name: np.asarray(values) for name, values in stacked.items()}
    finite = np.isfinite(metrics["loss"]) & np.isfinite(metrics["gradient_norm"])
    rows = [dict(zip(metrics, map(float, values), strict=True)) for values in zip(*metrics.values(), strict=True)]
    for step, (row, good) in enumerate(zip(rows, finite, strict=True), start + 1):
        bad.count(step, bool(good))
        if not good:
            log.line(f"  step {step} is not finite and was left out")
        if step % every == 0 or step == total:
            log.scalars(step, "train", row, since_start=clock.total())
            log.progress(step, row)
    return rows[-1]


def _meta(config: Any, step: int, seconds: dict[str, float], left: list[str]) -> dict[str, Any]:
    return {
        "left": left,
        "schema_version": 1,
        "step": step,
        "data_position": step,
        "seconds": seconds,
        "config": to_json(config),
        "versions": {"genjax": __version__, "jax": jax.__version__},
        "backend": jax.default_backend(),
        "processes": jax.process_count(),
        "devices": jax.device_count(),
    }


def describe(run: Run, workdir: Workdir, log: Logger, step: int) -> None:
    """A dozen lines at the start: what is trained, on what, where."""
    spec, mesh = run.source.spec, run.parallel.mesh.shape
    params = jax.tree.leaves(run.abstract_state.params)
    log.line(
        f"genjax {__version__}  jax {jax.__version__}  {jax.device_count()} {jax.devices()[0].device_kind} device(s), "
        f"{run.parallel.mode}, mesh {dict(mesh)}"
    )
    log.line(f"  run        {workdir.path}")
    parts = {name: sum(leaf.size for leaf in jax.tree.leaves(part)) for name, part in run.abstract_state.params.items()}
    listed = ", ".join(f"{name} {count:,}" for name, count in sorted(parts.items(), key=lambda part: -part[1]))
    log.line(f"  objective  {run.config.objective}, {sum(p.size for p in params):,} parameters: {listed}")
    log.line(f"  data       {spec.name}: {spec.train_size:,} training and {spec.eval_size:,} held-out examples of {spec.shape}, {spec.levels} levels")
    log.line(f"  training   {run.total_steps:,} steps of {run.config.data.batch_size} examples" + (f", from step {step:,}" if step else ""))
    log.line("  compiling the first step ..." if step < run.total_steps else "  already complete")


def _summarise(run: Run, workdir: Workdir, summary: Summary) -> None:
    if not is_primary():
        return
    metrics = "  ".join(f"{name} {value:.4g}" for name, value in summary.metrics.items())
    spent = "  ".join(f"{name} {value:.1f}s" for name, value in summary.seconds.items() if value >= 0.05)
    print(f"complete at step {summary.step}  {metrics}".rstrip())
    whole = sum(summary.seconds.values())
    print(f"  time    {spent}  ({100 * summary.seconds['train'] / whole:.0f} % in training steps)")
    print(f"  state   sha256 {summary.digest}")
    print(f"  sample    python scripts/sample.py --workdir={workdir.path}")
    print(f"  evaluate  python scripts/evaluate.py --workdir={workdir.path}")


class _Clock:
    """Splits the wall time among named parts."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds, self.last = seconds, time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] += now - self.last
        self.last = now

    def total(self) -> float:
        return sum(self.seconds.values()) + time.monotonic() - self.last
