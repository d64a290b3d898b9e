"""C14: and if no caption in training says 'no'?

python scripts/claims.py --name=c14_without_negation
"""


def get_config(config, variant):
    config.number = "C14"
    config.aspect = "the objective, no negation in training"
    config.statement = "Diffusion draws the camel that it is told to leave out; a model with a transformer that reads the prompt leaves it out."
    config.hypothesis = "Where no caption in training forbids anything, the objective makes no difference to what a forbidden shape does either."
    config.if_supported = "Not so: untaught, neither obeys more."
    config.if_refuted = "The objective makes a difference even untaught: {more} leaves out more."
    config.confounds = (
        "Models that have read 'no' only in 'no shapes' may draw nothing at all, and obey by mistake; what is not valid leaves out nothing."
    )
    config.training = "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "masked_diffusion_untold"
    config.second = "next_token_untold"
    config.direction = "equal"
    config.margin = 0.05
    config.compare = "configs/compare/negation.py"
    config.metric = "leaves_out(samples=600)"
    config.seeds = 5
    config.family = "shapes"
    config.tried = 1
    return config
