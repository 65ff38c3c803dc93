"""`python -m demo start|reset|story`: what the Makefile calls."""

import argparse
import sys

from cerby.engines import EngineError
from cerby.environment import Misconfigured
from demo.start import DemoError
from demo.terminal import complain
from workspace.errors import CerbyError


def main(arguments: list[str]) -> int:
    """Run one of the commands; whatever is in the way is said in a sentence, without a traceback."""
    options = _parse(arguments)
    try:
        status: int = options.run(options)
    except (DemoError, EngineError, Misconfigured, CerbyError) as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _start(options: argparse.Namespace) -> int:
    from demo.start import start

    return start(options.port)


def _reset(_: argparse.Namespace) -> int:
    from demo.reset import reset

    return reset()


def _story(_: argparse.Namespace) -> int:
    from demo.story import main as story

    return story()


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description="The demo company and the story it plays.")
    commands = parser.add_subparsers(required=True, metavar="start | reset | story")
    starting = commands.add_parser("start", help="start everything; Ctrl-C stops it")
    starting.add_argument("--port", type=int, default=8000)
    starting.set_defaults(run=_start)
    commands.add_parser("reset", help="throw the data away").set_defaults(run=_reset)
    commands.add_parser("story", help="play Okta against the demo").set_defaults(run=_story)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
