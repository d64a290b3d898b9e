"""One model writes what is to be drawn, negations turned into what is there; another draws it."""

VARIANTS = ("planner", "drawer")
PROMPT = "a shape but no circle"


def get_config(config, variant):
    if variant == "planner":
        config.shows = f"'{PROMPT}', as a list of what is there, next token"
        config.medium = "text"
        config.train = "configs/shapes.py:next_token --config.data.source=shapes_answers:s8/task=plan"
        config.evaluate = "--config.sample.count=1000"
        config.sample = f"--question='{PROMPT}' --config.sample.count=1"
        config.figures = "true of what is asked for=questions.all.model.follows.value"
    else:
        config.shows = f"'{PROMPT}', planned by next-token prediction and drawn by noise prediction"
        config.train = (
            "configs/shapes.py:noise_prediction --config.data.source=shapes:s8/told=plan --config.conditioning.text=tokens "
            "--config.train.duration='8000 steps'"
        )
        config.evaluate = "--planner=shapes_planned_planner --config.sample.count=500"
        config.sample = f"--planner=shapes_planned_planner --prompt='{PROMPT}' --config.sample.count=10"
        config.figures = "follow their captions=following.rows.all.follow.value, and show nothing but shapes=following.rows.all.strict.value"
    return config
