"""Which GGUF files of a repository are the model: one rendering of the several there may be.

A repository of GGUF files holds one model many times over, once in each quantization, some in
parts and some in folders. Heads and layers are the same in all of them; only the bytes of the
weights differ, so the choice is by rule and is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from hfkv.errors import HeaderError, NotFoundError
from hfkv.reading import printable

__all__ = ["choose_gguf"]

_PART = re.compile(r"(.+)-([0-9]{5})-of-([0-9]{5})\.gguf", re.IGNORECASE)
#: Projectors and importance matrices: beside the model, and not it.
_BESIDE = re.compile(r"mmproj|imatrix", re.IGNORECASE)
#: Models that predict ahead for the model; where there is nothing else they are the model.
_DRAFT = re.compile(r"(?:^|[-_./])(?:mtp|draft|eagle3?)(?:[-_./]|$)", re.IGNORECASE)
_TAG = re.compile(
    r"(?<![A-Za-z0-9])(BF16|F16|FP16|F32|FP32|MXFP4|NVFP4|I?Q[1-8]|TQ[12])(?:_([A-Za-z0-9_]+))?",
    re.IGNORECASE,
)
#: The plain types first: the model as it was made, in no more bytes than it needs.
_PLAIN = {"BF16": 0, "F16": 1, "FP16": 1, "F32": 2, "FP32": 2}


def choose_gguf(
    names: Iterable[str], *, where: str, wanted: str | None = None
) -> tuple[list[str], str]:
    """The files of one rendering, in order of their parts, and a sentence on the choice.

    The rule: unquantized before quantized (bf16, f16, f32), then the most bits, then the name.

    Args:
        names: of all files.
        where: for messages.
        wanted: a quantization (``Q4_K_M``) or a file's name, to have that one.

    Raises:
        HeaderError: parts of the chosen one are missing.
        NotFoundError: none, or more than one, is the one that is wanted.
    """
    groups: dict[str, dict[int, str]] = {}
    totals: dict[str, int] = {}
    found = [name for name in names if name.lower().endswith(".gguf") and not _BESIDE.search(name)]
    found = [name for name in found if not _DRAFT.search(name)] or found
    for name in found:
        part = _PART.fullmatch(name)
        stem = f"{part.group(1)}\0{part.group(3)}" if part else name
        groups.setdefault(stem, {})[int(part.group(2)) if part else 1] = name
        totals[stem] = int(part.group(3)) if part else 1
    if wanted is not None:
        stem = _named(wanted, groups, where)
    elif not groups:
        return [], ""
    else:
        stem = min(groups, key=lambda item: (_rank(item), item))
    numbers, total = groups[stem], totals[stem]
    if sorted(numbers) != list(range(1, total + 1)):
        missing = next(number for number in range(1, total + 2) if number not in numbers)
        raise HeaderError(
            f"part {missing} of {total} of the GGUF is missing",
            where=f"{where}: {printable(stem.split(chr(0))[0])}",
            expected=f"{total} files -NNNNN-of-{total:05d}.gguf",
        )
    files = [numbers[number] for number in sorted(numbers)]
    note = f"read from the header of {printable(files[0])}"
    if total > 1:
        note += f" and its {total - 1} other parts"
    if len(groups) > 1 and wanted is None:
        note += (
            f", one of {len(groups)} renderings of the model here (unquantized first, then the "
            "most bits): layers and heads are the same in all, bytes of weights are not"
        )
    return files, note


def _named(wanted: str, groups: Mapping[str, Mapping[int, str]], where: str) -> str:
    """The one rendering that is called so: by its file, or by how the name ends."""
    asked = wanted.lower()
    exact = [
        stem for stem, files in groups.items() if asked in (name.lower() for name in files.values())
    ]
    ending = re.compile(rf"(?:^|[-._/]){re.escape(asked.removesuffix('.gguf'))}$")
    found = exact or [
        stem
        for stem in groups
        if ending.search(_plain_stem(stem)) or ending.search(_plain_stem(stem).rpartition("/")[0])
    ]
    if len(found) == 1:
        return found[0]
    files = sorted(min(groups[stem].values()) for stem in found or groups)
    raise NotFoundError(
        f"{len(found) or 'no'} GGUF files are called {printable(wanted)}",
        where=where,
        expected=f"one of {printable(', '.join(files), 600)}" if files else "GGUF files",
        hint="name a quantization such as Q4_K_M, or a file, after the colon",
    )


def _plain_stem(stem: str) -> str:
    return stem.split("\0")[0].lower().removesuffix(".gguf")


def _rank(stem: str) -> tuple[int, int, int, str]:
    """Smaller is preferred."""
    # In the file's own name, else in that of its folder.
    tags = _TAG.findall(stem.rpartition("/")[2].split("\0")[0]) or _TAG.findall(stem)
    if not tags:
        return (2, 0, 0, "")
    kind, rest = tags[-1][0].upper(), tags[-1][1].upper()
    if kind in _PLAIN:
        return (0, _PLAIN[kind], 0, "")
    digits = re.search(r"[0-9]", kind.removeprefix("MXFP").removeprefix("NVFP"))
    # Of the same number of bits the larger mixtures come first: XL, L, M, S, XS, XXS.
    sizes = ["XL", "L", "", "M", "S", "XS", "XXS"]
    size = next((part for part in reversed(rest.split("_")) if part in sizes), "")
    return (1, -int(digits.group() if digits else 0), sizes.index(size), kind)
