"""Which of a repository's files hold the model: the choice that ``from_pretrained`` makes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from hfkv.errors import HeaderError
from hfkv.reading import describe, parse_json_object, printable

__all__ = [
    "INDEX",
    "choose_weights",
    "needs_index",
    "no_config",
    "only_pytorch",
    "shards_of",
]

#: The file that says which tensor is in which shard.
INDEX = "model.safetensors.index.json"
_MOST_SHARDS = 10_000
_SHARD = re.compile(r"model-([0-9]{5,6})-of-([0-9]{5,6})\.safetensors")
_VARIANT = re.compile(
    r"model\.([A-Za-z0-9_\-]+?)(?:-[0-9]{5,6}-of-[0-9]{5,6})?\.safetensors"
    r"|model-[0-9]{5,6}-of-[0-9]{5,6}\.([A-Za-z0-9_\-]+)\.safetensors"
)
#: Weights in other forms, most usual first: the ending of a name, and what to call them.
_OTHER_FORMS = (
    (re.compile(r"pytorch_model.*\.bin"), "pytorch_model.bin, which has no readable header"),
    (re.compile(r".*\.gguf"), "GGUF"),
    (re.compile(r"adapter_model\.bin"), "adapter_model.bin, which has no readable header"),
    (re.compile(r".*\.(?:pt|pth|ckpt|bin)"), "PyTorch files, which have no readable header"),
    (re.compile(r"(?:.*/)?flax_model.*\.msgpack|.*\.msgpack"), "Flax files"),
    (re.compile(r"(?:.*/)?tf_model.*\.h5|.*\.h5"), "TensorFlow files"),
    (re.compile(r".*\.onnx"), "ONNX"),
    (re.compile(r".*\.nemo"), "a NeMo archive"),
)


def choose_weights(
    names: Iterable[str], *, where: str, index: bytes | None = None
) -> tuple[list[str], str]:
    """The safetensors files of the model itself, and the reason where there are none.

    As transformers chooses: a single ``model.safetensors`` first, then the shards that the index
    names, or where the index is not at hand those of the usual names; an adapter's file where there
    is nothing else. Variants (``model.fp16.safetensors``), ``consolidated`` copies and subfolders
    are other renderings or other components, not the model.

    Args:
        names: of all files, with their folders.
        where: the model, for messages.
        index: the content of :data:`INDEX`, where it has been read.

    Raises:
        HeaderError: shards are missing, or the index is malformed.
    """
    found = set(names)
    if "model.safetensors" in found:
        return ["model.safetensors"], ""
    if index is not None:
        files = shards_of(index, where=where)
        if found.isdisjoint(files):
            return [], f"{INDEX} is there, but none of the {len(files)} files that it names is"
        _refuse_missing(files, found, where)
        return files, ""
    shards: dict[int, dict[int, str]] = {}
    for name in found:
        match = _SHARD.fullmatch(name)
        if match:
            shards.setdefault(int(match.group(2)), {})[int(match.group(1))] = name
    if shards:
        return _all_shards(shards, where), ""
    if "adapter_model.safetensors" in found:
        return ["adapter_model.safetensors"], ""
    return [], _reason(found)


def needs_index(names: Iterable[str]) -> bool:
    """Whether only the index tells which files are the shards."""
    found = set(names)
    totals = {match.group(2) for name in found if (match := _SHARD.fullmatch(name))}
    return INDEX in found and "model.safetensors" not in found and len(totals) != 1


def _all_shards(shards: dict[int, dict[int, str]], where: str) -> list[str]:
    if len(shards) > 1:
        raise HeaderError(
            f"shards of {' and of '.join(str(total) for total in sorted(shards))} files",
            where=where,
            expected=f"one set of shards, or {INDEX} to say which",
        )
    ((total, numbers),) = shards.items()
    if not 1 <= total <= _MOST_SHARDS:
        raise HeaderError(f"{total} shards", where=where, expected=f"1 to {_MOST_SHARDS}")
    missing = sorted(set(range(1, total + 1)) - set(numbers))
    # Some repositories count from 0, which is complete as well.
    if missing and set(numbers) != set(range(total)):
        raise HeaderError(
            f"shard {missing[0]} of {total} is missing",
            where=where,
            expected=f"{total} files model-NNNNN-of-{total:05d}.safetensors",
        )
    return [numbers[number] for number in sorted(numbers)]


def shards_of(index: bytes, *, where: str) -> list[str]:
    """The files that an index names.

    Raises:
        HeaderError: the index is malformed, or names a file that is not beside it.
    """
    place = f"{where}: {INDEX}"
    try:
        weights = parse_json_object(index, where=place).get("weight_map")
    except ValueError as error:
        raise HeaderError(str(error)) from None
    if not isinstance(weights, dict) or not weights:
        raise HeaderError(
            f"found {describe(weights)}",
            where=f"{place}: weight_map",
            expected="an object that gives each tensor's file",
        )
    files: dict[str, None] = {}
    for tensor, name in weights.items():
        # Beside the index: a name with a folder, or one that leads out, is not followed.
        if not isinstance(name, str) or not name or name.startswith(".") or set(name) & set("/\\:"):
            raise HeaderError(
                f"'{printable(tensor, 60)}' is in {describe(name)}",
                where=f"{place}: weight_map",
                expected="the name of a file beside the index",
            )
        files.setdefault(name)
        if len(files) > _MOST_SHARDS:
            raise HeaderError(f"more than {_MOST_SHARDS} files", where=f"{place}: weight_map")
    odd = sorted(name for name in files if not name.endswith(".safetensors"))
    if odd:
        raise HeaderError(
            f"names {describe(odd[0])}", where=place, expected="files that end in .safetensors"
        )
    return sorted(files)


def _refuse_missing(files: Collection[str], found: Collection[str], where: str) -> None:
    missing = sorted(set(files) - set(found))
    if missing:
        raise HeaderError(
            f"{describe(missing[0])} is not there"
            + (f", nor {len(missing) - 1} more of {len(files)}" if len(missing) > 1 else ""),
            where=f"{where}: {INDEX}",
            expected="every file that the index names",
            hint="the download or upload may not have ended",
        )


def _reason(found: set[str]) -> str:
    """Why no file of these is the model's."""
    if "model_index.json" in found:
        return (
            "a diffusers pipeline (model_index.json) holds several models, and none of them is it"
        )
    variants = sorted(
        {
            match.group(1) or match.group(2)
            for name in found
            if (match := _VARIANT.fullmatch(name)) is not None
        }
    )
    if variants:
        shown = ", ".join(printable(name, 20) for name in variants[:4])
        return f"there is only a variant of the weights ({shown}), which is not loaded by default"
    top = sorted(name for name in found if name.endswith(".safetensors") and "/" not in name)
    if any(name.startswith("consolidated") for name in top):
        return (
            "the weights are there only as consolidated.safetensors, a copy for another library "
            "under other names"
        )
    folders = _folders(found)
    # A whole model in another form comes before safetensors of parts.
    for form, word in _OTHER_FORMS[:2]:
        if any(form.fullmatch(name) for name in found):
            return f"the weights are there only as {word}"
    if top:
        shown = ", ".join(printable(name, 60) for name in top[:3])
        return f"there is no model.safetensors; the safetensors files have other names: {shown}"
    if folders:
        return (
            f"the weights are in subfolders ({', '.join(folders[:6])}), each a model or a copy "
            "of its own"
        )
    for form, word in _OTHER_FORMS[2:]:
        if any(form.fullmatch(name) for name in found):
            return f"the weights are there only as {word}"
    return "there are no safetensors files"


