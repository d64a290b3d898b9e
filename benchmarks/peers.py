"""The systems that genjax is held against, each as its own documentation would have it: PyTorch eager on CPU, torch.compile and bfloat16 on GPU.

  torch           a GPT and a DiT written by hand: fused query-key-value, scaled_dot_product_attention, nothing that is not needed
  transformers    GPT2LMHeadModel, with its cache when drawing
  x_transformers  TransformerWrapper with rotary positions, with its cache when drawing
  diffusers       DiTTransformer2DModel or UNet2DModel; drawing with DDIMScheduler
  lucidrains      the Unet of denoising-diffusion-pytorch, which is another network: other stages, attention at each

What learns a text has nanoGPT's recipe: its data, split, schedule and decay, at the rate that "transformers rate=1e-3" names.

Every training step clears gradients, clips them to norm 1 and ends in a fused AdamW; diffusion keeps an average of the parameters, as
everyone does. The batch lies in memory. Blocks of the diffusers DiT share one embedding of time and class, as those of the paper do; the
library would give each its own. torchvision has no CPU build here: what denoising-diffusion-pytorch imports of it
is never called, and is replaced by empty names.
"""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import math
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from benchmarks.workloads import GPT, DiT, UNet, Workload, cores

PACKAGES = {"torch": "torch", "transformers": "transformers", "x_transformers": "x-transformers", "diffusers": "diffusers"} | {
    "lucidrains": "denoising-diffusion-pytorch"
}


# Operations of the attention that some libraries choose on a CPU whatever they are told, of which the counter does not know: two products forward,
# four backward, as in every other way to compute it.
ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *args, out_shape, **options: sdpa_flop_count(q, k, v),
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda g, q, k, v, *args, out_shape, **options: 2 * sdpa_flop_count(q, k, v),
}


# ---- by hand -------------------------------------------------------------------------------------------------------


class SelfAttention(nn.Module):
    def __init__(self, width: int, heads: int, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


def mlp(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))


