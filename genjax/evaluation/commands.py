"""The sample and the evaluate command, as functions."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from genjax.config import require, to_json
from genjax.data import pairs
from genjax.data.base import Dialogue, Questions, Source, Turn
from genjax.errors import visible
from genjax.evaluation import (
    answers,
    baselines,
    describing,
    edits,
    following,
    hidden_cell,
    infilling,
    levels,
    media,
    negation,
    pictures,
    questions,
    texts,
    variety,
)
from genjax.evaluation.answers import Answers
from genjax.evaluation.describing import Describer
from genjax.evaluation.evaluator import Drawn, Evaluator
from genjax.evaluation.judge import Judge
from genjax.evaluation.planner import Planner
from genjax.evaluation.provenance import provenance
from genjax.evaluation.trained import Trained, load
from genjax.registry import pick
from genjax.training import exported
from genjax.training.setup import Run
from genjax.training.workdir import Workdir, is_primary, writing
from genjax.types import Params

_SHOWN = 5  # answers in the record of an evaluation
_CALLED = {".png": "picture", ".wav": "sound", ".gif": "film"}


def sample(
    path: str,
    overrides: Mapping[str, str],
    *,
    out: str | None,
    label: int | None,
    prompt: str,
    step: int | None,
    weights: str,
    planner: str | None = None,
    suffix: str = "",
) -> Path:
    """Draws `sample.count` samples of a run and writes them as a picture or text, and an array; returns their path without ending.

    A prompt is what text begins with, what is answered by a model that was trained on prompts with answers, or what a picture is asked for with; of
    the picture the oracle's verdict is told. With the run of a planner, the picture is drawn from its plan of the prompt. With a suffix, what
    is drawn stands between the prompt and it: `sample.length` tokens at most, or a quarter of a row.
    """
    trained = load(path, overrides, weights=weights, step=step)
    plans = None if planner is None else Planner.load(planner, trained.run)
    spec, count, tokenizer = trained.run.source.spec, trained.run.config.sample.count, trained.run.source.tokenizer
    _check_label(trained, path, label)
    prompts, language = (trained.run.source.prompts, trained.run.source.language) if plans is None else (plans.prompts, plans.prompts)
    told = trained.run.captioned and language is not None
    require(not prompt or tokenizer is not None or told, f"--prompt: the model of {path} writes no text and knows no captions")
    require(plans is None or bool(prompt), "--planner plans what is asked for: give --prompt")
    caption = language.encode(prompt) if language is not None and told and prompt else None
    require(not suffix or tokenizer is not None, f"--suffix: the model of {path} writes no text")
    started = time.monotonic()
    evaluator, shown, asked = Evaluator(trained.run), [], None
    if tokenizer is not None and suffix:
        length = trained.run.config.sample.length or trained.run.config.data.length // 4
        drawn = infilling.between(evaluator, trained.params, count, tokenizer.encode(prompt), tokenizer.encode(suffix), length)
        shown = [prompt + tokenizer.decode(row) + suffix for row in drawn.data]
    elif tokenizer is not None and trained.run.source.dialogues and answers.can(trained.run):
        drawn = answers.draw(trained.run, trained.params, count, prompt)
        shown = [tokenizer.decode(row) for row in drawn.data]
    elif tokenizer is not None:
        length = trained.run.config.sample.length or trained.run.config.data.length
        drawn = texts.go_on(evaluator, trained.params, count, tokenizer.encode(prompt), length)
        shown = [prompt + tokenizer.decode(row) for row in drawn.data]
    else:
        asked = None if caption is None else np.tile(caption, (count, 1))
        if plans is not None and asked is not None:
            asked = plans(asked)
        given = None if asked is None else {"caption": asked}
        drawn = evaluator.draw(trained.params, count, label=label, given=given)
    seconds = time.monotonic() - started

    target = _named(out) if out else Workdir(path).samples / f"samples_step{trained.step}"
    if not is_primary():
        return target
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        plain = trained.run.source.plain
        arrays: dict[str, Any] = {plain.spec.key: trained.run.source.decoded(drawn.data), spec.key: drawn.data}
        arrays |= {} if drawn.label is None else {"label": drawn.label}
        np.savez_compressed(target.with_name(target.name + ".npz"), **arrays)
        print(
            f"{count} samples of step {trained.step} ({weights} weights) in {seconds:.1f} s with compilation; {drawn.nfe:g} network evaluations each"
        )
        columns = trained.run.classes if trained.run.classes and label is None else 10
        if trained.run.source.shown is not None:
            for written in media.write(trained.run.source, drawn.data, columns, target):
                print(f"  {_CALLED[written.suffix]:<8} {written}")
        planned = trained.run.source.prompts
        if plans is not None and asked is not None and planned is not None:
            for plan, times in Counter(visible(planned.decode(plan)) for plan in asked).most_common(_SHOWN):
                print(f"  planned  {times} x '{plan}'")
        if prompts is not None and caption is not None:
            verdicts = prompts.judge(np.tile(caption, (count, 1)), drawn.data)
            counted = ", ".join(f"{error} {n}" for error, n in Counter(verdicts.error).most_common())
            shares = [f"{name} {np.sum(getattr(verdicts, name))}/{count}" for name in ("valid", "follow", "strict")]
            print(f"  verdict  '{prompts.decode(caption)}' {', '.join(shares)}; first errors: {counted}")
        if shown:
            written = target.with_name(target.name + ".txt")
            written.write_text(texts.sheet(shown), encoding="utf-8", newline="")
            print(f"{visible(texts.sheet(shown))}  text     {written}")
    print(f"  array    {target.with_name(target.name + '.npz')}")
    return target


def chat(path: str, overrides: Mapping[str, str], *, lines: Iterable[str], step: int | None, weights: str) -> Dialogue:
    """Answers line by line, token by token as they are written, until the lines end; returns what was said.

    A prompt stands after as many turns as the training data ever have before one, as far as a row holds them.
    """
    trained = load(path, overrides, weights=weights, step=step)
    source = trained.run.source
    require(bool(source.dialogues) and source.tokenizer is not None, f"--chat: the model of {path} was not trained on prompts with answers")
    assert source.tokenizer is not None
    answer, said = Answers(trained.run), []
    turns = max(len(dialogue) for dialogue in source.dialogues["train"])
    print(f"step {trained.step} ({weights} weights): a line is a prompt; the end of the input (Ctrl-D) ends it", flush=True)
    for line in lines:
        if not (line := line.rstrip("\n")):
            continue
        before = said[max(0, len(said) - turns + 1) :] if turns > 1 else []
        while before and len(pairs.ask(source.tokenizer, before, line, source.answer_room)) > source.spec.shape[0] // 2:
            before = before[1:]
        written = ""
        for piece in answer.stream(trained.params, pairs.ask(source.tokenizer, before, line, source.answer_room), len(said)):
            print(visible(piece), end="", flush=True)
            written += piece
        print(flush=True)
        said.append(Turn(line, written))
    return tuple(said)


def film(path: str, overrides: Mapping[str, str], *, out: str | None, step: int | None, weights: str) -> list[Path]:
    """Writes how a run's model works as strips (a row an example, time from left to right) and as GIFs; returns their paths."""
    trained = load(path, overrides, weights=weights, step=step)
    source, written = trained.run.source, []
    of = dataclasses.replace(source.spec, levels=256)
    require(
        source.spec.ordered and source.shown is not None and trained.run.objective.generates,
        f"--film: the model of {path} makes no images, of which strips show the way",
    )
    target = _named(out) if out else Workdir(path).samples / f"film_step{trained.step}"
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for name, frames in Evaluator(trained.run).film(trained.params, 8).items():
            few = np.round(np.linspace(0, len(frames) - 1, min(len(frames), 11))).astype(int)
            strip = target.with_name(f"{target.name}_{name}.png")
            stills = np.stack([media.still(source, frame) for frame in frames])
            Image.fromarray(pictures.sheet(stills[few].swapaxes(0, 1).reshape(-1, *stills.shape[2:]), of, len(few))).save(strip)
            moving = target.with_name(f"{target.name}_{name}.gif")
            shots = [Image.fromarray(pictures.sheet(still, of, min(4, len(still)), height=80)) for still in stills]
            shots[0].save(moving, save_all=True, append_images=shots[1:], duration=[*[80] * (len(shots) - 1), 1500], loop=0)
            written += [strip, moving]
            print(f"  {name:<10} {strip}  {moving.name}")
    return written


