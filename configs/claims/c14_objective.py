"""C14: is it diffusion that cannot leave out the camel?

python scripts/claims.py --name=c14_objective
"""


def get_config(config, variant):
    config.number = "C14"
    config.aspect = "the objective, words in the sequence"
    config.statement = "Diffusion draws the camel that it is told to leave out; a model with a transformer that reads the prompt leaves it out."
    config.hypothesis = (
        "It is not the objective: told by words in the sequence, masked diffusion leaves out a forbidden shape as well as next-token prediction does."
    )
    config.if_supported = "Not so: told in the same way, both leave it out as often."
    config.if_refuted = "{more} draws more pictures that are valid and leave out what they should. Of who obeys it says nothing: see c14_shown."
    config.confounds = (
        "A picture that is not valid leaves out nothing, so this counts drawing as well as obeying: c14_shown counts valid pictures only. "
        "Who hears no word and draws nothing but valid scenes with an object leaves it out in 0.875 of them."
    )
    config.training = (
        "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512 "
        "data.source=shapes_codes:s8/p_neg=0.1"
    )
    config.first = "masked_diffusion_tokens"
    config.second = "next_token_tokens"
    config.direction = "equal"
    config.margin = 0.05
    config.compare = "configs/compare/camel.py"
    config.metric = "leaves_out(samples=600)"
    config.seeds = 5
    config.family = "shapes"
    config.tried = 1
    return config
