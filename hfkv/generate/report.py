"""What another release changed, for a human: the tables of two folders, compared by what they say.

In Markdown, short enough for the text of a pull request: what does not fit is counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from hfkv.dtypes import canonical, nbytes
from hfkv.generate.committed import unpack
from hfkv.generate.environment import variables
from hfkv.generate.figures import ENCODER, TOKENS
from hfkv.generate.pins import ROOT
from hfkv.generate.work import Outcome

__all__ = ["Tables", "compared", "report"]

#: Lines of one section, and characters of the whole: GitHub takes 65,536.
_LINES, _CHARACTERS = 60, 60_000


class Tables:
    """The tables and recordings of a checkout, or of a part of one.

    Args:
        root: the folder that ``hfkv/data`` is in.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = root / "hfkv" / "data"

    def read(self, *path: str) -> Any:
        """A table; an empty one where there is none."""
        place = self.data.joinpath(*path)
        return json.loads(place.read_text(encoding="utf-8")) if place.is_file() else {}

    def types(self) -> dict[str, list[str]]:
        """Each type to its text-generating classes."""
        found: dict[str, list[str]] = self.read("classes", "INDEX.json").get("types", {})
        return found

    def plans(self) -> dict[str, dict[str, Any]]:
        """``TYPE CLASS`` to its plan, or to why it has none."""
        return {
            f"{path.stem} {name}": content
            for path in sorted((self.data / "plans").glob("*.json"))
            for name, content in self.read("plans", path.name)["classes"].items()
        }

    def recorded(self) -> dict[str, dict[str, Any]]:
        """Name of each recorded cache to the lengths and what its layers kept."""
        folder = self.root / "tests" / "fixtures" / "cache_goldens"
        return {path.stem: json.loads(path.read_bytes()) for path in sorted(folder.glob("*.json"))}

    def figures(self) -> dict[str, dict[str, Any]]:
        """``TYPE CLASS`` to what hfkv says of the default config."""
        command = [sys.executable, "-m", "hfkv.generate.figures", str(self.data)]
        asked = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=ROOT, env=variables()
        )
        found: dict[str, dict[str, Any]] = json.loads(asked.stdout)
        return found


def report(
    versions: Mapping[str, str],
    outcomes: Mapping[str, Outcome],
    *,
    types: Sequence[str] = (),
    tests: Iterable[str] = (),
) -> str:
    """The report of a run: the committed tables, and those that are there now.

    Args:
        tests: what the tests said, a line each.
    """
    with tempfile.TemporaryDirectory() as folder:
        old = Tables(unpack(Path(folder)))
        return compared(old, Tables(ROOT), versions, outcomes, types=types, tests=tests)


def compared(
    old: Tables,
    new: Tables,
    versions: Mapping[str, str],
    outcomes: Mapping[str, Outcome],
    *,
    types: Sequence[str] = (),
    tests: Iterable[str] = (),
) -> str:
    """The report of two folders of tables."""
    before, after = _releases(old), _releases(new)
    parts = [_title(before, after)]
    parts.append(
        f"Made by `python -m hfkv.generate all` with "
        f"{', '.join(f'{name} {version}' for name, version in versions.items())}. "
        "Nothing here was written by hand, and nothing was judged by a human."
    )
    if types:
        parts.append(f"**Only of {', '.join(types)}**: the tables of all other types are the old.")
    figures = old.figures(), new.figures()
    sections = [
        ("Tests", list(tests)),
        ("New types", list(_new_types(old, new, figures[1], outcomes))),
        ("Types gone", sorted(set(_generating(old)) - set(_generating(new)))),
        ("Changed figures", list(_changed_figures(*figures))),
        ("Changed recordings of caches", list(_changed_recordings(old, new))),
        ("Changed defaults", list(_changed_defaults(old, new))),
        ("Changed module tables", list(_changed_tables(old, new))),
        ("Plans of modules", list(_changed_plans(old, new))),
        ("PEFT", list(_changed_facts(old, new))),
        ("Could not be made again", list(_failures(outcomes))),
        ("Not proved", list(_unproved(new, outcomes))),
    ]
    new_ones = sum(name not in set(_generating(old)) for name in _generating(new))
    counts = {title: len(lines) for title, lines in sections} | {"New types": new_ones}
    del counts["Tests"]
    parts.append("\n".join(f"- {title}: {count or 'none'}" for title, count in counts.items()))
    parts += [f"## {title}\n\n{_listed(lines)}" for title, lines in sections if lines]
    parts.append(_times(outcomes))
    text = "\n\n".join(part for part in parts if part) + "\n"
    if len(text) > _CHARACTERS:
        text = f"{text[:_CHARACTERS].rpartition(chr(10))[0]}\n\n(cut here)\n"
    return text


def _releases(tables: Tables) -> dict[str, str]:
    facts = tables.read("peft.json")
    made = tables.read("classes", "INDEX.json").get("transformers", "none")
    return {"transformers": made, "PEFT": facts.get("peft", "none")}


