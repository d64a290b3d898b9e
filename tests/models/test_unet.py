"""The U-Net. Oracles: the whole network in loops of numpy in float64, a parameter count by hand, and gradients that must or must not be zero."""

import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from genjax import rng
from genjax.errors import UsageError
from genjax.models import unet
from genjax.models.captions import Captions
from genjax.models.unet import UNet
from genjax.training import optimizer, parallel
from tests.helpers import random_params

B, S, E, CLASSES = 3, 4, 5, 3
TOY = dict(shape=(8, 4, 2), channels=8, multipliers=(1, 2), blocks=1, attention=(4,), heads=2, dropout=0.0, dtype="float32", num_classes=CLASSES)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def make(**overrides) -> UNet:
    return UNet(**TOY | overrides)


X, LOGSNR, LABEL = draw(B, 8, 4, 2), np.array([-4.0, 0.5, 6.0], np.float32), np.array([0, 2, 3])
CONTEXT, MASK = draw(B, S, E, seed=1), np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 1]], bool)


def initialise(network: UNet, context=None):
    image, one = jnp.zeros((1, *network.shape)), jnp.zeros((1,), jnp.int32)
    return lambda key: network.init(key, image, jnp.zeros((1,)), one, None, context)["params"]


@functools.cache
def random(**overrides):
    """Random parameters of `make`, equation (4) included; 0.2 keeps most of the nonlinearities out of saturation."""
    return random_params(initialise(make(**overrides), CONTEXT[:1]), scale=0.2)


@functools.cache
def run(**overrides):
    """`make` as a compiled function of parameters and inputs."""
    return jax.jit(lambda params, *inputs: make(**overrides).apply({"params": params}, *inputs))


def keys_of(ids):
    return rng.rows(jax.random.key(5), jnp.asarray(ids))


# ---- the whole, written out ------------------------------------------------------------------------------------------


def silu(x):
    return x / (1 + np.exp(-x))


def rms(x):
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


