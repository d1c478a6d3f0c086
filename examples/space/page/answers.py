"""What the page asks of hfkv: one question of text and numbers, one answer of JSON.

It runs in the page's worker and computes nothing itself: it loads models, calls the public API and
hands on what that says, also in the words of hfkv's own tables.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import hfkv
from hfkv.comparison import Comparison, compare_model
from hfkv.errors import HfkvError
from hfkv.json_value import versioned
from hfkv.model import Model
from hfkv.reading import printable
from hfkv.source.progress import listening

#: Models that were read, by what was asked; those of the Hub until the page is left.
_READ: dict[tuple[str, str, str], Model | HfkvError] = {}
_TOKEN: list[str] = []
_LISTENERS: list[Callable[[str], None]] = []
#: Where dropped files are mounted, each group in a folder of its own.
_DROPPED = "/dropped/"


def endpoint(url: str) -> None:
    """Ask this Hub; a build of the page says which."""
    from huggingface_hub import constants

    constants.ENDPOINT = url.rstrip("/")


def listen(listener: Callable[[str], None]) -> None:
    """Tell this, in a few words, how far the network is."""
    _LISTENERS[:] = [listener]


def token(text: str) -> None:
    """Use this token from now on, or none; what was refused without it is asked again."""
    _TOKEN[:] = [text] if text else []
    for key in [key for key, found in _READ.items() if isinstance(found, HfkvError)]:
        del _READ[key]


def forget(name: str) -> None:
    """Read this model anew when it is next asked for."""
    for key in [key for key in _READ if key[0] == name]:
        del _READ[key]


async def answer(question: str) -> str:
    """The answer to a question, both as JSON.

    The question: ``models`` (ids, addresses or names of dropped groups), ``source`` for each,
    ``tokens``, ``batch``, ``rank``, ``targets``, ``kv_dtype``, ``lora_dtype``, ``engine``,
    ``engine_options``, and ``explain``: whether the arithmetic is wanted.
    """
    asked = json.loads(question)
    found = await _models(asked["models"], asked["sources"])
    value: dict[str, Any] = {"models": [], "table": None}
    try:
        options = _options(asked)
        results = [(name, _compared(model, options)) for name, model in found]
    except HfkvError as error:
        return json.dumps({**value, "error": _error(error)})
    value["models"] = [_shown(name, item, asked) for name, item in results]
    compared = [(name, item) for name, item in results if isinstance(item, Comparison)]
    if len(compared) > 1:
        from hfkv.render.compare_many import sheets

        value["table"] = [_sheet(item) for item in sheets(compared)]
    return json.dumps(value)


async def charts(question: str) -> str:
    """The numbers of both charts, of the models that have the figures they need."""
    from hfkv.comparison.series import over_rank, over_tokens

    asked = json.loads(question)
    options = _options(asked)
    found = [
        _compared(item, options) for _, item in await _models(asked["models"], asked["sources"])
    ]
    there = [
        item.model
        for item in found
        if isinstance(item, Comparison) and item.kv_cache is not None and item.lora is not None
    ]
    value: dict[str, Any] = {}
    for name, draw in (("tokens", over_tokens), ("rank", over_rank)):
        try:
            value[name] = draw(there, **options).to_json() if there else None
        except HfkvError as error:
            value[name] = {"error": _error(error)}
    return json.dumps(value)


async def copied(question: str, how: str) -> str:
    """The answer as text to paste: markdown, latex, json, python or command."""
    asked = json.loads(question)
    if how == "command":
        return _command(asked)
    if how == "python":
        return _python(asked)
    options = _options(asked)
    found = await _models(asked["models"], asked["sources"])
    results = [(name, _compared(model, options)) for name, model in found]
    if how == "json":
        return json.dumps([_json(name, item) for name, item in results], indent=2)
    from hfkv.render.compare_columns import tidy

    table = tidy(results)
    return table.latex() if how == "latex" else table.markdown()


async def _models(
    names: list[str], sources: Mapping[str, str]
) -> list[tuple[str, Model | HfkvError]]:
    """The models, those that were not read yet all at once."""
    keys = [(name, sources.get(name, "auto"), _TOKEN[0] if _TOKEN else "") for name in names]
    missing = [key for key in dict.fromkeys(keys) if key not in _READ]
    for source in dict.fromkeys(key[1] for key in missing):
        group = [key for key in missing if key[1] == source]
        places = [_place(key[0]) for key in group]
        kind: Any = source
        login = _TOKEN[0] if _TOKEN else False
        with listening(_told):
            loaded = await hfkv.aload_many(places, source=kind, token=login)
        _READ.update(zip(group, loaded, strict=True))
    return [(name, _READ[key]) for name, key in zip(names, keys, strict=True)]


def _told(text: str) -> None:
    for listener in _LISTENERS:
        listener(text)


def _place(name: str) -> str:
    folder = _DROPPED + name
    return folder if "/" not in name and os.path.isdir(folder) else name


def _options(asked: Mapping[str, Any]) -> dict[str, Any]:
    from hfkv.engines.named import named_engine
    from hfkv.peft.lora import LoraOptions

    kv_dtype, engine = asked.get("kv_dtype") or "auto", None
    if asked.get("engine"):
        engine = named_engine(asked["engine"], asked.get("engine_options"), dtype=kv_dtype)
        kv_dtype = kv_dtype if engine is None else "auto"
    return {
        "tokens": asked["tokens"],
        "batch": asked["batch"],
        "r": asked["rank"],
        "target_modules": LoraOptions.parse_targets(asked.get("targets") or "all-linear"),
        "kv_dtype": kv_dtype,
        "lora_dtype": asked.get("lora_dtype") or "auto",
        "engine": engine,
    }


def _compared(model: Model | HfkvError, options: Mapping[str, Any]) -> Comparison | HfkvError:
    return model if isinstance(model, HfkvError) else compare_model(model, **options)


def _shown(name: str, item: Comparison | HfkvError, asked: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(item, HfkvError):
        return {"name": name, "error": _error(item)}
    from hfkv.render.compare import sheets

    return {
        "name": name,
        "json": _json(name, item),
        "sheets": [_sheet(sheet) for sheet in sheets(item)],
        "quotes": _quotes(item),
        "refused": [
            printable(item.reasons[figure], 600)
            for figure in ("kv_cache", "lora")
            if figure in item.reasons
        ],
        "explain": item.explain() if asked.get("explain") else None,
    }


def _json(name: str, item: Comparison | HfkvError) -> dict[str, Any]:
    if isinstance(item, HfkvError):
        return versioned({"model": name, "error": _error(item)})
    return versioned(item.to_json())


def _error(error: HfkvError) -> dict[str, Any]:
    return {
        "type": type(error).__name__,
        "message": str(error),
        "what": printable(error.what, 600),
        "where": printable(error.where, 300),
        "expected": printable(error.expected, 600),
        "hint": printable(error.hint, 600),
    }


def _sheet(sheet: Any) -> dict[str, Any]:
    return {
        "title": sheet.title,
        "columns": list(sheet.columns),
        "rows": [list(row) for row in sheet.rows],
        "facts": [list(fact) for fact in sheet.facts],
        "notes": list(sheet.notes),
        "left": list(sheet.left),
        "drop": list(sheet.drop),
    }


def _quotes(item: Comparison) -> list[dict[str, Any]]:
    """The card's sentences, each with a link to its line where it is of a repository."""
    found = []
    for value in item.pretraining.to_json()["evidence"]:
        link = None
        if value.get("model") and value.get("file") == "README.md":
            from huggingface_hub import constants

            # Lines are those of a commit; of a record that names none, the card as it is now.
            page = f"{constants.ENDPOINT}/{value['model']}"
            link = f"{page}/blob/{value['commit'] or 'main'}/README.md"
            if value["commit"] and value["line"]:
                link += f"?code=true#L{value['line']}"
        found.append({**value, "link": link})
    return found


