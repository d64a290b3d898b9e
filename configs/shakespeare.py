"""Tiny Shakespeare, character by character, with nanoGPT's CPU setting: 4 layers, 4 heads, width 128, context 64, batch 12, 2000 steps.

  python scripts/train.py --config=configs/shakespeare.py:next_token --workdir=runs/shakespeare
  python scripts/sample.py --workdir=runs/shakespeare --prompt='ROMEO:' --config.sample.length=500
  python scripts/evaluate.py --workdir=runs/shakespeare
  python scripts/evaluate.py --workdir=runs/shakespeare --config.data.eval_stride=32

The text is the file that TFDS calls tiny_shakespeare (1,115,394 bytes), wherever it lies: --config.data.source=text:input.txt. Its last tenth
is held out and measured whole. Hardware: 2 CPU cores, 5 minutes of CPU time. Expected of next_token, seed 0: a loss of 2.37 after 100 steps, 1.95
after 200 and about 1.45 in the end; on the held-out text 1.590 ± 0.007 nats a character (2.293 bits a byte) in windows without overlap, as nanoGPT
counts, and 1.521 ± 0.006 where every character has at least 32 before it, if there are so many (the last command above). The errors are over windows.
Seeds 0, 1 and 2: 1.590, 1.585, 1.587. The bounds of the other variants come to 2.13 (masked_diffusion) and 2.86 nats (embedding_diffusion) on average
over three seeds; docs/text.md has the table. Muon on the hidden matrices is worth 0.06: AdamW alone, at 4e-3, came to 1.647 and 1.583.

  python scripts/compare.py --config=configs/compare/shakespeare.py --workdir=runs/compared     (all variants, three seeds)
"""

VARIANTS = ("next_token", "masked_diffusion", "embedding_diffusion")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "text:../shared/data/sources/tiny_shakespeare/input.txt"
    config.data.tokenizer = "char"
    config.data.length = 64
    config.data.eval_stride = 64
    config.data.batch_size = 12
    config.data.eval_batch_size = 32

    config.model.width = 128
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.weight_decay = 0.1
    config.optimizer.ema = "constant(decay=0.99)"
    config.optimizer.warmup = "100 steps"
    config.train.duration = "2000 steps"
    config.train.log_every = "100 steps"
    config.train.evaluate_every = config.train.sample_every = "100 percent"
    config.evaluate.examples = None
    config.sample.count = 4
    return config
