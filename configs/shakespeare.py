"""Tiny Shakespeare, character by character, with nanoGPT's CPU setting: 4 layers, 4 heads, width 128, context 64, batch 12, 2000 steps.

python scripts/train.py --config=configs/shakespeare.py:next_token --workdir=runs/shakespeare
python scripts/sample.py --workdir=runs/shakespeare --prompt='ROMEO:' --config.sample.length=500
python scripts/evaluate.py --workdir=runs/shakespeare
python scripts/evaluate.py --workdir=runs/shakespeare --config.data.eval_stride=32
"""

VARIANTS = ("next_token", "masked_diffusion", "embedding_diffusion")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "text:../shared/data/sources/tiny_shakespeare/input.txt"
    config.data.tokenizer = "char"
    config.data.length = 64
    config.data.eval_stride = 64
    config.data.batch_size = 12

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
