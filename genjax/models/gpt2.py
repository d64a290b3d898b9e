"""GPT-2 as Hugging Face's transformers store it: other names for the parameters of a token network, one entry a layer instead of a stack.

    ours                                                    theirs
    embed/table [V + 1, D]                                  wte.weight; the last id is our start token and their end of text
    place/axis_0/table [T, D]                               wpe.weight
    trunk/blocks/attention/{query,key,value} [L, D, H, K]   h.N.attn.c_attn [D, 3 D], side by side
    trunk/blocks/... [L, ...]                               h.N..., see LAYER
    trunk/final_norm times head/scale                       ln_f

Our tied head has a scale of its own, diag(s): (diag(s) (g x + b)) E^T is their ln_f with gain s g and bias s b, so nothing is lost. They give
one logit more, that of the start token, which we never predict; the others are equal.

Only a model that is GPT-2 can be written so, and NEEDED says what that is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import jax.numpy as jnp

from genjax.errors import UsageError
from genjax.types import Array

# Fields of a config that make its model GPT-2, and those that make it a language model besides.
NETWORK: dict[str, Any] = {
    "model.norm": "layer",
    "model.positions": "learned",
    "model.mlp": "plain",
    "model.bias": True,
    "model.qk_norm": False,
    "model.tied_head": True,
    "model.kv_heads": None,
    "model.window": None,
    "model.logit_softcap": None,
    "next_token.encoder": "none",
}
NEEDED = NETWORK | {"objective": "next_token", "next_token.attention": "causal"}

BLOCKS = "trunk/blocks/"
LAYER = {
    "attention_norm/scale": "ln_1.weight",
    "attention_norm/bias": "ln_1.bias",
    "attention/out/kernel": "attn.c_proj.weight",
    "attention/out/bias": "attn.c_proj.bias",
    "mlp_norm/scale": "ln_2.weight",
    "mlp_norm/bias": "ln_2.bias",
    "mlp/hidden/kernel": "mlp.c_fc.weight",
    "mlp/hidden/bias": "mlp.c_fc.bias",
    "mlp/out/kernel": "mlp.c_proj.weight",
    "mlp/out/bias": "mlp.c_proj.bias",
}
JOINED = {"kernel": "attn.c_attn.weight", "bias": "attn.c_attn.bias"}
PROJECTIONS = ("query", "key", "value")
OURS = {"embed/table", "place/axis_0/table", "head/scale", "trunk/final_norm/scale", "trunk/final_norm/bias", *(BLOCKS + name for name in LAYER)}
OURS |= {f"{BLOCKS}attention/{projection}/{part}" for projection in PROJECTIONS for part in JOINED}
PREFIX = "transformer."
# What their files may hold besides: the causal mask as numbers, and the head, which is the table of the input.
DERIVED = (".attn.bias", ".attn.masked_bias", "lm_head.weight")


def refuse_others(fields: Mapping[str, Any], params: Iterable[str], needed: Mapping[str, Any], what: str) -> None:
    """UsageError where fields of a config, by dotted path, are not as `needed`, or where the parameters, by path, are not those of GPT-2."""
    if wrong := [f"{name}={value}" for name, value in needed.items() if fields[name] != value]:
        raise UsageError(f"{what} is GPT-2, and this model is not: it would have to have {', '.join(wrong)}")
    if odd := sorted(OURS.symmetric_difference(params)):
        raise UsageError(f"{what} is GPT-2, a model of sequences without classes, and this model is not: {', '.join(odd[:3])}")


def known(name: str) -> str | None:
    """The name of an entry of a file without the prefix that some files have; None for what is derived from others."""
    return None if name.endswith(DERIVED) else name.removeprefix(PREFIX)


def config_json(params: Mapping[str, Array]) -> dict[str, Any]:
    """The configuration that transformers read beside the parameters, by path."""
    layers, _, heads, _ = params[BLOCKS + "attention/query/kernel"].shape
    (vocab, width), length = params["embed/table"].shape, params["place/axis_0/table"].shape[0]
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "vocab_size": vocab,
        "n_positions": length,
        "n_embd": width,
        "n_layer": layers,
        "n_head": heads,
        "n_inner": params[BLOCKS + "mlp/hidden/kernel"].shape[-1],
        "bos_token_id": vocab - 1,
        "eos_token_id": vocab - 1,
        "tie_word_embeddings": True,
    }


def to_theirs(params: Mapping[str, Array]) -> dict[str, Array]:
    """Our parameters by path, under their names."""
    width = params["embed/table"].shape[1]
    theirs = {"wte.weight": params["embed/table"], "wpe.weight": params["place/axis_0/table"]}
    theirs |= {f"ln_f.{new}": params[f"trunk/final_norm/{old}"] * params["head/scale"] for old, new in (("scale", "weight"), ("bias", "bias"))}
    for layer in range(params[BLOCKS + "mlp/out/bias"].shape[0]):
        block = {path.removeprefix(BLOCKS): array[layer] for path, array in params.items() if path.startswith(BLOCKS)}
        mine = {new: block[old] for old, new in LAYER.items()}
        mine["attn.c_proj.weight"] = mine["attn.c_proj.weight"].reshape(width, width)
        for part, name in JOINED.items():
            each = [block[f"attention/{projection}/{part}"] for projection in PROJECTIONS]
            mine[name] = jnp.concatenate([x.reshape(*x.shape[:-2], width) for x in each], axis=-1)
        theirs |= {f"h.{layer}.{name}": array for name, array in mine.items()}
    return theirs


def from_theirs(theirs: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    """The inverse of `to_theirs`, for parameters of these shapes by path; the head's own scale is 1."""
    layers = shapes[BLOCKS + "mlp/out/bias"][0]
    stack = lambda name: jnp.stack([theirs[f"h.{layer}.{name}"] for layer in range(layers)])
    ours = {BLOCKS + old: stack(new) for old, new in LAYER.items()}
    for part, name in JOINED.items():
        for projection, array in zip(PROJECTIONS, jnp.split(stack(name), 3, axis=-1), strict=True):
            ours[f"{BLOCKS}attention/{projection}/{part}"] = array
    ours |= {"embed/table": theirs["wte.weight"], "place/axis_0/table": theirs["wpe.weight"], "head/scale": jnp.ones(shapes["head/scale"])}
    ours |= {"trunk/final_norm/scale": theirs["ln_f.weight"], "trunk/final_norm/bias": theirs["ln_f.bias"]}
    return {path: ours[path].reshape(shape) for path, shape in shapes.items()}
