"""What a browser may do with our answers: one strict Content-Security-Policy, and a wider one for the console.

The console is made with django-unfold, whose Alpine.js evaluates the expressions in its templates ('unsafe-eval') and
which sets its colours in a style element and its widths in style attributes ('unsafe-inline', for styles alone). No
inline script runs there either, nothing is loaded from elsewhere, and nothing is sent elsewhere.
"""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

Respond = Callable[[HttpRequest], HttpResponseBase]

STRICT: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
CONSOLE: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
PERMISSIONS: Final = "camera=(), display-capture=(), geolocation=(), hid=(), microphone=(), payment=(), usb=()"


def headers(get_response: Respond) -> Respond:
    """Middleware: what an answer does not say itself is said for it."""

    def respond(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        policy = CONSOLE if request.path.startswith("/admin/") else STRICT
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response

    return respond