def look(
    path: str,
    overrides: Mapping[str, str],
    *,
    image: str | None,
    question: str | None,
    redraw: str | None,
    out: str | None,
    label: int | None,
    step: int | None,
    weights: str,
    describe: bool = False,
) -> str | Path:
    """Answers a question about an image, or describes it, with the model of a run that does so, and returns what it says; or edits it (`edit`).

    out: of a model that speaks, where held-out examples are written to as they are seen and heard.
    question: in the language of the data; None has the image described. Without an image, a caption that is planned.
    describe: has the image put into words by a model that draws as well. (The others as in `edit`.)
    """
    trained = load(path, overrides, weights=weights, step=step)
    source = trained.run.source
    if describe:
        require(describing.describes(trained.run), f"--describe: the model of {path} was not trained to put what it draws into words")
        require(source.language is not None and redraw is None and label is None, "--describe speaks: give no --redraw or --label")
        assert source.language is not None and image is not None
        data = _images(trained, image)
        _write_looked(out, image, [(source, data)])
        captions = describing.describe(Evaluator(trained.run), trained.params, data)
        said = [source.language.decode(caption) for caption in captions]
        print(*said, sep="\n")
        return "\n".join(said)
    if source.questions is None:
        require(question is None, f"--question: the model of {path} was not trained on questions about images")
        assert image is not None
        return edit(path, overrides, image=image, redraw=redraw, out=out, label=label, step=step, weights=weights)
    require(redraw is None and label is None, f"the model of {path} speaks about images: give no --redraw or --label")
    asks, count = source.questions, trained.run.config.sample.count
    if image == "held_out":
        require(question is None, "--image=held_out has its questions with it: give a picture file with --question")
        rows = source.splits["eval"].rows(np.arange(min(count, len(source.splits["eval"]))))
        expected = questions.said(rows["tokens"], rows["loss_mask"] > 0, source.spec.levels - 2)
    else:
        looked = None if image is None else _picture(image, asks, trained, path)
        rows, expected = asks.ask(looked, question or ""), []
    looked = asks.looked(rows)
    _write_looked(out, image, looked)
    said = [asks.decode(answer) for answer in questions.answer(Evaluator(trained.run), trained.params, rows)]
    if image == "held_out":
        said = [f"{asked}? {mine}" if asked else mine for asked, mine in zip(asks.asked(rows), said, strict=True)]
    beside = [f"   (expected: {asks.decode(answer)})" for answer in expected]
    lines = [mine + theirs for mine, theirs in itertools.zip_longest(said, beside, fillvalue="")]
    if len(looked) > 1:  # in the order of what is written, kind by kind
        names, kinds = [seen.spec.name for seen, _ in looked], [kind for kind, *_ in asks.groups(rows)]
        lines = [f"{kinds[at]}: {lines[at]}" for at in sorted(range(len(lines)), key=lambda at: names.index(kinds[at]))]
    print(*lines, sep="\n")
    return "\n".join(lines)


