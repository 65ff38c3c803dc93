"""Where a request comes from, and with what."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from django.conf import settings
from django.http import HttpRequest


def address(request: HttpRequest) -> str | None:
    """The address the request came from, as the outermost proxy we trust saw it; None where that says nothing.

    Each trusted proxy adds one element at the right end of X-Forwarded-For, so what a client wrote itself stands left
    of them and is never looked at. With fewer elements the request did not come through all of them: what counts is
    who connected. It is an IPv4 or IPv6 address without port, brackets or zone, as a column of type inet takes it.
    """
    forwarded: str = request.META.get("HTTP_X_FORWARDED_FOR", "")
    hops, trusted = forwarded.split(",") if forwarded else [], settings.TRUSTED_PROXIES
    return _address(hops[-trusted] if 0 < trusted <= len(hops) else request.META.get("REMOTE_ADDR") or "")


@lru_cache(maxsize=1024)
def _address(text: str) -> str | None:
    """One element, with what RFC 7239 section 6 allows around an address; None for "unknown", "_hidden" and the like.

    IPv4 within IPv6 is the IPv4 address (RFC 4291 section 2.5.5.2): whether the proxy listens on both is no difference.
    """
    text = text.strip().strip('"').strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str((found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found)


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