def _asked_beyond_defaults(asked: Mapping[str, Any]) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "tokens": 100_000,
        "batch": 1,
        "rank": 32,
        "targets": "all-linear",
        "kv_dtype": "auto",
        "lora_dtype": "auto",
    }
    return {
        name: asked[name]
        for name, usual in defaults.items()
        if asked.get(name) not in (None, usual)
    }


def _command(asked: Mapping[str, Any]) -> str:
    """The command that gives the same figures."""
    flags = {"targets": "--target-modules", "kv_dtype": "--kv-dtype", "lora_dtype": "--lora-dtype"}
    words = ["hfkv", "compare", *asked["models"]]
    for name, value in _asked_beyond_defaults(asked).items():
        words += [flags.get(name, f"--{name}"), str(value)]
    if asked.get("engine"):
        words += ["--engine", asked["engine"]]
        for field, value in (asked.get("engine_options") or {}).items():
            flag = asked["flags"][field]
            if value is True:
                words.append(flag)
            elif value is False:
                words.append(flag.replace("--", "--no-", 1))
            else:
                words += [flag, str(value)]
    return shlex.join(words)


def _python(asked: Mapping[str, Any]) -> str:
    """The call that gives the same figures."""
    names = {"rank": "r", "targets": "target_modules"}
    given = []
    for name, value in _asked_beyond_defaults(asked).items():
        shown = (
            _options({**asked, "engine": None})["target_modules"] if name == "targets" else value
        )
        given.append(f"{names.get(name, name)}={shown!r}")
    options = _options(asked)
    if options["engine"] is not None:
        made = options["engine"]
        kind = type(made)
        parts = ", ".join(f"{key}={_value(made, key)!r}" for key in _set_fields(made))
        given = [item for item in given if not item.startswith("kv_dtype=")]
        imported = f"from hfkv.engines import {kind.__name__}\n"
        given.append(f"engine={kind.__name__}({parts})")
    else:
        imported = ""
    models = ", ".join(repr(name) for name in asked["models"])
    call = ", ".join([models, *given])
    return (
        f"import hfkv\n{imported}\nfor item in hfkv.compare({call}):\n"
        "    print(item.model.model, item.context_bytes_per_token, item.lora_bytes_per_token)\n"
    )


def _set_fields(engine: Any) -> list[str]:
    from dataclasses import fields

    return [item.name for item in fields(engine) if _value(engine, item.name) != item.default]


def _value(engine: Any, name: str) -> Any:
    return getattr(engine, name)