def _folders(found: set[str]) -> list[str]:
    """Subfolders with safetensors files."""
    inside = {name.split("/")[0] for name in found if "/" in name and name.endswith(".safetensors")}
    return sorted(printable(name, 40) for name in inside)


def no_config(names: Iterable[str]) -> str:
    """Why there is no ``config.json`` at the top, where other files tell."""
    found = set(names)
    if "model_index.json" in found:
        return (
            "this is a diffusers pipeline (model_index.json): it holds several models in "
            "subfolders, and no one config"
        )
    parts = sorted(name.rpartition("/")[0] for name in found if name.endswith("/config.json"))
    shown = ", ".join(printable(part, 40) for part in parts[:6])
    if "modules.json" in found and parts:
        return f"these are sentence-transformers modules, with their config.json in {shown}"
    if parts:
        return f"there is no config.json at the top; subfolders have one: {shown}"
    if "params.json" in found:
        return "there is no config.json, only another library's params.json"
    return "there is no config.json"


def only_pytorch(names: Iterable[str]) -> bool:
    """Whether the weights are there as ``pytorch_model*.bin``, and not as safetensors."""
    found = list(names)
    return any(_OTHER_FORMS[0][0].fullmatch(name) for name in found) and not any(
        name.endswith(".safetensors") and "/" not in name for name in found
    )
