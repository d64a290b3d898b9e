"""Parameters without the rest of a training, as safetensors: a header of names, dtypes and shapes, then the numbers. Reading it runs no code.

    <folder>/
      config.json          as in a run's directory
      model.safetensors    parameters by path, such as trunk/blocks/mlp/gate/kernel; the header's metadata say of which step

sample.py and evaluate.py take such a folder as --workdir. With `layout=gpt2` both files are those of Hugging Face's GPT-2 (`models.gpt2`),
for other programs. A training may begin with the parameters of either (`train.init_from`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.flax import save as to_bytes

from genjax import __version__
from genjax.config import leaves, to_json
from genjax.errors import CheckpointError
from genjax.models import gpt2
from genjax.training.checkpoint import compare, describe, leaves_by_path
from genjax.training.workdir import dumps, loads, replace, writing
from genjax.types import Params

FILE = "model.safetensors"
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "U32": "uint32", "U8": "uint8"}


def write(folder: Path, config: dict[str, Any], params: Params, step: int) -> Path:
    """Writes config (as JSON) and parameters into a folder, and returns the parameters' file."""
    return _write(folder, config, leaves_by_path(params), {"format": "flax", "genjax": __version__, "step": str(step)})


def write_gpt2(folder: Path, config: Any, params: Params, step: int) -> Path:
    """The same in the layout of GPT-2; UsageError where the model is not GPT-2."""
    ours = {name: jnp.asarray(leaf) for name, leaf in leaves_by_path(params).items()}
    gpt2.refuse_others(dict(leaves(config)), ours, gpt2.NEEDED, "the layout")
    theirs = {gpt2.PREFIX + name: array for name, array in gpt2.to_theirs(ours).items()}
    return _write(folder, gpt2.config_json(ours), theirs, {"format": "pt", "genjax": __version__, "step": str(step)})


LAYOUTS: dict[str, Callable[[Path, Any, Params, int], Path]] = {
    "genjax": lambda folder, config, params, step: write(folder, to_json(config), params, step),
    "gpt2": write_gpt2,
}


def read(folder: Path, abstract_params: Params) -> tuple[Params, int]:
    """The parameters, laid out as `abstract_params` say, and their step.

    Raises:
      CheckpointError: the file is damaged or a link, or its header is not that of the model; nothing is read or allocated then.
    """
    wanted = leaves_by_path(abstract_params)
    arrays, metadata = _read(folder / FILE, wanted, lambda name: name)
    step = metadata.get("step", "")
    if not step.isdecimal():
        raise CheckpointError(f"{folder / FILE} does not say of which step it is: genjax did not write it.")
    return _placed(arrays, abstract_params), int(step)


def start(folder: Path, config: Any, abstract_params: Params) -> Params:
    """The parameters of a folder of whichever layout for a training to begin with; errors as in `read`."""
    try:
        theirs = loads((folder / "config.json").read_bytes()).get("model_type") == "gpt2"
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"train.init_from={folder} is no folder that scripts/export.py wrote, and no GPT-2: config.json: {error}.") from error
    if not theirs:
        return read(folder, abstract_params)[0]
    wanted = leaves_by_path(abstract_params)
    gpt2.refuse_others(dict(leaves(config)), wanted, gpt2.NETWORK, f"train.init_from={folder}")
    arrays, _ = _read(folder / FILE, jax.eval_shape(gpt2.to_theirs, wanted), gpt2.known)
    return _placed(gpt2.from_theirs(arrays, {name: leaf.shape for name, leaf in wanted.items()}), abstract_params)


def _write(folder: Path, config: dict[str, Any], arrays: dict[str, Any], metadata: dict[str, str]) -> Path:
    content = to_bytes({name: jnp.asarray(array) for name, array in arrays.items()}, metadata=metadata)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    replace(folder / "config.json", dumps(config, indent=2).encode() + b"\n")
    replace(folder / FILE, content)
    return folder / FILE


def _read(path: Path, wanted: dict[str, Any], known: Callable[[str], str | None]) -> tuple[dict[str, Any], dict[str, str]]:
    """The arrays that are wanted, and the header's metadata; `known` gives the name that an entry of the file goes by, None for none."""
    if path.is_symlink() or not path.is_file():
        raise CheckpointError(f"{path} is not a regular file.")
    try:
        with safe_open(path, framework="numpy") as file:
            names = {known(name): name for name in file.keys()}  # noqa: SIM118
            stored = {mine: _kind(file.get_slice(name)) for mine, name in names.items() if mine is not None}
            compare(str(path), stored, describe(wanted))
            return {mine: np.asarray(file.get_tensor(names[mine])) for mine in wanted}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error


def _placed(arrays: dict[str, Any], abstract_params: Params) -> Params:
    """Arrays by path as parameters that lie where they are to lie."""
    placed = [jax.device_put(arrays[name], leaf.sharding) for name, leaf in leaves_by_path(abstract_params).items()]
    return jax.tree.unflatten(jax.tree.structure(abstract_params), placed)


def _kind(part: Any) -> str:
    """dtype[shape] of a slice that is not read, as `checkpoint.describe` writes it."""
    dtype = part.get_dtype()
    return f"{_DTYPES.get(dtype, dtype)}[{','.join(map(str, part.get_shape()))}]"
