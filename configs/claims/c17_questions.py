"""C17: who answers questions about pictures?

python scripts/claims.py --name=c17_questions
"""


def get_config(config, variant):
    config.number = "C17"
    config.aspect = "answering questions about a picture"
    config.statement = "A multimodal language model takes pictures in and understands them; diffusion only puts them out."
    config.hypothesis = (
        "On the same pictures and questions, next-token prediction is right more often than masked diffusion of the answer, by at least 5 points."
    )
    config.if_supported = "So by degree: next-token prediction answers better."
    config.if_refuted = "Not so: diffusion answers as well."
    config.confounds = "Answers are one of a few words, so that a guess is often right; diffusion here is masked diffusion of the answer."
    config.compare = "configs/compare/questions.py"
    config.training = "train.duration='1000 steps' train.evaluate_every='100 percent' train.sample_every='100 percent'"
    config.first = "next_token"
    config.second = "masked_diffusion"
    config.metric = "answers(samples=1000)"
    config.seeds = 5
    config.direction = "greater"
    config.margin = 0.05
    config.family = "shapes"
    config.tried = 1
    return config
