"""C17: does a model that draws understand what it sees?

python scripts/claims.py --name=c17_choice
"""


def get_config(config, variant):
    config.number = "C17"
    config.aspect = "choosing the caption of a picture by its likelihood"
    config.statement = "A multimodal language model takes pictures in and understands them; diffusion only puts them out."
    config.hypothesis = (
        "A model that draws can be asked which caption a picture belongs to: masked diffusion finds it among four as often as "
        "next-token prediction does."
    )
    config.if_supported = "Not so here: a model that draws finds the caption as often."
    config.if_refuted = "The families differ: {more} finds the caption more often."
    config.confounds = (
        "Both are right nearly always, so harder captions could still tell them apart. Understanding by likelihood costs a pass for every "
        "caption, and for diffusion one for every noise level as well; what it costs is not measured."
    )
    config.compare = "configs/compare/camel.py"
    config.training = (
        "train.duration='4000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512 "
        "data.source=shapes_codes:s8/p_neg=0.1"
    )
    config.first = "masked_diffusion_tokens"
    config.second = "next_token_tokens"
    config.metric = "caption_choice(samples=300,captions=4)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    config.family = "shapes"
    config.tried = 1
    return config
