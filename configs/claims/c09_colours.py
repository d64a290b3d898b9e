"""C9: whose colours are right?

python scripts/claims.py --name=c09_colours
"""


def get_config(config, variant):
    config.number = "C9"
    config.aspect = "the colours of what is drawn"
    config.statement = "Images by diffusion are richer, more vibrant and more realistic."
    config.hypothesis = (
        "The colours of what noise prediction draws are nearer to those of the scenes than the colours of a next-token model, by a total "
        "variation of 0.05."
    )
    config.if_supported = "So of colours."
    config.if_refuted = "Not so of colours."
    config.confounds = "What a product's pictures look like follows from what it was trained on and tuned for, not from its objective."
    config.compare = "configs/compare/shapes.py"
    config.training = "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "noise_prediction"
    config.second = "next_token"
    config.metric = "colours(samples=500)"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.05
    config.family = "extensions"
    return config
