"""A worker in a process of its own, which takes jobs and fails at a named place. One process serves until it is killed.

The process is forked from the test's and opens its own connection to the database. The two say a byte to each other:
what the worker has come to, and that one which hangs may go on.
"""

import os
import pickle
import signal
import sys
from typing import Any, Final, NoReturn
from uuid import UUID

from django.conf import settings
from django.db import connection

from rotation import engine, failpoints

REACHED: Final = b"."
ENDED: Final = b"e"
GO_ON: Final = b"g"


def commit_without_waiting() -> None:
    """Let this connection's commits not wait for the disk: workers die in these tests, the database does not."""
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")


class Died(Exception):
    """The worker met something that it should not have; its standard error says what."""


class FailingWorker:
    """Started when it is first needed, and again after each death."""

    def __init__(self) -> None:
        self._pid = 0

    def run_to(self, job_id: UUID, place: str, action: str, *, failing: str = "") -> bool:
        """Have a job taken that fails at `place` (crash, raise, hang); whether the worker came by. One that hangs is
        waited for with `let_go` or `kill`. `failing` are failpoints beside it."""
        if not self._pid:
            self._start()
        wanted = pickle.dumps((job_id, place, action, failing))
        os.write(self._orders, len(wanted).to_bytes(4, "big") + wanted)
        if self._said() == ENDED:
            return False
        if action == "crash":
            self._bury()
        elif action == "raise":
            self._expect(ENDED)
        return True

    def let_go(self) -> None:
        """What hung goes on, to its end."""
        os.write(self._orders, GO_ON)
        self._expect(ENDED)

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self._bury()

    def stop(self) -> None:
        """The end of the test."""
        if self._pid:
            self.kill()

    def _start(self) -> None:
        theirs, self._orders = os.pipe()
        self._answers, ours = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            os.close(self._orders)
            os.close(self._answers)
            _serve(theirs, ours)
        os.close(theirs)
        os.close(ours)

    def _said(self) -> bytes:
        said = os.read(self._answers, 1)
        if not said:
            self._end()
            raise Died
        return said

    def _expect(self, wanted: bytes) -> None:
        said = self._said()
        assert said == wanted, said

    def _bury(self) -> None:
        assert self._end() == -signal.SIGKILL

    def _end(self) -> int:
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        os.close(self._orders)
        os.close(self._answers)
        return os.waitstatus_to_exitcode(status)


def _serve(orders: int, answers: int) -> NoReturn:
    """What the process does, until it is killed or nobody is left to give orders."""
    connection.connection = None  # the other process's; psycopg closes none that it inherited
    try:
        commit_without_waiting()
        while head := os.read(orders, 4):
            wanted = os.read(orders, int.from_bytes(head, "big"))
            _fail_once(orders, answers, *pickle.loads(wanted))  # noqa: S301  # written by this test run
            os.write(answers, ENDED)
        code = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        code = 1
    os._exit(code)


def _fail_once(orders: int, answers: int, job_id: UUID, place: str, action: str, failing: str) -> None:
    fail: Any = failpoints._ACTIONS[action]
    been_there = False

    def act(name: str) -> None:
        nonlocal been_there
        if been_there:
            return
        been_there = True
        os.write(answers, REACHED)
        if action == "hang":
            assert os.read(orders, 1) == GO_ON
        else:
            fail(name)

    failpoints._ACTIONS["act"] = act
    settings.FAILPOINTS = f"{place}=act" + (f",{failing}" if failing else "")
    try:
        engine.run(job_id, worker="first")
    except failpoints.Reached:
        return  # a task that fails: its lease ends
