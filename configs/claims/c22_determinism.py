"""C22: what is left to chance when both are as deterministic as they can be?

python scripts/claims.py --name=c22_determinism
"""


def get_config(config, variant):
    config.number = "C22"
    config.aspect = "variety without randomness in the steps"
    config.statement = "Sampling from diffusion is stochastic; a language model can be deterministic or probabilistic."
    config.hypothesis = (
        "With no randomness in any step, diffusion still varies with its first noise where greedy decoding gives one answer "
        "a class: two samples of a class differ in at least 10 points more of their values."
    )
    config.if_supported = "In part: without any randomness in its steps diffusion still varies by its first noise."
    config.if_refuted = "Not so: without randomness in its steps diffusion does not vary."
    config.confounds = (
        "Greedy decoding does not vary by definition. Both can be made deterministic: diffusion by fixing the first noise as "
        "well, which is an input and not a step."
    )
    config.compare = "configs/compare/digits.py"
    config.training = "train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "noise_prediction --config.noise_prediction.solver=ddim"
    config.second = "next_token --config.next_token.temperature=0"
    config.metric = "disagreement(pairs=100)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.1
    config.tried = 2
    return config
