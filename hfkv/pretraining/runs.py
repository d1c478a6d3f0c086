# ruff: noqa: E501 (tables of patterns read better unbroken)
"""What a sentence tells of a run whole: how far it went, what passed through the model, what its
steps come to. No verb has to be looked for where it does."""

from __future__ import annotations

import re

from hfkv.pretraining.words import COUNTED, HEDGES, NOUN, SEEN, TRAIN_WORD, I

__all__ = ["IN_TOTAL", "LARGE", "SO_FAR", "machine", "told"]

#: Why the count of a checkpoint that is no finished model counts training.
SO_FAR = "this checkpoint has come so far"
_WENT = "it is how far a run went"
_SEEN = "it counts the tokens seen"
#: Longer than any window, batch or step.
LARGE = 10**10
#: "300k steps at 2M tokens each. This amounts to N tokens": the training told before it does.
_COMES_TO = re.compile(
    rf"(?:^|[.;(,]\s)\W{{0,4}}(?:this|that|which|it|(?:this|that|the|our)\s(?:pre-?)?(?:setting|run|training|schedule|set-?up|configuration|regime)(?:\s(?:run|time))?)\s(?:thus\s|then\s|therefore\s)?"
    rf"(?:(?:amounts?|comes?|corresponds?|corresponded|equates?|amounted|came|translates?|adds up|sums up|works out)\s(?:in total\s)?(?:to|at)|is\s(?:equal|equivalent)\sto|equals|totals?|means|makes)\s(?:training on\s)?(?:{HEDGES}){{0,4}}$"
    rf"|\b(?:brings?|bringing|brought)\s(?:the\s|its\s|our\s)?(?:grand\s|cumulative\s|overall\s)?(?:total|sum|training|budget)[^.;0-9]{{0,30}}?\sto\s(?:{HEDGES}){{0,4}}$",
    I,
)
#: "We train 375,000 steps with batches of 131,072. That is N tokens overall".
_THAT_IS = re.compile(
    rf"(?:^|[.;(]\s)\W{{0,4}}(?:this|that|which)\s(?:is|gives|makes)\s(?:{HEDGES}){{0,4}}$", I
)
IN_TOTAL = re.compile(rf"^\s?{COUNTED}\s(?:in total|overall|altogether|in all)\b", I)
#: "We continued from the public Bar checkpoint on N tokens".
_WENT_ON = re.compile(
    rf"\b(?:continued|went on|resumed|carried on)\s(?:from|with)\s[^.;,]{{1,60}}\s(?:on|for|over)\s(?:{HEDGES}){{0,4}}$",
    I,
)
_EFFORT = re.compile(
    r"\b(?:steps?|iterations?|updates?|epochs?|batch(?:es)?|GPUs?|TPUs?|hours?|days|nodes|runs?|stages?|phases?)\b",
    re.IGNORECASE,
)
#: "This checkpoint was saved after N tokens", "corresponds to step 100,000 (N tokens)".
_THIS_CHECKPOINT = re.compile(
    rf"(?:^|[.;]\s)\W{{0,4}}(?:this|these)\s(?:[\w-]+\s){{0,3}}?(?:checkpoint|revision|snapshot|branch|weights)\s(?:\w+\s)?(?:is|was|are|were|has|corresponds?|comes?|stems?|represents?)\s[^.;]{{0,60}}?(?:\b(?:after|at|to|seen|with|from|and)\s|[(])(?:{HEDGES}){{0,4}}$",
    I,
)
#: "It corresponds to the checkpoint after 150k steps (N tokens)".
_CHECKPOINT_AT = re.compile(
    rf"(?:^|[.;]\s)\W{{0,4}}(?:this|these|it)\b[^.;]{{0,120}}?\b(?:is|was|are|corresponds? to|represents?)\s(?:the|an?)\s(?:[\w-]+\s){{0,2}}?(?:checkpoint|snapshot)\s(?:after|at|from|of|with|saved (?:after|at))\s[^.;]{{0,40}}?(?:[(]\s?)?(?:{HEDGES}){{0,4}}$",
    I,
)
#: "The number of tokens was N", behind a sentence on the training.
_NUMBER_THEN = re.compile(
    rf"(?:その際|このとき|この時|この際)の(?:総|学習)?トークン数は\s?(?:{HEDGES}){{0,2}}$|\b(?:the|with a|a) (?:total )?number of tokens (?:used |seen )?(?:was|is|were|of)\s(?:{HEDGES}){{0,4}}$",
    I,
)
#: "A 2 trillion token multilingual foundation model".
_SO_MANY_TOKEN_MODEL = re.compile(
    r"[\s-]tok[eé]n(?!s)\s(?:(?!context|window|input|long)[\w-]+\s){0,5}?(?:model|LLM)\b", I
)
#: "The N-token checkpoint of Foo".
_RUN = re.compile(
    r"[\s-]?tok[eé]n(?!s)[\s-](?:(?:training|pre-?training|base|main|final|full)\s)?(?:checkpoint|run|pre-?trained (?:\w+ )?model)\b",
    I,
)
#: "The run was stopped after N tokens", "it quit at N": how far it went.
_ENDED = re.compile(
    rf"\b(?:run|training|we|it|model|which)\s(?:(?:was|were|is|had been|finally|then|only)\s){{0,2}}?(?:stopped|halted|ended|ends|finished|finishes|quit|terminated|concluded|ran out)\s(?:[\w-]+\s){{0,2}}?(?:after|at)\s(?:{HEDGES}){{0,4}}$",
    I,
)
#: "402 billion tokens over 383,500 steps".
_OVER_STEPS = re.compile(
    rf"^\s?{COUNTED}\s(?:over|in|across)\s(?:a total of\s)?[0-9][0-9.,]*\s?[kKM]?\s(?:\w+\s)?(?:steps|iterations|updates)\b",
    I,
)
#: "From scratch, N tokens".
_FROM_SCRATCH = re.compile(
    rf"^\W{{0,4}}(?:(?:pre-?)?trained\s)?from scratch[,:]?\s(?:on\s)?(?:{HEDGES}){{0,4}}$", I
)
#: "The model had read N tokens", "it got through N", "Foo was shown N".
_WENT_THROUGH = re.compile(
    rf"\b(?:(?:has|have|had|having)\s(?:now\s|already\s|then\s)?(?:read|processed)|(?:got|went|gone|chewed|worked|passed|waded|ran)\sthrough|(?:was|were|been)\s(?:shown|fed|given))\s(?:{HEDGES}){{0,4}}$",
    I,
)
#: "Thus the run covered N tokens".
_RUN_COVERED = re.compile(
    rf"\b(?:param(?:eter)?s?|training|pre-?training|reference|full|scratch)\srun\s(?:on|over|of|for|to)\s(?:{HEDGES}){{0,4}}$|\b(?:run|schedule)\s(?:covered|covers|spanned|spans|comprised|totall?ed|took)\s(?:{HEDGES}){{0,4}}$",
    I,
)
#: "Foo (0.4B params, N tokens)".
_BESIDE_ITS_SIZE = re.compile(
    rf"[(（]\s?[~≈]?[0-9.]+\s?[BM]\s(?:params?|parameters)\s?[,;/]\s(?:{HEDGES}){{0,2}}$", I
)
#: "N tokens pass through the model".
_PASS_THROUGH = re.compile(
    rf"^\s?(?:[\w-]+\s){{0,2}}?{COUNTED}\W{{0,3}}\s(?:have\s|had\s)?(?:pass(?:ed)?|went|gone|ran|run|flow(?:ed)?)\s(?:through|into)\s(?:it\b|(?:the|this|our)\s(?:\w+\s)?(?:model|network)\b)",
    I,
)
#: "19,073 steps x 524,288 tokens = N tokens".
_PRODUCT = re.compile(
    rf"[0-9][0-9.,]*\s?[KMk]?\s(?:\w+\s)?(?:steps|iterations|updates)\s?[×x*·@]\s?[0-9][0-9.,]*\s?[KMk]?(?:\s{COUNTED})?(?:\s?/\s?\w+|\sper\s\w+|\seach)?\s?[=≈~→]{{1,2}}\s?[~≈]?$",
    I,
)
#: "A sample of FooWeb (N tokens seen)".
_SEEN_IN_BRACKETS = re.compile(
    rf"\s?(?:training\s)?{COUNTED}\s(?:were\s)?{SEEN}\s?(?:$|[,.;)）(（·|]|of\s|\sof\s)", I
)
#: "The total number of tokens fed to the model was N".
_FED = re.compile(
    rf"{COUNTED}\s(?:(?:that\s)?(?:were|was)\s)?(?:fed|shown|presented|passed|given)\s(?:in)?to\s(?:the|our|this)\s(?:\w+\s)?(?:model|network)\s?(?:was|is|were|came to|amounts? to|equals|[:=])\s?(?:{HEDGES}){{0,4}}$",
    I,
)
#: The noun, some words on; and in brackets that close behind it.
_NOUN_SOON = re.compile(rf"\s?(?:[\w-]+\s){{0,2}}?{COUNTED}", I)
_NOUN_LAST = re.compile(rf"\s?{COUNTED}\s?[),;]", I)
_NOUN_OR_END = re.compile(rf"\s?[)）]?\s?{COUNTED}", I)