def _picture(image: str, asks: Questions, trained: Trained, path: str) -> np.ndarray:
    """The picture of a file, as those that a model looks at."""
    sizes = [shape for shape in asks.shapes if len(shape) == 3]
    require(len(sizes) == 1, f"--image={image}: the model of {path} looks at no pictures from files, or at several kinds: give --image=held_out")
    return edits.read_image(image, dataclasses.replace(trained.run.source.spec, key="image", shape=sizes[0], levels=256))


def edit(
    path: str, overrides: Mapping[str, str], *, image: str, redraw: str | None, out: str | None, label: int | None, step: int | None, weights: str
) -> Path:
    """Edits images with a run's model: draws a part anew (inpainting) or all of it from a noisy version (SDEdit); returns the sheet's path.

    Args:
      image: "held_out", or a PNG, of the size of the data.
      redraw: the part that is drawn anew, as "top,left,bottom,right" in pixels or a PNG that is white there; None edits the whole.
      (the others as in `sample`)
    """
    trained = load(path, overrides, weights=weights, step=step)
    spec = trained.run.source.spec
    require(spec.ordered, f"--image: the model of {path} is of tokens, of which no part is drawn anew: train one of arrays")
    _check_label(trained, path, label)
    before, labels = _images(trained, image), None
    if image == "held_out":
        labels = trained.run.source.splits["eval"].rows(np.arange(len(before))).get("label")
    else:
        require(label is not None or trained.run.classes == 0, "--image=FILE needs --label, its class")
    drawn, keep = _anew(trained, before, labels if label is None else label, redraw)

    target = _named(out) if out else Workdir(path).samples / f"edited_step{trained.step}"
    picture = target.with_name(target.name + ".png")
    arrays: dict[str, Any] = {spec.key: drawn.data, "before": before}
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(target.with_name(target.name + ".npz"), **arrays)
        if trained.run.source.shown is not None:
            Image.fromarray(edits.before_and_after(before, keep, drawn.data, trained.run.source)).save(picture)
            for ending, content in media.recordings(trained.run.source, drawn.data).items():
                target.with_name(target.name + ending).write_bytes(content)
    if redraw is not None and describing.describes_parts(trained.run) and (language := trained.run.source.language) is not None:
        known = [part.name for part in spec.parts if part.name != redraw]
        print(
            *(f"  said     {language.decode(caption)}" for caption in describing.describe(Evaluator(trained.run), trained.params, before, known)),
            sep="\n",
        )
    if trained.run.source.figures is not None:
        _tell(trained.run.source.figures, {"edited": drawn.data, "before": before})
    print(f"{len(before)} images edited with step {trained.step} ({weights} weights), {drawn.nfe:g} network evaluations each")
    print(f"  picture  {picture}   (before{', what is drawn anew' if keep is not None else ''}, after)")
    return picture


