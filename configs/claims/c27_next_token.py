"""C27: what do four times the compute bring a next-token model?

python scripts/claims.py --name=c27_next_token
"""


def get_config(config, variant):
    config.number = "C27"
    config.aspect = "four times the compute, a next-token model"
    config.statement = "Transformers scale: more compute makes them better."
    config.hypothesis = "With four times the training compute a next-token model is nearer to the entropy, by at least 0.05 bits a scene."
    config.if_supported = "So."
    config.if_refuted = "Not so at this scale."
    config.confounds = "Bigger and longer are two things; here it is more steps of the same model."
    config.compare = "configs/compare/scale.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent' train.duration='500 steps' evaluate.examples=512"
    config.first = "next_token_longer"
    config.second = "next_token"
    config.metric = "excess_bits"
    config.seeds = 5
    config.direction = "less"
    config.margin = 0.05
    config.family = "extensions"
    return config
