"""Oracle: a state made from a seed, so that what must come back is known without any checkpoint. Faults are real: bits, kills, full disks."""

import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from genjax.errors import CheckpointError, SaveError, UsageError
from genjax.training.checkpoint import Checkpoints, digest


@flax.struct.dataclass
class State:
    step: jax.Array
    params: Any
    ema: Any
    opt_state: Any
    key: jax.Array


def make_state(seed: int) -> State:
    """Random bits in every leaf, NaNs among them, in the shapes of a small adamw training."""
    zeros = {"trunk": {"kernel": jnp.zeros((16, 8)), "scale": jnp.zeros((8,), jnp.bfloat16)}, "bias": jnp.zeros(())}
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.masked(optax.adamw(1e-3), {"trunk": True, "bias": False}))
    rng = np.random.default_rng(seed)

    def bits(leaf):
        host = np.frombuffer(rng.bytes(leaf.nbytes), leaf.dtype).reshape(leaf.shape)
        return jnp.asarray(host)

    step, params, ema, opt_state = jax.tree.map(bits, (jnp.int32(0), zeros, zeros, optimizer.init(zeros)))
    return State(step, params, ema, opt_state, jax.random.key(seed))


def abstract(tree):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


def write(directory: Path, *steps: int) -> None:
    with Checkpoints(directory, keep=2) as checkpoints:
        for step in steps:
            checkpoints.save(step, make_state(step), {"step": step})
            checkpoints.wait()


def assert_holds(directory: Path, step: int | None) -> None:
    """A run that starts now takes up exactly `step`, bit for bit; and it goes on from there."""
    with Checkpoints(directory, keep=2) as checkpoints:
        assert checkpoints.latest() == step
        if step is not None:
            restored = checkpoints.restore(step, abstract(make_state(0)))
            assert digest(restored) == digest(make_state(step))
            assert checkpoints.read_meta(step) == {"step": step}
        assert not [*directory.glob(".trash*"), *directory.glob("*tmp*")]
        after = (step or 0) + 1
        checkpoints.save(after, make_state(after), {"step": after})
        checkpoints.wait()
        assert checkpoints.latest() == after
    assert {path.stem for path in directory.glob("integrity/*")} == {path.name for path in directory.glob("[0-9]*")}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("pristine")
    write(directory, 1, 2)
    return directory


@pytest.fixture
def directory(pristine, tmp_path) -> Path:
    """A copy of a directory with the steps 1 and 2."""
    return Path(shutil.copytree(pristine, tmp_path / "checkpoints"))


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# What comes back.


def test_a_state_comes_back_bit_for_bit_and_with_its_types(directory):
    state = make_state(2)
    with Checkpoints(directory, keep=None) as checkpoints:
        restored = checkpoints.restore(2, abstract(state))
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    for there, here in zip(jax.tree.leaves(restored), jax.tree.leaves(state), strict=True):
        assert there.dtype == here.dtype and there.shape == here.shape
        if here.dtype != state.key.dtype:
            np.testing.assert_array_equal(np.asarray(there).reshape(-1).view(np.uint8), np.asarray(here).reshape(-1).view(np.uint8))
    assert digest(restored) == digest(state)
    assert digest(restored) != digest(make_state(1))


def test_the_state_may_be_donated_as_soon_as_save_returns(tmp_path):
    state = make_state(1)
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        checkpoints.save(1, state, {"step": 1})
        jax.tree.map(lambda leaf: leaf.delete(), state)
    assert_holds(tmp_path, 1)


def test_a_part_is_restored_alone(directory):
    params = make_state(2).ema
    with Checkpoints(directory, keep=None) as checkpoints:
        assert digest(checkpoints.restore(2, abstract(params), part="ema")) == digest(params)
        with pytest.raises(CheckpointError, match="average/bias"):
            checkpoints.restore(2, abstract(params), part="average")