class HandGPT(nn.Module):
    """GPT-2's block and positions, with the head tied to the embedding."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        width = model.width
        self.tokens, self.positions = nn.Embedding(model.vocab, width), nn.Embedding(model.context, width)
        parts = [(nn.LayerNorm(width), SelfAttention(width, model.heads, True), nn.LayerNorm(width), mlp(width)) for _ in range(model.layers)]
        self.blocks = nn.ModuleList([nn.ModuleList(part) for part in parts])
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        for norm_1, attention, norm_2, feed in self.blocks:
            x = x + attention(norm_1(x))
            x = x + feed(norm_2(x))
        return F.linear(self.norm(x), self.tokens.weight)


def sinusoids(time: Tensor, size: int) -> Tensor:
    scale = torch.exp(-math.log(10_000.0) * torch.arange(size // 2, device=time.device) / (size // 2))
    angles = time.float()[:, None] * scale
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class HandDiT(nn.Module):
    """The DiT of arXiv:2212.09748, with three output channels."""

    def __init__(self, model: DiT) -> None:
        super().__init__()
        width, self.patch, self.side, self.channels = model.width, model.patch, model.side, model.channels
        self.patches = nn.Conv2d(model.channels, width, model.patch, model.patch)
        self.register_buffer("places", torch.randn((model.side // model.patch) ** 2, width))
        self.time = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding(model.classes + 1, width)
        parts = [(SelfAttention(width, model.heads, False), mlp(width), nn.Linear(width, 6 * width)) for _ in range(model.layers)]
        self.blocks = nn.ModuleList([nn.ModuleList(part) for part in parts])
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.last, self.out = nn.Linear(width, 2 * width), nn.Linear(width, model.patch**2 * model.channels)

    def forward(self, x: Tensor, time: Tensor, label: Tensor) -> Tensor:
        h = self.patches(x).flatten(2).transpose(1, 2) + self.places
        cond = F.silu(self.time(sinusoids(time, 256)) + self.label(label))
        modulated = lambda h, scale, shift: self.norm(h) * (1 + scale) + shift
        for attention, feed, maps in self.blocks:
            shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = maps(cond)[:, None].chunk(6, dim=-1)
            h = h + gate_1 * attention(modulated(h, scale_1, shift_1))
            h = h + gate_2 * feed(modulated(h, scale_2, shift_2))
        shift, scale = self.last(cond)[:, None].chunk(2, dim=-1)
        h, n, p = self.out(modulated(h, scale, shift)), self.side // self.patch, self.patch
        return h.view(-1, n, n, p, p, self.channels).permute(0, 5, 1, 3, 2, 4).reshape(-1, self.channels, self.side, self.side)


# ---- libraries -----------------------------------------------------------------------------------------------------

Apply = Callable[..., Tensor]  # (tokens) -> logits, or (noisy images, times, classes) -> noise


def _torch(workload: Workload) -> tuple[nn.Module, Apply]:
    model = workload.model
    assert not isinstance(model, UNet)
    module = HandGPT(model) if isinstance(model, GPT) else HandDiT(model)
    return module, module


def _transformers(workload: Workload) -> tuple[nn.Module, Apply]:
    from transformers import GPT2Config, GPT2LMHeadModel

    model = workload.model
    assert isinstance(model, GPT)
    config = GPT2Config(
        vocab_size=model.vocab,
        n_positions=max(model.context, workload.length + 1),
        n_embd=model.width,
        n_layer=model.layers,
        n_head=model.heads,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
        **dict.fromkeys(("bos_token_id", "eos_token_id"), None),
        attn_implementation="sdpa",
    )
    module = GPT2LMHeadModel(config)
    return module, lambda tokens: module(tokens, use_cache=False).logits


def _x_transformers(workload: Workload) -> tuple[nn.Module, Apply]:
    from x_transformers import Decoder, TransformerWrapper

    model = workload.model
    assert isinstance(model, GPT)
    layers = Decoder(
        dim=model.width,
        depth=model.layers,
        heads=model.heads,
        attn_dim_head=model.width // model.heads,
        attn_flash=True,
        rotary_pos_emb=True,
    )
    module = TransformerWrapper(
        num_tokens=model.vocab, max_seq_len=max(model.context, workload.length + 1), attn_layers=layers, use_abs_pos_emb=False, tie_embedding=True
    )
    return module, module


def _diffusers(workload: Workload) -> tuple[nn.Module, Apply]:
    model = workload.model
    if isinstance(model, DiT):
        from diffusers import DiTTransformer2DModel

        module = DiTTransformer2DModel(
            num_attention_heads=model.heads,
            attention_head_dim=model.width // model.heads,
            in_channels=model.channels,
            num_layers=model.layers,
            sample_size=model.side,
            patch_size=model.patch,
            num_embeds_ada_norm=model.classes,
        )
        for block in module.transformer_blocks:
            block.norm1.emb = module.transformer_blocks[0].norm1.emb
    else:
        from diffusers import UNet2DModel

        assert isinstance(model, UNet)
        levels = len(model.multipliers)
        module = UNet2DModel(
            sample_size=model.side,
            layers_per_block=1,
            block_out_channels=tuple(model.features * m for m in model.multipliers),
            down_block_types=("DownBlock2D",) * levels,
            up_block_types=("UpBlock2D",) * levels,
            add_attention=False,
            norm_num_groups=math.gcd(model.features, 16),
            resnet_time_scale_shift="scale_shift",
            num_class_embeds=model.classes + 1,
        )
    return module, lambda x, time, label: module(x, time, class_labels=label).sample


def _lucidrains(workload: Workload) -> tuple[nn.Module, Apply]:
    _without_torchvision()
    from denoising_diffusion_pytorch import Unet

    model = workload.model
    assert isinstance(model, UNet)
    module = Unet(model.features, dim_mults=tuple(2**level for level in range(len(model.multipliers))))
    return module, lambda x, time, label: module(x, time)


def _without_torchvision() -> None:
    class Empty(types.ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

    for name in ("torchvision", *(f"torchvision.{part}" for part in ("transforms", "utils", "models", "models.inception"))):
        module, (parent, _, last) = Empty(name), name.rpartition(".")
        module.__spec__, module.__path__ = importlib.machinery.ModuleSpec(name, None, is_package=True), []
        sys.modules[name] = module
        if parent:
            setattr(sys.modules[parent], last, module)


BUILD = {
    "torch": _torch,
    "transformers": _transformers,
    "x_transformers": _x_transformers,
    "diffusers": _diffusers,
    "lucidrains": _lucidrains,
}


# ---- tasks ---------------------------------------------------------------------------------------------------------


class System:
    """A model on a device; see `benchmarks.worker`."""

    calls = 1

    def __init__(self, name: str, workload: Workload, device: str) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(cores())
        self.name, self.workload = name, workload
        self.device = torch.device({"gpu": "cuda"}.get(device, device))
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
        with self.device:
            self.module, self.apply = BUILD[name](workload)
        self.module.to(self.device)
        self.batch = dict(self._batch())

    def _batch(self) -> Iterator[tuple[str, Tensor]]:
        model, rows = self.workload.model, self.workload.batch
        if isinstance(model, GPT):
            yield "tokens", torch.randint(model.vocab, (rows, model.context + 1), device=self.device)
        else:
            yield "image", torch.rand(rows, model.channels, model.side, model.side, device=self.device) * 2 - 1
            yield "label", torch.randint(model.classes, (rows,), device=self.device)

    def computing(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.workload.dtype == "bfloat16")

    def once(self) -> Any:
        """One call."""
        raise NotImplementedError

    def __call__(self, calls: int) -> None:
        result = None
        for _ in range(calls):
            result = self.once()
        if isinstance(result, Tensor):
            assert torch.isfinite(result.float()).all()
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def describe(self) -> dict[str, Any]:
        positions = sum(p.numel() for name, p in self.module.named_parameters() if name.endswith(("wpe.weight", "positions.weight")))
        with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter, sdpa_kernel(SDPBackend.MATH):
            self.counted()
        packages = {PACKAGES[self.name], "torch"}
        return {
            "parameters": sum(p.numel() for p in self.module.parameters()) - positions,  # ours are rotary, and so without a table
            "flops": counter.get_total_flops(),
            "versions": {name: importlib.metadata.version(name) for name in sorted(packages)},
            "settings": {"threads": torch.get_num_threads(), "device": str(self.device), "compiled": self.device.type == "cuda"},
        }

    def counted(self) -> None:
        """A call whose operations can be counted."""
        self.once()


class Training(System):
    def __init__(self, name: str, workload: Workload, device: str) -> None:
        super().__init__(name, workload, device)
        self.params = [p for p in self.module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.05, fused=True)
        self.average = [] if isinstance(workload.model, GPT) else [p.detach().clone() for p in self.params]
        self.loss: Callable[[], Tensor] = torch.compile(self.eager_loss) if self.device.type == "cuda" else self.eager_loss

    def eager_loss(self) -> Tensor:
        with self.computing():
            if isinstance(self.workload.model, GPT):
                tokens = self.batch["tokens"]
                logits = self.apply(tokens[:, :-1])
                return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
            x0 = self.batch["image"]
            time = torch.randint(1000, x0.shape[:1], device=self.device)
            alpha_bar = torch.cos(0.5 * math.pi * (time + 0.5) / 1000)[:, None, None, None] ** 2
            noise = torch.randn_like(x0)
            return F.mse_loss(self.apply(alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise, time, self.batch["label"]), noise)

    def once(self) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss()
        loss.backward()
        nn.utils.clip_grad_norm_(self.params, 1.0, foreach=True)
        self.optimizer.step()
        if self.average:
            torch._foreach_lerp_(self.average, [p.detach() for p in self.params], 0.005)
        return loss.detach()

    def counted(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        self.eager_loss().backward()


class Learning(Training):
    """nanoGPT's train.py with the settings that its README has for a CPU, with batches of the text that GENJAX_BENCH_TEXT names."""

    def __init__(self, name: str, workload: Workload, device: str, rate: float) -> None:
        super().__init__(name, workload, device)
        assert isinstance(workload.model, GPT)
        self.context = workload.model.context
        text = Path(os.environ["GENJAX_BENCH_TEXT"]).read_text()
        known = {character: code for code, character in enumerate(sorted(set(text)))}
        tokens = torch.tensor([known[character] for character in text])
        self.trained, self.rest = tokens.split([int(0.9 * len(tokens)), len(tokens) - int(0.9 * len(tokens))])
        shrunk, kept = ([p for p in self.params if (p.dim() >= 2) == matrix] for matrix in (True, False))
        groups = [{"params": shrunk, "weight_decay": 0.1}, {"params": kept, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), fused=True)
        warm, total = workload.length // 20, workload.length
        falls = lambda step: 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, (step - warm) / (total - warm))))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: (step + 1) / (warm + 1) if step < warm else falls(step))

    def once(self) -> Tensor:
        starts = torch.randint(len(self.trained) - self.context, (self.workload.batch,))
        self.batch["tokens"] = self.trained[starts[:, None] + torch.arange(self.context + 1)]
        loss = super().once()
        self.schedule.step()
        return loss

    @torch.no_grad()
    def held_out(self) -> float:
        rows = self.rest.unfold(0, self.context + 1, self.context)
        costs = [F.cross_entropy(self.apply(part[:, :-1]).flatten(0, 1), part[:, 1:].flatten(), reduction="sum") for part in rows.split(64)]
        return float(sum(costs)) / rows[:, 1:].numel()


