"""The census asks the pinned libraries: its oracle tests need torch, and are skipped without it."""

from __future__ import annotations

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Not when the tests are collected: the default run, which leaves them out, then imports no
    torch."""
    if item.get_closest_marker("oracle"):
        pytest.importorskip("torch")
