"""Where a request comes from, and with what."""

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str | None:
    """The address the request came from, as the outermost proxy we trust saw it."""
    hops = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    trusted = settings.TRUSTED_PROXIES
    if trusted and len(hops) >= trusted:
        return hops[-trusted]
    found: str | None = request.META.get("REMOTE_ADDR")
    return found


def user_agent(request: HttpRequest) -> str:
    """What the browser calls itself, printable and cut to what is stored."""
    return "".join(letter for letter in request.headers.get("User-Agent", "") if letter.isprintable())[:300]


def device_of(agent: str) -> str:
    """“Firefox on Windows”: enough to recognise a device of one's own. What is not known is said as such."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "A browser")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "an unknown system")
    return f"{browser} on {system}"


# The first mark that fits counts: every browser names those it descends from.
_BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("CriOS/", "Chrome"),
    ("Safari/", "Safari"), ("curl/", "curl"),
)  # fmt: skip
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip
