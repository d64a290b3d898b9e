"""One trunk that speaks and draws, beside one that only draws, and one of half its size that only draws.

python scripts/compare.py --config=configs/compare/hybrid.py --workdir=runs/hybrid

Hardware: 2 CPU cores, 2 to 6 minutes an arm.
"""


def get_config(config, variant):
    drawing = "--config.data.source=shapes:s8 --config.conditioning.text=tokens"
    config.title = "One model that speaks and draws"
    config.question = (
        "A trunk that predicts the next word and the noise of pictures has two tasks, and twice the compute of one that has one: does it draw as "
        "well, and better than one of half its size?"
    )
    config.arms = {
        "noise_prediction": f"configs/shapes.py:noise_prediction {drawing}",
        "hybrid": f"configs/shapes.py:hybrid {drawing}",
        "half": f"configs/shapes.py:noise_prediction {drawing} --config.model.width=48",
    }
    config.reference = "noise_prediction"
    config.budget = {"hybrid": 2.0}
    config.varies = "objective, model.width, parameters, trunk_parameters, examples, supervised_targets"
    return config
