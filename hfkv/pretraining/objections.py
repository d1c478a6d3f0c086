# ruff: noqa: E501 (tables of patterns read better unbroken)
"""What speaks against a number, whatever governs it: the words right behind it, a plan, a
supposition, a component that is no language model, tuning."""

from __future__ import annotations

import re

from hfkv.pretraining.words import COUNTED, HEDGES, SCALE, TRAIN, I

__all__ = ["ahead", "behind", "one_of_several", "tuning"]

_TUNED = (
    r"\bSFT\b|fine-? ?tun\w*|finetun\w*|instruct\w*[- ]?tun\w*|post-?train\w*|RLHF|\bDPO\b|\bRL\b|微调|微調|后训练|"
    r"preference|alignment|reinforcement|\bQ?LoRA\b|\badapter\b"
)
_TUNED_DATA = (
    r"instruct\w*|chat|conversation\w*|dialog\w*|preference|alignment|demonstrations?|rollouts?|synthetic reasoning traces|"
    r"指令|对话|偏好|feedback|question[- ]answer\w*"
)
_BEHIND: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (why, re.compile(pattern, I))
    for why, pattern in (
        ("a parameter count", r"^\s?active\s?(?:/|per)\s?token"),
        ("a parameter count", rf"^(?!\s?개?의?\s?{COUNTED})[\s-]?(?:\w+\s){{0,3}}?[一-鿿]{{0,6}}?(?:param|model|参数|參數|模型|활성|매개변수|모델|モデル|パラメータ|параметр|parám|paramè|Parameter)"),
        ("a speed or a price", rf"^\s?(?:\w+\s){{0,2}}?{COUNTED}?\s?(?:/|per)\s?(?:s\b|sec|second|day|hour|week|month|minute|gpu|iter|step|batch|update|device|node|image|query|request|user|sample|example|document|sequence|language|expert|epoch|shard|file)|^\s?{COUNTED}\s(?:an?|each|every)\s(?:s\b|sec|second|day|hour|week|month|minute|gpu|iter|step|batch|update|device|node|image|query|request|user|sample|example|document|sequence|language|expert|epoch|shard|file)"),
        ("a comparison with another amount", rf"^\s?(?:{COUNTED}\s)?(?:behind|of|for|in|by|used (?:by|for|in))\s(?:the\s)?(?:modern|recent|most|many|other|larger|bigger|comparable|similar|typical|today's|current|state-of-the-art|frontier)\s(?:[\w-]+\s){{0,3}}?(?:models|LLMs|systems)\b"),
        ("a part of the training", rf"^\s?(?:{COUNTED})?\s?(?:of\s)?(?:(?:linear|cosine)\s)?(?:warm-?up|워밍업|预热|ウォームアップ|ramp-?up|decay|into (?:the )?training)"),
        ("fine-tuning", rf"^\s?(?:[\w-]+\s){{0,3}}?{COUNTED}?\s?(?:(?:were|was|are|is)\s)?(?:used\s)?(?:for|during|in|of|to|的|を|用于)?\s?(?:the\s)?(?:[\w-]+\s){{0,2}}?(?<!and )(?<!by )(?<!then )(?:\bSFT\b|fine-? ?tun\w+|instruction[- ]tun\w+|RLHF|\bDPO\b|微调|微調)"),
        ("fine-tuning", rf"^\s?(?:\w+\s){{0,3}}?{COUNTED}?\s?(?:worth )?(?:of|的|の)\s?(?:[\w-]+\s){{0,3}}?(?:{_TUNED_DATA})"),
        ("a corpus after filtering", rf"^[^,.;(]{{0,20}}(?:unique|deduplicated|available|raw|distinct)\s{COUNTED}"),
        ("a plan", rf"^\s?(?:{COUNTED})?\s?(?:planned|scheduled|remaining|to go|left|[(（]\s?(?:goal|target|planned|aim|projected|expected)\b)"),
        ("a plan", r"^[^。]{0,30}(?:予定|計画|예정|计划)"),
        ("a part of the training", r"^[^.;]{0,80}\b(?:did(?: not|n['’]t)|never) (?:even )?(?:finish|complete)"),
        ("a plan", r"^[^.;]{0,70}\b(?:(?:is|are) (?:planned|coming|scheduled|in progress|underway|ongoing)|will (?:follow|be (?:uploaded|released|published|added)))\b"),
        ("a comparison with another amount", rf"^\s?(?:{COUNTED})?[^.;]{{0,12}}\bfor (?:comparison|reference)\b"),
        ("a context length", rf"^\s?(?:{COUNTED})?[\s-]?(?:long\b(?![- ]context)|context|window|sequence|input|output|prompt|的?上下文)"),
        ("a comparison with another amount", rf"^\s?(?:\w+\s){{0,2}}?(?:more|fewer|less)\s(?:\w+\s)?{COUNTED}\s(?:than|compared)|^\s?{COUNTED}\s(?:more|fewer|less)\b"),
        ("a share of the whole", r"^\s(?:out )?of (?:the|its|our|these|all)\s(?![0-9~])"),
        ("a share of the whole", rf"^\s?{COUNTED}\s(?:are|were|is|was|come|came|being)\s(?!used|seen|consum|process|train|fed|employed|needed|enough|sufficient|in total)"),
        ("tokens of sound", rf"^\s?(?:discrete\s|semantic\s)?(?:speech|audio|acoustic|sound|codec)\s{COUNTED}"),
        ("no tokens", (r"^\s?(?:bytes|[GTM]i?B\b|FLOP|characters|words|字符|documents|images|"
         r"parameters|pages|steps|samples|rows|examples|sentences|pairs|hours|downloads|lines|files|nucleotides|base pairs|(?:protein |DNA )?sequences|proteins|molecules|genomes|cells|GPU)")),
    )
)  # fmt: skip
_SHARE = re.compile(
    r"(?<!with)(?<!with )(?<!which)(?<!which )(?<!including)(?<!including )(?:^|\s|[(~≈])(?:(?:about|around|roughly) )?[~≈]?(?<![0-9.])[0-9.]{1,5} ?% of .{0,60}(?:pre-? ?train|original|budget)",
    I,
)
_PLAN = re.compile(
    r"\b(?:will|plan(?:s|ned|ning)?|aim(?:s|ed|ing)?|intend\w*|going to|to be|roadmap|milestones?|target(?:s|ing)?|(?<!as )expect\w*|hop(?:e|es|ing)|want(?:s)? to|wish\w*|"
    r"would|goal|future|scheduled to|upcoming|propos(?:e|es|ed|ing) to|once (?:finished|complete\w*)|next,)(?=\W)[^.;]{0,110}$"
    r"|['’]ll\b[^.;]{0,60}$|\b(?:currently|still|now) (?:being )?(?:pre-?)?training\b[^.;]{0,60}$|^\W{0,4}(?:TODO|to do|planned|next)\b[^.;]{0,60}$"
    r"|计划[^。]{0,30}$|将(?:会|在|使用|用)[^。]{0,30}$|目标[^。]{0,20}$|予定|計画",
    I,
)
#: What was done stands behind the plan, in words of its own.
_DONE = re.compile(
    r"\b(?:was|were|has been|have been|had been)\s(?:[\w-]+\s){0,3}?(?:pre-?)?trained\b|\bsaw\b|\bhas seen\b",
    I,
)
_SUPPOSED = re.compile(
    rf"\bhow to (?:{TRAIN})[^.;]{{0,60}}$|\b(?:if|suppose|suggests?|recommends?|assum\w+|imagine|unless|whether)\b[^,;.]{{0,80}}$"
    rf"|\b(?:can|could(?! only)|may|might|should|must|cannot|to be)\s(?:be\s)?(?:\w+\s){{0,2}}?(?:{TRAIN})[^,;.]{{0,60}}$"
    r"|(?<!used )(?<!continued )(?<!continues )(?<!went on )\bto (?:pre-?)?train (?:on|with|for)\b[^,;.]{0,40}$"
    rf"|\b(?:typically|usually|often|commonly|generally)\s(?:pre-?)?trained\b[^,;.]{{0,60}}$|optimal\w*\s(?:[\w-]+\s)?(?:models?|number|amount|budget|training|size|run)\b[^,;.]{{0,80}}$|\b(?:lets|allows?|enables?) you\b[^;.]{{0,80}}$|^\W{{0,8}}(?:to )?(?:pre-?)?train (?:a|an|your|on|it|the)\b[^,;.]{{0,60}}$",
    I,
)
#: "Such a model", "models of this size": of no model in particular.
_ANY_SUCH = re.compile(
    r"\b(?:such (?!that\b)(?:an? )?|any |(?:an? )?typical |most |many |other |existing |recent |today's |current |production |modern |frontier |commercial |comparable |competing |rival |bigger |larger )(?:[\w-]+ ){0,2}?(?:models?|LLMs?|efforts|systems)\b[^,;.]{0,60}$"
    r"|\b(?:models?|LLMs?) (?:of|at) (?:this|that|such an?|its|similar|comparable|the same) (?:size|scale|class|kind)\b[^,;.]{0,60}$"
    r"|\b(?:usually|typically|generally|commonly|often)\s(?:takes?|needs?|requires?|uses?|sees?|(?:pre-?)?trained)\b[^,;.]{0,40}$",
    I,
)
_COSTS = re.compile(
    r"^[^.;]{0,50}\b(?:costs?|takes|requires?|would|could|is (?:an? )?(?:\w+ ){0,2}?(?:reasonable|expensive|possible|feasible|easy|hard|cheap|costly|enough|sufficient|optimal))\b",
    I,
)
_GERUND = re.compile(
    r"\b(?:pre-?)?training (?:an?|your|any|such|models?|on|it|this|them|the (?:[\w-]+ )?models?)\b[^,;.]{0,60}$",
    I,
)
#: "A model trained on N tokens should ...": of no model in particular.
_ANY_MODEL = re.compile(
    r"^\W{0,4}(?:(?:an?|any)\s(?:[\w-]+\s){0,2}?)?(?:models?|LLMs?|networks?)\s(?:that (?:is|are|was|were) )?(?:pre-?)?trained\b[^,;.]{0,30}$",
    I,
)
_USUALLY = re.compile(
    r"^[^.;]{0,60}\b(?:should|would|usually|typically|tends?|often|generally|could|may|might)\b", I
)
_PART = re.compile(
    r"\b(?:in|during|after|for) (?:the |its |our )?(?:first|second|third|each|every|last|one|an?) (?:epoch|pass|week|day|month|hour|half)\b[^.;]{0,50}$|\b(?:epoch|pass)\s(?:is|was|has|had|contains?|covers?|corresponds to|equals|of)\s[^.;]{0,20}$|\bin (?:the )?case of (?:the )?$",
    I,
)
_NEEDS = re.compile(
    r"\b(?:only|just) (?:needs?|requires?|requiring|needing)[^,;.]{0,30}$|(?:仅需|只需|仅用)[^，。]{0,12}$",
    I,
)
_COMPONENT = re.compile(
    r"\b(?:importance matrix|imatrix|tokenizers?|embeddings?|(?:vision|visual|image|audio|speech|video) (?:encoder|tower|decoder|backbone|model)|"
    r"reward(?: model)?|classifiers?|filter|throughput|adapters?|Q?LoRAs?|(?:word )?vectors|projectors?|connector|resampler|codecs?|vocoder|(?:ablation|proxy|draft|speculative|reference|n-gram|teacher|judge|scoring|toy|smaller ablation)(?: models?)?|"
    r"ablations?|baselines?|contrastive\w*|scaling (?:study|experiments?|laws?)|retriever|reranker|verifier|router|detector|perplexity|hypernetwork|(?:each|every|per|an?) (?:\w+ )?expert|benchmarks?|MTP (?:module|head)s?|probes?)\b"
    r"(?:,\s)?[^.;,]{0,70}$"
    r"|(?:奖励模型|词表|分词器|トークナイザー?|토크나이저|tokenizador|tokeniseur|токенизатор|报酬|報酬モデル|보상 모델)[^.;,，。]{0,40}$"
    r"|\b(?:chat|instruct|instruction|assistant|conversational)[- ](?:model|version|variant)\b[^.;]{0,60}(?<!pre)(?<!pre-)trained\b[^.;]{0,50}$",
    I,
)
#: "The tokenizer is the same, trained on N tokens".
_TOKENIZER = re.compile(
    r"\b(?:tokeni[sz]er|vocabulary|vocab|BPE|SentencePiece|WordPiece)\b(?:(?!\b(?:models?|LLMs?|it|we|network|transformer)\b)[^.;]){0,60}\b(?:trained|learned|learnt|fitted|built)\b[^.;,]{0,30}$",
    I,
)
#: "A context length of up to 128K tokens and of", "context sizes from 32K, to 128K, 256K and".
_CONTEXT = re.compile(
    r"\b(?:context|window|sequence)s?(?:[- ](?:size|length|window|len)s?)?\b"
    rf"(?:,?\s(?:is|was|of|up to|from|to|at|between|over|beyond|reach\w*|exten\w+|increas\w+|and|or|[0-9][0-9.,]*\s?[km]?|{COUNTED})\b,?){{0,14}}?"
    rf",?\s(?:of|up to|from|to|over|beyond|(?<=[0-9][km]\s)(?:and|or))\s$",
    I,
)
#: "While Foo saw N tokens, this checkpoint": the other one did.
_CONTRAST = re.compile(
    r"\b(?:while|whereas)\s(?:(?!\b(?:this|ours?|we|it)\b)[^,.;]){2,60}$", re.IGNORECASE
)
_THIS_ONE = re.compile(r"^[^.;]{0,40},\s(?:this|ours?|we)\b", re.IGNORECASE)
#: What may stand between such a word and the number, and gives the number back to training.
_PRETRAINED = re.compile(
    r"pre-?train(?:ed|ing)|trained from scratch|预训练|\b(?:and|also|then) (?:\w+ )?(?:was |is |were )?trained",
    I,
)
_BRACKETED = re.compile(r"\s?\([^()]{0,80}\)(?=\s)")
_TUNED_AHEAD = re.compile(rf"(?:{_TUNED})[^.;。]{{0,90}}$", I)