def _anew(trained: Trained, before: np.ndarray, label: np.ndarray | int | None, redraw: str | None) -> tuple[Drawn, np.ndarray | None]:
    """Rows with a part drawn anew, or edited as a whole, and the mask of what is kept, if anything is."""
    spec, keep = trained.run.source.spec, None
    given: dict[str, np.ndarray] = {spec.key: before}
    if redraw is not None:
        keep = ~edits.read_region(redraw, spec)
        given["mask"] = np.broadcast_to(keep, before.shape)
    # An array that is drawn anew beside others of its row is drawn from what the model says of them.
    says = redraw is not None and describing.describes_parts(trained.run)
    drawn = Evaluator(trained.run).draw(trained.params, len(before), label=label, given=given, told=not says)
    if keep is not None:
        assert (np.where(keep, drawn.data, 0) == np.where(keep, before, 0)).all(), "what is kept must not change"
    return drawn, keep


def interpolate(path: str, overrides: Mapping[str, str], *, ends: str, out: str | None, label: int | None, step: int | None, weights: str) -> Path:
    """Draws the way from one image to another by a run's model, eleven images from left to right; returns the strip's path.

    Args:
      ends: "3,17", rows of the held-out split, or two PNGs of the size of the data, "a.png,b.png".
      (the others as in `sample`; without a label, each half of the way has the class of its end)
    """
    trained = load(path, overrides, weights=weights, step=step)
    spec, count = trained.run.source.spec, 11
    require(spec.ordered and trained.run.source.shown is not None, f"--interpolate: the model of {path} knows no images")
    _check_label(trained, path, label)
    images, labels = edits.read_ends(ends, trained.run.source)
    require(label is not None or labels is not None or trained.run.classes == 0, "--interpolate=FILE,FILE needs --label, their class")
    fraction = np.linspace(0.0, 1.0, count, dtype=np.float32)
    given = {name: np.broadcast_to(image, (count, *spec.shape)) for name, image in zip((spec.key, "towards"), images, strict=True)}
    classes = label
    if label is None and labels is not None and trained.run.classes:
        classes = labels[(fraction > 0.5).astype(int)]
        given |= {name: np.full(count, end, np.int32) for name, end in zip(("from_label", "towards_label"), labels, strict=True)}
    drawn = Evaluator(trained.run).draw(trained.params, count, label=classes, given=given | {"fraction": fraction})

    target = _named(out) if out else Workdir(path).samples / f"interpolated_step{trained.step}"
    picture = target.with_name(target.name + ".png")
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {spec.key: drawn.data, "ends": images}
        np.savez_compressed(target.with_name(target.name + ".npz"), **arrays)
        Image.fromarray(media.sheet(trained.run.source, np.concatenate([images[:1], drawn.data, images[1:]]), count + 2)).save(picture)
    print(f"{count} images between two with step {trained.step} ({weights} weights), {drawn.nfe:g} network evaluations each")
    print(f"  picture  {picture}   (the first and the last are the images themselves)")
    return picture


