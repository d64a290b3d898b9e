"""Prompts with answers: questions, reasoning, summaries, chat."""

VARIANTS = ("babi", "sums", "reports", "docstrings", "talks", "chat")
SHOWS = {
    "babi": "where somebody is, after the statements of a story, next token",
    "sums": "a word problem, worked out, next token",
    "reports": "who is where with what in the end, out of a report of what everybody did, next token",
    "docstrings": "what a function does, in a line, next token",
    "talks": "a chat in which what was said before matters and small instructions are followed, next token",
    "chat": "an answer to an instruction, of a model that has read 159 of them, next token",
}
PROMPTS = {
    "babi": "Mary moved to the bathroom. John went to the hallway. Mary went back to the garden. Where is Mary?",
    "sums": "Mia has 3 bags of 4 nuts. She finds 12 more. Then she loses 5. How many nuts does Mia have now?",
    "reports": "Mia went to the park. Mia found a kite. It rained. Ben drove to the office. Then Mia walked to the harbour. Ben whistled.",
    "docstrings": "def is_set(self): return self._value",
    "chat": "Name three colours.",
}
TYPED = (
    "My name is Zoe.",
    "I have 12 shells.",
    "Which word is longer, river or dog?",
    "I find 5 more.",
    "Write lamp in capital letters.",
    "What is my favourite colour?",
    "What do I have?",
    "Who am I?",
)
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
    if variant == "reports":
        config.figures = f"% right={RIGHT}exact_match, ROUGE-L={RIGHT}rouge_l"
    if variant == "talks":
        config.figures = f"% right={RIGHT}exact_match"
        config.typed = "\n".join(TYPED)
    if variant == "docstrings":
        config.figures = f"ROUGE-L={RIGHT}rouge_l"
    if variant == "chat":
        config.needs = "self_instruct_seed"
        config.train += " --config.data.source=pairs:DATA/self_instruct_seed/seed_tasks.jsonl"
    config.sample = "--chat" if variant == "talks" else f"--prompt='{PROMPTS[variant]}' --config.sample.count=1"
    return config
