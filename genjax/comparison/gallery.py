"""The gallery: what every kind of data comes to, from one list of entries in configs/gallery/.

    entry  ->  the three commands of a person: train, evaluate, sample  ->  results/gallery/<name>.json and docs/gallery/<name>.png, .gif, .wav

A record holds the entry as it was and the config that was trained, so that one that was changed later no longer fits its record (a test). Entries
with the same training share its run. One whose data are another's (`needs`) is left out where these are not there, with a sentence.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections
from PIL import Image

from genjax import config as configs
from genjax.comparison import plan
from genjax.config import REPOSITORY, require
from genjax.errors import did_you_mean
from genjax.training.workdir import Workdir, dumps, loads

FOLDER = REPOSITORY / "configs" / "gallery"
RESULTS = Path("results") / "gallery"
PICTURES = Path("docs") / "gallery"
PACE = Path("results") / "gallery_pace.json"

# Other people's data, by the folder that they lie in: what they are, and where they are found.
SETS = {
    "spoken_digit": "the archive of the Free Spoken Digit Dataset, from GitHub, Jakobovski/free-spoken-digit-dataset (CC BY-SA 4.0)",
    "noto_emoji": "png72.zip, the pictures of GitHub's googlefonts/noto-emoji, and captions.json, their names (docs/modalities.md)",
    "tiny_shakespeare": "input.txt of GitHub's karpathy/char-rnn, data/tinyshakespeare",
    "multi30k": "train, val and test_2016_flickr (.en.gz, .de.gz) of GitHub's multi30k/dataset, data/task1/raw",
    "babi_qa1": "qa1_single-supporting-fact_train.txt.gz and _test.txt.gz, the first of bAbI's tasks (10,000 and 1,000 questions), compressed",
    "self_instruct_seed": "seed_tasks.jsonl of GitHub's yizhongw/self-instruct, data",
}
# What a kind of data took: its files in genjax/data/ and its recipe in configs/.
KINDS = {
    "points": (("points",), "points"),
    "films": (("moving",), "moving"),
    "sound": (("audio",), "spoken_digit"),
    "named pictures, and arrays as numbers of patches": (("emoji", "coded"), "emoji"),
    "what is said of sounds, films and pictures": (("said", "words"), "said"),
    "sounds and films of the same things": (("together",), "together"),
    "translation": (("pairs",), "multi30k"),
    "word problems, questions, summaries, chat": (("sums", "reports", "talks", "docstrings"), "text_tasks"),
    "gaps in text": (("infilling",), "infilling"),
}
_TRAINED = ("classifier", "planner", "describer")  # flags that name the training of another entry
_EVALUATE = (*_TRAINED, "redraw", "gap")
_SAMPLE = ("label", "prompt", "suffix", "planner", "image", "question", "describe", "redraw", "chat")
_OTHER = re.compile(rf"(--(?:{'|'.join(_TRAINED)})=)(\S+)")
_SHOWN = (".png", ".gif", ".wav")
_WIDTH, _HEIGHT = 1000, 260  # dots that a picture is enlarged to at most
_LETTERS = 600  # of a text


class Entry(NamedTuple):
    """An entry: its name, <file> or <file>_<variant> of configs/gallery, and the checked fields of GALLERY in configs/base.py."""

    name: str
    config: ml_collections.FrozenConfigDict

    @property
    def needs(self) -> list[str]:
        """The sets that the entry and those it names read."""
        named = {match[2] for match in _OTHER.finditer(f"{self.config.evaluate} {self.config.sample}")}
        others = [name for other in (_listed() if named else ()) if other.name in named for name in other.config.needs.parts]
        return list(dict.fromkeys([*self.config.needs.parts, *others]))

    @property
    def data(self) -> Path | None:
        """The folder that DATA stands for; None where what the entry needs is not there."""
        given = Path(os.environ.get("GENJAX_DATA_DIR") or REPOSITORY.parent / "shared" / "data").expanduser().resolve()
        return next((folder for folder in (given, given / "sources") if all((folder / name).is_dir() for name in self.needs)), None)

    @property
    def absent(self) -> str:
        """Why the entry cannot be run here, in a sentence; nothing where it can."""
        if not self.needs or self.data is not None:
            return ""
        wanted = "; and ".join(f"{SETS[name]}: put it into {name}/" for name in self.needs)
        return f"{self.name} needs {wanted}, in the folder that GENJAX_DATA_DIR names"

    @property
    def training(self) -> ml_collections.FrozenConfigDict:
        """The config that is trained."""
        return plan.load_arm(self.name, self._with_data(self.config.train), {})

    def flags(self, line: str, known: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
        """The config fields and the other flags of a line of evaluate or sample, {name: text} each."""
        given = [flag.removeprefix("--").partition("=") for flag in shlex.split(self._with_data(line))]
        fields = {name.removeprefix("config."): value for name, _, value in given if name.startswith("config.")}
        others = {name: value for name, _, value in given if not name.startswith("config.")}
        wrong = [name for name in others if name not in known]
        require(not wrong, f"entry {self.name}: '--{', --'.join(wrong)}' is no flag for it; there are {', '.join(known)} and config.<field>")
        return fields, others

    def portable(self, config: Any) -> dict[str, Any]:
        """A config as JSON that names no folder of this machine."""
        return loads(dumps(configs.to_json(config)).replace(str(self.data or Path("DATA").resolve()), "DATA"))

    def _with_data(self, line: str) -> str:
        return re.sub(r"\bDATA\b", lambda _: shlex.quote(str(self.data or "DATA")), line)


def _listed() -> list[Entry]:
    fields, found = configs.base_fields("GALLERY"), []
    for path in sorted(FOLDER.glob("*.py")):
        for variant in getattr(configs._load_module(path), "VARIANTS", ("",)):
            made = configs.check(configs.recipe(f"{path}:{variant}".rstrip(":"), "GALLERY"), fields)
            found.append(Entry(f"{path.stem}_{variant}".rstrip("_"), made))
    return found


def entries() -> dict[str, Entry]:
    """All entries by name, in the order of their media and names; each is checked."""
    found, media = _listed(), configs.base_fields("GALLERY")["medium"].choices
    for entry in found:
        require(bool(entry.config.shows and entry.config.train), f"gallery entry {entry.name} has no line of what it shows, or no training")
        unknown = [name for name in entry.config.needs.parts if name not in SETS]
        require(not unknown, f"gallery entry {entry.name} needs {', '.join(unknown)}, which SETS has not")
        entry.flags(entry.config.evaluate, _EVALUATE)
        entry.flags(entry.config.sample, _SAMPLE)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: media.index(entry.config.medium))}


def load(name: str) -> Entry:
    """An entry by its name."""
    found = entries()
    require(name in found, f"the gallery has no entry '{name}'{did_you_mean(name, found) or ': there are ' + ', '.join(found)}")
    return found[name]


def record_of(entry: Entry, root: Path = REPOSITORY) -> dict[str, Any] | None:
    """The record of an entry, or None where it has not been run as it is now."""
    path, fields = root / RESULTS / f"{entry.name}.json", configs.base_fields()
    if not path.exists():
        return None
    record = loads(path.read_bytes())
    then, now = (configs.from_json(config, fields) for config in (record["config"], entry.portable(entry.training)))
    changed = [name for name in configs.difference(then, now) if not fields[name].late]
    registered = configs.from_json(record["registered"], configs.base_fields("GALLERY"))
    return record if not (changed or configs.difference(registered, entry.config)) else None


def run(entry: Entry, root: Path, command: str, out: Path = REPOSITORY) -> dict[str, Any]:
    """Trains what is not yet trained, measures and draws; writes the record and what there is to see or hear under `out`, and returns the record."""
    from genjax.evaluation import commands
    from genjax.evaluation.provenance import provenance
    from genjax.evaluation.trained import load as load_trained
    from genjax.training import flops

    cell = train(entry, root)
    settings, flags = entry.flags(entry.config.evaluate, _EVALUATE)
    measured = commands.evaluate(str(cell.path), settings, step=None, weights="ema", command=command, **_read(flags, root))
    bits = next((value for key, value in measured.items() if key.startswith("bits_per_")), None)
    trained = load_trained(cell.path, settings).run
    record = {
        "name": entry.name,
        "registered": configs.to_json(entry.config),
        "command": command,
        **provenance(),
        "seeds": [cell.seed],
        "config": entry.portable(cell.config),
        "objective": trained.config.objective,
        "values": trained.source.spec.num_dims,
        "steps": trained.total_steps,
        "seconds": cell.clock,
        "train_flops": trained.total_steps * flops.count(trained.make_step(), trained.abstract_state, trained.abstract_batch),
        "parameters": sum(leaf.size for leaf in _leaves(trained.abstract_state.params)),
        "bits": bits,
        "figures": [figure(measured, line) for line in entry.config.figures.parts],
        "load": os.getloadavg()[0],
    }
    record |= draw(entry, cell.path, out / PICTURES) if entry.config.sample else {"files": [], "text": ""}
    (out / RESULTS).mkdir(parents=True, exist_ok=True)
    Workdir(out / RESULTS).write_json(f"{entry.name}.json", record)
    return record


def train(entry: Entry, root: Path) -> Any:
    """The run of an entry's training, trained to its end: one folder for all entries that train the same."""
    from genjax.comparison.cells import Cell
    from genjax.training import loop

    config = entry.training
    cell = Cell(entry.name, config.seed, config, root / folder(entry))
    loop.refuse_other_config(Workdir(cell.path), config, "the recipe has changed since; choose another --workdir")
    if not cell.complete:
        print(f"\ntraining {entry.name} in {cell.path}", flush=True)
        cell.train()
    return cell