def test_two_are_kept_and_any_orbax_manager_reads_them(tmp_path):
    write(tmp_path, 1, 2, 3, 10)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "3", "integrity"]
    assert sorted(path.name for path in (tmp_path / "integrity").iterdir()) == ["10.json", "3.json"]
    with ocp.CheckpointManager(tmp_path) as manager:
        assert manager.all_steps() == [3, 10]
        state = manager.restore(10, args=ocp.args.Composite(state=ocp.args.StandardRestore()))["state"]
    assert digest(state["params/trunk/kernel"]) == digest(make_state(10).params["trunk"]["kernel"])


@pytest.mark.parametrize(
    ("change", "row"),
    [
        (lambda s: s.replace(params={**s.params, "bias": jnp.zeros((), jnp.bfloat16)}), r"params/bias +float32\[\] +bfloat16\[\]"),
        (lambda s: s.replace(params={**s.params, "bias": jnp.zeros((3, 1))}), r"params/bias +float32\[\] +float32\[3,1\]"),
        (lambda s: s.replace(params={**s.params, "extra": jnp.zeros(2)}), r"params/extra +- +float32\[2\]"),
        (lambda s: s.replace(ema=None), r"ema/bias +float32\[\] +-"),
        (lambda s: s.replace(key=jax.random.key_data(s.key)), r"key +key<fry>\[\] +uint32\[2\]"),
        (lambda s: s.replace(step=jnp.float32(0)), r"step +int32\[\] +float32\[\]"),
    ],
)
def test_another_model_is_an_error_that_names_the_leaf_and_never_a_cast_or_a_fallback(directory, change, row):
    with Checkpoints(directory, keep=2) as checkpoints:
        assert checkpoints.latest() == 2
        with pytest.raises(CheckpointError, match=row):
            checkpoints.restore(2, abstract(change(make_state(0))))
    assert_holds(directory, 2)


# Damage.


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def link(path: Path) -> None:
    """The very same content, but elsewhere."""
    elsewhere = next(folder for folder in path.parents if folder.name == "checkpoints").with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink, link])
def test_damage_to_any_file_is_found_and_the_older_step_is_taken(pristine, tmp_path, damage, caplog):
    names = list(files(pristine / "2"))
    assert len(names) >= 8
    for number, name in enumerate(names):
        directory = Path(shutil.copytree(pristine, tmp_path / str(number) / "checkpoints"))
        damage(directory / "2" / name)
        with Checkpoints(directory, keep=2) as checkpoints:
            with pytest.raises(CheckpointError, match=r"checkpoint 2 .* is damaged"):
                checkpoints.restore(2, abstract(make_state(2)))
            assert checkpoints.latest() == 1, name
            assert digest(checkpoints.restore(1, abstract(make_state(1)))) == digest(make_state(1))
        assert name in caplog.text
        assert (directory / "corrupt-2").exists() and not (directory / "2").exists() and not (directory / "integrity/2.json").exists()
    assert_holds(directory, 1)


def test_what_does_not_belong_to_a_step_is_damage_too(directory):
    (directory / "2" / "state" / "more").write_text("")
    assert_holds(directory, 1)  # this writes a step 2 again ...
    os.mkfifo(directory / "2" / "pipe")
    assert_holds(directory, 1)  # ... whose damage is a second one
    assert (directory / "corrupt-2").exists() and (directory / "corrupt-2.1").exists()


def test_a_step_that_is_a_link_is_refused(directory):
    (directory / "2").rename(directory.parent / "elsewhere")
    (directory / "2").symlink_to(directory.parent / "elsewhere")
    assert_holds(directory, 1)


@pytest.mark.parametrize("content", ['{"sha256": {"state', "[]", "{}", '{"sha256": []}', '{"sha256": {"a": []}}', '{"sha256": {}}', "\0"])
def test_a_damaged_manifest_is_damage(directory, content):
    (directory / "integrity" / "2.json").write_text(content)
    assert_holds(directory, 1)


def test_a_step_without_manifest_is_used_only_where_no_verified_one_exists(directory, caplog):
    (directory / "integrity" / "2.json").unlink()
    with Checkpoints(directory, keep=2) as checkpoints:
        assert checkpoints.latest() == 1
        (directory / "integrity" / "1.json").unlink()
        assert checkpoints.latest() == 2
    assert "unverified" in caplog.text
    assert_holds(directory, 2)


