"""How gunicorn serves the product: `gunicorn --config python:cerby.web cerby.wsgi`.

The names are gunicorn's settings. Threads, because a request waits for the database far longer than it computes.
"""

from cerby import environment

_found = environment.read()

bind = f"[{_found.bind}]:{_found.port}" if ":" in _found.bind else f"{_found.bind}:{_found.port}"
worker_class = "cerby.web_worker.Worker"
workers = _found.web_workers
threads = _found.web_threads
# Okta closes its socket after 60 s; a worker that is silent for longer hangs.
timeout = 90
keepalive = 75
# A filter may have 8,192 characters; more than gunicorn takes is asked by .search (RFC 7644 section 3.4.3).
limit_request_line = 8190
# Nobody in front sets another path; gunicorn would let whoever connects from this machine do so, by a header.
forwarder_headers = ""
# The socket would lie in the home folder, where two installations meet.
control_socket_disable = True