class Twin:
    """One row through the U-Net of `p`, in float64; images are [H, W, F]."""

    def __init__(self, p, heads: int) -> None:
        self.p, self.heads = p, heads

    def conv(self, x, p):
        height, width, _ = x.shape
        out = np.zeros((height, width, p["bias"].size)) + p["bias"]
        for i, j, di, dj in np.ndindex(height, width, 3, 3):
            row, column = i + di - 1, j + dj - 1
            if 0 <= row < height and 0 <= column < width:
                out[i, j] += x[row, column] @ p["kernel"][di, dj]
        return out

    def group_norm(self, x, p=None):
        size = {8: 4, 16: 4, 24: 12, 32: 4}[x.shape[-1]]  # features a group
        out = np.zeros_like(x)
        for first in range(0, x.shape[-1], size):
            group = x[..., first : first + size]
            out[..., first : first + size] = (group - group.mean()) / np.sqrt(group.var() + 1e-5)
        return out * p["scale"] + p["bias"] if p else out

    def maps(self, c, p):
        return np.tensordot(c, p["modulation"]["kernel"], axes=1) + p["modulation"]["bias"]

    def residual(self, x, c, p):
        h = self.conv(silu(self.group_norm(x, p["norm"])), p["conv_1"])
        scale, shift = self.maps(c, p)
        h = self.conv(silu((1 + scale) * self.group_norm(h) + shift), p["conv_2"])
        return (x @ p["skip"]["kernel"] if "skip" in p else x) + h

    def turned(self, x, row, column):
        """Rotary positions of a head [K]: the first pairs turn by the row, the others by the column."""
        pairs = x.size // 2
        by_row = pairs - pairs // 2
        angles = [row * 10_000 ** (-j / by_row) for j in range(by_row)] + [column * 10_000 ** (-j / (pairs // 2)) for j in range(pairs // 2)]
        turned = (x[:pairs] + 1j * x[pairs:]) * np.exp(1j * np.array(angles))
        return np.concatenate([turned.real, turned.imag])

    def attend(self, q, k, v, out):
        """q [T, heads, K], k and v [S, heads, K] -> [T, F]."""
        y = np.zeros(q.shape)
        for t, head in np.ndindex(q.shape[:2]):
            y[t, head] = softmax(k[:, head] @ q[t, head] / np.sqrt(q.shape[-1])) @ v[:, head]
        return np.tensordot(y, out["kernel"], axes=2)

    def attention(self, x, c, context, p):
        scale, shift, gate = self.maps(c, p)
        places = list(np.ndindex(x.shape[:2]))
        project = lambda h, p: np.tensordot(h, p["kernel"], axes=1)
        a, h = p["attention"], ((1 + scale) * self.group_norm(x) + shift).reshape(len(places), -1)
        q, k = (rms(project(h, a[name])) * a[f"{name}_norm"]["scale"] for name in ("query", "key"))
        q, k = (np.array([[self.turned(head, *place) for head in heads] for heads, place in zip(z, places, strict=True)]) for z in (q, k))
        x = x + gate * self.attend(q, k, project(h, a["value"]), a["out"]).reshape(x.shape)
        if context is None or not len(context):
            return x
        a, h = p["cross"], self.group_norm(x, p["cross_norm"]).reshape(len(places), -1)
        q = rms(project(h, a["query"])) * a["query_norm"]["scale"]
        k = rms(project(context, a["key"])) * a["key_norm"]["scale"]
        return x + self.attend(q, k, project(context, a["value"]), a["out"]).reshape(x.shape)

    def stage(self, x, c, context, name):
        x = self.residual(x, c, self.p[name])
        return self.attention(x, c, context, self.p[f"{name}_attention"]) if f"{name}_attention" in self.p else x

    def __call__(self, x, logsnr, label, context=None):
        """Two resolutions with one block each."""
        p = self.p
        angles = logsnr * np.exp(np.linspace(np.log(0.05), np.log(20), 32))
        hidden, out = p["noise_level"]["hidden"], p["noise_level"]["out"]
        c = silu(np.concatenate([np.sin(angles), np.cos(angles)]) @ hidden["kernel"] + hidden["bias"]) @ out["kernel"] + out["bias"]
        c = silu(c + p["label"]["table"][label])
        first = self.conv(x, p["embed"])
        second = self.stage(first, c, context, "down_0_0")
        third = self.conv(second.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).mean(axis=(1, 3)), p["halve_1"])
        fourth = self.stage(third, c, context, "down_1_0")
        h = self.stage(self.stage(fourth, c, context, "middle_0"), c, context, "middle_1")
        h = self.stage(np.concatenate([h, fourth], axis=-1), c, context, "up_1_0")
        h = self.stage(np.concatenate([h, third], axis=-1), c, context, "up_1_1")
        h = self.conv(np.kron(h, np.ones((2, 2, 1))), p["double_1"])
        h = self.stage(np.concatenate([h, second], axis=-1), c, context, "up_0_0")
        h = self.stage(np.concatenate([h, first], axis=-1), c, context, "up_0_1")
        return self.conv(silu(self.group_norm(h, p["final_norm"])), p["head"])


@pytest.mark.parametrize("text", [False, True], ids=["no text", "text"])
def test_the_network_is_its_equations(text):
    params = random()
    twin = Twin(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params), TOY["heads"])
    contexts = [CONTEXT[row][MASK[row]].astype(np.float64) if text else None for row in range(B)]
    expected = np.stack([twin(X[row].astype(np.float64), float(LOGSNR[row]), LABEL[row], contexts[row]) for row in range(B)])
    out = run()(params, X, LOGSNR, LABEL, None, *((CONTEXT, MASK) if text else ()))
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4)
    assert expected.std() > 0.1


