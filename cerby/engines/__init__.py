"""The embedded PostgreSQL and Valkey: started on demand, left running by nobody.

One keeper process a home starts both engines and stops them when the last process that uses them is gone.
Linux only; where an administrator runs the engines, this package is not needed at all.
"""

from cerby.engines.engines import Engines
from cerby.engines.errors import EngineError
from cerby.engines.record import Addresses

__all__ = ["Addresses", "EngineError", "Engines"]
