"""C27: what do four times the compute bring noise prediction?

python scripts/claims.py --name=c27_noise_prediction
"""


def get_config(config, variant):
    config.number = "C27"
    config.aspect = "four times the compute, noise prediction"
    config.statement = "Transformers scale: more compute makes them better."
    config.hypothesis = "With four times the training compute noise prediction is nearer to the entropy, by at least 10 bits a scene."
    config.if_supported = "So of what is guaranteed."
    config.if_refuted = "Not so at this scale."
    config.confounds = "Bigger and longer are two things; here it is more steps of the same model."
    config.compare = "configs/compare/scale.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent' train.duration='500 steps' evaluate.examples=512"
    config.first = "noise_prediction_longer"
    config.second = "noise_prediction"
    config.metric = "excess_bound"
    config.seeds = 5
    config.direction = "less"
    config.margin = 10.0
    config.family = "extensions"
    return config