def _title(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    moved = [
        f"{name} {before[name]} to {after[name]}" for name in before if before[name] != after[name]
    ]
    same = ", ".join(f"{name} {version}" for name, version in after.items())
    return f"# Tables of {', '.join(moved) or same}"


def _listed(lines: Sequence[str]) -> str:
    shown = [f"- {line}" for line in lines[:_LINES]]
    if len(lines) > _LINES:
        shown.append(f"- and {len(lines) - _LINES} more")
    return "\n".join(shown)


def _generating(tables: Tables) -> list[str]:
    return [name for name, classes in tables.types().items() if classes]


def _said(value: Any) -> str:
    """A value as it stands in a line."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return f"`{_plain(text, 120)}`"


def _plain(text: str, most: int = 200) -> str:
    """A text of a library within a line of Markdown: nothing in it may end a span of code, or be
    read as a mention, a link or a tag."""
    line = " ".join(text.split()).replace("`", "'")
    return f"{line[:most]}..." if len(line) > most else line


def _new_types(
    old: Tables,
    new: Tables,
    figures: Mapping[str, Mapping[str, Any]],
    outcomes: Mapping[str, Outcome],
) -> Iterator[str]:
    known, adopted = set(_generating(old)), new.read("adopted.json")
    rows, proofs = new.read("cache_rows.json"), new.read("adopted_proofs.json")
    plans, notes = new.plans(), _notes(outcomes, "adopt")
    for model_type, classes in new.types().items():
        if model_type in known or not classes:
            continue
        like = adopted.get(model_type)
        row = "no cache row"
        if like:
            row = f"cache as {like}, which {proofs[model_type]['configs']} configs bore out"
        elif model_type in rows:
            row = f"cache by its row in `hfkv/cache/rows/{rows[model_type]}.py`"
        yield f"**{model_type}**: {row}"
        for name in classes:
            said = figures.get(f"{model_type} {name}", {})
            plan = plans.get(f"{model_type} {name}", {"refused": "none was made"})
            proved = "plan proved" if "modules" in plan else f"no plan: {_said(plan['refused'])}"
            yield (
                f"{model_type} {name}: cache at {TOKENS:,} tokens {_figure(said.get('kv'), 'B')}, "
                f"LoRA r=8 all-linear {_figure(said.get('lora'), 'parameters')}; {proved}"
            )
        if not like:
            yield from (
                f"{model_type}: `{_plain(line, 300)}`" for line in notes.get(model_type, [])
            )


def _figure(value: Any, unit: str) -> str:
    if value is None:
        return "unknown"
    return f"{value:,} {unit}" if isinstance(value, int) else "refused"


def _changed_figures(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    """What hfkv says otherwise of the default config of a class that both have."""
    words = {
        "kv": f"cache at {TOKENS:,} tokens (an encoder's {ENCODER:,})",
        "lora": "LoRA r=8 all-linear",
    }
    for key in before:
        for figure, word in words.items() if key in after else ():
            one, other = before[key][figure], after[key][figure]
            if one == other or (isinstance(one, str) and isinstance(other, str)):
                continue
            yield f"{key}, {word}: {_said(one)} to {_said(other)}{_per_token(figure, one, other)}"


def _per_token(figure: str, one: Any, other: Any) -> str:
    if figure != "kv" or isinstance(one, str) or isinstance(other, str):
        return ""
    return f" ({one / TOKENS:,.1f} to {other / TOKENS:,.1f} B for each token)"


def _changed_recordings(old: Tables, new: Tables) -> Iterator[str]:
    """What the classes themselves keep otherwise: the first length at which it differs."""
    before, after = old.recorded(), new.recorded()
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield f"{name}: no longer recorded"
        elif name in before:
            runs = zip(before[name]["runs"], after[name]["runs"], strict=False)
            for one, other in runs:
                same = all(one.get(key) == other.get(key) for key in ("tokens", "encoder_tokens"))
                if not same:
                    yield f"{name}: recorded at other lengths"
                elif one["layers"] != other["layers"]:
                    yield (
                        f"{name} at {one['tokens']:,} tokens: {_bytes(one)} to {_bytes(other)} B"
                    )
                if not same or one["layers"] != other["layers"]:
                    break


def _bytes(run: Mapping[str, Any]) -> str:
    total = sum(
        count * nbytes(prod(shape), canonical(dtype))
        for count, layer in run["layers"]
        for _, shape, dtype in layer
    )
    return f"{total:,}"


#: Parts of a class's file whose entries are told one by one.
_TOLD = ("defaults", "keyword_defaults", "filled_nulls", "attribute_map", "sub_configs")


def _changed_defaults(old: Tables, new: Tables) -> Iterator[str]:
    for model_type in old.types():
        one = old.read("classes", f"{model_type}.json")
        other = new.read("classes", f"{model_type}.json")
        if one == other or not one or not other:
            continue
        for part in dict.fromkeys([*one, *other]):
            if part not in _TOLD:
                if one.get(part) != other.get(part):
                    yield f"{model_type}: {part} {_said(one.get(part))} to {_said(other.get(part))}"
                continue
            mine, theirs = one.get(part, {}), other.get(part, {})
            where = model_type if part == "defaults" else f"{model_type}, {part}"
            yield from _changed_keys(where, mine, theirs)


def _changed_keys(where: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*one, *other]):
        if key not in other:
            yield f"{where}: `{key}` is gone (was {_said(one[key])})"
        elif key not in one:
            yield f"{where}: `{key}` is new: {_said(other[key])}"
        elif one[key] != other[key]:
            yield f"{where}: `{key}` {_said(one[key])} to {_said(other[key])}"


def _changed_tables(old: Tables, new: Tables) -> Iterator[str]:
    for model_type in old.types():
        one = old.read("modules", f"{model_type}.json").get("classes", {})
        other = new.read("modules", f"{model_type}.json").get("classes", {})
        for name in one.keys() & other.keys():
            if one[name] == other[name]:
                continue
            mine, theirs = ({row[0]: row for row in t[name]["modules"]} for t in (one, other))
            changed = [key for key in mine.keys() & theirs.keys() if mine[key] != theirs[key]]
            counts = {
                "new": sorted(theirs.keys() - mine.keys()),
                "gone": sorted(mine.keys() - theirs.keys()),
                "changed": sorted(changed),
            }
            parts = [
                f"{len(names)} modules {word} ({_plain(', '.join(names), 80)})"
                for word, names in counts.items()
                if names
            ]
            others = [
                key
                for key in dict.fromkeys([*one[name], *other[name]])
                if key != "modules" and one[name].get(key) != other[name].get(key)
            ]
            yield f"{model_type} {name}: {'; '.join([*parts, *others])}"


def _changed_plans(old: Tables, new: Tables) -> Iterator[str]:
    before, after = old.plans(), new.plans()
    for key in sorted(before.keys() | after.keys()):
        had, has = ("modules" in plans.get(key, {}) for plans in (before, after))
        if has and not had:
            yield f"{key}: newly proved"
        elif had and not has:
            yield f"{key}: **lost**, {_said(after.get(key, {}).get('refused', 'the type is gone'))}"
        elif has and before[key] != after[key]:
            yield f"{key}: another plan"


def _changed_facts(old: Tables, new: Tables) -> Iterator[str]:
    one, other = old.read("peft.json"), new.read("peft.json")
    for part in dict.fromkeys([*one, *other]):
        mine, theirs = one.get(part), other.get(part)
        if mine == theirs or part in ("peft", "transformers"):
            continue
        if isinstance(mine, dict) and isinstance(theirs, dict):
            yield from _changed_keys(f"LoRA, {part}", mine, theirs)
        else:
            yield f"LoRA, {part}: {_said(mine)} to {_said(theirs)}"
    one, other = (table.read("peft_methods.json").get("methods", {}) for table in (old, new))
    for name in dict.fromkeys([*one, *other]):
        if name not in other or name not in one:
            yield f"the method {name} is {'gone' if name not in other else 'new'}"
        else:
            yield from _changed_keys(name, one[name]["fields"], other[name]["fields"])


def _failures(outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """Where the old table stands."""
    for step, outcome in outcomes.items():
        for name, why in outcome.failed.items():
            yield f"{step}, {name}: `{_plain(why)}`"
        if outcome.left:
            names = ", ".join(outcome.left[:8])
            more = f" and {len(outcome.left) - 8} more" if len(outcome.left) > 8 else ""
            yield f"{step}: no time was left for {names}{more}; begun again, it goes on there"


def _notes(outcomes: Mapping[str, Outcome], step: str) -> Mapping[str, list[str]]:
    return outcomes[step].notes if step in outcomes else {}


def _unproved(new: Tables, outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    """What the new release leaves open, old or new: rows, tables, plans and recordings."""
    adopted, rows = new.read("adopted.json"), new.read("cache_rows.json")
    for model_type in _generating(new):
        if model_type not in adopted and model_type not in rows:
            yield f"{model_type}: no row of a cache"
    for model_type, why in new.read("modules", "INDEX.json").get("refused", {}).items():
        yield f"{model_type}: no module table, {_said(why)}"
    for key, plan in new.plans().items():
        if "modules" not in plan:
            yield f"{key}: no plan, {_said(plan['refused'])}"
    for lines in _notes(outcomes, "caches").values():
        yield from (f"`{_plain(line)}`" for line in lines)


def _times(outcomes: Mapping[str, Outcome]) -> str:
    if not outcomes:
        return ""
    rows = [
        f"| {name} | {len(outcome.made)} | {len(outcome.kept)} | {len(outcome.failed)} | "
        f"{outcome.seconds[0]:,.0f} | {outcome.seconds[1]:,.0f} |"
        for name, outcome in outcomes.items()
    ]
    head = "| step | made | kept from before | failed | processor seconds | by the clock |"
    return "\n".join(
        ["## What was made", "", head, "| --- | ---: | ---: | ---: | ---: | ---: |", *rows]
    )
