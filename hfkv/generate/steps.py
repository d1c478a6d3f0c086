"""The steps that make every table of the pinned libraries, in the order of what they read.

A step makes parts: one for each model type, or a single one. A part is made in a process of its own
(:mod:`hfkv.generate.work`); what several parts come to together (an index, a table of all types) is
put together from their pieces, and from the old table for the parts that there is nothing new of.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfkv.generate.committed import blob_of, committed
from hfkv.generate.pins import ROOT
from hfkv.generate.work import Made

__all__ = ["STEPS", "Step", "Wanted"]

DATA = Path("hfkv", "data")
GOLDENS = Path("tests", "fixtures", "cache_goldens")
CONFIGS = ROOT.parent / "shared" / "data" / "configs"
#: The one part of a step that has no types.
WHOLE = "all"
Pieces = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which types are asked for: all where none is named."""

    types: tuple[str, ...] = ()

    def __contains__(self, model_type: str) -> bool:
        return not self.types or model_type in self.types


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One table, or the tables of one kind.

    Attributes:
        name: what it is called.
        source: the modules that make it; what they import is part of a part's mark.
        parts: which parts there are to make.
        make: one part.
        finish: the files of all parts together, from the pieces that there are, and whether these
            are of all types; those that are gone are only then known.
        reads: files that a part is made from, beside the libraries.
        old: files whose committed state a part is made from.
        then: parts that a piece shows to be wanted too.
    """

    name: str
    source: tuple[str, ...]
    make: Callable[[str], Made]
    parts: Callable[[Wanted], Iterable[str]] = lambda _: [WHOLE]
    finish: Callable[[Pieces, bool], dict[str, str | None]] = lambda *_: {}
    reads: Callable[[str], Iterable[Path]] = lambda _: ()
    old: Callable[[str], Iterable[Path]] = lambda _: ()
    then: Callable[[Any], Iterable[str]] = lambda _: ()


def _path(*parts: str) -> str:
    return DATA.joinpath(*parts).as_posix()


def _stored(*parts: str) -> Any:
    return json.loads((ROOT / DATA).joinpath(*parts).read_text(encoding="utf-8"))


def _gone(folder: str, names: Iterable[str]) -> dict[str, str | None]:
    """The files of a folder that are of no type in these names."""
    kept = {*names, "INDEX"}
    paths = sorted((ROOT / DATA / folder).glob("*.json"))
    return {_path(folder, path.name): None for path in paths if path.stem not in kept}


def _pairs() -> list[tuple[str, str]]:
    from hfkv.live.build import pairs

    return list(pairs())


def _generating() -> dict[str, list[str]]:
    """The types that generate text, to their classes."""
    found: dict[str, list[str]] = {}
    for model_type, name in _pairs():
        found.setdefault(model_type, []).append(name)
    return found


def _types(wanted: Wanted) -> list[str]:
    return [name for name in _generating() if name in wanted]


# The config classes.


def _class(model_type: str) -> Made:
    from hfkv.generate.config_classes import entry, text
    from hfkv.live.build import transformers

    mapping = transformers().CONFIG_MAPPING
    if model_type not in mapping:
        return Made(piece={"nested": [], "there": False})
    found = entry(mapping[model_type], model_type)
    found["architectures"] = _generating().get(model_type, [])
    nested = list(found["sub_configs"].values())
    file = {_path("classes", f"{model_type}.json"): text(f"{model_type}.json", found)}
    return Made(files=file, piece={"nested": nested, "there": True})


def _classes(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    from hfkv.generate.config_classes import text
    from hfkv.live.build import transformers

    old = _stored("classes", "INDEX.json")["types"]
    generating = _generating()
    found = {name for name, piece in pieces.items() if piece["there"]}
    every = set(transformers().CONFIG_MAPPING)
    kept = set() if complete else set(old) & every
    names = sorted(found | kept)
    types = {name: generating.get(name, []) for name in names}
    index = {"transformers": transformers().__version__, "types": types}
    files = _gone("classes", names)
    return {**files, _path("classes", "INDEX.json"): text("INDEX.json", index)}


# The module tables.


def _table(model_type: str) -> Made:
    from hfkv.generate.module_tables import generate, text

    ((_, content),) = generate({model_type})
    if isinstance(content, str):
        return Made(piece={"refused": content}, notes=[f"no module table: {content}"])
    file = {_path("modules", f"{model_type}.json"): text(content)}
    return Made(files=file, piece={"classes": list(content["classes"])})


def _tables(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    from hfkv.generate.module_tables import index_text
    from hfkv.live.build import transformers

    old, generating = _stored("modules", "INDEX.json"), _generating()
    index: dict[str, Any] = {"transformers": transformers().__version__, "types": {}, "refused": {}}
    for name in generating:
        piece = pieces.get(name, {})
        if "classes" in piece:
            index["types"][name] = piece["classes"]
        elif name in old["types"]:
            # The table of an older release: the census holds it against the class.
            index["types"][name] = old["types"][name]
        elif "refused" in piece or name in old["refused"]:
            index["refused"][name] = piece.get("refused") or old["refused"][name]
    files = _gone("modules", index["types"])
    for path in files:
        (ROOT / path).unlink()  # before the index says what is a part of what
    return {_path("modules", "INDEX.json"): index_text(index)}


# How weights are loaded.


def _loading(model_type: str) -> Made:
    from hfkv.generate import ignored_weights, loaded_otherwise

    types = {model_type}
    ignored, otherwise = ignored_weights.generate(types), loaded_otherwise.generate(types)
    return Made(piece={"ignored": ignored, "otherwise": otherwise})


def _loadings(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    from hfkv.generate import ignored_weights, loaded_otherwise

    files: dict[str, str | None] = {}
    for key, made in (("ignored", ignored_weights), ("otherwise", loaded_otherwise)):
        old = _stored(made.TARGET.name)
        found: dict[str, Any] = {}
        for model_type, names in _generating().items():
            fresh = pieces.get(model_type)
            found.update(
                {name: old[name] for name in names if name in old} if fresh is None else fresh[key]
            )
        files[_path(made.TARGET.name)] = made.text(dict(sorted(found.items())))
    return files


# The plans.


def _plan(model_type: str) -> Made:
    from hfkv.generate.plan_again import again
    from hfkv.generate.plans import text
    from hfkv.modules.table import tables_of

    file = _path("plans", f"{model_type}.json")
    stored = _stored("plans", f"{model_type}.json")["classes"] if (ROOT / file).exists() else {}
    changed = _differs(_path("modules", f"{model_type}.json"))
    known = {table.architecture for table in tables_of(model_type)}
    found: dict[str, Any] = {}
    became: dict[str, str] = {}
    for name in _generating()[model_type]:
        if name not in known:
            continue
        try:
            found[name], became[name] = again(model_type, name, stored.get(name), changed=changed)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:200]
            found[name], became[name] = {"refused": why}, "failed"
    notes = [f"{name}: {said}" for name, said in became.items() if said != "holds"]
    return Made(files={file: text(found)} if found else {}, piece=became, notes=notes)


def _differs(path: str) -> bool:
    """Whether a file is another one than the committed one."""
    there = committed().get(path)
    return there is not None and blob_of(ROOT / path) != there


def _plans(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    return _gone("plans", _stored("modules", "INDEX.json")["types"])


def _plan_types(wanted: Wanted) -> list[str]:
    tables = _stored("modules", "INDEX.json")["types"]
    return [name for name in _types(wanted) if name in tables]


# The rows of the cache.


def _rows(_: str) -> Made:
    from hfkv.generate.cache_rows import text

    return Made(files={_path("cache_rows.json"): text()})


def _without_row(wanted: Wanted) -> list[str]:
    from hfkv.cache.registry import FAMILIES

    return [name for name in _types(wanted) if name not in FAMILIES]


def _adopted(model_type: str) -> Made:
    from hfkv.generate.adopt import adopt, published, row_of_all
    from hfkv.live.build import transformers

    real = published(CONFIGS if CONFIGS.is_dir() else None, model_type)
    verdicts = [
        adopt(model_type, name, count=60, real=real, without=model_type)
        for name in _generating()[model_type]
    ]
    row = row_of_all(verdicts, transformers().__version__)
    notes = [line for verdict in verdicts for line in verdict.lines()]
    return Made(piece=row, notes=notes)


def _adoptions(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    from hfkv.generate.adopt import text

    old, generating = _stored("adopted.json"), _generating()
    found = {}
    for name in generating:
        row = pieces[name] if name in pieces else old.get(name)
        if row is not None:
            same = name in old and old[name]["like"] == row["like"]
            # What proved it first is as good as what proved it again.
            found[name] = old[name] if same else row
    return {_path("adopted.json"): text(found)}


# What PEFT holds, and the releases.


def _peft(_: str) -> Made:
    from hfkv.generate import peft_facts, peft_methods

    return Made(
        files={
            _path("peft.json"): peft_facts.text(),
            _path("peft_methods.json"): peft_methods.text(),
        }
    )


def _releases(_: str) -> Made:
    from hfkv.generate.releases import text, with_release
    from hfkv.live.build import transformers

    library = transformers()
    version = library.__version__
    table = with_release(_stored("releases.json"), version, list(library.CONFIG_MAPPING))
    return Made(files={_path("releases.json"): text(table)})


# The recordings that the tests hold hfkv against.


def _recorded_caches(model_type: str) -> Made:
    from tests.census.goldens import made

    files: dict[str, str | None] = {}
    notes = []
    for name, found in made([model_type]):
        if isinstance(found, str):
            files[(GOLDENS / f"{name}.json").as_posix()] = found
        else:
            notes.append(f"{name} was not recorded: {type(found).__name__} {found}"[:300])
    return Made(files=files, notes=notes)


def _with_exact_row(wanted: Wanted) -> list[str]:
    from hfkv.cache import ROWS

    return [name for name in _types(wanted) if name in ROWS and ROWS[name].basis == "exact"]


def _recordings(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    every = set(_pairs())
    found: dict[str, str | None] = {}
    for path in sorted((ROOT / GOLDENS).glob("*.json")):
        held = json.loads(path.read_text(encoding="utf-8"))
        if (held["model_type"], held["class"]) not in every:
            found[(GOLDENS / path.name).as_posix()] = None
    return found


def _recorded_adapters(model_type: str) -> Made:
    from tests.census.lora_goldens import record

    names = _stored("modules", "INDEX.json")["types"][model_type]
    return Made(piece=[record(model_type, name) for name in names])


def _adapters(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    from tests.census.lora_goldens import classes, records, write

    old = {(item["model_type"], item["class"]): item for item in records()}
    fresh = {(item["model_type"], item["class"]): item for made in pieces.values() for item in made}
    every = {**old, **fresh}
    write([every[key] for key in classes() if key in every])
    return {}


def _summary(_: str) -> Made:
    from tests.census.summary import TARGET, document

    return Made(files={TARGET.relative_to(ROOT).as_posix(): document()})


def _modules_file(model_type: str) -> Iterator[Path]:
    yield ROOT / DATA / "modules" / f"{model_type}.json"
    yield ROOT / DATA / "classes" / f"{model_type}.json"


def _rows_source(_: str) -> Sequence[Path]:
    return sorted((ROOT / "hfkv" / "cache").rglob("*.py"))


def _nested(piece: Any) -> list[str]:
    found: list[str] = piece["nested"]
    return found


_HERE = "hfkv.generate."
STEPS = (
    Step(
        name="classes",
        source=(f"{_HERE}config_classes",),
        parts=_types,
        make=_class,
        then=_nested,
        finish=_classes,
    ),
    Step(name="rows", source=(f"{_HERE}cache_rows",), make=_rows, reads=_rows_source),
    Step(
        name="modules", source=(f"{_HERE}module_tables",), parts=_types, make=_table, finish=_tables
    ),
    Step(
        name="loading",
        source=(f"{_HERE}ignored_weights", f"{_HERE}loaded_otherwise"),
        parts=_types,
        make=_loading,
        finish=_loadings,
    ),
    Step(name="peft", source=(f"{_HERE}peft_facts", f"{_HERE}peft_methods"), make=_peft),
    Step(
        name="releases",
        source=(f"{_HERE}releases",),
        make=_releases,
        old=lambda _: [DATA / "releases.json"],
    ),
    Step(
        name="adopt",
        source=(f"{_HERE}adopt",),
        parts=_without_row,
        make=_adopted,
        finish=_adoptions,
        reads=lambda name: [*_rows_source(name), *_modules_file(name)],
    ),
    Step(
        name="plans",
        source=(f"{_HERE}plan_again",),
        parts=_plan_types,
        make=_plan,
        finish=_plans,
        reads=_modules_file,
        old=lambda name: [DATA / "plans" / f"{name}.json"],
    ),
    Step(
        name="caches",
        source=("tests.census.goldens",),
        parts=_with_exact_row,
        make=_recorded_caches,
        finish=_recordings,
    ),
    Step(
        name="adapters",
        source=("tests.census.lora_goldens", "tests.census.lora_cases"),
        parts=_plan_types,
        make=_recorded_adapters,
        finish=_adapters,
    ),
    Step(
        name="summary",
        source=("tests.census.summary",),
        make=_summary,
        reads=lambda _: [
            *_rows_source(""),
            *(ROOT / DATA / name for name in ("adopted.json", "cache_rows.json", "releases.json")),
            ROOT / DATA / "classes" / "INDEX.json",
            *sorted((ROOT / GOLDENS).glob("*.json")),
            *sorted((ROOT / DATA / "modules").glob("*.json")),
        ],
    ),
)
