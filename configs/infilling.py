"""Gaps in code filled in by both families: masked diffusion sees both sides of a gap, next-token prediction is shown text with the suffix first.

  python scripts/train.py --config=configs/infilling.py:next_token --workdir=runs/suffix_first
  python scripts/train.py --config=configs/infilling.py:masked_diffusion --workdir=runs/masked
  python scripts/evaluate.py --workdir=runs/suffix_first --gap=8 --config.sample.count=512
  python scripts/sample.py --workdir=runs/suffix_first --prompt='for i in range(' --suffix='):' --config.sample.length=12

Both have the same trunk, text, batches and steps.

What was measured, and after how many steps: docs/text_tasks.md.
"""

VARIANTS = ("next_token", "masked_diffusion")


def get_config(config, variant):
    config.objective = variant
    config.data.source = "python_stdlib"
    config.data.length = 128
    config.data.batch_size = 16
    config.data.eval_batch_size = 64
    config.evaluate.examples = 256

    config.model.width = 128
    config.model.depth = 3
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.optimizer.weight_decay = 0.1
    config.optimizer.ema = "constant(decay=0.99)"
    config.optimizer.warmup = "50 steps"
    config.train.duration = "2000 steps"
    config.train.log_every = "50 steps"
    config.train.evaluate_every = config.train.sample_every = config.train.checkpoint_every = "100 percent"
    config.sample.count = 4
    config.next_token.temperature = config.masked_diffusion.temperature = 0.0
    if variant == "next_token":
        config.data.middle = 0.5
    else:
        config.masked_diffusion.order = "confidence"
        config.masked_diffusion.steps = 8
    return config
