"""Look for newer releases of the pinned libraries, and make what follows from them.

``python -m hfkv.generate fresh`` asks the package index (or takes ``--transformers`` and ``--peft``
at their word), pins what is newer in ``pyproject.toml``, makes every table with it
(``python -m hfkv.generate all``), runs the tests and the census, and writes the report. Where there
is nothing newer it changes nothing and writes none. A test that fails is in the report: what to do
about it is for a human, as is the rest.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from hfkv.generate.all import asked_of, folder_of, make_all, parser, write_report
from hfkv.generate.environment import python_with, variables
from hfkv.generate.pins import LIBRARIES, ROOT, newer, pins, with_pins

__all__ = ["main", "tested"]

#: What is run: a name, and pytest's arguments.
_RUNS: Mapping[str, Sequence[str]] = {"tests": [], "census": ["-m", "oracle"]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = parser("fresh", __doc__)
    options.add_argument(
        "--test", action="append", choices=[*_RUNS, "none"], help="this alone; repeatable"
    )
    read = options.parse_args(sys.argv[2:] if arguments is None else arguments)
    asked = asked_of(read)
    if read.transformers is None and read.peft is None:
        found = newer(pins())
        if not found:
            said = ", ".join(f"{name} {pins()[name]}" for name in LIBRARIES)
            print(f"nothing is newer than {said}")
            return
        print("newer: " + ", ".join(f"{name} {version}" for name, version in found.items()))
        asked = replace(asked, versions={**asked.versions, **found})
    python_with(asked.versions, folder_of(asked) / "env")  # before anything is changed
    with_pins(asked.versions)
    python, outcomes = make_all(asked)
    wanted = [name for name in read.test or _RUNS if name in _RUNS]
    tests = [line for name in wanted for line in tested(python, name)]
    print(f"report: {write_report(read, asked, outcomes, tests=tests)}")


def tested(python: Path, name: str) -> Iterator[str]:
    """Run tests with an interpreter: a line of counts, and one for each that failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.xml")
        command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += [f"--junitxml={path}", *_RUNS[name]]
        done = subprocess.run(command, cwd=ROOT, env=variables(), check=False)
        if not path.is_file():
            yield f"{name}: **not run**, pytest ended with {done.returncode}"
            return
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    wrong = [case for case in cases if case.find("failure") is not None or _broken(case)]
    skipped = sum(case.find("skipped") is not None for case in cases)
    passed = len(cases) - len(wrong) - skipped
    yield f"{name}: {passed:,} passed, {skipped:,} skipped, **{len(wrong):,} failed**"
    for case in wrong:
        yield f"{name}: `{case.get('classname')}::{case.get('name')}`"[:300]


def _broken(case: ElementTree.Element) -> bool:
    return case.find("error") is not None