def told(before: str, after: str, text: str, context: str, tokens: int) -> str:
    """Why the words around a number say that a run came so far; "" where they do not.

    Args:
        before, after: of the sentence ``text``, what stands before the number and behind it.
        context: the paragraph and the headings above.
        tokens: the number's value.
    """
    if _RUN.match(after) or _PRODUCT.search(before):
        return _WENT
    if _SEEN_IN_BRACKETS.match(after) and re.search(r"(?:^|[(（,·|•:])\W{0,3}$", before):
        return _SEEN
    if _FED.search(before) or _PASS_THROUGH.match(after):
        return _SEEN
    if _NOUN_SOON.match(after):
        if _FROM_SCRATCH.search(before) or _RUN_COVERED.search(before):
            return _WENT
        through = _WENT_THROUGH.search(before)
        if through and not machine(before[: through.start()]):
            return _SEEN
    if _BESIDE_ITS_SIZE.search(before) and _NOUN_LAST.match(after):
        return "it stands beside the model's size"
    if tokens >= LARGE // 10 and (_ENDED.search(before) or _OVER_STEPS.match(after)):
        return _WENT
    if _NOUN_OR_END.match(after) and (
        _THIS_CHECKPOINT.search(before) or _CHECKPOINT_AT.search(before)
    ):
        return SO_FAR
    if tokens >= LARGE and _SO_MANY_TOKEN_MODEL.match(after) and re.search(r"\ban?\s$", before):
        return "a model of so many tokens"
    if tokens >= LARGE // 10 and NOUN.match(after) and _WENT_ON.search(before):
        return "it went on from another model"
    comes_to, then = _COMES_TO.search(before), _NUMBER_THEN.search(before)
    if not comes_to and IN_TOTAL.match(after):
        comes_to = _THAT_IS.search(before)
    if (comes_to and NOUN.match(after)) or then:
        at = context.find(text[:40])
        lead = before + (context[max(0, at - 240) : at] if at > 0 else context[:240])
        if TRAIN_WORD.search(lead) and (then or _EFFORT.search(lead)):
            return "what was told of the training comes to it"
    return ""


def machine(before: str) -> bool:
    """Whether what consumes tokens is a step, a cluster or a day, and no model."""
    return bool(
        re.search(
            r"\b(?:each|every|per|a single|one)\b[^.;]{0,30}$|\b(?:cluster|steps?|iterations?|batch(?:es)?|users?|servers?|API|service|serving|customers?)\s(?:\w+\s)?$",
            before,
            I,
        )
    )
