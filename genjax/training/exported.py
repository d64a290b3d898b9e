"""Parameters without the rest of a training, as safetensors: a header of names, dtypes and shapes, then the numbers. Reading it runs no code.

    <folder>/
      config.json          as in a run's directory
      model.safetensors    parameters by path, such as trunk/blocks/mlp/gate/kernel; the header's metadata say of which step

sample.py and evaluate.py take such a folder as --workdir.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.flax import save as to_bytes

from genjax import __version__
from genjax.errors import CheckpointError
from genjax.training.checkpoint import compare, describe, leaves_by_path
from genjax.training.workdir import dumps, replace, writing
from genjax.types import Params

FILE = "model.safetensors"
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "U32": "uint32", "U8": "uint8"}


def write(folder: Path, config: dict[str, Any], params: Params, step: int) -> Path:
    """Writes config (as JSON) and parameters into a folder, and returns the parameters' file."""
    arrays = {name: jnp.asarray(leaf) for name, leaf in leaves_by_path(params).items()}
    content = to_bytes(arrays, metadata={"format": "flax", "genjax": __version__, "step": str(step)})
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    replace(folder / "config.json", dumps(config, indent=2).encode() + b"\n")
    replace(folder / FILE, content)
    return folder / FILE


def read(folder: Path, abstract_params: Params) -> tuple[Params, int]:
    """The parameters, laid out as `abstract_params` say, and their step.

    Raises:
      CheckpointError: the file is damaged or a link, or its header is not that of the model; nothing is read or allocated then.
    """
    path = folder / FILE
    if path.is_symlink() or not path.is_file():
        raise CheckpointError(f"{path} is not a regular file.")
    wanted = leaves_by_path(abstract_params)
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            stored = {
                name: f"{_DTYPES.get(part.get_dtype(), part.get_dtype())}[{','.join(map(str, part.get_shape()))}]" for name, part in slices.items()
            }
            compare(str(path), stored, describe(wanted))
            step = (file.metadata() or {}).get("step", "")
            if not step.isdigit():
                raise CheckpointError(f"{path} does not say of which step it is: genjax did not write it.")
            arrays = {name: np.asarray(file.get_tensor(name)) for name in wanted}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}.") from error
    placed = [jax.device_put(arrays[name], leaf.sharding) for name, leaf in wanted.items()]
    return jax.tree.unflatten(jax.tree.structure(abstract_params), placed), int(step)


def _kind(part: Any) -> str:
    """dtype[shape] of a slice that is not read, as `checkpoint.describe` writes it."""
    dtype = part.get_dtype()
    return f"{_DTYPES.get(dtype, dtype)}[{','.join(map(str, part.get_shape()))}]"