@pytest.mark.parametrize(("features", "groups"), [(4, 1), (6, 1), (8, 2), (12, 1), (24, 2), (32, 8), (96, 8), (128, 32), (320, 16), (1024, 32)])
def test_group_norm_against_numpy_in_float32_whatever_comes_in(features, groups):
    x = (3 + draw(2, 3, 5, features)).astype(jnp.bfloat16)
    norm = unet.GroupNorm()
    params = random_params(lambda key: norm.init(key, x)["params"])
    split = x.astype(np.float64).reshape(2, 15, groups, features // groups)
    expected = (split - split.mean(axis=(1, 3), keepdims=True)) / np.sqrt(split.var(axis=(1, 3), keepdims=True) + 1e-5)
    expected = expected.reshape(x.shape) * np.asarray(params["scale"], np.float64) + params["bias"]
    np.testing.assert_allclose(norm.apply({"params": params}, x.astype(jnp.float32)), expected, rtol=1e-4, atol=1e-5)
    out = norm.apply({"params": params}, jnp.asarray(x))
    assert out.dtype == jnp.bfloat16
    np.testing.assert_allclose(out.astype(np.float32), expected, rtol=2**-8, atol=1e-5)  # rounded once, at the end


# ---- the start -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fresh():
    """Fresh parameters with text, boxed."""
    return jax.jit(initialise(make(), CONTEXT[:1]))(jax.random.key(0))


def test_a_fresh_network_is_exactly_zero_and_its_head_learns_at_once(fresh):
    params = nn.unbox(fresh)

    def loss(head):
        out = make().apply({"params": params | {"head": head}}, X, LOGSNR, LABEL, None, CONTEXT, MASK)
        return jnp.sum(out * draw(*X.shape, seed=2)), out

    (_, out), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params["head"])
    assert out.shape == X.shape
    assert out.dtype == jnp.float32
    assert not np.any(out)
    assert np.all(gradient["kernel"] != 0)


def test_what_starts_at_zero_is_what_the_text_says(fresh):
    zero = {jax.tree_util.keystr(path) for path, leaf in jax.tree_util.tree_leaves_with_path(nn.unbox(fresh)) if not np.any(leaf)}
    kernels = {name for name in zero if name.endswith("['kernel']")}
    stages = ["down_0_0", "down_1_0", "middle_0", "middle_1", "up_1_0", "up_1_1", "up_0_0", "up_0_1"]
    expected = {f"['{name}']['{part}']['kernel']" for name in stages for part in ("conv_2", "modulation")} | {"['head']['kernel']"}
    low = [f"{name}_attention" for name in stages if "0_" not in name]
    expected |= {f"['{name}']['modulation']['kernel']" for name in low} | {f"['{name}']['cross']['out']['kernel']" for name in low}
    assert kernels == expected


def test_parameters_are_as_many_as_counted_by_hand():
    """channels 8 with multipliers (1, 2): features 8 and 16, a condition of 32, attention in the five stages at 16 features."""

    def conv(inputs, features):
        return 9 * inputs * features + features

    def residual(inputs, features):
        norm, maps, skip = 2 * inputs, 33 * 2 * features, inputs * features if inputs != features else 0
        return norm + conv(inputs, features) + maps + conv(features, features) + skip

    condition = (64 + 1) * 32 + (32 + 1) * 32 + (CLASSES + 1) * 32
    down = conv(2, 8) + residual(8, 8) + conv(8, 8) + residual(8, 16)
    middle = 2 * residual(16, 16)
    up = residual(16 + 16, 16) + residual(16 + 8, 16) + conv(16, 16) + residual(16 + 8, 8) + residual(8 + 8, 8)
    head = 2 * 8 + conv(8, 2)
    attention = 33 * 3 * 16 + 4 * 16 * 16 + 2 * 8
    cross = 2 * 16 + 2 * 16 * 16 + 2 * E * 16 + 2 * 8

    def size(context):
        return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(initialise(make(), context), jax.random.key(0))))

    assert size(None) == condition + down + middle + up + head + 5 * attention
    assert size(CONTEXT[:1]) == size(None) + 5 * cross


# ---- what depends on what --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def first_row():
    """The gradient of the first row's output for the images, the noise levels and the texts of all rows."""

    def first(x, logsnr, context):
        return jnp.sum(make().apply({"params": random()}, x, logsnr, LABEL, None, context, MASK)[0] * draw(8, 4, 2, seed=3))

    return jax.jit(jax.grad(first, argnums=(0, 1, 2)))(X, LOGSNR, CONTEXT)


@pytest.mark.slow
def test_a_row_does_not_see_its_neighbours(first_row):
    image, logsnr, context = first_row
    assert np.all(image[0] != 0)
    assert logsnr[0] != 0
    for gradient in (image, logsnr, context):
        assert not np.any(gradient[1:])