def evaluate(
    path: str,
    overrides: Mapping[str, str],
    *,
    step: int | None,
    weights: str,
    classifier: str | None = None,
    cell: int | None = None,
    forbid: bool = False,
    by_level: bool = False,
    varied: bool = False,
    planner: str | None = None,
    describer: str | None = None,
    gap: int | None = None,
    redraw: str | None = None,
    command: str = "",
) -> dict[str, Any]:
    """Measures a run on the held-out split, prints a table and writes it as JSON; returns what it wrote.

    With a classifier's run, `sample.count` samples are drawn and judged by it: Fréchet distance to the training data in its features, and
    how often it gives a sample the class that was asked for. The same is done with held-out data, as what a perfect model would get.

    Of scenes of shapes, `cell` is drawn anew in `sample.count` held-out ones and compared with its exact posterior; with `forbid`, as many are
    asked for without something; with `by_level`, `evaluate.examples` of them are denoised, beside the ideal denoiser; with `varied`, it is
    counted how many different ones are drawn.
    With the run of a planner, prompts are judged of what is drawn from its plans of them; with that of a describer, held-out examples are put into
    words by it and drawn again. Of running text, gaps of `gap` tokens in `sample.count` held-out rows are filled in. `redraw` is the part
    of as many held-out arrays that is drawn anew, as in `edit`: told are the figures of the data, and how often it became what it was.
    """
    trained = load(path, overrides, weights=weights, step=step)
    run = trained.run
    plans = None if planner is None else Planner.load(planner, run)
    words = None if describer is None else Describer.load(describer, run)
    judge = None if classifier is None else Judge(load(classifier, {}))
    require(
        judge is None or judge.spec == run.source.plain.spec,
        f"--classifier={classifier} was not trained on the data of this model, {run.source.spec.name}",
    )
    require(judge is None or run.objective.generates, f"--classifier judges samples, and the model of {path} draws none")
    require(
        judge is not None or run.objective.scores,
        f"the model of {path} has no likelihood ({run.config.objective}): train a classifier of the data and judge samples with --classifier",
    )
    require(judge is None or run.config.sample.count >= 2, "a Fréchet distance needs at least two samples: set sample.count")
    if cell is not None:
        hidden_cell.check(run, cell)
    if forbid:
        negation.check(run)
    if by_level:
        levels.check(run)
    if varied:
        variety.check(run)
    require(
        redraw is None or run.source.spec.ordered, f"--redraw: the model of {path} is of tokens, of which no part is drawn anew: train one of arrays"
    )
    print(f"{run.config.objective} on {run.source.spec.name}, step {trained.step}, {weights} weights")
    record: dict[str, Any] = {"command": command, **provenance(), "seeds": [run.config.seed]}
    record |= {"step": trained.step, "weights": weights, "config": to_json(run.config)}
    if run.objective.scores:
        bits = Evaluator(run).bits(trained.params, run.config.evaluate.examples)
        print(f"  bits/{bits.unit:<5} {bits.value:.4f} ± {bits.stderr:.4f}   {bits.kind.replace('_', ' ')}, {bits.examples:,} held-out examples")
        for name, value in bits.terms.items():
            print(f"    {name:<14} {value:.4f}")
        if bits.excess is not None:
            bound = "at most " * (bits.kind == "upper_bound")
            print(f"  bits/example above the exact -log2 p: {bound}{bits.excess.value:.3f} ± {bits.excess.stderr:.3f}")
            for name, part in bits.excess_terms.items():
                print(f"    of {name:<11} {part.value:.3f} ± {part.stderr:.3f}")
        record[f"bits_per_{bits.unit}"] = bits._asdict() | {"excess_terms": dict(bits.excess_terms)}
        floor = baselines.table(run.source, run.config.evaluate.examples) if run.objective.generates else []
        record["baselines"] = [baseline._asdict() for baseline in floor]
        for baseline in record["baselines"]:
            print(f"  {baseline['value']:.4f}     {baseline['name']}")
        if run.source.tokenizer is not None:
            measured = texts.per_token(bits, run.source, run.config.evaluate.examples)
            record["per_token"] = measured._asdict() | {"tokenizer": run.source.tokenizer.name}
            print(
                f"  nats/token {measured.nats:.4f} ± {measured.stderr:.4f}   perplexity {measured.perplexity:.2f} a token, "
                f"{measured.tokens:,} tokens of {run.source.tokenizer.name}"
            )
    else:
        print("  this objective has no likelihood: only its samples are judged")
    if run.source.dialogues and answers.can(run):
        record["answers"] = _answered(run, trained.params)
    if gap is not None:
        filled = infilling.measure(Evaluator(run), trained.params, run.config.sample.count, gap)
        record["infilling"] = infilling.record(filled) | {"gap": gap}
        print(*infilling.lines(filled), sep="\n")
    if run.captioned and run.source.prompts is not None:
        found = following.measure(Evaluator(run), trained.params, run.config.sample.count, plans)
        record["following"] = following.record(found)
        print(*following.lines(found), sep="\n")
    if cell is not None:
        filled = hidden_cell.measure(Evaluator(run), trained.params, run.config.sample.count, cell)
        record["hidden_cell"] = hidden_cell.record(filled) | {"cell": cell}
        print(*hidden_cell.lines(filled), sep="\n")
    if forbid:
        forbidden = negation.measure(Evaluator(run), trained.params, run.config.sample.count)
        record["negation"] = negation.record(forbidden)
        print(*negation.lines(forbidden), sep="\n")
    if by_level:
        rows = levels.measure(Evaluator(run), trained.params, run.config.evaluate.examples)
        record["noise_levels"] = levels.record(rows)
        print(*levels.lines(rows), sep="\n")
    if varied:
        different = variety.measure(Evaluator(run), trained.params, run.config.sample.count)
        record["variety"] = variety.record(different)
        print(*variety.lines(different), sep="\n")
    if run.source.questions is not None:
        answered = questions.measure(Evaluator(run), trained.params, run.config.sample.count)
        record["questions"] = questions.record(answered)
        print(*questions.lines(answered), sep="\n")
    if describing.describes(run):
        record["described"] = {}
        for what, described in describing.measure(Evaluator(run), trained.params, run.config.sample.count).items():
            record["described"][what] = describing.record(described)
            print(f"  held-out examples, {what}", *describing.lines(described), sep="\n")
    if words is not None and run.source.prompts is None:
        record["read"] = {}
        for what, described in describing.read(Evaluator(run), trained.params, words, run.config.sample.count).items():
            record["read"][what] = describing.record(described)
            print(f"  what the describer reads, {what.replace('_', ' ')}", *describing.lines(described), sep="\n")
    elif words is not None:
        trip = describing.round_trip(Evaluator(run), trained.params, words, run.config.sample.count)
        record["round_trip"] = describing.record(trip)
        print("  held-out examples, put into words and drawn again", *describing.lines(trip), sep="\n")
    if judge is not None:
        drawn = Evaluator(run).draw(trained.params, run.config.sample.count)
        verdicts = {"samples": judge(run.source.decoded(drawn.data), drawn.label), "held_out": judge.held_out(run.source, len(drawn.data))}
        record["judged"] = {"classifier": judge.name} | {
            name: verdict._asdict() | {"as_asked": verdict.as_asked and verdict.as_asked._asdict()} for name, verdict in verdicts.items()
        }
        print(f"  {len(drawn.data):,} samples judged by {judge.name}, beside as many held-out examples ({drawn.nfe:g} network evaluations a sample)")
        mine, real = verdicts.values()
        print(f"    {mine.frechet:<10.4f} {'Fréchet distance in its features':<34} held-out {real.frechet:.4f}")
        if mine.as_asked and real.as_asked:
            within = f"[{mine.as_asked.low:.3f}, {mine.as_asked.high:.3f}]"
            print(f"    {mine.as_asked.value:<10.4f} {'classified as asked ' + within:<34} held-out {real.as_asked.value:.4f}")
    if run.source.figures is not None and run.objective.generates:
        drawn, held_out = Evaluator(run).draw(trained.params, run.config.sample.count), run.source.splits["eval"]
        real = held_out.rows(np.arange(min(len(held_out), len(drawn.data))))[run.source.spec.key]
        print(f"  {len(drawn.data):,} samples ({drawn.nfe:g} network evaluations each), beside {len(real):,} held-out examples")
        record["figures"] = _tell(run.source.figures, {"samples": drawn.data, "held_out": real})
    if redraw is not None:
        record["redrawn"] = {"part": redraw} | _redrawn(trained, redraw)
    # Another measurement of the same step is another file, the same one the same.
    given = [
        classifier and str(Path(classifier).resolve()),
        planner and str(Path(planner).resolve()),
        describer and str(Path(describer).resolve()),
        cell,
        forbid,
        by_level,
        varied,
        gap,
        redraw,
    ]
    asked = json.dumps([record["config"], str(weights), *given], sort_keys=True)
    workdir, name = Workdir(path), f"evaluation_step{trained.step}_{hashlib.sha256(asked.encode()).hexdigest()[:8]}.json"
    workdir.write_json(name, record)
    print(f"  written    {workdir.path / name}")
    return record


