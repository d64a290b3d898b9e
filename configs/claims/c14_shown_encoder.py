"""C14: among pictures that can be read, is it how the words come in?

python scripts/claims.py --name=c14_shown_encoder
"""


def get_config(config, variant):
    config.number = "C14"
    config.aspect = "the way of the words, next-token prediction, among valid pictures"
    config.statement = "Diffusion draws the camel that it is told to leave out; a model with a transformer that reads the prompt leaves it out."
    config.hypothesis = (
        "It is how the prompt is read: told by words in the sequence fewer valid pictures show what is forbidden than told by their mean "
        "vector, by at least 5 points."
    )
    config.if_supported = "In part: it is how the prompt is read."
    config.if_refuted = "Not so: how the prompt is read makes no such difference."
    config.confounds = "Of valid pictures only: a model that draws few is judged by its best."
    config.training = (
        "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512 "
        "data.source=shapes_codes:s8/p_neg=0.1"
    )
    config.first = "next_token_tokens"
    config.second = "next_token_pooled"
    config.direction = "less"
    config.margin = 0.05
    config.compare = "configs/compare/camel.py"
    config.metric = "shown(samples=600)"
    config.seeds = 5
    config.family = "shapes"
    return config
