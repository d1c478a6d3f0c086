"""The steps that make every table of the pinned libraries, in the order of what they read.

A step makes parts: one for each model type, or a single one. A part is made in a process of its own
(:mod:`hfkv.generate.work`); what several parts come to together (an index, a table of all types) is
put together from their pieces, and from the old table for the parts that there is nothing new of.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hfkv.generate.committed import blob_of, committed, text_of
from hfkv.generate.meta_kernels import compiled_shapes
from hfkv.generate.pins import ROOT
from hfkv.generate.step import (
    DATA,
    Pieces,
    Step,
    Wanted,
    every_pair,
    generating_types,
    gone_files,
    path_of,
    stored,
    types_of,
)
from hfkv.generate.work import Made

__all__ = ["STEPS"]

GOLDENS = Path("tests", "fixtures", "cache_goldens")
CONFIGS = ROOT.parent / "shared" / "data" / "configs"
# The config classes.


def _class(model_type: str) -> Made:
    from hfkv.generate.config_classes import entry, text
    from hfkv.live.build import transformers

    mapping = transformers().CONFIG_MAPPING
    if model_type not in mapping:
        return Made(piece={"nested": [], "there": False})
    found = entry(mapping[model_type], model_type)
    found["architectures"] = generating_types().get(model_type, [])
    nested = list(found["sub_configs"].values())
    file = {path_of("classes", f"{model_type}.json"): text(f"{model_type}.json", found)}
    return Made(files=file, piece={"nested": nested, "there": True})


def _classes(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    from hfkv.generate.config_classes import text
    from hfkv.live.build import transformers

    old = stored("classes", "INDEX.json")["types"]
    generating = generating_types()
    found = {name for name, piece in pieces.items() if piece["there"]}
    every = set(transformers().CONFIG_MAPPING)
    kept = set() if complete else set(old) & every
    names = sorted(found | kept)
    types = {name: generating.get(name, []) for name in names}
    index = {"transformers": transformers().__version__, "types": types}
    files = gone_files("classes", names)
    return {**files, path_of("classes", "INDEX.json"): text("INDEX.json", index)}


# The module tables.


def _table(model_type: str) -> Made:
    from hfkv.generate.module_tables import generate, text

    ((_, content),) = generate({model_type})
    if isinstance(content, str):
        return Made(piece={"refused": content}, notes=[f"no module table: {content}"])
    file = {path_of("modules", f"{model_type}.json"): text(content)}
    return Made(files=file, piece={"classes": list(content["classes"])})


def _tables(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    from hfkv.generate.module_tables import index_text
    from hfkv.live.build import transformers

    old, generating = stored("modules", "INDEX.json"), generating_types()
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
    files = gone_files("modules", index["types"])
    for path in files:
        (ROOT / path).unlink()  # before the index says what is a part of what
    return {path_of("modules", "INDEX.json"): index_text(index)}


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
        old = stored(made.TARGET.name)
        found: dict[str, Any] = {}
        for model_type, names in generating_types().items():
            fresh = pieces.get(model_type)
            found.update(
                {name: old[name] for name in names if name in old} if fresh is None else fresh[key]
            )
        files[path_of(made.TARGET.name)] = made.text(dict(sorted(found.items())))
    return files


# The plans.


def _plan(model_type: str) -> Made:
    from hfkv.generate.plan_again import again
    from hfkv.generate.plans import text
    from hfkv.modules.table import tables_of

    file = path_of("plans", f"{model_type}.json")
    held = stored("plans", f"{model_type}.json")["classes"] if (ROOT / file).exists() else {}
    changed = _differs(path_of("modules", f"{model_type}.json"))
    known = {table.architecture for table in tables_of(model_type)}
    found: dict[str, Any] = {}
    became: dict[str, str] = {}
    for name in generating_types()[model_type]:
        if name not in known:
            continue
        if name not in held and not changed:
            became[name] = "no plan, as before"  # none was found in all the time that was given
            continue
        try:
            found[name], became[name] = again(model_type, name, held.get(name), changed=changed)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:200]
            found[name], became[name] = {"refused": why}, "failed"
    notes = [f"{name}: {said}" for name, said in became.items() if said != "holds"]
    return Made(files={file: text(found)} if found else {}, piece=became, notes=notes)


def _differs(path: str) -> bool:
    """Whether a file is another one than the committed one, or a new one."""
    return blob_of(ROOT / path) != committed().get(path)


def _plans(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    return gone_files("plans", stored("modules", "INDEX.json")["types"])


#: Configs that must bear out again what was proved of an older release.
_BORNE_AGAIN = 6


def _parts_of(model_type: str) -> Made:
    """What a class's parts may be: what they could be before, and what is new of the two."""
    from hfkv.generate.plan_parts import BORNE, TARGET, generate, held

    old, tried = stored(TARGET.name), _tried_before()

    def borne(name: str, path: str, other: str) -> int:
        if not {model_type, other} <= tried:
            return BORNE
        return _BORNE_AGAIN if other in old.get(name, {}).get(path, ()) else 0

    return Made(piece=held(generate({model_type}, borne=borne)))