@pytest.mark.slow
def test_every_pixel_depends_on_every_pixel():
    """Through the attention and the statistics of the norms; the convolutions alone do not reach so far."""
    shape = (16, 16, 1)
    network = make(shape=shape, multipliers=(1,), attention=(16,), num_classes=0, heads=1)
    params = random_params(initialise(network), scale=0.2)
    jacobian = jax.jit(jax.jacrev(lambda x: network.apply({"params": params}, x[None], LOGSNR[:1], None)[0, ::5, ::5, 0]))(draw(*shape))
    assert np.all(np.asarray(jacobian) != 0)


def test_attention_is_where_it_is_asked_for():
    def places(**overrides):
        names = jax.eval_shape(initialise(make(**overrides)), jax.random.key(0))
        return {re.sub(r"_?\d*_attention", "", name) for name in names if name.endswith("_attention")}

    assert places(attention=()) == set()
    assert places(attention=(8,)) == {"down_0", "up_0"}
    assert places(attention=(4,)) == {"down_1", "middle", "up_1"}
    assert places(attention=(4, 8)) == {"down_0", "up_0", "down_1", "middle", "up_1"}


def test_noise_level_and_class_matter():
    before = np.asarray(run()(random(), X, LOGSNR, LABEL))
    quieter = np.asarray(run()(random(), X, LOGSNR + 1, LABEL))
    other_class = np.asarray(run()(random(), X, LOGSNR, (LABEL + 1) % (CLASSES + 1)))
    for after in (quieter, other_class):
        assert np.all(np.abs(after - before).max(axis=(1, 2, 3)) > 1e-2)


def test_without_classes_no_label_is_needed_and_none_is_looked_at():
    network = make(num_classes=0)
    params = random_params(initialise(network))
    assert "label" not in params
    apply = jax.jit(lambda label: network.apply({"params": params}, X, LOGSNR, label))
    np.testing.assert_array_equal(apply(None), apply(LABEL))
    with pytest.raises(AssertionError, match="label"):
        jax.eval_shape(lambda: make().apply({"params": random()}, X, LOGSNR, None))


@pytest.mark.slow
def test_masked_text_is_not_there(first_row):
    """Its gradient is exactly zero, its content changes nothing, and a row with no text left is a row without text."""
    gradient = first_row[2][0]
    assert not np.any(gradient[~MASK[0]])
    assert np.all(gradient[MASK[0]] != 0)
    out = np.asarray(run()(random(), X, LOGSNR, LABEL, None, CONTEXT, MASK))
    np.testing.assert_array_equal(run()(random(), X, LOGSNR, LABEL, None, CONTEXT + 100 * ~MASK[..., None], MASK), out)
    without = np.asarray(run()(random(), X, LOGSNR, LABEL))
    np.testing.assert_allclose(out[1], without[1], atol=1e-5)
    assert np.all(np.abs(out - without).max(axis=(1, 2, 3))[[0, 2]] > 1e-2)


def test_without_a_mask_all_text_is_there():
    everything = run()(random(), X, LOGSNR, LABEL, None, CONTEXT, np.ones_like(MASK))
    np.testing.assert_allclose(run()(random(), X, LOGSNR, LABEL, None, CONTEXT), everything, atol=1e-5)


# ---- dropout, precision, names, sizes --------------------------------------------------------------------------------


@pytest.mark.slow
def test_dropout_goes_with_the_row_and_not_with_its_place():
    """The same three images twice, with six keys: in one batch, in two micro-batches, and in another order."""
    dropped = functools.partial(run(dropout=0.5), random())
    whole = np.asarray(dropped(*(np.concatenate([rows, rows]) for rows in (X, LOGSNR, LABEL)), keys_of(range(6))))
    parts = [np.asarray(dropped(X, LOGSNR, LABEL, keys_of(ids))) for ids in ([0, 1, 2], [3, 4, 5])]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)
    assert np.all(np.abs(parts[0] - parts[1]).max(axis=(1, 2, 3)) > 1e-2)
    order = [2, 0, 1]
    np.testing.assert_allclose(dropped(X[order], LOGSNR[order], LABEL[order], keys_of(order)), parts[0][order], atol=1e-5)
    np.testing.assert_array_equal(dropped(X, LOGSNR, LABEL), run()(random(), X, LOGSNR, LABEL))  # evaluation