def behind(after: str) -> str:
    """Why the words behind a number say that it is none of a model's training tokens; "" else."""
    if _SHARE.search(after):
        return "a share of the pretraining, not the whole"
    for why, pattern in _BEHIND:
        if pattern.search(after):
            return f"{why}: the words after it say so"
    return ""


def ahead(before: str, after: str) -> str:
    """Why the words before a number say so; "" where they do not."""
    plan = _PLAN.search(before)
    if plan and not _DONE.search(plan[0]):
        return "a plan: the words before it say so"
    if _PART.search(before) and not re.search(r"\bepoch\b.{0,30}\b(?:on|over|of)\b", before, I):
        return "a part of the training: the words before it say so"
    if (
        _SUPPOSED.search(before)
        or _ANY_SUCH.search(before)
        or (_GERUND.search(before) and _COSTS.search(after))
        or (_ANY_MODEL.search(before) and _USUALLY.search(after))
    ):
        return "a supposition: nothing says that it was done"
    if (
        _COMPARED.search(before)
        or _FOR_COMPARISON.search(before)
        or (
            _COMPARED_LAST.search(before)
            and re.match(r"[^，。]{0,40}(?:相比|不同|类似|那样)", after)
        )
    ):
        return "another model in a comparison: the words before it say so"
    if _CONTRAST.search(before) and _THIS_ONE.match(after):
        return "another model in a comparison: the words before it say so"
    if _TOKENIZER.search(before):
        return "another quantity: the words before it say so"
    if _CONTEXT.search(before):
        return "a context length: the words before it say so"
    if _NEEDS.search(before):
        return "what a method needs: the words before it say so"
    # What stands in brackets before the verb is no subject of it: "a model (416M without
    # embeddings) trained on".
    before = _BRACKETED.sub("", before)
    for why, pattern in (("fine-tuning", _TUNED_AHEAD), ("another quantity", _COMPONENT)):
        found = pattern.search(before)
        if found and not _PRETRAINED.search(before[found.end(0) - len(found[0]) :]):
            return f"{why}: the words before it say so"
    return ""


