"""The census asks the pinned libraries: its oracle tests need torch, and are skipped without it."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Not when the tests are collected: the default run, which leaves them out, then imports no
    torch."""
    if item.get_closest_marker("oracle"):
        pytest.importorskip("torch")
        from hfkv.generate.meta_kernels import compiled_shapes

        # Models are run without values here, thousands of times.
        compiled_shapes()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The one number of the exactness run, where it was one of the tests."""
    asked = wrong = 0
    counts: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "exactness" and getattr(report, "when", "") == "call":
                    asked, wrong = asked + value[0], wrong + value[1]
                    counts.update(value[2])
    if asked:
        told = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
        terminalreporter.write_line(f"wrong answers with basis exact: {wrong}")
        terminalreporter.write_line(f"(of {asked} draws of classes: {told})")
