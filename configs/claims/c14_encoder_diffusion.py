"""C14: is it how the words come in, for diffusion as well?

python scripts/claims.py --name=c14_encoder_diffusion
"""


def get_config(config, variant):
    config.number = "C14"
    config.aspect = "the way of the words, masked diffusion"
    config.statement = "Diffusion draws the camel that it is told to leave out; a model with a transformer that reads the prompt leaves it out."
    config.hypothesis = (
        "It is how the prompt is read: words in the sequence leave out a forbidden shape better than their mean vector does, by an "
        "efficacy of at least 0.2."
    )
    config.training = (
        "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512 "
        "data.source=shapes_codes:s8/p_neg=0.1"
    )
    config.first = "masked_diffusion_tokens"
    config.second = "masked_diffusion_pooled"
    config.direction = "greater"
    config.margin = 0.2
    config.compare = "configs/compare/camel.py"
    config.metric = "negation_efficacy(samples=600)"
    config.seeds = 5
    config.family = "shapes"
    return config
