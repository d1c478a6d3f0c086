"""Ids that the Hub gave other owners: what was typed for years names the same repository.

Since 2024 each model on the Hub has an owner (https://huggingface.co/docs/transformers names the
new ids in place of the old); an old id is redirected there, which needs a network.
"""

from __future__ import annotations

__all__ = ["name_now", "names_of"]

#: Owner to the names that stood without one.
_BARE = {
    "albert": """albert-base-v1 albert-base-v2 albert-large-v1 albert-large-v2 albert-xlarge-v1
        albert-xlarge-v2 albert-xxlarge-v1 albert-xxlarge-v2""",
    "almanach": "camembert-base",
    "distilbert": """distilbert-base-cased distilbert-base-cased-distilled-squad
        distilbert-base-german-cased distilbert-base-multilingual-cased distilbert-base-uncased
        distilbert-base-uncased-distilled-squad distilbert-base-uncased-finetuned-sst-2-english
        distilgpt2 distilroberta-base""",
    "FacebookAI": """roberta-base roberta-large roberta-large-mnli xlm-clm-ende-1024
        xlm-clm-enfr-1024 xlm-mlm-100-1280 xlm-mlm-17-1280 xlm-mlm-en-2048 xlm-mlm-ende-1024
        xlm-mlm-enfr-1024 xlm-mlm-enro-1024 xlm-mlm-tlm-xnli15-1024 xlm-mlm-xnli15-1024
        xlm-roberta-base xlm-roberta-large xlm-roberta-large-finetuned-conll03-english
        xlm-roberta-large-finetuned-conll03-german""",
    "google-bert": """bert-base-cased bert-base-cased-finetuned-mrpc bert-base-chinese
        bert-base-german-cased bert-base-german-dbmdz-cased bert-base-german-dbmdz-uncased
        bert-base-multilingual-cased bert-base-multilingual-uncased bert-base-uncased
        bert-large-cased bert-large-cased-whole-word-masking
        bert-large-cased-whole-word-masking-finetuned-squad bert-large-uncased
        bert-large-uncased-whole-word-masking
        bert-large-uncased-whole-word-masking-finetuned-squad""",
    "google-t5": "t5-11b t5-3b t5-base t5-large t5-small",
    "openai-community": """gpt2 gpt2-large gpt2-medium gpt2-xl openai-gpt
        roberta-base-openai-detector roberta-large-openai-detector""",
    "Salesforce": "ctrl",
    "transfo-xl": "transfo-xl-wt103",
    "xlnet": "xlnet-base-cased xlnet-large-cased",
}
_NOW = {name: owner for owner, names in _BARE.items() for name in names.split()}
#: Organizations that took another name, with all that they own.
_OWNERS = {"CohereForAI": "CohereLabs", "THUDM": "zai-org", "neuralmagic": "RedHatAI"}


def name_now(model: str) -> str:
    """The id that a model has on the Hub today; the same one where no other is known.

    >>> name_now("gpt2"), name_now("THUDM/glm-4-9b"), name_now("Qwen/Qwen3-8B")
    ('openai-community/gpt2', 'zai-org/glm-4-9b', 'Qwen/Qwen3-8B')
    """
    owner, slash, name = model.partition("/")
    if not slash:
        return f"{_NOW[model]}/{model}" if model in _NOW else model
    return f"{_OWNERS.get(owner, owner)}/{name}"


def names_of(model: str) -> tuple[str, ...]:
    """All ids that a repository has had, as far as they are known: the one given first.

    >>> names_of("zai-org/glm-4-9b")
    ('zai-org/glm-4-9b', 'THUDM/glm-4-9b')
    """
    now = name_now(model)
    owner, _, name = now.partition("/")
    before = [f"{old}/{name}" for old, new in _OWNERS.items() if new == owner]
    return tuple(dict.fromkeys((model, now, *before)))
