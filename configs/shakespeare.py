"""Tiny Shakespeare, character by character, with nanoGPT's CPU setting: 4 layers, 4 heads, width 128, context 64, batch 12, 2000 steps.

  python scripts/train.py --config=configs/shakespeare.py:next_token --workdir=runs/shakespeare
  python scripts/sample.py --workdir=runs/shakespeare --prompt='ROMEO:' --config.sample.length=500
  python scripts/evaluate.py --workdir=runs/shakespeare
  python scripts/evaluate.py --workdir=runs/shakespeare --config.data.eval_stride=64

The text is the file that TFDS calls tiny_shakespeare (1,115,394 bytes), wherever it lies: --config.data.source=text:input.txt. Its last tenth
is held out and measured whole. Hardware: 2 CPU cores, 5 minutes of training on a busy machine. Expected, seed 0: 1.583 ± 0.006 nats a character
(2.284 bits a byte) where every character has at least 32 before it, if there are so many; 1.647 ± 0.007 in windows without overlap, whose first
character has none (the last command).
"""

VARIANTS = ("next_token",)


def get_config(config, variant):
    config.objective = variant
    config.data.source = "text:../shared/data/sources/tiny_shakespeare/input.txt"
    config.data.tokenizer = "char"
    config.data.length = 64
    config.data.batch_size = 12

    config.model.width = 128
    config.optimizer.learning_rate = 4e-3
    config.optimizer.weight_decay = 0.1
    config.optimizer.ema = "constant(decay=0.99)"
    config.optimizer.warmup = "100 steps"
    config.train.duration = "2000 steps"
    config.train.log_every = "100 steps"
    config.evaluate.examples = None
    config.sample.count = 4
    return config
