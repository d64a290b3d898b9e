"""C21: what guidance takes from a next-token model.

python scripts/claims.py --name=c21_guidance_tokens
"""


def get_config(config, variant):
    config.number = "C21"
    config.aspect = "guidance and variety, next token"
    config.statement = "Guidance compares the image with the prompt at every step."
    config.hypothesis = (
        "Guidance is not peculiar to diffusion: at scale 3 on logits two samples of a class differ in fewer values, by at least 2 points."
    )
    config.if_supported = "Not so as something of diffusion: tokens can be guided too."
    config.if_refuted = "So: guidance does nothing for tokens."
    config.confounds = "Less variety is not better quality: what guidance does to the distance to the data is in the frontier below."
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "next_token --config.sample.guidance_scale=3"
    config.metric = "disagreement(pairs=100)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.02
    config.tried = 2
    return config
