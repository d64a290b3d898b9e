"""One object or none, asked for with and without negation: objective by whether captions in training ever say "no".

python scripts/compare.py --config=configs/compare/negation.py --workdir=runs/negation

The same scenes in the same order; only what is said of them differs. Hardware: 2 CPU cores, 2 minutes an arm, and 7 for the claims, which train
four times as long.
"""


def get_config(config, variant):
    config.title = "The camel: does it help to have read 'no'?"
    config.question = (
        "Words as positions of the sequence; a tenth of the captions in training forbids something, or none does: who leaves out what is forbidden?"
    )
    config.arms = {
        f"{objective}{name}": f"configs/shapes.py:{objective} --config.data.source=shapes_codes:s8/p_neg={weight} --config.conditioning.text=tokens"
        for objective in ("next_token", "masked_diffusion")
        for name, weight in (("", 0.1), ("_untold", 0))
    }
    config.reference = "next_token"
    config.varies = "objective, data.source, parameters, trunk_parameters, examples, supervised_targets"
    return config