def test_without_any_manifest_orbax_decides_what_is_whole(directory):
    shutil.rmtree(directory / "integrity")
    (directory / "2" / "commit_success.txt").unlink()
    with Checkpoints(directory, keep=None) as checkpoints:
        assert checkpoints.latest() == 1
        truncate(directory / "1" / "state" / "manifest.ocdbt")
        with pytest.raises(CheckpointError, match=r"checkpoint 1 .* could not be read"):
            checkpoints.restore(1, abstract(make_state(1)))


def test_where_every_step_is_damaged_a_run_does_not_begin_again(directory):
    """Nor the second time, when all of them are set aside."""
    for step in "12":
        shutil.rmtree(directory / step / "state")
    with Checkpoints(directory, keep=None) as checkpoints, pytest.raises(CheckpointError, match=r"is damaged \(1, 2\): put a good copy back"):
        checkpoints.latest()
    with Checkpoints(directory, keep=2) as checkpoints:
        for _ in range(2):
            with pytest.raises(CheckpointError, match=r"every checkpoint in .* is damaged \(corrupt-1, corrupt-2\): put a good copy back"):
                checkpoints.latest()
        with pytest.raises(CheckpointError, match=r"there is no checkpoint 2 .* there is none"):
            checkpoints.restore(2, abstract(make_state(0)))


def test_a_reader_changes_nothing(directory):
    flip(directory / "2" / "state" / "_METADATA")
    (directory / "3.orbax-checkpoint-tmp").mkdir()
    before = files(directory)
    with Checkpoints(directory, keep=None) as checkpoints:
        assert checkpoints.latest() == 1
    assert files(directory) == before and (directory / "3.orbax-checkpoint-tmp").exists()
    with Checkpoints(directory / "nowhere", keep=None) as checkpoints:
        assert checkpoints.latest() is None
    assert not (directory / "nowhere").exists()


# What may be saved.


def test_one_checkpoint_is_not_enough(tmp_path):
    with pytest.raises(UsageError, match="at least 2"):
        Checkpoints(tmp_path / "checkpoints", keep=1)
    assert not (tmp_path / "checkpoints").exists()


