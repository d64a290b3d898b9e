"""Handwritten digits: noise prediction and next-token prediction with the same trunk, data order and training compute.

python scripts/compare.py --config=configs/compare/digits.py --workdir=runs/demo          (make demo)
"""


def get_config(config, variant):
    config.title = "Handwritten digits: predict the noise, or the next token?"
    config.question = (
        "One transformer trunk, one data order, one training budget: a next-token model of pixel levels in raster order beside a "
        "noise-prediction model of whole images, both given the class."
    )
    config.arms = {
        "next_token": "configs/digits.py:next_token",
        "noise_prediction": "configs/digits.py:noise_prediction",
    }
    config.reference = "next_token"
    # What is learned, and what was tuned for each by hand on this data. Parameters differ by 2.1 %: embedding and head of 17 levels on one side,
    # patches and the noise level on the other. With equal FLOPs a model of 16 patches sees four times as many examples as one of 64 pixels.
    config.varies = "objective, model.dropout, optimizer.learning_rate, parameters, examples, supervised_targets"
    config.frontier = {
        "next_token": ["next_token.temperature=0.6,0.8,1.0", "sample.guidance_scale=2"],
        "noise_prediction": [
            "noise_prediction.solver=ddpm noise_prediction.steps=8,16,64",
            "noise_prediction.solver=dpmpp_2m noise_prediction.steps=2,4,8,16",
            "noise_prediction.solver=ddim(eta=0.5) noise_prediction.steps=16",
            "noise_prediction.solver=dpmpp_2m noise_prediction.steps=8 sample.guidance_scale=2",
        ],
    }
    return config
