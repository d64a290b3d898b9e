"""Checkpoints that survive a kill at any instant, and are never silently wrong.

    <directory>/
      12/state, 12/meta      one step, written by orbax: the arrays, and a JSON record {leaves, meta}
      integrity/12.json      sha256 of every file of the step; a step with this manifest is called verified
      corrupt-9/             a step that failed its verification, set aside for a person to look at

A save (1) copies the state and returns; (2) in the background orbax writes `12.orbax-checkpoint-tmp` and renames it; (3) a thread of ours
reads the step back, writes the manifest (tmp, fsync, rename) and only then (4) deletes what is older than the newest `keep` verified steps.
A kill in 2 leaves a temporary folder, in 3 a step without manifest, in 4 a folder that is no step; the run resumes from the newest
verified step in every case, and sweeps. A power cut that loses pages of a step leaves a manifest that does not match.

What orbax 0.12 does that this file is there for:
  * A flipped bit in an array's file is restored without an error (only the index of the database has checksums): hence the manifest.
  * `CheckpointManager` offers uncommitted and half-deleted steps, deletes old ones before anybody has read the new one, and never falls
    back. Its layer below, `AsyncCheckpointer`, writes one folder atomically; which folders there are is decided here. A step is laid out
    as the manager's, which can read it.
  * A failed background save is reported one save too late; the same error is then raised once more by the next, healthy save.
  * A restore casts dtypes silently, its metadata forget that a leaf was a random key, and it follows symbolic links to anywhere.

The state is stored as a flat dictionary path -> array, so that orbax sees no optax or flax type, and a part can be read alone.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from jax.sharding import SingleDeviceSharding

from genjax.errors import CheckpointError, SaveError, UsageError
from genjax.training import workdir
from genjax.training.workdir import decide, is_primary, writing
from genjax.types import PyTree

logger = logging.getLogger(__name__)

COMMIT_FILE = "commit_success.txt"  # the last file that orbax writes in a step, on every kind of storage since 0.12.3
NUMBER = re.compile("0|[1-9][0-9]*")
NONE = -1


class Checkpoints:
    """The checkpoints of one run. `keep=None` opens them for reading: then nothing in the directory is ever changed.

    Every process of a run calls every method. Process 0 alone decides, verifies, deletes and writes manifests. A save that fails is
    logged and counted, and the run goes on; SaveError after `max_failures` in a row (on process 0, if it alone sees them).
    """

    def __init__(self, directory: Path, *, keep: int | None, max_failures: int = 3):
        if keep is not None and keep < 2:
            raise UsageError(f"checkpoint.keep={keep} must be at least 2: the newest checkpoint is still being written when the older one is needed.")
        self._directory = Path(directory).resolve()
        self._keep = keep
        self._max_failures = max_failures
        self._failures: list[str] = []
        self._verified = NONE  # the step that latest() has just verified, so that a restore need not read it twice
        self._saving: tuple[int, concurrent.futures.Future] | None = None
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._orbax = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler())
        if keep is not None:
            decide(self._prepare)

    # Writing.

    def save(self, step: int, state: PyTree, meta: dict[str, Any]) -> None:
        """Starts to save `state`, a pytree of jax arrays, with `meta`, which is JSON. The state may be donated once this returns.

        A step that is already saved is left as it is, for the state is a function of the step.
        """
        assert self._keep is not None, "these checkpoints are opened for reading"
        self._settle()
        leaves = leaves_by_path(state)
        for name, leaf in leaves.items():
            if not isinstance(leaf, jax.Array) or getattr(leaf, "weak_type", False):
                raise TypeError(f"{name} is not a jax array of a definite dtype, and would not come back as it is: {leaf!r}")
        record = json.loads(json.dumps({"leaves": describe(leaves), "meta": meta}, allow_nan=False))  # checked, and a copy of our own
        try:
            if decide(lambda: self._make_way(step)):
                args = ocp.args.Composite(state=ocp.args.PyTreeSave(leaves), meta=ocp.args.JsonSave(record))
                self._orbax.save(self._directory / str(step), args=args)
                self._saving = step, self._worker.submit(self._finish, step)
        except OSError as error:
            self._failed(step, error)

    def poll(self) -> None:
        """Notices that a save has ended, well or badly. Costs nothing: call it every step."""
        if self._saving is not None and self._saving[1].done():
            self._settle()

    def wait(self) -> None:
        """Returns when the last save is verified; SaveError if it is lost."""
        self._settle()
        if self._failures:
            raise SaveError(self._failures[-1])

    def close(self) -> None:
        """`wait()`, and release everything."""
        try:
            self.wait()
        finally:
            self._worker.shutdown()
            self._orbax.close()

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.suppress(*([SaveError] if kind else [])):  # it is in the log, and must not hide the error that ends the run
            self.close()

    def _prepare(self) -> int:
        with writing(self._directory):
            (self._directory / "integrity").mkdir(parents=True, exist_ok=True)
            self._sweep()
        return 0

    def _make_way(self, step: int) -> bool:
        newest = max(self.verified(), default=NONE)
        if step < newest:
            raise CheckpointError(f"step {step} cannot be saved: {self._directory} has step {newest}, from which the next run would go on.")
        if step == newest:
            return False
        self._sweep()  # only now: threads of a failed save go on writing for a while; and on a full disk it takes the place of this one
        self._remove(step)  # what a kill left before its manifest was written
        return True

    def _finish(self, step: int) -> None:
        """In a thread: follows a save to its end. Raises whatever went wrong with it."""
        self._orbax.wait_until_finished()
        if not is_primary():
            return
        files = _hashes(self._directory / str(step))
        if COMMIT_FILE not in files:
            raise OSError(f"{COMMIT_FILE} is missing")
        workdir.replace(self._manifest(step), workdir.dumps({"step": step, "sha256": files}, indent=1).encode())
        for old in {*self._steps()} - {*self.verified()[-(self._keep or 0) :]}:
            self._remove(old)

    def _settle(self) -> None:
        """Waits for the save in flight, if there is one, and takes in how it ended."""
        if self._saving is None:
            return
        step, future = self._saving
        error = future.exception()
        self._saving = None
        if error is not None:
            self._failed(step, error)
        else:
            self._failures.clear()
            logger.info("checkpoint %d is saved and verified", step)

    def _failed(self, step: int, error: BaseException) -> None:
        good = max(self.verified(), default=NONE)
        self._failures.append(
            f"checkpoint {step} could not be saved in {self._directory}, "
            + (f"the newest good one is {good}: " if good != NONE else "and there is no older one: ")
            + f"{type(error).__name__}: {error}"
        )
        logger.error("failed save %d of %d: %s", len(self._failures), self._max_failures, self._failures[-1])
        self._orbax = ocp.AsyncCheckpointer(ocp.CompositeCheckpointHandler())  # the old one would raise this error again
        if len(self._failures) >= self._max_failures:
            raise SaveError(self._failures[-1]) from error

    # Reading.

    def latest(self) -> int | None:
        """The newest verified step, or None where none was ever saved. A damaged step is renamed to corrupt-<step> and the one before it is taken.

        A step without manifest is taken only where there is no verified one.

        Raises:
          CheckpointError: there were steps, and all of them are damaged: a run must not begin again as if nothing had been.
        """
        self._settle()
        self._verified = decide(self._newest)
        return None if self._verified == NONE else self._verified

    def verified(self) -> list[int]:
        """The steps that have a manifest, in order."""
        return [step for step in self._steps() if self._manifest(step).exists()]

    def read_meta(self, step: int) -> dict[str, Any]:
        """The `meta` that was saved with a step."""
        return self._record(step)["meta"]

    def check(self, step: int, abstract_state: PyTree, part: str = "") -> dict[str, Any]:
        """The leaves of `abstract_state` by their paths. CheckpointError with a table of the differences, unless paths, shapes and dtypes are
        those of the checkpoint, or of its part: nothing is cast, cut or left out.
        """
        wanted = leaves_by_path(abstract_state, part)
        stored = {name: kind for name, kind in self._record(step)["leaves"].items() if not part or name.startswith(f"{part}/")}
        compare(f"checkpoint {step}", stored, describe(wanted))
        return wanted

    def restore(self, step: int, abstract_state: PyTree, part: str = "") -> PyTree:
        """The arrays of a step, as the shapes, dtypes and shardings of `abstract_state` say; without a sharding, on the first device.

        `part` restores one sub-tree of what was saved, e.g. part="ema" with an abstract_state of the parameters. CheckpointError as `check` says.
        """
        wanted = self.check(step, abstract_state, part)
        one = SingleDeviceSharding(jax.local_devices()[0])
        targets = {
            name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=getattr(leaf, "sharding", None) or one) for name, leaf in wanted.items()
        }
        restore_args = ocp.checkpoint_utils.construct_restore_args(targets)
        args = ocp.args.Composite(state=ocp.args.PyTreeRestore(targets, restore_args=restore_args, partial_restore=bool(part)))
        arrays = self._read(step, args)["state"]
        return jax.tree.unflatten(jax.tree.structure(abstract_state), [arrays[name] for name in wanted])

    def _record(self, step: int) -> dict[str, Any]:
        self._settle()
        if step != self._verified:
            decide(lambda: self._require(step))
            self._verified = step
        return self._read(step, ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]

    def _read(self, step: int, args: ocp.args.Composite) -> Any:
        try:
            return self._orbax.restore(self._directory / str(step), args=args)
        except (OSError, ValueError) as error:  # a verified step reads; one without manifest may not
            raise CheckpointError(f"checkpoint {step} in {self._directory} could not be read: {error}") from error

    def _require(self, step: int) -> int:
        if step not in self._steps():
            listed = ", ".join(map(str, self._steps())) or "none"
            raise CheckpointError(f"there is no checkpoint {step} in {self._directory}; there is {listed}.")
        if problem := self._problem(step):
            raise CheckpointError(f"checkpoint {step} in {self._directory} is damaged: {problem}.")
        return step

    def _newest(self) -> int:
        verified = self.verified()
        for step in sorted(self._steps(), key=lambda step: (step in verified, step), reverse=True):
            problem = self._problem(step)
            if problem is None:
                if step not in verified:
                    logger.warning("checkpoint %d has no manifest: it is used unverified, for there is no other", step)
                return step
            logger.error("checkpoint %d in %s is damaged and not used: %s", step, self._directory, problem)
            if self._keep is not None:
                with writing(self._directory):
                    self._set_aside(step)
        lost = sorted(path.name for path in self._directory.glob("corrupt-*")) or [str(step) for step in self._steps()]
        if lost:
            raise CheckpointError(
                f"every checkpoint in {self._directory} is damaged ({', '.join(lost[-3:])}): put a good copy back in its place, "
                "or begin anew with --overwrite, which moves the run aside"
            )
        return NONE

    def _problem(self, step: int) -> str | None:
        """What is wrong with a step; None for nothing."""
        try:
            files = _hashes(self._directory / str(step))
            manifest = self._manifest(step)
            expected = workdir.loads(manifest.read_bytes())["sha256"] if manifest.exists() else files
            wrong = sorted({name for name, _ in files.items() ^ expected.items()} | {COMMIT_FILE} - files.keys())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:  # the last four: of a damaged manifest
            return str(error)
        return f"missing, changed or foreign files: {', '.join(wrong[:3])}{' ...' if len(wrong) > 3 else ''}" if wrong else None

    # The directory; process 0 only.

    def _manifest(self, step: int) -> Path:
        return self._directory / "integrity" / f"{step}.json"

    def _steps(self) -> list[int]:
        return sorted(int(path.name) for path in self._directory.glob("*") if NUMBER.fullmatch(path.name))

    def _remove(self, step: int) -> None:
        folder, trash = self._directory / str(step), self._directory / f".trash-{step}"
        if folder.exists():
            os.rename(folder, trash)  # a kill in the middle of a deletion must not leave half a step under its name
        self._manifest(step).unlink(missing_ok=True)
        shutil.rmtree(trash, ignore_errors=True)

    def _set_aside(self, step: int) -> None:
        names = (self._directory / f"corrupt-{step}{suffix}" for suffix in ("", *(f".{n}" for n in range(1, 100))))
        os.rename(self._directory / str(step), next(name for name in names if not name.exists()))
        self._manifest(step).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Deletes what a kill or a failed save has left half written or half deleted."""
        for folder in [*self._directory.glob("*.orbax-checkpoint-tmp*"), *self._directory.glob(".trash-*")]:
            shutil.rmtree(folder, ignore_errors=True)
        for manifest in self._directory.glob("integrity/*"):
            if not (self._directory / manifest.stem).exists():
                manifest.unlink()


