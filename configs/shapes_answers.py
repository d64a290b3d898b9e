"""Questions about coloured shapes, and descriptions of them, by both families: the picture's codes are the context, the words are learned.

  python scripts/train.py --config=configs/shapes_answers.py:questions --workdir=runs/questions
  python scripts/evaluate.py --workdir=runs/questions --config.sample.count=1000
  python scripts/sample.py --workdir=runs/questions --image=x.png --question='how many hearts?'
  python scripts/train.py --config=configs/shapes_answers.py:captions --workdir=runs/captions
  python scripts/sample.py --workdir=runs/captions --image=x.png

`masked_questions` and `masked_captions` are the same rows, trunk and steps with masked diffusion.
"""

VARIANTS = ("questions", "captions", "masked_questions", "masked_captions")


def get_config(config, variant):
    objective, _, task = variant.rpartition("_")
    config.objective = {"": "next_token", "masked": "masked_diffusion"}[objective]
    config.data.source = {"questions": "shapes_answers:s8/task=question", "captions": "shapes_answers:s8/task=caption"}[task]
    config.model.depth = 3
    config.optimizer.name = "muon"
    config.optimizer.learning_rate = 2e-2
    config.optimizer.adam_learning_rate = 4e-3
    config.train.duration = "3000 steps"
    config.evaluate.examples = 1024
    config.next_token.attention = "prefix"  # as masked diffusion always reads a prompt
    config.masked_diffusion.steps = {"questions": 2, "captions": 25}[task]  # one a token of the longest answer with its end
    return config
