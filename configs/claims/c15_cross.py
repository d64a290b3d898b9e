"""C15: is it enough to look the words up?

python scripts/claims.py --name=c15_cross
"""


def get_config(config, variant):
    config.number = "C15"
    config.aspect = "words attended to, against their mean"
    config.statement = "Older models stumble over negation because of how they encode text; a transformer does not."
    config.hypothesis = (
        "A model that attends to the words leaves out a forbidden shape better than one that is given their mean, by at least 5 points."
    )
    config.if_supported = "So: attending to the words helps."
    config.if_refuted = "Not so: attending to the words does not help."
    config.confounds = "Cross-attention has parameters of its own; compute is matched, size is not."
    config.compare = "configs/compare/camel.py"
    config.training = (
        "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512 "
        "data.source=shapes_codes:s8/p_neg=0.1"
    )
    config.first = "next_token_cross"
    config.second = "next_token_pooled"
    config.metric = "leaves_out(samples=600)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "extensions"
    return config