def tuning(near: str) -> bool:
    """Whether headings or labels say that what stands under them is of tuning."""
    return bool(re.search(_TUNED, near, I)) and not re.search(r"pre-?train|预训练", near, I)


#: "2.4T tokens (1T in English, ...)", "8T tokens: 6.5T tokens of text ..."
_WITHIN = re.compile(
    rf"[0-9]\s?(?:[TB]|trillion|billion|万亿|亿|兆)\+?\s(?:[\w-]+\s){{0,4}}?{COUNTED}(?:\s(?:of|in|from)\s[^.;:()]{{0,60}})?\s?(?:[(（][^()（）]*|[:：][^:：.;]*)$",
    I,
)
#: "19B (23B with another tokenizer) tokens": said beside the count that its noun follows.
_ASIDE = re.compile(
    r"[0-9]\s?(?:[TBM]|trillion|billion|million|万亿|亿|兆)?\+?\s?[(（][^()（）]{0,40}$", I
)
_ASIDE_ENDS = re.compile(rf"[^()（）]{{0,60}}[)）]\s?{COUNTED}", I)
#: "On 1.1T tokens, of which N in French".
_OF_WHICH = re.compile(
    rf"{COUNTED}[^.;]{{0,40}}[,(]\s?(?:of which|of these|dont|davon|darunter|de los cuales|de las cuales|dos quais|das quais|di cui|waarvan|varav|hvorav|heraf|из них|w tym)\s(?:{HEDGES}){{0,3}}$",
    I,
)
#: "13 billion text tokens and 53 million code tokens".
_AND_OF_ANOTHER_KIND = re.compile(
    rf"[0-9]\s?{SCALE}\s[a-z-]+\s{COUNTED}\s(?:and|plus)\s(?:{HEDGES}){{0,3}}$", I
)
_OF_A_KIND = re.compile(rf"\s[a-z-]+\s{COUNTED}", I)
_CHECKPOINTS = re.compile(r"\bcheckpoints\b[^.]{0,80}$", I)


