"""The Procfile's processes under honcho, with what a demo needs beside: quiet, prompt, and nothing left behind."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.printer import Message, Printer
from honcho.process import Popen, Process

PROCFILE: Final = Path(__file__).parent.parent / "Procfile"
_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Processes(Manager):  # type: ignore[misc]  # honcho is untyped
    """Runs until a process ends or a signal asks. `on_start` is called once all were started, `on_stop` as soon as
    the end begins."""

    def __init__(self, *, on_start: Callable[[], None], on_stop: Callable[[], None]) -> None:
        super().__init__(QuietPrinter(sys.stdout))
        self._process_ctor = MortalProcess
        self._procmgr = PoliteSignals()
        self._on_start, self._on_stop = on_start, on_stop
        self._stopping = False
        self._culprit: str | None = None

    def add_procfile(self, environment: dict[str, str]) -> None:
        for name, command in parse_procfile(PROCFILE.read_text()).processes.items():
            # Without a shell in between, a signal reaches the program itself.
            self.add_process(name, f"exec {command}", env=environment, cwd=str(PROCFILE.parent))

    @property
    def culprit(self) -> tuple[str, int] | None:
        """The process that ended though nobody asked, with its exit status as a shell would give it."""
        if self._culprit is None:
            return None
        status = int(self._processes[self._culprit]["returncode"])
        return self._culprit, status if status >= 0 else 128 - status

    def terminate(self) -> None:
        """Also called before every process has started: then the loop calls again when they have."""
        if not self._stopping:
            self._stopping = True
            ended = (name for name, process in self._processes.items() if "returncode" in process)
            self._culprit = next(ended, None)
            self._printer.muted = self._culprit is None
            self._on_stop()
        if self._all_started():
            super().terminate()

    def _start(self) -> None:
        super()._start()
        self._on_start()

    def _any_stopped(self) -> bool:
        """From the first signal on the loop counts the seconds after which it kills what remains."""
        return self._stopping or bool(super()._any_stopped())

    def _system_print(self, data: str) -> None:
        """What honcho says about itself is not worth a newcomer's eyes."""


class QuietPrinter(Printer):  # type: ignore[misc]  # honcho is untyped
    """Once somebody asked for the end, the processes' farewells are of no interest."""

    muted = False

    def write(self, message: Message) -> None:
        if not self.muted:
            super().write(message)


class PoliteSignals:
    """Asks only the leader of each process group to end, as gunicorn and Celery want to end their children
    themselves; kills whole groups."""

    def terminate(self, pid: int) -> None:
        _send(os.kill, pid, signal.SIGTERM)

    def kill(self, pid: int) -> None:
        _send(os.killpg, pid, signal.SIGKILL)


class MortalProcess(Process):  # type: ignore[misc]  # honcho is untyped
    """Ends with the demo, even where the demo is killed: the kernel sees to it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._child_ctor = _popen

    def run(self, *args: Any, **options: Any) -> None:
        _die_with_parent(signal.SIGKILL)  # this one only carries output, and is deaf to other signals
        super().run(*args, **options)


def _popen(command: str, **options: Any) -> Any:
    return Popen(command, preexec_fn=lambda: _die_with_parent(signal.SIGTERM), **options)


def _die_with_parent(number: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def _send(send: Callable[[int, int], None], pid: int, number: int) -> None:
    try:
        send(pid, number)
    except ProcessLookupError:
        return  # it ended by itself