@cache
def _tried_before() -> frozenset[str]:
    """Types that were tried as parts, or around them, of the release before."""
    index = json.loads(text_of(path_of("modules", "INDEX.json")))
    return frozenset({*index["types"], *index["parts"]})


def _parts(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    from hfkv.generate.plan_parts import TARGET, text

    old = stored(TARGET.name)
    tried = {name for kind, name in every_pair() if kind in pieces}
    kept = {name: parts for name, parts in old.items() if name not in tried}
    for piece in pieces.values():
        kept.update(piece)
    return {path_of(TARGET.name): text(kept)}


def _plan_types(wanted: Wanted) -> list[str]:
    tables = stored("modules", "INDEX.json")["types"]
    return [name for name in types_of(wanted) if name in tables]


# The rows of the cache.


def _rows(_: str) -> Made:
    from hfkv.generate.cache_rows import text

    return Made(files={path_of("cache_rows.json"): text()})


def _without_row(wanted: Wanted) -> list[str]:
    from hfkv.cache.registry import FAMILIES

    return [name for name in types_of(wanted) if name not in FAMILIES]


def _adopted(model_type: str) -> Made:
    from hfkv.generate.adopt import adopted

    return adopted(model_type, count=60, folder=CONFIGS if CONFIGS.is_dir() else None)


def _adoptions(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    from hfkv.generate.adopt import rows_with

    return {path_of(name): text for name, text in rows_with(pieces).items()}


# What PEFT holds, and the releases.


def _peft(_: str) -> Made:
    from hfkv.generate import peft_facts, peft_methods

    return Made(
        files={
            path_of("peft.json"): peft_facts.text(),
            path_of("peft_methods.json"): peft_methods.text(),
        }
    )


def _releases(_: str) -> Made:
    from hfkv.generate.releases import text, with_release
    from hfkv.live.build import transformers

    library = transformers()
    version = library.__version__
    table = with_release(stored("releases.json"), version, list(library.CONFIG_MAPPING))
    return Made(files={path_of("releases.json"): text(table)})


# The recordings that the tests hold hfkv against.


def _recorded_caches(model_type: str) -> Made:
    from tests.census.goldens import made

    compiled_shapes()
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

    return [name for name in types_of(wanted) if name in ROWS and ROWS[name].basis == "exact"]


def _recordings(pieces: Pieces, complete: bool) -> dict[str, str | None]:
    every = set(every_pair())
    found: dict[str, str | None] = {}
    for path in sorted((ROOT / GOLDENS).glob("*.json")):
        held = json.loads(path.read_text(encoding="utf-8"))
        if (held["model_type"], held["class"]) not in every:
            found[(GOLDENS / path.name).as_posix()] = None
    return found


def _recorded_adapters(model_type: str) -> Made:
    from tests.census.lora_goldens import record

    names = stored("modules", "INDEX.json")["types"][model_type]
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
        parts=types_of,
        make=_class,
        then=_nested,
        finish=_classes,
    ),
    Step(name="rows", source=(f"{_HERE}cache_rows",), make=_rows, reads=_rows_source),
    Step(
        name="modules",
        source=(f"{_HERE}module_tables",),
        parts=types_of,
        make=_table,
        finish=_tables,
    ),
    Step(
        name="loading",
        source=(f"{_HERE}ignored_weights", f"{_HERE}loaded_otherwise"),
        parts=types_of,
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
        name="parts",
        source=(f"{_HERE}plan_parts",),
        parts=_plan_types,
        make=_parts_of,
        finish=_parts,
        reads=lambda name: [ROOT / DATA / "plans" / f"{name}.json"],
        old=lambda _: [DATA / "plan_parts.json"],
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
