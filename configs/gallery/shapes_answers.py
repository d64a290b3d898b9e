"""Pictures of shapes: questions about them, and descriptions of them, in words."""

VARIANTS = ("questions", "captions")


def get_config(config, variant):
    shows, figure = {
        "questions": ("questions about a picture, answered", "right=questions.all.model.right.value"),
        "captions": ("a picture, put into words", "true of the picture=questions.all.model.strict.value"),
    }[variant]
    config.shows = f"{shows}, next token"
    config.medium = "text"
    config.train = f"configs/shapes_answers.py:{variant}"
    config.evaluate = "--config.sample.count=1000"
    config.sample = "--image=held_out --config.sample.count=3"
    config.figures = figure
    return config
