"""Write what was read into ``hfkv/data/statements.jsonl``.

    python -m hfkv.generate statements FILE.jsonl...

Each line of the working files is a JSON object with the exact sentence that was read as ``quote``;
what is kept is its fingerprint. A new line takes its ids from the lines that had them; what it says
otherwise is printed. Of an id that several working files have, the first line stands; where they
contradict each other, that is an error, and so is a line that is not as it should be.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from hfkv.pretraining.statement import TURNED
from hfkv.pretraining.statements import fingerprint

OUT = Path(__file__).parents[1] / "data" / "statements.jsonl"
SCOPES = ("pretraining", "continued", "stage", "not stated")
_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def main() -> None:
    """Write the file, or say what is wrong with what was read."""
    files = [Path(name) for name in sys.argv[1:] if name != "statements"]
    if not files:
        sys.exit("usage: python -m hfkv.generate statements FILE.jsonl...")
    lines: list[dict[str, Any]] = []
    faults: list[str] = []
    taken: dict[str, dict[str, Any]] = {}
    for file in files:
        for number, text in enumerate(file.read_text("utf-8").splitlines(), 1):
            if not text.strip():
                continue
            read = json.loads(text)
            if read.get("confidence") != "read":
                continue
            where = f"{file.name}:{number}"
            wrong = fault(read)
            if wrong:
                faults.append(f"{where}: {wrong}")
                continue
            kept: list[str] = []
            # No two ids on the Hub differ in the case of their letters alone.
            for name in {name.lower(): name for name in read["ids"]}.values():
                other = taken.get(name.lower())
                if other is None:
                    kept.append(name)
                elif _said(other) != _said(read):
                    faults.append(f"{where}: {name}: {_said(read)}, but {_said(other)} before")
            if kept:
                made = line({**read, "ids": kept})
                taken.update(dict.fromkeys((name.lower() for name in kept), made))
                lines.append(made)
    lines += _older(taken)
    for text in faults:
        print(text, file=sys.stderr)
    lines.sort(key=lambda made: made["ids"][0].lower())
    texts = [json.dumps(made, ensure_ascii=False, separators=(",", ":")) for made in lines]
    OUT.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    stated = sum(made["tokens"] is not None for made in lines)
    ids = sum(len(made["ids"]) for made in lines)
    print(f"{len(lines)} lines, {stated} with a count, {ids} ids, {len(faults)} faults")


def _said(made: dict[str, Any]) -> str:
    """What a line says of its ids."""
    return f"{made['tokens']} ({made['scope']})"


def _older(taken: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that there were, less the ids that were read anew."""
    kept: list[dict[str, Any]] = []
    for text in OUT.read_text("utf-8").splitlines():
        made = json.loads(text)
        for name in made["ids"]:
            new = taken.get(name.lower())
            if new is not None and _said(new) != _said(made):
                print(f"{name}: was {_said(made)}, is {_said(new)}")
        ids = [name for name in made["ids"] if name.lower() not in taken]
        if ids:
            kept.append({**made, "ids": ids})
    return kept


def fault(read: dict[str, Any]) -> str:
    """What is wrong with a line that was read; "" for nothing."""
    tokens, scope = read.get("tokens"), read.get("scope")
    if not read.get("ids") or not all(_ID.fullmatch(name) for name in read["ids"]):
        return "ids must be Hub ids, as owner/name"
    if scope not in SCOPES:
        return f"scope must be one of {', '.join(SCOPES)}"
    if (tokens is None) != (scope == "not stated"):
        return "a count goes with every scope but 'not stated'"
    if tokens is not None and (type(tokens) is not int or tokens <= 0):
        return "tokens must be a positive integer"
    if tokens is not None and read.get("qualifier") not in TURNED:
        return f"qualifier must be one of {', '.join(TURNED)}"
    if not (read.get("source") or {}).get("place"):
        return "a line needs the place where it was read"
    return ""


def line(read: dict[str, Any]) -> dict[str, Any]:
    """A line as it is kept: facts, and the fingerprint in place of the sentence."""
    made: dict[str, Any] = {
        "ids": list(dict.fromkeys(read["ids"])),
        "tokens": read["tokens"],
        "qualifier": read["qualifier"] if read["tokens"] is not None else None,
        "scope": read["scope"],
    }
    if read.get("base"):
        made["base"] = read["base"]
    said = f"{read.get('quote') or ''} {read.get('note') or ''}"
    if made["scope"] == "continued" and re.search(r"intermediate|upcycl", said, re.IGNORECASE):
        made["apart"] = True
    mark = fingerprint(read.get("quote") or "", read.get("number_as_written") or "")
    if mark:
        made["fingerprint"] = mark
    made["source"] = {key: plain(value) for key, value in read["source"].items() if value}
    made["source"]["place"] = made["source"]["place"] or "its model card"
    also = [
        {
            key: item[key] if key == "tokens" else plain(item[key])
            for key in ("tokens", "place", "note")
            if item.get(key)
        }
        for item in read.get("also") or ()
        if type(item.get("tokens")) is int and item["tokens"] > 0
    ]
    if also:
        made["also"] = also
    if read.get("note"):
        made["note"] = plain(read["note"])
    return made


def plain(text: str) -> str:
    """A text without names of the places on one machine where something was read."""
    text = re.sub(r"\s?\((?:stored part|labelled[^()]*|(?:shared|cards_more)/[^()]*)\)", "", text)
    text = re.sub(r"[;,]?\s?\(?(?:\.\./)?shared/data(?:/[^\s;,()]*|\s\([^()]*\))?\)?", "", text)
    return text.strip()


if __name__ == "__main__":
    main()