def test_every_residual_block_drops_with_its_own_key(monkeypatch):
    seen = []

    def spy(x, rate, keys):
        seen.append((rate, x.shape[-1], jax.random.key_data(keys)))
        return x

    monkeypatch.setattr(unet.rng, "dropout", spy)
    trace = lambda: (make(dropout=0.3).apply({"params": random()}, X, LOGSNR, LABEL, keys_of(range(B))), [keys for *_, keys in seen])[1]
    keys = jax.jit(trace)()
    assert [(rate, features) for rate, features, _ in seen] == [(0.3, features) for features in (8, 16, 16, 16, 16, 16, 8, 8)]
    assert len(np.unique(np.concatenate(keys), axis=0)) == 8 * B


@pytest.mark.slow
def test_bfloat16_computes_the_same_with_float32_parameters():
    network = make(dtype="bfloat16")
    shapes = jax.tree.leaves(jax.eval_shape(initialise(network, CONTEXT[:1]), jax.random.key(0)))
    assert {leaf.dtype for leaf in shapes} == {jnp.dtype(jnp.float32)}
    inputs = (X, LOGSNR, LABEL, None, CONTEXT, MASK)
    out, expected = np.asarray(run(dtype="bfloat16")(random(), *inputs)), np.asarray(run()(random(), *inputs))
    assert out.dtype == np.float32
    error = np.sqrt(np.mean((out - expected) ** 2)) / expected.std()
    assert 1e-4 < error < 0.03  # bfloat16 was used, and only rounds


def test_axes_are_listed_and_no_parameter_is_split_twice_over_one_mesh_axis():
    boxed = jax.eval_shape(initialise(make(), CONTEXT[:1]), jax.random.key(0))
    boxes = jax.tree.leaves(boxed, is_leaf=lambda leaf: isinstance(leaf, nn.LogicallyPartitioned))
    assert all(isinstance(box, nn.LogicallyPartitioned) and len(box.names) == box.value.ndim for box in boxes)
    assert {name for box in boxes for name in box.names} <= set(optimizer.DECAYS) & set(parallel.RULES)
    for box in boxes:
        split = [parallel.RULES[name] for name in box.names if parallel.RULES[name] is not None]
        assert len(split) == len(set(split)), box.names


def test_kernels_and_tables_decay_and_nothing_else(fresh):
    axes = jax.tree.map(
        lambda box: all(optimizer.DECAYS[name] for name in box.names), fresh, is_leaf=lambda leaf: isinstance(leaf, nn.LogicallyPartitioned)
    )
    for path, decays in jax.tree_util.tree_leaves_with_path(axes):
        assert decays == (path[-1].key in ("kernel", "table")), path


