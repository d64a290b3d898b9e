"""C35: one model of many trades, or many small ones?

python scripts/claims.py --name=c35_one
"""


def get_config(config, variant):
    config.number = "C35"
    config.aspect = "one trunk against a specialist of half its size"
    config.statement = "One large model for everything is better than several small ones."
    config.hypothesis = (
        "One trunk for words and pictures follows captions more often than a specialist of half the parameters and half the compute, by at least "
        "5 points."
    )
    config.if_supported = "So."
    config.if_refuted = "Not so: half a model that only draws does as well."
    config.confounds = "One trunk has twice the parameters of the specialist as well as twice the compute."
    config.compare = "configs/compare/hybrid.py"
    config.training = "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "hybrid"
    config.second = "half"
    config.metric = "follow(samples=500)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "extensions"
    return config
