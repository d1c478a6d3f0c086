"""A real cluster of Dask on this machine: a scheduler and workers, as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["DaskCluster"]


class DaskCluster:
    """Started with the block, and ended with it.

    Args:
        folder: for its files and logs.
        environment: of the workers, beside this process's own.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = {**os.environ, **environment}
        self.workers: list[subprocess.Popen[bytes]] = []
        self._place = folder / "scheduler.json"
        self._logs: list[Path] = []

    def __enter__(self) -> DaskCluster:
        self.folder.mkdir(parents=True, exist_ok=True)
        # The scheduler needs no hfkv, and here has none.
        bare = {k: v for k, v in self.environment.items() if k != "PYTHONPATH"}
        self.scheduler = self._start("scheduler", ["--port", "0", "--no-dashboard"], bare)
        deadline = time.monotonic() + 60
        while not self._place.exists():
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)
        address = json.loads(self._place.read_text(encoding="utf-8"))["address"]
        self.on = "dask://" + address.partition("://")[2]
        return self

    def __exit__(self, *error: object) -> None:
        for process in [*self.workers, self.scheduler]:
            process.kill()
            process.wait()

    def add(self, **environment: str) -> subprocess.Popen[bytes]:
        """One worker more."""
        arguments = ["--no-nanny", "--no-dashboard", "--nthreads", "2", "--death-timeout", "30"]
        arguments += ["--local-directory", str(self.folder)]
        worker = self._start("worker", arguments, {**self.environment, **environment})
        self.workers.append(worker)
        return worker

    def _start(
        self, what: str, arguments: list[str], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        log = self.folder / f"{what}-{len(self._logs)}.log"
        self._logs.append(log)
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments]
        with log.open("wb") as file:
            return subprocess.Popen(
                [*command, "--scheduler-file", str(self._place)],
                stdout=file,
                stderr=file,
                env=environment,
                cwd=self.folder,
            )

    def said(self) -> str:
        """Everything that it logged."""
        return "".join(log.read_text(encoding="utf-8", errors="replace") for log in self._logs)