@pytest.mark.parametrize(
    ("shape", "multipliers", "attention", "says"),
    [
        ((7, 8, 1), (1, 2), (), "7x8 cannot be halved 1 times"),
        ((8, 7, 1), (1, 2), (), "8x7 cannot be halved 1 times"),
        ((28, 28, 1), (1, 2, 2, 2), (), "sides divisible by 8"),
        ((28, 28, 1), (), (), "at least one resolution"),
        ((28, 28, 1), (1, 2, 2), (14, 16), "image side 16 .* sides 28, 14, 7"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(shape, multipliers, attention, says):
    with pytest.raises(UsageError, match=says):
        unet.check(shape, multipliers, attention)
    with pytest.raises(UsageError, match=says):
        make(shape=shape, multipliers=multipliers, attention=attention)


def test_heads_that_do_not_divide_the_features_are_refused_where_there_is_attention():
    with pytest.raises(UsageError, match="16 features do not divide into 3 attention heads"):
        make(heads=3)
    make(heads=3, attention=())


@pytest.mark.parametrize(("shape", "multipliers"), [((28, 28, 1), (1, 2, 2)), ((7, 5, 3), (1,)), ((4, 8, 1), (1, 1, 1))])
def test_what_fits_keeps_its_shape(shape, multipliers):
    unet.check(shape, multipliers)
    network = make(shape=shape, multipliers=multipliers, attention=(), num_classes=0)
    out, _ = jax.eval_shape(lambda key: network.init_with_output(key, jnp.zeros((2, *shape)), jnp.zeros(2), None), jax.random.key(0))
    assert (out.shape, out.dtype) == ((2, *shape), jnp.float32)


# ---- the convolution and its derivatives -----------------------------------------------------------------------------


def lax_convolve(x, kernel):
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def test_the_convolution_has_the_derivatives_of_lax_forward_backward_and_of_second_order():
    x, kernel, along = draw(2, 5, 4, 3), draw(3, 3, 3, 2, seed=1), (draw(2, 5, 4, 3, seed=2), draw(3, 3, 3, 2, seed=3))

    def derivatives(convolve):
        def loss(x, kernel):
            return jnp.sum(jnp.sin(convolve(x, kernel)))

        gradient = jax.grad(loss, argnums=(0, 1))
        return convolve(x, kernel), jax.jvp(convolve, (x, kernel), along), gradient(x, kernel), jax.jvp(gradient, (x, kernel), along)

    found, expected = (jax.jit(functools.partial(derivatives, convolve))() for convolve in (unet.convolve, lax_convolve))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other back ends have layouts of their own")
def test_a_backward_pass_within_a_loop_has_only_convolutions_in_the_layout_that_is_fast():
    """And those that JAX derives have not, which is why they are written out: when that changes, `convolve` may be the plain one."""

    def layouts(convolve):
        def descend(kernel, x):
            return kernel - jax.grad(lambda kernel: jnp.sum(jnp.sin(convolve(jnp.sin(convolve(x, kernel)), kernel))))(kernel), None

        program = jax.jit(lambda kernel, xs: jax.lax.scan(descend, kernel, xs)).lower(draw(3, 3, 2, 2), draw(3, 2, 4, 4, 2)).compile()
        return re.findall(r"dim_labels=(\S+?)[,\s]", program.as_text())

    assert len(layouts(unet.convolve)) == 5  # forward twice; backward to x once, for x itself is not learned; to the kernel twice
    assert set(layouts(unet.convolve)) == {"b01f_01io->b01f"}
    assert set(layouts(lax_convolve)) > {"b01f_01io->b01f"}


# ---- what a caption says ----------------------------------------------------------------------------------------------

SAID, SILENT = np.array([[3, 1, 0], [2, 2, 4], [0, 0, 0]]), np.zeros((B, 3), np.int32)


def told(way, **overrides):
    """The network with captions, and random parameters of it."""
    network = make(captions=Captions(words=5, width=32, way=way, causal=False), **overrides)
    params = random_params(
        lambda key: network.init(key, jnp.zeros((1, 8, 4, 2)), jnp.zeros((1,)), jnp.zeros((1,), jnp.int32), caption=jnp.asarray(SILENT[:1]))[
            "params"
        ],
        scale=0.2,
    )
    return params, jax.jit(lambda params, caption: network.apply({"params": params}, X, LOGSNR, LABEL, caption=caption))


def test_the_mean_of_the_words_stands_beside_the_class():
    params, run_told = told("pooled")
    words = params["captions"]["embed"]["table"]
    out = run_told(params, SAID)
    np.testing.assert_allclose(out, run_told(params, SAID[:, ::-1]), rtol=1e-5, atol=1e-5)  # no order is left
    without = {name: part for name, part in params.items() if name != "captions"}
    np.testing.assert_allclose(run_told(params, SILENT), run()(without, X, LOGSNR, LABEL), rtol=1e-5, atol=1e-5)
    for row, mean in enumerate([words[jnp.array([3, 1])].mean(0), words[jnp.array([2, 2, 4])].mean(0)]):
        moved = without | {"label": {"table": without["label"]["table"] + mean}}
        np.testing.assert_allclose(out[row], run()(moved, X, LOGSNR, LABEL)[row], rtol=1e-5, atol=1e-5)


def test_words_that_are_attended_to_are_a_context():
    params, run_told = told("cross")
    captions = Captions(words=5, width=32, way="cross", causal=False)
    context = captions.apply({"params": params["captions"]}, jnp.asarray(SAID), method="context")
    without = {name: part for name, part in params.items() if name != "captions"}
    expected = run()(without, X, LOGSNR, LABEL, None, context.features, context.ids.segment_ids != 0)
    np.testing.assert_allclose(run_told(params, SAID), expected, rtol=1e-5, atol=1e-5)
    assert np.abs(run_told(params, SAID) - run_told(params, SAID[:, ::-1]))[:2].max() > 1e-3
