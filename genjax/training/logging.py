"""What a run tells: rows of metrics.jsonl (the truth), TensorBoard files, Weights & Biases, and lines for the person who waits."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from genjax.errors import UsageError, visible
from genjax.training.workdir import MetricsLog, Workdir, is_primary


class Logger:
    """Writes scalars and pictures of a run to every destination that its config names."""

    def __init__(self, workdir: Workdir, config: Any, *, start_step: int, total_steps: int, again: Collection[str] = ()) -> None:
        self.rows = MetricsLog(workdir.path / "metrics.jsonl")
        self.rows.truncate_after(start_step, again)
        self.folder = workdir.path / "samples"
        self.console = Console(stderr=False, highlight=False, soft_wrap=True, quiet=not is_primary())
        self.total, self.untimed, self.started, self.paused = total_steps, start_step, time.monotonic(), 0.0
        self.tensorboard = _tensorboard(workdir.path / "tensorboard", start_step) if config.logging.tensorboard and is_primary() else None
        self.wandb = _wandb(config.logging.wandb, workdir, config) if config.logging.wandb and is_primary() else None
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        # A bar where somebody watches; in a file or a log of a cluster the lines below are all there is.
        self.bar = Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal)
        self.task = self.bar.add_task("training", total=total_steps, completed=start_step)
        self.bar.start()

    def scalars(self, step: int, split: str, values: Mapping[str, float | str], **seconds: float) -> None:
        """A row {"step", "split", values..., "seconds": {...}}: everything that depends on the clock is under "seconds"."""
        self.rows.write({"step": step, "split": split, **values, "seconds": {name: round(value, 4) for name, value in seconds.items()}})
        for name, value in values.items():
            if isinstance(value, str):
                continue
            if self.tensorboard:
                self.tensorboard.add_scalar(f"{split}/{name}", value, step)
            if self.wandb:
                self.wandb.log({f"{split}/{name}": value}, step=step)

    def picture(self, step: int, name: str, pixels: np.ndarray) -> Path:
        """A picture uint8 [H, W] or [H, W, 3], as samples/<name>_<step>.png."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{name}_{step:08d}.png"
        if is_primary():
            Image.fromarray(pixels).save(path)
        if self.tensorboard:
            self.tensorboard.add_image(name, np.atleast_3d(pixels), step, dataformats="HWC")
        return path

    def text(self, step: int, name: str, content: str) -> Path:
        """Text for people, as samples/<name>_<step>.txt."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{name}_{step:08d}.txt"
        if is_primary():
            path.write_text(content, encoding="utf-8", newline="")
        if self.tensorboard:
            self.tensorboard.add_text(name, f"```\n{content}```", step)
        return path

    def line(self, text: str) -> None:
        """A line for the terminal."""
        self.console.print(visible(text), markup=False)

    def progress(self, step: int, values: Mapping[str, float]) -> None:
        """A line with the step, its metrics and, where steps were timed, the rate and the time that is left at this rate."""
        self.bar.update(self.task, completed=step)
        line = f"step {step:>{len(str(self.total))}}/{self.total}  " + "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        if step > self.untimed:
            rate = (step - self.untimed) / max(time.monotonic() - self.started - self.paused, 1e-9)
            left = int((self.total - step) / rate)
            line += f"  {rate:.1f} steps/s  {left // 60}:{left % 60:02d} left"
        self.line(line)

    @contextlib.contextmanager
    def pause(self, steps: int = 0) -> Iterator[None]:
        """Time in this context, and `steps` that are made in it, do not count in the rate."""
        entered = time.monotonic()
        try:
            yield
        finally:
            self.paused += time.monotonic() - entered
            self.untimed += steps

    def close(self) -> None:
        self.bar.stop()
        self.rows.close()
        if self.tensorboard:
            self.tensorboard.close()
        if self.wandb:
            self.wandb.finish()


def _tensorboard(folder: Path, start_step: int):
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(folder), purge_step=start_step + 1 if start_step else None)


def _wandb(project: str, workdir: Workdir, config: Any):
    try:
        import wandb
    except ImportError:
        raise UsageError("logging.wandb needs the package wandb: install genjax[wandb], or set logging.wandb=None") from None
    from genjax.config import to_json

    name = workdir.path.name
    here = hashlib.sha256(str(workdir.path).encode()).hexdigest()[:8]  # cells of two sweeps may have one name
    return wandb.init(project=project, dir=str(workdir.path), name=name, id=f"{name}-{here}", resume="allow", config=to_json(config))
