"""Questions about pictures, answered by next-token prediction and by masked diffusion of the answer.

python scripts/compare.py --config=configs/compare/questions.py --workdir=runs/questions

Hardware: 2 CPU cores, 3 to 7 minutes an arm.
"""


def get_config(config, variant):
    config.title = "Questions about pictures"
    config.question = (
        "The same pictures, questions and answers, both told of the picture in both directions: who answers better at equal training compute?"
    )
    config.arms = {"next_token": "configs/shapes_answers.py:questions", "masked_diffusion": "configs/shapes_answers.py:masked_questions"}
    config.reference = "next_token"
    config.varies = "objective, parameters, trunk_parameters, examples, supervised_targets"
    return config
