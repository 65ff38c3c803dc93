"""`python -m demo start|reset|story`: what the Makefile calls.

Everything of ours is imported late, so that Ctrl-C ends even the loading without a traceback.
"""

import argparse
import signal
import sys
from collections.abc import Callable


def main(arguments: list[str]) -> int:
    """Run one of the commands; whatever is in the way is said in a sentence, without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = _parse(arguments)
    from cerby.engines import EngineError
    from cerby.environment import Misconfigured
    from demo.start import DemoError
    from demo.terminal import complain
    from workspace.errors import CerbyError

    try:
        return command()
    except (DemoError, EngineError, Misconfigured, CerbyError) as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _start(port: int) -> int:
    from demo.start import start

    return start(port)


def _reset() -> int:
    from demo.reset import reset

    return reset()


def _story() -> int:
    from demo.story import main as story

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a demo of its own has to be stopped
    return story()


def _screenshots() -> int:
    from demo.screenshots import main as screenshots

    return screenshots()


def _parse(arguments: list[str]) -> Callable[[], int]:
    parser = argparse.ArgumentParser(prog="python -m demo", description="The demo company and the story it plays.")
    commands = parser.add_subparsers(required=True, dest="command", metavar="start | reset | story | screenshots")
    starting = commands.add_parser("start", help="start everything; Ctrl-C stops it")
    starting.add_argument("--port", type=int, default=8000)
    commands.add_parser("reset", help="throw the data away")
    commands.add_parser("story", help="play Okta against the demo")
    commands.add_parser("screenshots", help="take pictures of the console for docs/")
    options = parser.parse_args(arguments)
    if options.command == "start":
        port: int = options.port
        return lambda: _start(port)
    return {"reset": _reset, "story": _story, "screenshots": _screenshots}[options.command]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
