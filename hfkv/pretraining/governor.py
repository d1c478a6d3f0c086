# ruff: noqa: E501 (tables of words read better unbroken)
"""What governs a number in its sentence: the word nearest before it that could, or a verb of
training behind it.

Scanning back from the number, hedges, adjectives and names are passed over. The first word that
takes a number decides: "trained on", "saw" say that a model was trained on it; "context of",
"decays over", "a corpus of" say what else it counts. A corpus counts only where something was
trained *on* it, so from a corpus and from a preposition the scan goes on to their verb.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hfkv.pretraining.runs import IN_TOTAL, LARGE, machine, told
from hfkv.pretraining.words import COUNTED, HEDGES, NOUN, SCALE, TRAIN, TRAIN_WORD, I, pointed

__all__ = ["Governor", "governor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Governor:
    """Whether training governs a number.

    Attributes:
        trains: whether it does.
        why: in words.
        at: where the governing word begins in the text before the number; -1 where it is behind.
        stage: whether the word itself speaks of a part of the training.
        corpus: whether the number is the size of what was trained on.
        open: whether nothing at all takes it, neither training nor another thing.
    """

    trains: bool
    why: str
    at: int = -1
    stage: bool = False
    corpus: bool = False
    open: bool = False


#: Verbs that take a number of tokens away from training, even over a preposition.
_OTHER_VERB = (
    r"\b(?:handl(?:es?|ing)|support(?:s|ed|ing)?|reads?|reading|attend(?:s|ed|ing)?|attention|generat(?!iv)\w+|accept(?:s|ing)?|decod(?:es?|ing)"
    r"|decay(?:s|ed|ing)?(?! (?:phase|stage))|warm(?:s|ed|ing)?(?:[ -]?up)?|ramp(?:s|ed|ing)?(?:[ -]?up)?|anneal(?:s|ed|ing)? the|fine-? ?tun\w*|finetun\w*|(?:instruct\w*|preference|prompt)[- ]?tun\w*"
    r"|align(?:s|ed|ing|ment)|evaluat\w+|tested|testing|calibrat\w+|quantiz\w+|post-?train\w*|extrapolat\w+|extend(?:s|ed|ing|able)?(?! (?:the |its |our )?(?:[\w'’-]+ ){0,2}?(?:knowledge|(?:pre-?)?training)\b)|extension"
    r"|collect(?:s|ed|ing)?|gather(?:s|ed|ing)?|crawled|crawling|includ(?:es?|ing|ed)|costs?|pric(?:e|ed|ing)|needs?|requir(?:es?|ing|ed)|reserv\w+|mak(?:es?|ing) up|account(?:s|ed|ing)? for|constitut\w+|represent(?:s|ed|ing)?|pack(?:s|ed|ing)?|truncat\w+|padd?ed|limited|capped"
    r"|serv(?:es?|ed|ing)|translat\w+|summari[sz]\w+|emit(?:s|ted)?|produc(?:es?|ed|ing)|stor(?:es?|ed|ing)|cach(?:es?|ed|ing)|retriev\w+|rollouts?"
    r"|sav(?:es?|ed|ing)|publish(?:es|ed)?|updat(?:e[sd]?(?! steps?)|ing)|(?:times|[0-9]x) (?:larger|bigger|smaller|the size)|reduc(?:es?|ed|ing)"
    r"|(?<!pre)(?<!pre-)(?<!to )process(?= )|RLHF|\bRL\b|\bSFT\b|\bDPO\b|reinforcement)\b"
    r"|微调|微調|指令|后训练|支持|生成|处理|推理|校准|ファインチューニング|生成|対応|미세|지원"
)
#: Nouns that take the number directly beside them ("a context of 1M tokens").
_OTHER_NOUN = (
    r"\b(?:contexts?|windows?|sequences?|seq(?:uence)?[ _-]?len(?:gth)?|lengths?|batch(?:es)?|vocab\w*|inputs?|outputs?|prompts?|limits?|throughput|speed|rate|latency|chunks?|segments?"
    r"|schedules?|perplexity|documents?|examples?|samples?|(?:thinking|reasoning|inference|generation|output|compute) budget|cache|steps?|tokenizer\w*|embeddings?|bytes?|windows"
    r"|longueur|fenêtre|contexte|contexto|ventana|longitud|lote|Kontext\w*|Fenster|контекст\w*|окн\w*|длин\w*)\b"
    r"|上下文|窗口|长度|批(?:大小|次)?|词表|コンテキスト|文脈|系列長|バッチ|語彙|컨텍스트|문맥|배치|어휘"
)
_CORPUS = (
    r"\b(?:corpus|corpora|data-? ?sets?|data|mixtures?|mix|collections?|sets?|text|texts|materials?|compris\w+|contain\w*|total(?:ing|ling|led)|consist\w*|amount(?:s|ing|ed)? to|sized|has|have|holds?"
    r"|Korpus|Daten(?:satz)?|datos|dados|données|dati|conjunto|ensemble|contien[et]|contient|contém|comprende|comprend|umfasst|enthält|zawiera|zbi[oó]r\w*|danych|corp[óo]re[as]?)\b"
    r"|содерж\w*|корпус\w*|данны[хе]|语料库?|语料|数据集?|數據|資料|語料|包含|构建|コーパス|データ(?:セット)?|말뭉치|데이터(?:셋)?"
)
_PREPOSITION = (
    r"\b(?:on|for|with|over|using|through(?:out)?|upon|across|into|(?<!up )to|towards?|via|followed by|sur|avec|pour|con|en|sobre|mit|auf|an|com|em|su|na|op|med|på|pada|dengan|trên|với|met|z|üzerinde)\b"
    r"|(?<!\w)(?:на|с|со)(?!\w)|(?:在|(?<![通应作常实专])用(?![户途法])|使用|采用|採用|使用了|采用了|基于|利用|通过|上)"
)
#: Verbs that take the tokens themselves; without a word of training near, of anything at all.
_TAKES = (
    r"\b(?:saw|seen|sees|seeing|observ(?:ed|es|ing)|fed|shown|consum(?:ed|es|ing)|process(?:ed|es|ing)|ingest(?:ed|s|ing)|cover(?:ed|s|ing)|us(?:ed|es|e)|utiliz\w+|spann?(?:ed|s|ing)|totals?|learn(?:ed|t|s|ing)|exposed|took|takes|ran|runs|reach(?:ed|es|ing)"
    r"|distill(?:ed|ation|ing)|anneal(?:ed|ing)|pruned|vu|vio|visto|gesehen|(?:har |hadde |hade |blev )(?:\w+ ){0,3}?(?:sett|läst|læst|bearbetat)|bearbetades|processou|consumiu|consumió|procesó)\b|(?<!\w)(?:у?видел\w*)|消耗了?|累计|经过了?|使った|見た"
)
_STAGE_NOUN = r"(?:stage|phase|anneal\w*|cool-?down|mid-?training|decay stage)"
_LEXICON = re.compile(
    rf"(?P<verb>{_OTHER_VERB})|(?P<train>{TRAIN})|(?P<noun>{_OTHER_NOUN})|(?P<takes>{_TAKES})"
    rf"|(?P<corpus>{_CORPUS})|(?P<prep>{_PREPOSITION})",
    I,
)
_COMMA = re.compile(r"[,，、;；:：](?!\s?(?:about|around|approximately|roughly|nearly|~|约)\s)")
#: "on a high-quality, multi-source corpus": the comma begins no clause.
_ADJECTIVES = re.compile(r"^\s?(?:an?|the|our)?(?:\s?(?!an?\b|the\b)[A-Za-z][\w-]*,?){1,5}\s?$")
#: "On fooweb-6b, a subset of FooWeb with N tokens": what was taken for the training.
_TAKEN_FOR_IT = re.compile(
    r"^[^,;:]{1,80},\s(?:an?|the|our)\s(?:[\w-]+\s){0,3}?(?:subset|sample|slice|portion)\b[^,;:]{0,60}$",
    I,
)
_JOINED = re.compile(rf"(?:,|\band|\bplus|\+)\s?{HEDGES}{{0,3}}$", I)
_FROM = re.compile(r"\bfrom\s(?:a\s|the\s)?(?:\w+\s)?$")
#: The first term of a sum: "26 + 15 billion tokens" is governed as one.
_FIRST_TERM = re.compile(
    rf"[0-9][0-9.,]*\s?(?:[TBM]\b|trillion|billion|million)?(?:\s{COUNTED})?\s?\+\s?(?:{HEDGES})?$",
    I,
)
_NEXT_TERM = re.compile(
    rf"^(?:\s{COUNTED})?\s?\+\s?(?:{HEDGES})?[0-9][0-9.,]*\s?(?:[TBM]\b|trillion|billion|million)?",
    I,
)
#: "On 30 GB of articles (10M sentences, N tokens)": in brackets the same is measured again.
_MEASURES = re.compile(
    r"[(（]\s?(?:[~≈]?[0-9][0-9.,]*\s?[KMBGT]?\s?(?!tok)[A-Za-z]+\s?[,;/]\s?){1,3}(?=[~≈]?$)"
    # "On a legal corpus (case law and filings, N tokens)"
    r"|(?:(?<=corpus )|(?<=dataset )|(?<=data ))\([^()0-9]{1,80},\s(?=[~≈]?$)"
)
#: "On 1.5 TB of text, roughly N tokens": the same in another unit.
_WEIGHT = re.compile(
    rf"\b[0-9][0-9.,]*\s?[KMGT]i?B\b(?:\sof\s[^,;()0-9]{{1,60}})?,\s(?:or\s|i\.e\.,?\s|which is\s)?(?=(?:{HEDGES}){{0,4}}$)"
)
#: "Leverages a training set of N tokens": what it was trained on is what is used.
_USED_SET = re.compile(
    rf"\b(?:us(?:es?|ed|ing)|leverag\w+|employ\w*|utili[sz]\w+|consum\w+|buil(?:t|ds?) (?:on|upon|from)|on|with|over|from)\s(?:an?\s|the\s|our\s|its\s)?(?:[\w-]+\s){{0,3}}?(?:{TRAIN})\s(?:data-?\s?set|data|set|corpus|mix(?:ture)?|run|budget)\s(?:of|with|totall?ing|spanning|comprising)\s(?:{HEDGES}){{0,4}}$",
    I,
)
#: "Evolved from Bar through processing of N tokens": what it was made by is its training.
_MADE = re.compile(
    rf"\b(?:adapt|speciali[sz]|locali[sz])ed\b(?:[^.;]|\.(?=\w)){{0,80}}?\b(?:on|with|using|over)\s(?:{HEDGES}){{0,4}}$|\b(?:evolv\w*|obtain\w*|creat\w+|made|built|deriv\w+|result\w*|adapt\w*|develop\w*|produced)\b(?:[^.;]|\.(?=\w)){{0,160}}?\b(?:through|by|via|after) (?:the )?(?:processing|passing|feeding)(?: it)?(?: of| on)?\s(?:{HEDGES}){{0,4}}$",
    I,
)
_SET = re.compile(
    r"\b(?:corpus|corpora|data-?\s?sets?|data|mixtures?|collections?)\s$", re.IGNORECASE
)
_ADVERBIAL = re.compile(
    rf"\b(?:in|during|for|throughout)\s(?:the\s|its\s|our\s)?(?:\w+\s)?(?:{TRAIN})(?:\s(?:stage|phase))?,\s(?:{HEDGES}){{0,4}}$"
    rf"|\b(?:to|for)\s(?:pre-?)?train(?:ing)?\s[^,.;]{{1,40}},\s(?:{HEDGES}){{0,4}}$",
    I,
)
_PASSIVE = re.compile(
    rf"^\s?(?:[\w-]+\s){{0,4}}?{COUNTED}\s(?:of [^.;]{{1,80}}?\s)?(?:were|was|are|have been|has been)\s(?:used|consumed|seen|processed|fed|employed|utili[sz]ed)",
    I,
)
_COUNT = re.compile(rf"{COUNTED}|[0-9]\s?(?:[TB]\b|trillion|billion|万亿|亿|兆)", I)
#: "On 1T tokens of text and 200B of code, totaling": the sum of what was trained on.
_SUMS_UP = re.compile(
    rf"[0-9]\s?{SCALE}?\+?\s(?:[a-z-]+\s){{0,2}}?{COUNTED}(?:[^.;]|\.(?=\w))*(?<!corpus)(?<!corpora)(?<!dataset)(?<!data set)(?<!collection)[,(]\s(?:for a\s|in\s)?$",
    I,
)
#: A number right before a noun is the noun's own.
_HAS_ITS_OWN = re.compile(
    r"[0-9][0-9.,]*\s?[KMkm]?(?:[\s-](?:tokens?|training|optimizer|gradient))?[\s-]?$"
)
_OF = re.compile(r"\s(?:of|with)\b|\s?[(=:]")
#: "Trained on a 67B token collection": the number is the collection's size.
_SIZES_A_SET = re.compile(
    r"[\s-]?tok[eé]n(?!s)[^\w.;()][^.;()]{0,60}?\b(?:corpus|corpora|data-?\s?sets?|collections?|subset|sample|slice|split|mix(?:ture)?|set)\b",
    I,
)
#: "Files 000-003 for training (N tokens)", "0.6 epochs of the N-token stream": these have as many.
_SIZES_FILES = re.compile(
    r"\bepochs?\s(?:of|over|on|through)\s(?:the|our|its|this)\s$|\b(?:files?|shards?|parts?|splits?|rows|documents|articles|samples|examples|subsets?)\b[^.;]{0,20}\bfor (?:pre-?)?training\s?[(（]\W{0,2}$",
    I,
)
_COPULA = re.compile(r"^\s(?:is|was|are|were|amounts? to|equals)\s", I)
_WITHIN = re.compile(r"\b(?:during|in|for|of|throughout)\s(?:the\s)?$", I)
#: "tokens were used for pretraining", "tokens during training", "token training run".
_BEHIND = re.compile(
    rf"^[^.;:,。，；0-9]{{0,60}}?{COUNTED}[)）\"”*]?(?:"
    rf"\sof\s(?:[\w-]+\s){{0,3}}?pre-?training\s(?:data|text|corpus|material)\b|"
    rf"\s(?:(?:of|from) [^.;:,]{{0,50}}?)?(?:(?:were|was|are|is|have been|has been|being)\s)?(?:used|seen|consumed|processed|fed|employed|needed|required|spent)\s(?:\w+\s){{0,2}}?(?:for|to|in|during|by|throughout)\s(?:\w+\s){{0,3}}?{TRAIN}"
    rf"|\s(?:during|in|for|throughout|of)\s(?:the\s|its\s|our\s|their\s)?(?:(?:main|base|whole|entire|full|initial|continu(?:ed|al|ous)|further|subsequent)\s)?{TRAIN}(?!\s?(?:data|set|corpus|checkpoint|step|text))"
    rf"|\s(?:(?:of|from) [^.;]{{0,160}}?\s)?(?:were|was|are|is)\s(?:used|consumed|employed|sampled|selected|seen|processed|fed)\s[^.;:,]{{0,60}}?(?:for|to|in|during)\s(?:\w+\s){{0,3}}?{TRAIN}"
    rf"|\s(?:(?!(?:of|and|or|are|is|each|corp|data|mix|collect|set|built|made|creat|curat|releas|prepar)\w*\s)[a-z]+\s){{1,5}}?(?:for|to|in|into|on|during|throughout)\s(?:the\s|its\s|our\s)?{TRAIN}(?!\s?(?:data|set|corpus|checkpoint|step|text))"
    rf"|\sto\s(?:\w+\s)?{TRAIN}|\son\s(?:pre-?)?training\b(?!\s(?:data|text))|\s(?:pre-?)?trained(?: on)?\s?(?=$|[|,.;)])"
    rf"|\s(?:pre-?)?training(?:\s(?:run|budget))?\b(?!\s(?:data|set|corpus|split|shard|subset|sample|portion|file|stream))|\s?(?:seen|consumed|processed(?=\s?(?:$|[|,.;)]|\sout of\b))|trained on|vus?|vistos?|visti|gesehen|verarbeitet|просмотрено)\b(?! (?:per|by|in each)))",
    I,
)
#: "N training tokens", "N pretraining tokens".
_ADJECTIVE = re.compile(rf"^\s?(?:[\w-]+\s){{0,4}}?(?:pre-?)?train(?:ing|ed)?\s{COUNTED}", I)
#: Languages whose verb stands behind its object.
_VERB_LAST = re.compile(
    r"^[^,.;。；]{0,60}?(?<!微调)(?:预训练|預訓練|训练|訓練|事前学習|トレーニング|学习|学習|學習|학습|eğit|\b(?:vor|weiter|nach)?trainiert\b|\b(?:voor)?getraind\b)"
    r"|^[^，。；,;]{0,18}(?:语料|数据|データ|데이터)[^。；]{0,30}?(?:预训练|預訓練|训练|訓練|学習|학습)",
    I,
)
#: "Bar 7Bを基にして、80億トークンを学習": of the size in a name and a count, the verb takes the count.
_NAMED_SIZE = re.compile(r"(?<![a-z])[A-Z][\w.+]*[ -]?[0-9.]+[BM]$")
_COUNTS = re.compile(
    rf"^(?!\s?{COUNTED})[^。;；]{{0,80}}?[0-9万亿億兆억조만]\s?(?:개의\s?)?{COUNTED}", I
)
_OWN_WORD = re.compile(r"[一-鿿ぁ-ヿ가-힣ğıİş]|\b(?:vor|weiter|nach)?trainiert|getraind")
_MOMENT = re.compile(
    rf"(?:\b(?:first|initial|last|final|every|each|after|(?<!train )(?<!trained )(?<!training )(?<!continued )(?<!ran )until|till|next|remaining|at(?! least| most)|by|per|before|within|past)|前|每|最后|后)\s?{HEDGES}{{0,3}}$",
    I,
)


def governor(text: str, start: int, end: int, context: str = "", tokens: int = 0) -> Governor:
    """What governs ``text[start:end]``, which is worth ``tokens``; ``context`` is the paragraph
    and the headings above."""
    before, after = text[max(0, start - 320) : start], text[end : end + 160]
    shift = max(0, start - 320)
    before, after = _FIRST_TERM.sub("", before), _NEXT_TERM.sub("", after)
    before = _WEIGHT.sub("", _MEASURES.sub("(", before))
    why = told(before, after, text, context, tokens)
    if why:
        return Governor(trains=True, why=why)
    counted = bool(NOUN.match(after))
    if _MOMENT.search(before) and not (
        re.search(r"train\w* on the first (?:~|about )?$", before, I)
        and re.match(rf"\s?{COUNTED} of\b", after, I)
    ):
        return Governor(trains=False, why="a moment of training: the words before it say so")
    if (
        _ADJECTIVE.match(after)
        and not re.search(r"\b(?:of|fewer|less|more|than) (?:the )?$", before)
        and not _nearest(_BRACKETED.sub("", before), ("verb", "noun"))
    ):
        return Governor(trains=True, why="it counts training tokens")
    used = _USED_SET.search(before)
    if used and re.match(rf"\s?(?:[\w-]+\s){{0,3}}?{COUNTED}", after, I):
        return Governor(trains=True, why="it was used in training", at=shift + used.start())
    if tokens >= LARGE // 10 and counted and _MADE.search(before):
        return Governor(trains=True, why="it was made by reading them")
    total = bool(IN_TOTAL.match(after))
    found = _ahead(before, text, context, total=total, large=tokens >= LARGE)
    if not found.trains and _ADVERBIAL.search(before) and _PASSIVE.match(after):
        return Governor(trains=True, why="it was used in training")
    if found.trains:
        at = found.at + shift if found.at >= 0 else -1
        sized = _SIZES_A_SET.match(after) or _SIZES_FILES.search(before)
        corpus = found.corpus or bool(sized)
        return Governor(trains=True, why=found.why, at=at, stage=found.stage, corpus=corpus)
    if found.why.startswith("another"):
        return found
    behind = _BEHIND.match(after)
    if behind is None and (_OWN_WORD.search(after[:80]) or _OWN_WORD.search(before[-40:])):
        # Behind a count its verb may stand after the next one: "1B: 1T tokens, 7B: 1.5T tokens".
        behind = _VERB_LAST.match(pointed(after) if counted else after)
        if behind is not None and (
            _corpus_only(before, behind[0])
            or (_NAMED_SIZE.search(before[-60:] + text[start:end]) and _COUNTS.search(after))
        ):
            behind = None
    if behind is not None:
        return Governor(trains=True, why=f"'{behind[0].split()[-1][-24:]}' after it governs it")
    return found


#: What stands in brackets, and all before a bracket that the number opens.
_BRACKETED = re.compile(r"\s?\([^()]{0,80}\)(?=\s)|^.*[(（]\W{0,3}$", re.DOTALL)


def _nearest(before: str, kinds: tuple[str, ...]) -> bool:
    last = None
    for match in _LEXICON.finditer(before):
        if match.lastgroup != "prep":
            last = match
    if last is None or last.lastgroup not in kinds or len(before) - last.end() >= 30:
        return False
    # "Step 80,000, N training tokens": the word has a number of its own.
    return not re.search("[0-9],? $", before[last.end() :])


def _corpus_only(before: str, behind: str) -> bool:
    """Whether the number sizes a corpus that the verb behind it does not take as its object."""
    if re.search(r"(?:语料|数据)[^，。]{0,6}(?:上|对|来|进行)", behind):
        return False
    return bool(re.search(r"(?:包含|构建|收集|开源|包括|含有)了?[^，。]{0,12}$", before)) and not re.search(
        r"(?:在|用|基于|采用)[^，。]{0,24}$", before
    )  # fmt: skip


#: What is said of a corpus before its size.
_OF_A_CORPUS = re.compile(r"includ|published|collected|gathered|crawled|produced|translated", I)


def _ahead(before: str, text: str, context: str, *, total: bool, large: bool) -> Governor:
    """What stands before the number and governs it."""
    words = list(_LEXICON.finditer(before))[-24:]
    edge = len(before)
    preposition = corpus = taken = False
    stage = False
    for word in reversed(words):
        gap = before[word.end() : edge]
        kind = word.lastgroup
        if not preposition and _FROM.search(before, word.end()) and word[0][:5] != "learn":
            return Governor(trains=False, why="another thing: something was taken from it")
        if kind == "verb":
            if preposition and re.search(rf"[0-9].{{0,12}}{COUNTED}", gap, I):
                # "with a warmup of 2B tokens, for 1T": the word has a number of its own.
                edge = word.start()
                continue
            if corpus and _OF_A_CORPUS.match(word[0]):
                # "on a dataset that includes ..., totaling N tokens", "on books published from 1760
                # on and comprised of N tokens"
                continue
            return Governor(trains=False, why=f"another thing: '{word[0].strip()}' takes it")
        if kind == "noun":
            if ("(" in gap and total) or (
                re.search("[(=]", gap) and re.match("steps?", word[0], I)
            ):
                # "trained for 300k steps (1.2T tokens)": the same training in another unit.
                preposition = True
            elif large and re.search(r"[0-9]", before[word.end() :]):
                # "a sequence length of 8192 and 2T tokens": no window is so long.
                preposition = True
            elif not preposition:
                return Governor(trains=False, why=f"another thing: '{word[0].strip()}' takes it")
        elif kind == "prep":
            # "Over" is a hedge as often, and a verb of training takes the number without it.
            # From a corpus the scan goes on only where no clause begins between.
            # "From the web and N tokens": the preposition takes what is joined to the number.
            between = before[word.end() :]
            joined = _JOINED.search(between) and not _COUNT.search(between)
            # "A pretraining dataset with N tokens" has that size: nothing is trained with it.
            if word[0].lower() == "with" and _SET.search(before[: word.start()]):
                edge = word.start()
                continue
            hedge = word[0].lower() == "over" and re.fullmatch(rf"\s?{HEDGES}{{0,4}}", between, I)
            if (
                not hedge
                and not joined
                and (
                    not corpus
                    or not _COMMA.search(gap)
                    or _ADJECTIVES.match(gap)
                    or _TAKEN_FOR_IT.match(gap)
                )
            ):
                preposition = True
        elif kind == "corpus":
            if re.match("total|amount", word[0], I):
                told = _SUMS_UP.search(before, 0, word.start())
                if told and TRAIN_WORD.search(before, 0, told.start()):
                    return Governor(trains=True, why="it sums up what was trained on")
            # In brackets behind a corpus, a total is that of the training.
            corpus = corpus or not (preposition or (total and "(" in gap))
        elif kind == "takes":
            if not preposition and _COMMA.search(before[word.end() :]):
                continue
            if (
                re.match(
                    r"saw|see[ns]|seeing|observ|(?:consum|ingest)ed|у?видел|vu|vio|visto|gesehen|bearbeta|process?ou|consumiu|consumió|procesó",
                    word[0],
                    I,
                )
                and not corpus
                and not machine(before[: word.start()])
            ):
                return Governor(trains=True, why=f"'{word[0]}' governs it", at=word.start())
            if re.match(r"learn|exposed", word[0], I) and not corpus:
                return Governor(trains=True, why=f"'{word[0]}' governs it", at=word.start())
            if re.match(r"distill|anneal|prun", word[0], I):
                if preposition and (word[0][0] in "dD" or TRAIN_WORD.search(context + text)):
                    return Governor(
                        trains=True, why=f"'{word[0]}' governs it", at=word.start(), stage=True
                    )
                continue
            if re.search(r"(?:data|corpus|sets?|mix\w*)\s$", before[: word.start()], I):
                corpus = corpus or not preposition
                edge = word.start()
                continue
            if machine(before[: word.start()]):
                return Governor(trains=False, why="another thing: a step or a machine takes it")
            if not corpus:
                taken = True
                stage = bool(re.search(rf"\b{_STAGE_NOUN}\b", before[: word.start()], I))
                if TRAIN_WORD.search(before) or (stage and TRAIN_WORD.search(context)):
                    return Governor(
                        trains=True, why=f"'{word[0]}' governs it", at=word.start(), stage=stage
                    )
        elif kind == "train":
            if corpus and not preposition:
                return Governor(trains=False, why="the size of a corpus")
            if _COPULA.match(before[word.end() :]) and _WITHIN.search(before[: word.start()]):
                # "The thinking budget during training is": of what stands before it.
                subject = before[max(0, word.start() - 50) : word.start()]
                if re.search(COUNTED, subject, I) and not re.search(_OTHER_NOUN, subject, I):
                    return Governor(trains=True, why="it counts the tokens of training")
                edge = word.start()
                continue
            if not (preposition or taken or total) and _COMMA.search(before[word.end() :]):
                return Governor(
                    trains=False, why="training is spoken of, but not on this number", open=True
                )
            return Governor(
                trains=True, why=f"'{word[0].strip()}' governs it", at=word.start(), corpus=corpus
            )
        edge = word.start()
    if corpus and not preposition:
        return Governor(trains=False, why="the size of a corpus, and nothing was trained on it")
    return Governor(trains=False, why="nothing says that a model was trained on it", open=True)