def one_of_several(text: str, start: int, end: int) -> str:
    """Why the number is an end of a range, or one of a bare list; "" where it is neither."""
    before, after = text[max(0, start - 200) : start], text[end : end + 160]
    if _range(before, after):
        return "the end of a range"
    if re.search(
        r"[0-9]\s?(?:[TB]|trillion|billion)\s(?:tokens\s)?(?:out )?of (?:the|its|our) $", before, I
    ):
        return "the whole of which a part is spoken of"
    if re.search(
        rf"[0-9]\s?(?:[TB]|trillion|billion)?(?:\s{COUNTED})?\s?[+x×*]\s?$", before, I
    ) or re.match(rf"\s?(?:{COUNTED})?\s?[+x×*]\s?[0-9]", after, I):
        return "a term of a sum or a product"
    if _WITHIN.search(before) and not re.search(
        r"total|overall|altogether|cumulative|i\.e\.|that is|epochs?|[×x] ",
        before[-40:] + after[:40],
        I,
    ):
        return "a part of the count before it"
    if (
        (_ASIDE.search(before) and _ASIDE_ENDS.match(after))
        or _OF_WHICH.search(before)
        or (_AND_OF_ANOTHER_KIND.search(before) and _OF_A_KIND.match(after))
    ):
        return "a part of the count before it"
    if _listed(text, start, end) or (
        _CHECKPOINTS.search(before)
        and re.search(r"[0-9]\s?(?:[TB]\b|trillion|billion)", f"{before} {after}", I)
    ):
        return "one of a list of checkpoints"
    return ""


