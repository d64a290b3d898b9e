"""GPT-2 in Hugging Face's layout: logits against GPT-2 written out in numpy from their names, and against transformers where it is installed."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from genjax.errors import CheckpointError, UsageError
from genjax.models import gpt2, masks
from genjax.training import exported
from genjax.training.checkpoint import leaves_by_path
from genjax.types import DataSpec
from tests.helpers import assert_trees_equal, build, config, random_params

TEXT = DataSpec("toy text", "tokens", (6,), 7, 0, 100, 10)
OPTIONS = {"model.depth": 2, **{name: value for name, value in gpt2.NETWORK.items() if name.startswith("model.")}}
OPTIONS = {name.replace(".", "__"): value for name, value in OPTIONS.items()}
HERE = jax.sharding.SingleDeviceSharding(jax.devices()[0])


def abstract(params):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=HERE), params)


@pytest.fixture(scope="module")
def model():
    objective = build("next_token", TEXT, **OPTIONS)
    return objective, config("next_token", **OPTIONS), random_params(objective.init, scale=0.3)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    _, options, params = model
    path = tmp_path_factory.mktemp("gpt2")
    exported.write_gpt2(path, options, params, 3)
    return path


def tokens():
    return np.random.default_rng(1).integers(0, TEXT.levels + 1, (3, 6)).astype(np.int32)


def logits(model, params=None):
    objective, _, own = model
    ids, at = masks.causal(3, 6), jnp.broadcast_to(jnp.arange(6), (3, 6))[..., None]
    return jax.jit(lambda params: objective.network.apply({"params": params}, tokens(), at, ids, None)[0])(own if params is None else params)


def written_out(theirs, layers, heads, ids):
    """GPT-2 by its published description, float64: pre-norm blocks, one matrix for queries, keys and values, GELU by tanh."""
    p = {name.removeprefix("transformer."): x.astype(np.float64) for name, x in theirs.items()}

    def norm(x, name):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * p[name + ".weight"] + p[name + ".bias"]

    def linear(x, name):
        return x @ p[name + ".weight"] + p[name + ".bias"]

    x = p["wte.weight"][ids] + p["wpe.weight"][: ids.shape[1]]
    for layer in range(layers):
        h = f"h.{layer}."
        cut = lambda y: y.reshape(*y.shape[:2], heads, -1).transpose(0, 2, 1, 3)
        q, k, v = map(cut, np.split(linear(norm(x, h + "ln_1"), h + "attn.c_attn"), 3, axis=-1))
        scores = np.where(np.tril(np.ones((ids.shape[1],) * 2)) > 0, q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1]), -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        y = (weights / weights.sum(-1, keepdims=True) @ v).transpose(0, 2, 1, 3).reshape(x.shape)
        x = x + linear(y, h + "attn.c_proj")
        z = linear(norm(x, h + "ln_2"), h + "mlp.c_fc")
        x = x + linear(0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))), h + "mlp.c_proj")
    return norm(x, "ln_f") @ p["wte.weight"].T


def test_an_exported_model_is_gpt2_written_out(model, folder):
    described = json.loads((folder / "config.json").read_text())
    assert (described["vocab_size"], described["n_positions"], described["bos_token_id"]) == (8, 6, 7)
    expected = written_out(load_file(folder / exported.FILE), described["n_layer"], described["n_head"], tokens())
    assert np.abs(expected).std() > 0.1
    np.testing.assert_allclose(logits(model), expected[..., : TEXT.levels], rtol=1e-5, atol=1e-5)


def test_an_imported_gpt2_has_the_logits_of_the_original(model, tmp_path):
    """From a file as the first GPT-2 was published: names without prefix, the causal mask among them, and a head beside the table."""
    theirs, random = gpt2.to_theirs(leaves_by_path(model[2])), np.random.default_rng(2)
    theirs = {name: random.normal(size=x.shape, scale=0.3).astype(np.float32) for name, x in theirs.items()}
    extra = {"h.0.attn.bias": np.tril(np.ones((1, 1, 6, 6), np.float32)), "lm_head.weight": theirs["wte.weight"]}
    save_file(theirs | extra, tmp_path / exported.FILE, metadata={"format": "pt"})
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    params = exported.start(tmp_path, model[1], abstract(model[2]))
    expected = written_out(theirs, 2, 2, tokens())
    np.testing.assert_allclose(logits(model, params), expected[..., : TEXT.levels], rtol=1e-5, atol=1e-5)


def test_export_and_import_are_inverse(model, folder, tmp_path):
    """The first export folds the head's scale into the last norm; what is read from it is written again to the bit."""
    params = exported.start(folder, model[1], abstract(model[2]))
    np.testing.assert_allclose(logits(model, params), logits(model), rtol=1e-5, atol=1e-5)
    exported.write_gpt2(tmp_path, model[1], params, 3)
    first, second = (load_file(path / exported.FILE) for path in (folder, tmp_path))
    assert_trees_equal(second, first)


