"""What is measured while a model trains: bits on the held-out split and a sheet of samples, pictures or text, with the averaged parameters."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from genjax.evaluation import answers, media, texts
from genjax.evaluation.evaluator import Evaluator
from genjax.training.logging import Logger
from genjax.training.loop import Monitor
from genjax.training.setup import Run
from genjax.training.state import TrainState

_TEXTS = 8  # on a sheet


def monitors(run: Run) -> Sequence[Monitor]:
    """The monitors of a run; bits only where there is a likelihood, a sheet of samples only where people can see them."""
    evaluator, tokenizer = Evaluator(run), run.source.tokenizer
    length = run.config.sample.length or run.config.data.length

    def bits(run: Run, state: TrainState, step: int, log: Logger) -> None:
        started = time.monotonic()
        measured = evaluator.bits(state.ema, run.config.evaluate.examples)
        values = {f"bits_per_{measured.unit}": measured.value, "stderr": measured.stderr, "kind": measured.kind}
        values |= {f"bits_{name}": value for name, value in measured.terms.items()}
        above = ""
        if measured.excess is not None:
            values |= {"excess_bits": measured.excess.value, "excess_stderr": measured.excess.stderr}
            above = f", {measured.excess.value:.3f} bits/example above the exact ones"
        log.scalars(step, "held_out", values, took=time.monotonic() - started)
        log.line(
            f"  held-out  {measured.value:.4f} ± {measured.stderr:.4f} bits/{measured.unit}{above} "
            f"({measured.kind.replace('_', ' ')}, {measured.examples:,} examples)"
        )

    def written(run: Run, state: TrainState, step: int, log: Logger) -> None:
        assert tokenizer is not None
        drawn = texts.write(evaluator, state.ema, min(run.config.sample.count, _TEXTS), np.zeros(0, np.int32), length)
        path = log.text(step, "samples", texts.sheet([tokenizer.decode(row) for row in drawn.data]))
        log.line(f"  samples   {path}")

    def samples(run: Run, state: TrainState, step: int, log: Logger) -> None:
        columns = run.classes or 10
        drawn = evaluator.draw(state.ema, min(run.config.sample.count, 10 * columns))
        path = log.picture(step, "samples", media.sheet(run.source, drawn.data, columns))
        log.line(f"  samples   {path}")

    def answered(run: Run, state: TrainState, step: int, log: Logger) -> None:
        assert tokenizer is not None and answer is not None
        prompts, turns = answers.held_out(run.source, min(run.config.sample.count, _TEXTS))
        given = [tokenizer.decode(row) for row in answer(state.ema, prompts)]
        path = log.text(step, "samples", texts.sheet([f"{turn.prompt}\n> {said}" for turn, said in zip(turns, given, strict=True)]))
        log.line(f"  samples   {path}")

    answer = answers.Answers(run) if run.source.dialogues and answers.can(run) else None
    measured = [Monitor("held_out", run.config.train.evaluate_every, bits)] if run.objective.scores else []
    if run.objective.generates and run.source.shown is not None:
        measured.append(Monitor("samples", run.config.train.sample_every, samples))
    if run.objective.generates and tokenizer is not None:
        measured.append(Monitor("samples", run.config.train.sample_every, answered if answer else written))
    return measured