def export(path: str, overrides: Mapping[str, str], *, out: str, layout: str, step: int | None, weights: str) -> Path:
    """Writes a run's parameters and config into the folder `out`, in a layout of `exported.LAYOUTS`; returns the parameters' file."""
    write = pick(exported.LAYOUTS, layout, "--layout")
    trained, folder = load(path, overrides, weights=weights, step=step), Path(out).expanduser().resolve()
    require(trained.run.config.sample.guide is None, "sample.guide is another model: export each of them")
    require(
        not (folder / "checkpoints").exists() and folder != Workdir(path).path,
        f"--out={out} is a run's directory: name a new folder for what is exported",
    )
    written = write(folder, trained.run.config, trained.params, trained.step)
    print(f"parameters of step {trained.step} ({weights} weights), {written.stat().st_size:,} bytes\n  written  {written}")
    return written


def _write_looked(out: str | None, image: str | None, looked: list[tuple[Source, np.ndarray]]) -> None:
    """Writes what is looked at, in files that are named by their source where they are of several."""
    require(out is None or image == "held_out", "--out is for what is drawn, or for --image=held_out: leave it out")
    if out is None or not looked:
        return
    target = _named(out)
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        for source, data in looked:
            stem = target.with_name(f"{target.name}_{source.spec.slug}") if len(looked) > 1 else target
            for written in media.write(source, data, 10, stem):
                print(f"  {_CALLED[written.suffix]:<8} {written}")