def digest(state: PyTree) -> str:
    """sha256 of every leaf's path, dtype, shape and bytes, in the order of the paths; where the leaves lie makes no difference."""
    total = hashlib.sha256()
    leaves = leaves_by_path(state)
    for name, kind in sorted(describe(leaves).items()):
        leaf = leaves[name]
        total.update(f"{name}\0{kind}\0".encode())
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable and not leaf.is_fully_replicated:
            leaf = multihost_utils.process_allgather(leaf, tiled=True)
        total.update(np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data)
    return total.hexdigest()


def leaves_by_path(tree: PyTree, part: str = "") -> dict[str, Any]:
    """The leaves by path, such as params/trunk/kernel; an empty optax state has none, and needs none."""
    pairs = jax.tree.leaves_with_path(tree)
    leaves = {"/".join(filter(None, [part, jax.tree_util.keystr(path, simple=True, separator="/")])): leaf for path, leaf in pairs}
    if len(leaves) < len(pairs):
        raise ValueError("two leaves of the state have the same path: a name in it contains '/'")
    return leaves


def describe(leaves: dict[str, Any]) -> dict[str, str]:
    """{path: "dtype[shape]"}."""
    return {name: f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]" for name, leaf in leaves.items()}


def compare(name: str, stored: dict[str, str], wanted: dict[str, str]) -> None:
    """CheckpointError with a table of the leaves that differ, {path: "dtype[shape]"}, unless all are the same."""
    names = [name for name in sorted({*stored, *wanted}) if stored.get(name) != wanted.get(name)]
    if names:
        rows = [("leaf", "in the checkpoint", "in the model")]
        rows += [(name, stored.get(name, "-"), wanted.get(name, "-")) for name in names[:10]]
        width = [max(len(row[column]) for row in rows) for column in range(2)]
        table = "\n".join(f"  {name:{width[0]}}  {there:{width[1]}}  {here}" for name, there, here in rows)
        more = f"\n  and {len(names) - 10} more" if len(names) > 10 else ""
        raise CheckpointError(f"{name} is of another model: {len(names)} of its leaves differ.\n{table}{more}")


def _hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file under a folder; OSError for anything that is neither a file nor a folder, above all a symbolic link."""
    hashes = {}
    if folder.is_symlink() or not folder.is_dir():
        raise OSError(f"{folder.name} is not a folder")
    for entry in sorted(folder.rglob("*")):
        name = entry.relative_to(folder).as_posix()
        if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
            raise OSError(f"{name} is not a regular file")
        if entry.is_file():
            with entry.open("rb") as file:
                hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes
