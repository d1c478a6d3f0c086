"""The codes of findings. A code never changes its meaning, and is never used again for another."""

from __future__ import annotations

__all__ = ["CODES", "EXPLAINED", "selected"]

#: Code to what it says, in the order of the documentation.
CODES = {
    "HFKV001": "a file that is checked cannot be read",
    "HFKV002": "a model is not in hfkv.lock",
    "HFKV003": "the files of a model could not be had",
    "HFKV004": "hfkv.lock is damaged: edited by hand, or by a merge",
    "HFKV005": "nothing can check this honestly: an architecture or an option that is not counted",
    "HFKV006": "hfkv.lock is not up to date (hfkv lock --check)",
    "HFKV007": "the repository of a model has another name now",
    "HFKV008": "a suppression no longer suppresses anything",
    "HFKV101": "the targets match nothing in the base model",
    "HFKV102": "one of the targets matches or adapts nothing in the base model",
    "HFKV103": "the rank exceeds a layer's smaller side",
    "HFKV104": "a pattern or an exclusion matches nothing",
    "HFKV105": "modules_to_save names a module that is not there",
    "HFKV106": "the adapter's own header disagrees with its config",
    "HFKV107": "a field has a value that cannot be used",
    "HFKV108": "PEFT itself refuses the combination",
    "HFKV109": "a layer or token number is outside the model",
    "HFKV110": "the config names no base model",
    "HFKV111": "a key is nearly one that is known, and is none",
    "HFKV112": "sequences are longer than the model was made for",
    "HFKV113": "a list of names reaches another tower of the model as well",
    "HFKV201": "a budget is exceeded",
    "HFKV202": "a budget cannot be computed",
    "HFKV301": "a claim is not what hfkv computes",
    "HFKV302": "a claim's marker cannot be read",
    "HFKV303": "a claim's figure cannot be computed",
    "HFKV304": "a figure of a KV cache that no marker holds",
    "HFKV401": "the KV cache of a config.json cannot be planned",
    "HFKV402": "a config.json is malformed or contradicts itself",
    "HFKV403": "the checkpoint's header disagrees with config.json",
}

#: Code to why it matters and what to do, in a few sentences.
EXPLAINED = {
    "HFKV001": "A file that is shaped like one of those that are checked cannot be parsed, so "
    "nothing in it was checked. Mend the file, or exclude it (`exclude` in the configuration).",
    "HFKV002": "The base model is named and hfkv.lock does not hold it, so the config was not "
    "checked. Run `hfkv lock` once with a network and commit hfkv.lock, or check with --online.",
    "HFKV003": "A path names a model, and nothing is there: often it is one of the machine that "
    "trains. Name the model that is meant for these files under `bases` in the configuration. In "
    "configs this is a note.",
    "HFKV004": "A record of hfkv.lock does not match its digest or cannot be loaded, so nothing "
    "that needs it was checked. `hfkv lock --upgrade MODEL` writes it anew; after a merge conflict "
    "take either side and run `hfkv lock`.",
    "HFKV005": "What is configured may be right, and hfkv cannot count it: another library's "
    "model, an option that changes the count, an architecture that is not known. Always a note.",
    "HFKV006": "A check names a model that hfkv.lock does not hold, or it holds one that no check "
    "names. Run `hfkv lock` and commit the result.",
    "HFKV007": "The Hub said, when the model was locked, that its repository has another name now. "
    "The old name redirects until somebody takes it. Write the new one, and run `hfkv lock`.",
    "HFKV008": "A comment lets findings pass, and there are none any more. Take it out, so that it "
    "hides no later mistake.",
    "HFKV101": "No name, expression or pattern of the config matches a module of the base model. "
    "PEFT refuses this, or trains nothing. The message lists what the model has, and near names.",
    "HFKV102": "PEFT refuses a config only where nothing matches at all: one name among several "
    "that matches nothing is passed over in silence, and that module is not trained.",
    "HFKV103": "A low-rank product of a rank above the layer's smaller side can express nothing "
    "that the side itself could not; the parameters beyond are wasted.",
    "HFKV104": "rank_pattern, alpha_pattern, exclude_modules or layers_pattern names nothing that "
    "is adapted, so it changes nothing.",
    "HFKV105": "modules_to_save names a module that the base model does not have; PEFT passes it "
    "over.",
    "HFKV106": "The adapter's tensors are not those that PEFT would save of this config on this "
    "base: a resized vocabulary, another rank, empty tensors of ZeRO-3, names or an expert layout "
    "of another transformers, or another base. Such an adapter fails to load, or loads in part.",
    "HFKV107": "The value is of a type, or none of the choices, that the trainer or PEFT can use.",
    "HFKV108": "PEFT raises an error for this combination when the adapter is made.",
    "HFKV109": "A layer or a token is named by a number that the base model does not reach.",
    "HFKV110": "Without a base model the names in the config cannot be checked: set one for these "
    "files under `bases`. Always a note: templates have none.",
    "HFKV111": "A key is one or two letters away from one that the trainer or PEFT knows, and "
    "nothing reads it as it is: the default is used in its place.",
    "HFKV112": "The sequences are longer than the positions of the model. A note where samples are "
    "packed, for each of them begins anew. Where the config scales positions, nothing is said.",
    "HFKV113": "A plain name such as q_proj is also one in the vision or audio tower, which is "
    "then adapted as well. Always a note; exclude_modules leaves a tower out.",
    "HFKV201": "An exact figure is beyond a limit that the configuration sets.",
    "HFKV202": "A limit is set and the figure cannot be computed, so nothing guards it.",
    "HFKV301": "The figure between the markers is not the exact one, rounded to its own digits. "
    "--fix writes the right one where number and unit are understood; --diff shows it.",
    "HFKV302": "A marker is not closed, or asks what cannot be asked.",
    "HFKV303": "A claim is made, and the figure cannot be computed for this model.",
    "HFKV304": "A sentence names a model and says how large its KV cache is, without a marker: "
    "nothing checks it. Always a note.",
    "HFKV401": "The model_type is misspelt, or unknown here (then a note): no figure can be had.",
    "HFKV402": "A field of the config has a value that no model can be built of.",
    "HFKV403": "The safetensors headers beside the config hold other shapes than it gives.",
}


def selected(code: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a code is named by one of these codes or beginnings of codes.

    >>> selected("HFKV101", ("HFKV1",)), selected("HFKV301", ("HFKV1", "HFKV201"))
    (True, False)
    """
    return any(prefix == "ALL" or code.startswith(prefix.upper()) for prefix in prefixes)
