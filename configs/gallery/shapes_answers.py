"""Pictures of shapes: questions about them, and descriptions of them, in words."""

VARIANTS = ("questions", "captions")


def get_config(config, variant):
    config.shows = {"questions": "questions about a picture, answered", "captions": "a picture, put into words"}[variant] + ", next token"
    config.medium = "text"
    config.train = f"configs/shapes_answers.py:{variant}"
    config.evaluate = "--config.sample.count=1000"
    config.sample = "--image=held_out --config.sample.count=3"
    config.figures = {"questions": "right=questions.all.model.right.value", "captions": "true of the picture=questions.all.model.strict.value"}[variant]
    return config
