"""Prompts with answers: questions, reasoning, summaries, chat."""

VARIANTS = ("babi", "sums", "docstrings", "chat")
SHOWS = {
    "babi": "where somebody is, after the statements of a story, next token",
    "sums": "a word problem, worked out, next token",
    "docstrings": "what a function does, in a line, next token",
    "chat": "an answer to an instruction, of a model that has read 159 of them, next token",
}
PROMPTS = {
    "babi": "Mary moved to the bathroom. John went to the hallway. Mary went back to the garden. Where is Mary?",
    "sums": "Mia has 3 bags of 4 nuts. She finds 12 more. Then she loses 5. How many nuts does Mia have now?",
    "docstrings": "def is_set(self): return self._value",
    "chat": "Name three colours.",
}
RIGHT = "answers.scores.the model."


def get_config(config, variant):
    config.shows = SHOWS[variant]
    config.medium = "text"
    config.train = f"configs/text_tasks.py:{variant}"
    if variant == "babi":
        config.needs = "babi_qa1"
        config.train += " --config.data.source=pairs:DATA/babi_qa1/qa1_single-supporting-fact_train.txt.gz"
        config.evaluate = "--config.data.held_out=DATA/babi_qa1/qa1_single-supporting-fact_test.txt.gz"
        config.figures = f"% right={RIGHT}exact_match"
    if variant == "sums":
        config.evaluate = "--config.evaluate.examples=400 --config.sample.length=96"
        config.figures = f"% right={RIGHT}final_number"
    if variant == "docstrings":
        config.figures = f"ROUGE-L={RIGHT}rouge_l"
    if variant == "chat":
        config.needs = "self_instruct_seed"
        config.train += " --config.data.source=pairs:DATA/self_instruct_seed/seed_tasks.jsonl"
    config.sample = f"--prompt='{PROMPTS[variant]}' --config.sample.count=1"
    return config