def test_training_begins_with_exported_parameters_of_either_layout(model, tmp_path):
    _, options, params = model
    for name, write in exported.LAYOUTS.items():
        write(tmp_path / name, options, params, 3)
        begun = exported.start(tmp_path / name, options, abstract(params))
        np.testing.assert_allclose(logits(model, begun), logits(model), rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model__norm": "rms"}, "model.norm=layer"),
        ({"model__bias": False, "model__qk_norm": True}, "model.qk_norm=False, model.bias=True|model.bias=True, model.qk_norm=False"),
        ({"next_token__attention": "prefix"}, "next_token.attention=causal"),
    ],
)
def test_what_is_not_gpt2_is_not_written_as_one(change, says, model, tmp_path):
    with pytest.raises(UsageError, match=says):
        exported.write_gpt2(tmp_path / "out", config("next_token", **OPTIONS | change), model[2], 3)
    assert not (tmp_path / "out").exists()


def test_what_gpt2_has_no_place_for_is_named(tmp_path):
    """Classes, which would silently be lost."""
    objective = build("next_token", dataclasses.replace(TEXT, num_classes=2), **OPTIONS)
    with pytest.raises(UsageError, match=r"without classes.*label"):
        exported.write_gpt2(tmp_path / "out", config("next_token", **OPTIONS), random_params(objective.init), 3)


def test_what_cannot_be_begun_with_is_refused(model, folder, tmp_path):
    _, options, params = model
    with pytest.raises(CheckpointError, match=r"config\.json"):
        exported.start(tmp_path, options, abstract(params))
    longer = params | {"place": {"axis_0": {"table": np.zeros((9, 16), np.float32)}}}
    with pytest.raises(CheckpointError, match=r"wpe.weight +float32\[6,16\] +float32\[9,16\]"):
        exported.start(folder, options, abstract(longer))
    with pytest.raises(UsageError, match=r"model\.mlp=plain"):
        exported.start(folder, config("next_token"), abstract(params))


def test_transformers_read_what_is_exported_and_give_its_logits(model, folder):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    theirs = transformers.GPT2LMHeadModel.from_pretrained(folder).eval()
    with torch.no_grad():
        found = theirs(torch.tensor(tokens(), dtype=torch.long)).logits.numpy()
    np.testing.assert_allclose(logits(model), found[..., : TEXT.levels], rtol=1e-5, atol=1e-5)


def test_what_transformers_write_is_read_with_their_logits(model, tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    settings = gpt2.config_json(leaves_by_path(model[2]))
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**settings, initializer_range=0.3)).eval()
    theirs.save_pretrained(tmp_path)
    with torch.no_grad():
        found = theirs(torch.tensor(tokens(), dtype=torch.long)).logits.numpy()
    params = exported.start(tmp_path, model[1], abstract(model[2]))
    np.testing.assert_allclose(logits(model, params), found[..., : TEXT.levels], rtol=1e-5, atol=1e-5)
