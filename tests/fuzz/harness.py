"""Coverage-guided fuzzing with atheris: ``python -m tests.fuzz.harness NAME [libFuzzer options]``.

``NAME`` is one of the readers in ``readers.py``; ``-max_total_time=60`` bounds it. Starts from the
seeds, which are written to ``.fuzz/NAME`` and grow there. atheris is not among the dependencies:
``pip install -e '.[test]' atheris`` where there is one for the platform.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Run one reader until it fails or the time is up."""
    import atheris

    with atheris.instrument_imports(include=["hfkv"]):
        from tests.fuzz.readers import READERS
        from tests.fuzz.seeds import SEEDS

    name, *options = sys.argv[1:]
    folder = Path(".fuzz") / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(SEEDS[name]):
        (folder / f"seed-{number}").write_bytes(raw)
    atheris.Setup([sys.argv[0], str(folder), *options], READERS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