_NAMES = r"(?:(?!\b(?:while|despite|although|though|when|by|after|being|even|yet|but|and(?! [A-Z])|with|is|was|it|we|this|our|they)\b)[^,.;()]){1,60}"
#: Whose training it is, where a comparison brings another model in.
_COMPARED = re.compile(
    r"\b(?:unlike|(?:when )?compared (?:to|with)|in (?:contrast|comparison) (?:to|with)|than|versus|vs\.?|outperform\w*|beat(?:s|ing)?|surpass(?:es|ing)|match(?:es|ing)?|"
    r"rival(?:s|ing)?|competitive with|comparable (?:to|with)|on par with|similar to|like|such as|exceed(?:s|ing))\s"
    rf"{_NAMES},?\s\(?(?:which |that |who )?(?:(?:has|have|had) )?(?:been |is |was |were |are )?(?:\w+ly )?(?:pre-?)?(?:trained|saw|seen)\b[^,.;]{{0,40}}$"
    r"|\b(?:such as|like|than|versus|vs\.?|unlike|e\.g\.,?|and)\s[A-Z][\w.\- ]{0,30}\s?\(\W{0,3}$"
    # "A 7.8x improvement over Bar which was trained on 300B tokens".
    rf"|\b(?:improvement|gain|advantage|speed-?up|saving|reduction|win|lead)s?\s(?:over|on|against|of)\s{_NAMES},?\s(?:(?:which|that)\s(?:was|were|is|had been)\s)?(?:pre-?)?(?:trained|saw|seen)\b[^,.;]{{0,40}}$"
    # "Compared to Bar's 300B", "1.4B tokens vs. ~3.3B".
    rf"|\b(?:unlike|compared (?:to|with)|in (?:contrast|comparison) (?:to|with)|than|versus|vs\.?|against)\s{_NAMES}['’]s\s(?:(?:full|whole|own|reported|original)\s)?(?:{HEDGES}){{0,3}}$"
    rf"|\b(?:compared (?:to|with)|versus|vs\.?)\s(?:{HEDGES}){{0,3}}$"
    r"|\bcompar\w+ (?:\w+ )?(?:with|to|against)\s[A-Z][\w.\- ]{0,30}\s?\(\W{0,3}$"
    # "Compared with Bar-7B (trained on 2T tokens) and Baz-7B (trained on 1.5T".
    r"|\bcompar\w+ (?:\w+ )?(?:with|to|against)\b[^.;]{0,160}\((?:(?:pre-?)?trained|saw|seen)\b[^().;]{0,30}$"
    # "A tenth of the training tokens of Bar (15T".
    rf"|(?:\b(?:half|third|quarter|fifth|tenth|fraction)|%|percent) (?:of )?(?:the |as many )?(?:[\w-]+ ){{0,3}}?(?:data|budget|corpus|{COUNTED})\s(?:of|as|used (?:by|for|in))\s{_NAMES}\(\W{{0,3}}$"
    r"|\bfor (?:comparison|reference),?\s[A-Z][^,.;]{0,60}$"
    r"|\b(?:recent|prior|previous|earlier|existing|concurrent|related) (?:works?|studies|papers?|LLMs|efforts)\b[^;]{0,60}$"
    r"|\b(?:quality|performance|level|scores?|accuracy|results) of (?:[\w-]+ ){0,3}?(?:models?|LLMs)\b[^,.;]{0,40}$"
    r"|\b(?:most|many|some|typical\w*|modern|other|larger|similar|comparable|today's|current) (?:[\w-]+ ){0,2}?(?:models?|LLMs|systems) (?:which |that )?(?:of [^,.;]{0,30} )?(?:is |are |were |have been )?(?:usually |typically |often )?(?:pre-?)?trained\b[^,.;]{0,40}$",
    re.IGNORECASE,
)
#: "For comparison, Bar was trained on N tokens", in the languages of cards.
_FOR_COMPARISON = re.compile(
    r"(?:^|[.:;(]\s)\W{0,4}(?:(?:for|by|in|as a)(?: the sake of)? (?:comparison|perspective|contrast|reference)|для сравнения|zum vergleich|à titre de comparaison|(?:a modo de|en|para) comparación|(?:para|em) comparação|(?:per|a titolo di) confronto|ter vergelijking|til sammenligning|som jämförelse|dla porównania|参考までに|比較として|作为对比|作为比较|相比之下|참고로|비교하자면)\b"
    r"(?:(?!\b(?:ours?|this model|this one|we|it)\b)[^;])*$",
    re.IGNORECASE,
)
_COMPARED_LAST = re.compile(r"(?:与|和|同|相较于|不同于|比)[^，。]{0,30}$")