def test_the_litter_of_a_failed_save_goes_with_the_next(directory):
    with Checkpoints(directory, keep=2) as checkpoints:
        (directory / "3.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
        checkpoints.save(4, make_state(4), {"step": 4})
    assert sorted(path.name for path in directory.iterdir()) == ["2", "4", "integrity"]


def test_a_saved_step_stays_and_an_older_one_is_refused(directory):
    before = files(directory)
    with Checkpoints(directory, keep=2) as checkpoints:
        checkpoints.save(2, make_state(2), {"step": 2})
        with pytest.raises(CheckpointError, match="step 1 cannot be saved"):
            checkpoints.save(1, make_state(1), {"step": 1})
    assert files(directory) == before


def test_what_would_not_come_back_the_same_is_refused_at_once(tmp_path):
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        for leaf in (1, np.float64(1), jnp.asarray(1.0)):  # the last is weakly typed
            with pytest.raises(TypeError, match="params/x is not"):
                checkpoints.save(1, {"params": {"x": leaf}}, {})
        with pytest.raises(ValueError, match="same path"):
            checkpoints.save(1, {"a/b": jnp.ones(1), "a": {"b": jnp.ones(1)}}, {})
        for meta in ({"loss": float("nan")}, {"path": tmp_path}):
            with pytest.raises((TypeError, ValueError), match="JSON"):
                checkpoints.save(1, make_state(1), meta)
        assert checkpoints.latest() is None


# Failures and kills, in processes of their own.


def run(function, *args) -> str:
    """What a function of this file prints in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "JAX_PLATFORMS": "cpu", "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.run([sys.executable, __file__, function.__name__, *map(str, args)], env=env, capture_output=True, text=True, timeout=250)
    assert process.returncode == 0, process.stderr
    return process.stdout


def fork(function, *args) -> int:
    """The exit code of a function in a copy of this process, which has imported jax (that takes seconds) but not yet used it: no thread runs."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            function(*args)
            sys.stdout.flush()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def child_disk_full(directory: str) -> None:
    def allow(size: int) -> None:  # the largest file that may be written: EFBIG stands in for ENOSPC; Python ignores SIGXFSZ
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def poll_until_noticed() -> None:
        while checkpoints._saving:
            checkpoints.poll()

    write(Path(directory), 1)
    checkpoints = Checkpoints(Path(directory), keep=2)
    for step, size in ((2, 300), (3, 0)):  # in the background; at once
        allow(size)
        checkpoints.save(step, make_state(step), {"step": step})
        poll_until_noticed()  # the training goes on
        assert checkpoints.latest() == 1
    with pytest.raises(SaveError, match=r"checkpoint 3 could not be saved .* the newest good one is 1"):
        checkpoints.wait()
    allow(resource.RLIM_INFINITY)
    checkpoints.save(4, make_state(4), {"step": 4})  # the disk is free again, and the failures are forgotten
    checkpoints.wait()
    assert checkpoints.latest() == 4
    allow(300)
    for step in (5, 6, 7):
        if step == 7:
            checkpoints.save(step, make_state(step), {"step": step})
            with pytest.raises(SaveError, match=r"checkpoint 7 could not be saved .* the newest good one is 4"):
                poll_until_noticed()
        else:
            checkpoints.save(step, make_state(step), {"step": step})
            poll_until_noticed()
    with pytest.raises(SaveError, match="checkpoint 7"):
        checkpoints.close()


def test_a_full_disk_is_noticed_survived_and_in_the_end_an_error(tmp_path):
    run(child_disk_full, tmp_path)
    assert_holds(tmp_path, 4)


# A kill just before each of these events of Python's audit hooks, and the step that must be taken up after it.
KILLS = {
    "os.rename 1.orbax-checkpoint-tmp": None,
    "open 2.orbax-checkpoint-tmp/meta.orbax-checkpoint-tmp/metadata": 1,
    "os.rename 2.orbax-checkpoint-tmp/state.orbax-checkpoint-tmp": 1,
    "os.rename 2.orbax-checkpoint-tmp": 1,
    "open integrity/.2.json.tmp": 1,
    "os.rename integrity/.2.json.tmp": 1,
    "os.rename 1": 3,
    "os.remove integrity/1.json": 3,
    "shutil.rmtree .trash-1": 3,
}


def write_until(directory: str, kill) -> None:
    """Saves the steps 1, 2, 3, and is killed before the first event for which kill(event, number of events before it) is true."""
    count = itertools.count()

    def watch(event: str, args: tuple) -> None:
        if event in ("open", "os.mkdir", "os.rename", "os.remove", "shutil.rmtree") and str(args[0]).startswith(directory + "/"):
            nothing = not os.path.exists(args[0]) if event in ("os.remove", "shutil.rmtree") else event == "open" and args[1] in ("r", "rb")
            if not nothing and kill(f"{event} {os.path.relpath(args[0], directory)}", next(count)):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    with Checkpoints(Path(directory), keep=2) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, make_state(step), {"step": step})
            checkpoints.wait()
            print(step, end=" ", flush=True)


def child_kills(folder: str) -> None:
    for number, point in enumerate(KILLS):
        assert fork(write_until, f"{folder}/{number}", lambda event, _, point=point: event == point) == -signal.SIGKILL, point


def test_a_kill_at_each_stage_leaves_a_verified_step_and_no_litter(tmp_path):
    run(child_kills, tmp_path)
    for number, step in enumerate(KILLS.values()):
        assert_holds(tmp_path / str(number), step)


def child_every_kill(folder: str) -> None:
    """Prints, for every kill, the steps that were known to be saved before it."""
    for number in itertools.count():
        code = fork(write_until, f"{folder}/{number}", lambda _, count, number=number: count == number)
        print(flush=True)
        if code == 0:
            return
        assert code == -signal.SIGKILL