class Drawing(System):
    def __init__(self, name: str, workload: Workload, device: str) -> None:
        super().__init__(name, workload, device)
        self.module.eval()
        tokens = isinstance(workload.model, GPT)
        self.once = torch.no_grad()({True: {"transformers": self.with_transformers}.get(name, self.with_x_transformers), False: self.denoise}[tokens])

    def with_transformers(self) -> Tensor:
        length, prompt = self.workload.length, self.batch["tokens"][:, :1]
        mask, lengths = torch.ones_like(prompt), {"min_new_tokens": length, "max_new_tokens": length}
        tokens = self.module.generate(prompt, attention_mask=mask, do_sample=True, top_k=0, pad_token_id=0, **lengths)
        assert tokens.shape[1] == length + 1
        return tokens

    def with_x_transformers(self) -> Tensor:
        from x_transformers import AutoregressiveWrapper

        draw = AutoregressiveWrapper(self.module).generate
        tokens = draw(self.batch["tokens"][:, :1], self.workload.length, temperature=1.0, filter_logits_fn=lambda logits: logits, cache_kv=True)
        assert tokens.shape[1] == self.workload.length
        return tokens

    def denoise(self) -> Tensor:
        from diffusers import DDIMScheduler

        scheduler = DDIMScheduler(num_train_timesteps=1000)
        scheduler.set_timesteps(self.workload.length)
        x, rows = torch.randn_like(self.batch["image"]), self.workload.batch
        for time in scheduler.timesteps:
            noise = self.apply(x, time.to(self.device).expand(rows), self.batch["label"])
            x = scheduler.step(noise, time, x).prev_sample
        return x


def build(system: str, workload: Workload, device: str) -> System:
    """The system of a workload; for one that learns, "NAME rate=..."."""
    if workload.task == "learn":
        name, rate = system.split(" rate=")
        return Learning(name, workload, device, float(rate))
    return (Training if workload.task == "train" else Drawing)(system, workload, device)
