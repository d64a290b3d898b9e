"""C14: is it how the words come in, for diffusion as well?

python scripts/claims.py --name=c14_encoder_diffusion
"""


def get_config(config, variant):
    config.number = "C14"
    config.aspect = "the way of the words, masked diffusion"
    config.statement = "Diffusion draws the camel that it is told to leave out; a model with a transformer that reads the prompt leaves it out."
    config.hypothesis = (
        "It is how the prompt is read: words in the sequence leave out a forbidden shape better than their mean vector does, by at least 5 points."
    )
    config.if_supported = "In part: it is how the prompt is read, for diffusion too."
    config.if_refuted = "Not so: how the prompt is read makes no such difference."
    config.confounds = (
        "A picture that is not valid leaves out nothing: this counts how well a model draws as well as whether it obeys "
        "(c14_shown counts valid ones only)."
    )
    config.training = (
        "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512 "
        "data.source=shapes_codes:s8/p_neg=0.1"
    )
    config.first = "masked_diffusion_tokens"
    config.second = "masked_diffusion_pooled"
    config.direction = "greater"
    config.margin = 0.05
    config.compare = "configs/compare/camel.py"
    config.metric = "leaves_out(samples=600)"
    config.seeds = 5
    config.family = "shapes"
    config.tried = 1
    return config