def _images(trained: Trained, image: str) -> np.ndarray:
    """Data [n, ...] of the first held-out examples, or of a file."""
    run = trained.run
    if image == "held_out":
        return following.held_out(run.source, run.config.sample.count)[run.source.spec.key]
    require(run.source.spec.key == "image", f"--image={image}: this model knows no pictures from files, give --image=held_out")
    return edits.read_image(image, run.source.spec)[None]


def _named(out: str) -> Path:
    """--out without the ending of a file that is written under it."""
    path = Path(out)
    require(
        path.suffix.lower() not in (".mp4", ".webm", ".avi", ".mov", ".mkv", ".mp3", ".flac", ".ogg"),
        f"--out={out}: films are written as GIF and sounds as WAV, which need no encoder; to have {path.suffix}, give --out={path.stem} and use "
        f"`ffmpeg -i {path.stem}.gif {path.name}` (or {path.stem}.wav)",
    )
    return path.with_suffix("") if path.suffix in (".png", ".npz", ".gif", ".wav") else path


def _answered(run: Run, params: Params) -> dict[str, Any]:
    """What the model answers to held-out prompts, scored beside the baselines, and the first answers as they are."""
    assert run.source.tokenizer is not None
    prompts, turns = answers.held_out(run.source, run.config.evaluate.examples)
    given = [run.source.tokenizer.decode(tokens) for tokens in Answers(run)(params, prompts)]
    said = {"the model": given} | answers.baselines(run.source, [turn.prompt for turn in turns])
    scores = {name: answers.score(each, [turn.answer for turn in turns]).known for name, each in said.items()}
    print(f"  {len(given):,} held-out prompts answered")
    for name, values in scores.items():
        print(f"    {name:<24} " + "   ".join(f"{figure.replace('_', ' ')} {value:5.2f}" for figure, value in values.items()))
    first = [turn._asdict() | {"given": answer} for turn, answer in zip(turns[:_SHOWN], given, strict=False)]
    return {"prompts": len(given), "scores": scores, "first": first}


