"""The models of films, given a part of one: they go on from its first frames, or draw what is missing before its last."""

# What each has: the frames that are drawn, and what there is to see.
GIVEN = {
    "prediction": ("2,6", "the first two frames are given, the other four drawn: held-out film, what is given, prediction; {}"),
    "between": ("2,4", "the first two frames and the last two are given, the two between them drawn; {}"),
}
VARIANTS = tuple(f"{given}_{objective}" for given in GIVEN for objective in ("next_token", "noise_prediction"))


def get_config(config, variant):
    given, _, objective = variant.partition("_")
    frames, shows = GIVEN[given]
    config.shows = shows.format(objective.replace("_", " "))
    config.medium = "films"
    config.train = f"configs/moving.py:{objective}"
    config.evaluate = f"--redraw={frames} --config.sample.count=256"
    config.sample = f"--image=held_out --redraw={frames} --config.sample.count=4"
    if objective == "noise_prediction":  # where what is known says nearly all, once put in after every step is not enough
        config.evaluate += " '--config.noise_prediction.inpaint=repaint(resamples=30)'"
        config.sample += " '--config.noise_prediction.inpaint=repaint(resamples=30)'"
    config.figures = "films as they went on=redrawn.as it was, films that keep the figure=redrawn.samples.films that keep it"
    return config
