"""C6: who draws without a flaw, for the same compute?

python scripts/claims.py --name=c06_detail
"""


def get_config(config, variant):
    config.number = "C6"
    config.aspect = "flawless scenes at equal training compute"
    config.statement = "Diffusion reaches the same detail with less compute, and more reliably."
    config.hypothesis = (
        "At equal training compute noise prediction draws more scenes without a flaw than a next-token model does, by at least 5 points."
    )
    config.if_supported = "So: more scenes without a flaw."
    config.if_refuted = "Not so: no more scenes without a flaw."
    config.confounds = "Pixels against codes: the form of the data differs as well as the objective. C3 on scenes sets the two apart."
    config.compare = "configs/compare/shapes.py"
    config.training = "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent' evaluate.examples=512"
    config.first = "noise_prediction"
    config.second = "next_token"
    config.metric = "valid(samples=500)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "extensions"
    return config
