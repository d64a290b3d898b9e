"""C14: does it help diffusion to have read no?

python scripts/claims.py --name=c14_frequency_diffusion
"""


def get_config(config, variant):
    config.number = "C14"
    config.aspect = "how often captions say no, masked diffusion"
    config.statement = "Diffusion draws the camel that it is told to leave out; a model with a transformer that reads the prompt leaves it out."
    config.hypothesis = (
        "It is what training says: where a tenth of the captions forbids something, fewer of the valid pictures show what is forbidden than "
        "where none does, by at least 5 points."
    )
    config.if_supported = "In part: it is whether training ever says 'no', for diffusion too."
    config.if_refuted = "Not so: having read 'no' in training does not help diffusion to obey it."
    config.confounds = "Of valid pictures only: a model that draws few is judged by its best."
    config.training = "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "masked_diffusion"
    config.second = "masked_diffusion_untold"
    config.direction = "less"
    config.margin = 0.05
    config.compare = "configs/compare/negation.py"
    config.metric = "shown(samples=600)"
    config.seeds = 5
    config.family = "shapes"
    return config