@pytest.mark.processes
def test_a_kill_before_any_change_of_the_directory_loses_at_most_the_save_in_flight(tmp_path):
    saved = [line.split() for line in run(child_every_kill, tmp_path).splitlines()]
    assert len(saved) > 50 and saved[-1] == ["1", "2", "3"]
    for number, steps in enumerate(saved):
        with Checkpoints(tmp_path / str(number), keep=None) as checkpoints:
            latest = checkpoints.latest()
        assert (latest or 0) - len(steps) in (0, 1)
        assert_holds(tmp_path / str(number), latest)


# Devices.


def shard(state: State) -> State:
    """Over all devices, along the first axis where it divides."""
    mesh = jax.make_mesh((jax.device_count(),), ("x",), axis_types=(jax.sharding.AxisType.Auto,))

    def sharding(leaf):
        whole = leaf.ndim == 0 or leaf.shape[0] % jax.device_count() != 0
        return NamedSharding(mesh, PartitionSpec() if whole else PartitionSpec("x"))

    return jax.tree.map(lambda leaf: jax.device_put(leaf, sharding(leaf)), state)


def use_devices(count: int) -> None:
    # Read when jax is first used. Nothing else: compiled quickly, a program that copies bfloat16 changes the bits of its NaNs.
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={count}"
    assert jax.device_count() == count


def save_on(devices: int, directory: str) -> None:
    use_devices(devices)
    state = shard(make_state(1))
    assert len({shard.index[0].start for shard in state.params["trunk"]["kernel"].addressable_shards}) == devices
    with Checkpoints(Path(directory), keep=2) as checkpoints:
        checkpoints.save(1, state, {})
    print(digest(state))


def restore_on(devices: int, directory: str) -> None:
    use_devices(devices)
    target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), shard(make_state(0)))
    with Checkpoints(Path(directory), keep=None) as checkpoints:
        restored = checkpoints.restore(checkpoints.latest(), target)
        alone = checkpoints.restore(1, abstract(target))
    assert all(leaf.sharding == wanted.sharding for leaf, wanted in zip(jax.tree.leaves(restored), jax.tree.leaves(target), strict=True))
    assert digest(restored) == digest(alone)
    print(digest(restored))


def child_reshard(directory: str) -> None:
    for function, devices in ((save_on, 8), (restore_on, 1), (restore_on, 4)):
        assert fork(function, devices, directory) == 0


def test_a_state_saved_on_8_devices_is_the_same_on_1_and_on_4(tmp_path):
    assert run(child_reshard, tmp_path).split() == [digest(make_state(1))] * 3


# The digest.


def test_the_digest_sees_every_bit_name_dtype_and_shape():
    state = make_state(1)
    leaves, structure = jax.tree.flatten(state)
    seen = {digest(state)}
    for n, leaf in enumerate(leaves):
        if leaf.dtype == state.key.dtype:
            changed = jax.random.wrap_key_data(jax.random.key_data(leaf) ^ jnp.array([0, 1], jnp.uint32))
        else:
            host = np.array(leaf).reshape(-1)
            host.view(np.uint8)[-1] ^= 1
            changed = jnp.asarray(host.reshape(leaf.shape))
        seen.add(digest(jax.tree.unflatten(structure, [*leaves[:n], changed, *leaves[n + 1 :]])))
    assert len(seen) == len(leaves) + 1
    x = jnp.zeros((2, 3))
    variants = [{"x": x}, {"y": x}, {"x": x.T}, {"x": x.reshape(-1)}, {"x": x.astype(jnp.int32)}, {"x": -x}, {"x": {"x": x}}]
    assert len({digest(variant) for variant in variants}) == len(variants)
    assert digest(jax.tree.map(np.asarray, state.params)) == digest(state.params)


def test_the_digest_is_this_number():
    expected = "cb802e60b27f21df435a0f96323baa5d5c23d7f907eed3223e60e91b899f6dfe"
    assert digest({"b": jnp.arange(3), "a": jnp.ones((2,), jnp.bfloat16)}) == expected, (
        "The digest of an unchanged state has changed: numbers in results/ can no longer be compared with it. If that is meant, say so there."
    )


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