_UNTIL = "(?:~|–|—|[-–=]?>|-|→|to|至|到)"


def _range(before: str, after: str) -> bool:
    """Whether the number is one end of a range; the end that something grew to is none."""
    number = r"[0-9][0-9.,·]*\s?(?:[BTM]|trillion|billion|万亿|亿|兆)?"
    grown = r"(?:grow|grew|scal|expand|increas|extend|enlarg|rais|boost|went|passant)\w*"
    if re.search(r"\bfrom (?:the )?(?:\w+ ){0,2}$", before, I) and re.match(
        rf"\s?(?:{COUNTED})?\s?(?:up )?to (?:\w+ ){{0,2}}{number}", after, I
    ):
        return True
    if re.search(rf"{grown} .{{0,80}}from {number}[^.]{{0,30}}$", before, I):
        return False
    if re.search(
        rf"\bfrom (?:the )?(?:\w+ ){{0,2}}{number}(?:\s{COUNTED})?\sto\s(?:\w+\s){{0,2}}$",
        before,
        I,
    ):
        return not re.search(rf"{grown}", before, I)
    return bool(
        re.search(rf"(?<![A-Za-z]){number}\s?{_UNTIL}\s?$", before, I)
        or re.match(rf"\s?{_UNTIL}\s?{number}", after, I)
        or re.search(rf"\bbetween {number}[^.;]{{0,20}}and\s?$", before, I)
        or (
            re.search(r"\bbetween\s?$", before, I)
            and re.match(rf"[^.;]{{0,20}}\band {number}", after, I)
        )
    )


def _listed(text: str, start: int, end: int) -> bool:
    """Whether the number is one of three or more in a bare list."""
    if re.search("respectively|分别|分別", text):
        return False
    item = r"[0-9][0-9.,]*\s?[BTM]?(?: tokens)?"
    before = text[max(0, start - 60) : start]
    joined = r"(?:, ?(?:and )?| and |\s?/\s?)"
    return bool(
        re.search(rf"(?:{item}{joined}){{2}}$", before)
        or (re.search(rf"{item}{joined}$", before) and re.match(rf"{joined}{item}", text[end:]))
    )
