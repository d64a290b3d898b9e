"""C23: can the variety be turned down?

python scripts/claims.py --name=c23_temperature
"""


def get_config(config, variant):
    config.number = "C23"
    config.aspect = "temperature of a next-token model"
    config.statement = "The variance of a language model is under control; that of diffusion is not."
    config.hypothesis = (
        "At half the temperature two samples of a class differ in fewer values, by at least 2 points. For diffusion, see C21: guidance does it."
    )
    config.if_supported = "So for the language model; for diffusion see C21."
    config.if_refuted = "Not so: temperature does not control it."
    config.confounds = "A lower temperature changes what is drawn, too: quality is in the frontier below."
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "next_token --config.next_token.temperature=0.5"
    config.metric = "disagreement(pairs=100)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.02
    config.family = "extensions"
    return config
