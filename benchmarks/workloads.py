"""What is measured, with all sizes: the one place that both sides read. It imports nothing but the standard library.

T1-T4 train, G1-G4 draw 256 tokens with a cache, S1 and S2 draw a batch of images with 50 evaluations of the network. N trains on a text until
what is held out of it costs little enough. C, M, D and the scaling curves are measured on the models of T1-T4 (`benchmarks.run`). A ratio is peer
time / our time.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Literal, NamedTuple


@dataclasses.dataclass(frozen=True)
class GPT:
    """A decoder of `layers` blocks of 12 width^2 parameters, over rows of `context` tokens out of `vocab`."""

    layers: int
    width: int
    heads: int
    context: int
    vocab: int = 65


@dataclasses.dataclass(frozen=True)
class DiT:
    """A transformer over patches of an image [side, side, channels], conditioned on noise level and class by adaLN."""

    layers: int
    width: int
    heads: int
    patch: int
    side: int = 32
    channels: int = 3
    classes: int = 10
    # Hidden features of a gated MLP over the width. 8/3 gives the parameters of an ungated one of ratio 4; a little more makes up for the
    # modulation of the last norm that the peers have, so that both parameters and operations lie within 2 %.
    mlp_ratio: float = 2.71875


@dataclasses.dataclass(frozen=True)
class UNet:
    """A U-Net whose resolutions have features * multipliers features, one residual block on the way down and two on the way up, no attention."""

    features: int
    multipliers: tuple[int, ...]
    side: int = 32
    channels: int = 3
    classes: int = 10


Model = GPT | DiT | UNet


class Workload(NamedTuple):
    """One row of the table.

    Attributes:
      task: train, generate (tokens), sample (images), or learn (train on a text, with a rate that falls).
      model, batch: what, and how many rows at once.
      length: tokens that are drawn of a row, evaluations of the network for an image, or steps until the rate has fallen.
      floor, goal: of the ratio to the fastest peer; None where there is none.
      dtype: of the computation.
      chosen: config fields of genjax other than the defaults, where they were measured to help (docs/performance.md), "field=value ...".
    """

    task: Literal["train", "generate", "sample", "learn"]
    model: Model
    batch: int
    length: int = 0
    floor: float | None = None
    goal: float | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    chosen: str = ""

    @property
    def unit(self) -> str:
        """What a rate counts."""
        return "tokens" if isinstance(self.model, GPT) else "images"

    @property
    def items(self) -> int:
        """How many of them one call makes or learns from."""
        per_row = {"generate": self.length, "sample": 1}.get(self.task, getattr(self.model, "context", 1))
        return self.batch * per_row

    @property
    def what(self) -> str:
        """The workload in a few words."""
        model = self.model
        network = (
            f"U-Net {model.features} × {model.multipliers}" if isinstance(model, UNet) else f"{type(model).__name__} {model.layers} × {model.width}"
        )
        data = f"context {model.context}" if isinstance(model, GPT) else f"{model.side}×{model.side}×{model.channels}"
        drawing = {"generate": f"{self.length} tokens with a cache", "sample": f"{self.length} DDIM evaluations"}
        task = {"train": "training", "learn": f"{self.length} steps on a text", **drawing}[self.task]
        return f"{task}, {network}, {data}, batch {self.batch}"

    @property
    def settings(self) -> dict:
        """As JSON: results with the same settings are of the same workload."""
        return {"task": self.task, "network": type(self.model).__name__, **dataclasses.asdict(self.model), "batch": self.batch} | {
            "length": self.length,
            "dtype": self.dtype,
            "chosen": self.chosen,
        }


SMALL_GPT, GPT_384 = GPT(4, 128, 4, 64), GPT(6, 384, 6, 256)
SMALL_DIT, SMALL_UNET = DiT(6, 256, 4, 4), UNet(64, (1, 2, 2))

CPU = {
    "T1": Workload("train", SMALL_GPT, 12, floor=1.05, goal=1.2, chosen="train.steps_per_dispatch=32"),
    "T2": Workload("train", GPT_384, 8, floor=0.85, goal=1.0, chosen="train.accumulation=4"),
    "T3": Workload("train", SMALL_DIT, 16, floor=0.80, goal=1.0),
    "T4": Workload("train", SMALL_UNET, 16, floor=0.60, goal=1.0),
    "G1": Workload("generate", SMALL_GPT, 1, 256, floor=10.0),
    "G2": Workload("generate", SMALL_GPT, 16, 256, floor=4.0),
    "G3": Workload("generate", GPT_384, 1, 256, floor=2.5),
    "G4": Workload("generate", GPT_384, 16, 256, floor=1.7),
    "S1": Workload("sample", SMALL_DIT, 16, 50, floor=1.3, goal=2.0, chosen="parallel.cpu_devices=2"),
    "S2": Workload("sample", SMALL_UNET, 16, 50, floor=0.9, goal=1.2, chosen="parallel.cpu_devices=2"),
}

# nanoGPT's small setting of a character model, and the loss [nats a character] that its own code reaches in it on what is held out.
LEARNING = Workload("learn", SMALL_GPT, 12, 2000, floor=4.0, chosen="train.steps_per_dispatch=25")
TARGET, RECIPE = 1.886, "configs/shakespeare.py:next_token"
# Systems of it: nanoGPT's recipe at its own rate of learning, and at that which is best for our AdamW (`configs/shakespeare.py`).
LEARNERS = ("transformers rate=1e-3", "transformers rate=4e-3")

GPU = {  # GPT-2 124M, and DiT-L/2 on latents of 32x32x4
    "GPT": Workload("train", GPT(12, 768, 12, 1024, 50304), 16, dtype="bfloat16", floor=1.0),
    "DIT": Workload("train", DiT(24, 1024, 16, 2, channels=4, classes=1000), 128, dtype="bfloat16", floor=1.0),
}

# What genjax offers besides its defaults, measured beside them: config fields.
VARIANTS = {"GPT": ("model.attention=cudnn", "model.attention=cudnn next_token.loss_chunk=128"), "DIT": ("model.attention=cudnn",)}

TINY_GPT, TINY_DIT, TINY_UNET = GPT(2, 32, 2, 16), DiT(2, 32, 2, 4, side=8), UNet(16, (1, 2), side=8)
TINY = {  # the same rows in sizes that a test can run
    name: workload._replace(
        model={GPT: TINY_GPT, DiT: TINY_DIT, UNet: TINY_UNET}[type(workload.model)], batch=min(2, workload.batch), length=min(8, workload.length)
    )
    for name, workload in (CPU | GPU).items()
}

# The systems that can be held against genjax, by the kind of network.
PEERS: dict[type, tuple[str, ...]] = {
    GPT: ("torch", "transformers", "x_transformers"),
    DiT: ("torch", "diffusers"),
    UNet: ("diffusers", "lucidrains"),
}
ANOTHER_NET = {"lucidrains"}  # cannot be made equal: shown, and left out of every ratio
WITHOUT_DRAWING = {("torch", GPT)}  # without a cache; transformers and x_transformers have one


def peers_of(workload: Workload) -> tuple[str, ...]:
    """The systems that a workload is held against."""
    return tuple(name for name in PEERS[type(workload.model)] if workload.task == "train" or (name, type(workload.model)) not in WITHOUT_DRAWING)


# Scaling curves: time of a training step of a GPT against one of its sizes. Sizes -> the values of each curve.
SCALING_BASE = Workload("train", GPT(4, 128, 4, 128), 8)
SCALING = {"width": (64, 128, 256, 512), "layers": (2, 4, 8, 16), "context": (64, 128, 256, 512), "batch": (4, 8, 16, 32)}
TINY_SCALING = {"width": (32, 64), "layers": (1, 2)}


def scaled(name: str, value: int) -> Workload:
    """The base with one size changed."""
    if name == "batch":
        return SCALING_BASE._replace(batch=value)
    sizes = dataclasses.asdict(SCALING_BASE.model) | {name: value}
    return SCALING_BASE._replace(model=GPT(**sizes))


def find(name: str, tiny: bool) -> Workload:
    """The workload of a name: of a row of the tables, or "width=64" of a curve."""
    axis, _, value = name.partition("=")
    if value:
        return scaled(axis, int(value))
    if name == "N":
        return LEARNING._replace(model=TINY_GPT, batch=2, length=60, chosen="train.steps_per_dispatch=3") if tiny else LEARNING
    return TINY[name] if tiny else (CPU | GPU)[name]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
