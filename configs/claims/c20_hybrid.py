"""C20: can one model speak and draw?

python scripts/claims.py --name=c20_hybrid
"""


def get_config(config, variant):
    config.number = "C20"
    config.aspect = "drawing, by a model that speaks as well"
    config.statement = "A multimodal language model answers with text and picture; diffusion only draws."
    config.hypothesis = (
        "One trunk that predicts the next word and the noise of pictures follows captions as often as one that only draws, within 5 points, given"
        " its compute for either task."
    )
    config.if_supported = "In part: a trunk that speaks draws as well, by noise prediction."
    config.if_refuted = "Speaking makes a difference to drawing: {more} follows more captions."
    config.confounds = "One trunk has one size for two tasks, and compute for both."
    config.compare = "configs/compare/hybrid.py"
    config.training = "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "hybrid"
    config.second = "noise_prediction"
    config.metric = "follow(samples=500)"
    config.seeds = 5
    config.direction = "equal"
    config.margin = 0.05
    config.family = "extensions"
    return config