def pace(chosen: Iterable[Entry], seconds: float, out: Path = REPOSITORY, again: bool = False) -> dict[str, Any]:
    """How many minutes every training takes on this machine, from its first steps, in a process of its own with an empty compile cache.

    {folder: {"minutes", "first", "step", "others", "steps"}}, which results/gallery_pace.json has with where and when; a training that is in there is
    left out unless `again`.
    """
    from genjax.evaluation.provenance import provenance

    path = out / PACE
    found = loads(path.read_bytes())["trainings"] if path.exists() else {}
    for entry in chosen:
        name = folder(entry)
        if entry.absent or (name in found and not again):
            continue
        # A fresh process: what one recipe asks of XLA is not for the next, and nothing is compiled yet.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            found[name] = process.submit(_pace, entry.name, seconds).result()
        print(f"{name}: {found[name]['minutes']:.1f} min, others used {found[name]['others']:.2f} cores", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        Workdir(path.parent).write_json(path.name, {"command": "python scripts/gallery.py --pace", **provenance(), "trainings": found})
    return found


def _pace(name: str, seconds: float) -> dict[str, Any]:
    from genjax.evaluation import timing
    from genjax.training.setup import Run

    with tempfile.TemporaryDirectory() as cache:
        os.environ["GENJAX_CACHE_DIR"] = cache
        run = Run.build(load(name).training)
        found = timing.training(run, seconds)
    return {"minutes": (found.first + run.total_steps * found.step) / 60, **found._asdict(), "steps": run.total_steps}


def _read(flags: Mapping[str, str], root: Path) -> dict[str, Any]:
    """The flags of a line as the commands take them; the training of another entry is trained first, if it is not there."""
    kinds: dict[str, Any] = {name: lambda entry: str(train(load(entry), root).path) for name in _TRAINED}
    kinds |= {"label": int, "gap": int, "describe": lambda _: True}
    return {name: kinds.get(name, str)(text) for name, text in flags.items()}


def folder(entry: Entry) -> str:
    """The name of the folder of an entry's training."""
    return f"{'_'.join(filter(None, _recipe(entry)))}_{hashlib.sha256(entry.config.train.encode()).hexdigest()[:8]}"


def _recipe(entry: Entry) -> tuple[str, str]:
    """The recipe's file, without folder and ending, and its variant."""
    file, _, variant = shlex.split(entry.config.train)[0].partition(":")
    return Path(file).stem, variant


def draw(entry: Entry, path: Path, pictures: Path) -> dict[str, Any]:
    """Draws what the entry shows with a run, keeps it among the pictures, and returns the names of the files, and the text, if it is one.

    Of a chat, the text is what is typed and answered, in turn.
    """
    from genjax.evaluation import commands

    settings, flags = entry.flags(entry.config.sample, _SAMPLE)
    target = path / "samples" / f"gallery_{entry.name}"
    looks, said = "image" in flags or "question" in flags, None
    if "chat" in flags:
        talk = commands.chat(str(path), settings, lines=entry.config.typed.splitlines(), step=None, weights="ema")
        return {"files": [], "text": "\n".join(f"> {prompt}\n{answer}" for prompt, answer in talk)}
    needed: dict[str, Any] = dict.fromkeys(("label", "image", "question", "redraw")) if looks else {"label": None, "prompt": ""}
    given = needed | _read(flags, path.parent)
    given |= {"out": None if looks and "image" not in flags else str(target), "step": None, "weights": "ema"}
    if looks:
        said = commands.look(str(path), settings, **given)
    else:
        commands.sample(str(path), settings, **given)
    kept = []
    pictures.mkdir(parents=True, exist_ok=True)
    made = [file for file in target.parent.glob(f"{target.name}*") if file.suffix in _SHOWN]
    for file in sorted(made, key=lambda file: (_SHOWN.index(file.suffix), file.name)):
        kept.append(shutil.copyfile(file, pictures / file.name.replace(target.name, entry.name)))
        if file.suffix == ".png":
            _enlarge(kept[-1])
    written = target.with_name(target.name + ".txt")
    if written.exists():
        _, said, *_ = re.split(r"^---- \d+ -+\n", written.read_text(), flags=re.MULTILINE)
    return {"files": [file.name for file in kept], "text": said[:_LETTERS].rstrip() if isinstance(said, str) else ""}


def figure(measured: Mapping[str, Any], line: str) -> dict[str, Any]:
    """A number of an evaluation by 'name=path', with its interval if it is the value of a `statistics.Share`, and the same of held-out data, where
    the evaluation has it.
    """
    name, _, path = line.partition("=")
    real, share = path.replace(".samples.", ".held_out."), _at(measured, path.rpartition(".")[0]) if path.endswith(".value") else {}
    interval = [share["low"], share["high"]] if "low" in share else None
    return {"name": name, "value": _at(measured, path), "interval": interval, "held_out": None if real == path else _at(measured, real)}


def _at(tree: Any, path: str) -> Any:
    for key in path.split("."):
        require(key in tree, f"the evaluation has no '{path}': there are {', '.join(map(str, tree))} where '{key}' is looked for")
        tree = tree[key]
    return tree


def _leaves(tree: Any) -> list[Any]:
    import jax

    return jax.tree.leaves(tree)


def _enlarge(path: Path) -> None:
    """A small picture by a whole factor, without smoothing."""
    with Image.open(path) as picture:
        factor = min(_WIDTH // picture.width, _HEIGHT // picture.height)
        larger = picture.resize((max(1, factor) * picture.width, max(1, factor) * picture.height), Image.Resampling.NEAREST)
    larger.save(path, optimize=True)


# ---- the pages -------------------------------------------------------------------------------------------------------


def records(root: Path = REPOSITORY) -> list[tuple[Entry, dict[str, Any] | None]]:
    """Every entry with its record, if it has one that fits."""
    return [(entry, record_of(entry, root)) for entry in entries().values()]


def markdown(root: Path = REPOSITORY) -> str:
    """The gallery of README.md: a line for every entry that has been run."""
    found, paces = [(entry, record) for entry, record in records(root) if record is not None], _paces(root)
    lines = ["| | | measured on held-out data | training |", "|---|---|---|---|"]
    for entry, record in found:
        what, measured = f"{entry.config.shows}<br>`{record['command']}`", "<br>".join(_measured(record))
        lines.append(f"| {_shown(record, PICTURES.as_posix())} | {what} | {measured} | {_cost(entry, record, paces)} |")
    hardware = sorted({f"{_machine(record)}, jax {record['versions']['jax']}" for _, record in found})
    return "\n".join([*lines, "", f"One seed; {'; '.join(hardware)}. {_minutes(root)}", ""])


def _training_of(match: re.Match[str]) -> str:
    return f"{match[1]}runs/gallery/{folder(load(match[2]))}"


def cards(root: Path = REPOSITORY) -> str:
    """The entries of docs/gallery.md: what is run, and what came of it."""
    lines, paces = [], _paces(root)
    for entry, record in records(root):
        config, name = entry.config, f"runs/gallery/{folder(entry)}"
        lines += [f"## {entry.name}", "", f"{config.shows[0].upper()}{config.shows[1:]}.", ""]
        lines += ["```", f"python scripts/train.py --config={config.train} --workdir={name}"]
        for script, line in (("evaluate", config.evaluate), ("sample", config.sample)):
            if script == "evaluate" or line:
                typed = f"printf '%s\\n' {shlex.join(config.typed.splitlines())} | " if config.typed and script == "sample" else ""
                lines += [f"{typed}python scripts/{script}.py --workdir={name} {_OTHER.sub(_training_of, line)}".rstrip()]
        lines += ["```", ""]
        if record is None:
            lines += [f"Not yet run: `python scripts/gallery.py --name={entry.name}`.", ""]
            continue
        about = [_cost(entry, record, paces), f"{record['steps']:,} steps", f"{record['parameters']:,} parameters"]
        about += [f"seed {record['seeds'][0]}", record["date"][:10], _machine(record)]
        lines += [_shown(record, PICTURES.name), ""] if entry.config.sample else []
        lines += [f"{'; '.join(_measured(record))}. {', '.join(about)}; all of it in `{(RESULTS / entry.name).as_posix()}.json`.", ""]
    return "\n".join(lines)


def bits(root: Path = REPOSITORY) -> str:
    """Bits of every kind of data, exact ones beside bounds: a row a kind, and every training once.

    Where models see the same data in forms of other numbers of values, or their words as well, nothing but the bits of a sample can be told of all.
    """
    rows: dict[str, dict[str, tuple[Entry, Mapping[str, Any]]]] = {}
    for entry, record in records(root):
        if record is not None and record["bits"] is not None and entry.config.sample:
            source = record["config"]["data"]["source"]
            what = ", ".join(entry.config.needs.parts) if "DATA" in source else plan.content(source)
            rows.setdefault(what, {})[folder(entry)] = entry, record
    lines = ["| data | exact | upper bound |", "|---|---|---|"]
    for what, found in rows.items():
        alike = len({(record["values"], "words" in record["bits"]["terms"]) for _, record in found.values()}) == 1
        objectives = [record["objective"] for _, record in found.values()]
        cells = []
        for entry, record in found.values():
            name, variant = record["objective"], _recipe(entry)[1]
            of = f" ({variant.replace('_', ' ')})" if objectives.count(name) > 1 and variant not in ("", name) else ""
            cells.append((record["bits"]["kind"], f"{name.replace('_', ' ')}{of}: {_cell(record, alike)}"))
        columns = ["<br>".join(cell for kind, cell in cells if kind == column) for column in ("exact", "upper_bound")]
        lines.append(f"| `{what}` | " + " | ".join(columns) + " |")
    return "\n".join([*lines, ""])


def _cell(record: Mapping[str, Any], alike: bool) -> str:
    """A training in the table of bits: by the unit where that is the same for all of a row, and by the sample where there is one."""
    found, values = record["bits"], record["values"]
    told = [_bits(found)] if alike or found["unit"] != "dim" else []
    if found["unit"] == "dim":
        words = found["terms"].get("words")
        of_words = f", {words * values:,.1f} of them for the words" if words else ""
        told.append(f"{_bound(found)}{found['value'] * values:,.1f} ± {found['stderr'] * values:,.1f} a sample{of_words}")
    return f"{', '.join(told)} ({found['examples']:,} examples)"


def kinds(root: Path = REPOSITORY) -> str:
    """How many lines every kind of data took."""
    count = lambda path: len(path.read_text().splitlines())
    lines = ["| | lines in `genjax/data/` | its recipe |", "|---|---|---|"]
    for kind, (files, recipe) in KINDS.items():
        data = [root / "genjax" / "data" / f"{file}.py" for file in files]
        named = ", ".join(f"`{path.name}` {count(path)}" for path in data)
        lines.append(f"| {kind} | {named} | `{recipe}.py` {count(root / 'configs' / f'{recipe}.py')} |")
    return "\n".join([*lines, ""])


def listing(root: Path = REPOSITORY) -> str:
    """The entries for a terminal."""
    paces, lines = _paces(root), []
    for entry, record in records(root):
        came = "; ".join([*_measured(record), _cost(entry, record, paces)]) if record else entry.absent or "not yet run"
        lines.append(f"{entry.name:<36} {came}   {entry.config.shows}")
    return "\n".join(lines)


def _machine(record: Mapping[str, Any]) -> str:
    """The devices and what they are; of the cores the record knows those that measured, and not those that trained."""
    return record["hardware"].partition(",")[0]


def _bound(found: Mapping[str, Any]) -> str:
    return "≤ " * (found["kind"] == "upper_bound")


def _bits(found: Mapping[str, Any]) -> str:
    return f"{_bound(found)}{found['value']:.3f} ± {found['stderr']:.3f} bits/{found['unit']}"


def _measured(record: Mapping[str, Any]) -> list[str]:
    numbers, found = list(map(_figure, record["figures"])), record["bits"]
    if found is None:
        return numbers
    above = ["{}{:.3f} ± {:.3f} bits/example above the exact".format(_bound(found), *found["excess"])] if found["excess"] else []
    return [_bits(found), *above, *numbers]


def _figure(figure: Mapping[str, Any]) -> str:
    interval = " [{:.3g}, {:.3g}]".format(*figure["interval"]) if figure["interval"] else ""
    return f"{figure['name']} {figure['value']:.3g}{interval}" + (f" (data: {figure['held_out']:.3g})" if figure["held_out"] is not None else "")


def _minutes(root: Path) -> str:
    """What the minutes are of, in a sentence."""
    if not (root / PACE).exists():
        return "Minutes are of the clock, with compilation, beside other work."
    record = loads((root / PACE).read_bytes())
    machine = f"{record['hardware'].partition('; ')[2]}, {record['date'][:10]}"
    return f"Minutes are of a training, with compilation, on an idle machine ({machine}), told from its first steps (`{record['command']}`)."


def _paces(root: Path) -> dict[str, dict[str, Any]]:
    return loads((root / PACE).read_bytes())["trainings"] if (root / PACE).exists() else {}


def _cost(entry: Entry, record: Mapping[str, Any], paces: Mapping[str, Mapping[str, Any]]) -> str:
    """What training computes, and how long that takes on an idle machine, if that is known of as many steps; or how long it took when it was run."""
    pace = paces.get(folder(entry), {"steps": None})
    if pace["steps"] == record["steps"]:
        minutes = f"{pace['minutes']:.1f} min"
    else:
        minutes = f"{sum(record['seconds'][part] for part in ('compile', 'data', 'train')) / 60:.1f} min beside other work"
    return f"{minutes}, {record['train_flops']:.2g} FLOPs"


def _shown(record: Mapping[str, Any], where: str) -> str:
    """The picture, what there is to hear or to watch, or the text, in one line."""
    lines = []
    for file in record["files"]:
        name, ending = f"{where}/{file}", file.rpartition(".")[2]
        width = {"png": 480, "gif": 200}.get(ending)
        lines.append(f'<img src="{name}" alt="{record["name"]}" width="{width}">' if width else f"[{ending.upper()}]({name})")
    if record["text"]:
        lines += ["`" + line.replace("|", "\\|").replace("`", "'") + "`" for line in record["text"].splitlines() if line.strip()]
    return "<br>".join(lines)