def _redrawn(trained: Trained, redraw: str) -> dict[str, Any]:
    """What a part of `sample.count` held-out arrays becomes when it is drawn anew, beside what it was."""
    source = trained.run.source
    told: dict[str, Any] = {}
    held_out = source.splits["eval"]
    rows = held_out.rows(np.arange(min(len(held_out), trained.run.config.sample.count)))
    before = rows[source.spec.key]
    drawn, _ = _anew(trained, before, rows.get("label"), redraw)
    same = float(np.mean((drawn.data == before).reshape(len(before), -1).all(axis=1)))
    print(f"  {redraw} of {len(before):,} held-out examples drawn anew ({drawn.nfe:g} network evaluations each)")
    print(f"    {'as it was':<32} {same:.4f}")
    if source.figures is not None:
        told |= _tell(source.figures, {"samples": drawn.data, "held_out": before})
    if describing.describes_parts(trained.run):
        said = describing.describe(Evaluator(trained.run), trained.params, drawn.data, [redraw], turn=1)
        anew = describing.compare(said, rows["caption"], describing.words_of(source, [part.name for part in source.spec.parts]))
        print("  what the model itself reads in what it drew, of what all arrays have in common", *describing.lines(anew), sep="\n")
        told["described"] = describing.record(anew)
    return {"rows": len(before), "as it was": same, **told}


def _tell(figures: Callable[[np.ndarray], dict[str, float]], groups: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """What the data's own figures say of groups of rows, printed side by side."""
    told = {name: figures(data) for name, data in groups.items()}
    for figure in next(iter(told.values())):
        print(f"    {figure:<32} " + "   ".join(f"{name.replace('_', ' ')} {values[figure]:.4f}" for name, values in told.items()))
    return told


def _check_label(trained: Trained, path: str, label: int | None) -> None:
    if label is not None:
        spec = trained.run.source.spec
        require(trained.run.classes > 0, f"--label={label}, but the model of {path} knows no classes")
        require(0 <= label < spec.num_classes, f"--label={label}, but the classes of {spec.name} are 0 to {spec.num_classes - 1}")
