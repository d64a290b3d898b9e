"""C14: among pictures that can be read, who shows what is forbidden?

python scripts/claims.py --name=c14_shown
"""


def get_config(config, variant):
    config.number = "C14"
    config.aspect = "the objective, among valid pictures"
    config.statement = "Diffusion draws the camel that it is told to leave out; a model with a transformer that reads the prompt leaves it out."
    config.hypothesis = (
        "It is not the objective: of the valid pictures of either, told by words in the sequence, as many show what they were told to leave "
        "out, within 5 points."
    )
    config.if_supported = "Not so: of what can be read, both leave it out as often."
    config.if_refuted = "The objective makes a difference: {more} shows more of what it was told to leave out."
    config.confounds = "Of valid pictures only: a model that draws few is judged by its best."
    config.training = "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "masked_diffusion"
    config.second = "next_token"
    config.direction = "equal"
    config.margin = 0.05
    config.compare = "configs/compare/negation.py"
    config.metric = "shown(samples=600)"
    config.seeds = 5
    config.family = "shapes"
    return config
