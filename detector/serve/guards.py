"""Stands before every request: who asks, from where, how often; what browsers may do with answers.

* Host      a page of a stranger whose name is turned to this address (DNS rebinding) is refused
* origin    other pages can neither send nor read: Sec-Fetch-Site, Origin and a token of this server
* token     where other machines can reach the server
* rate      one bucket for each address
* headers   nothing is loaded from elsewhere, nothing is framed by others
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import secrets
import socket
from http.cookies import CookieError, SimpleCookie
from math import ceil
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unreel.detector.serve.rates import Rates
from unreel.detector.serve.settings import ServeSettings, is_own_address

SESSION_COOKIE = "unreel-session"
CSRF_HEADER = "x-csrf-token"
_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_OPEN_PATHS = ("/login", "/static/")
"""Asked for before there is a session."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), browsing-topics=()",
    "cache-control": "no-store",
}


class Keys:
    """The secrets of one start of the server."""

    def __init__(self, token: str | None) -> None:
        self._token = token
        self._key = secrets.token_bytes(32)
        self.csrf = secrets.token_urlsafe(32)
        """Stands in the pages; comes back with whatever changes something."""

    @property
    def session(self) -> str:
        """What the cookie of somebody who knows the token holds."""
        return hmac.new(self._key, (self._token or "").encode(), hashlib.sha256).hexdigest()

    def is_token(self, given: str) -> bool:
        """Whether somebody knows the token; takes the same time for every wrong one."""
        return self._token is None or _same(given, self._token)

    def is_session(self, given: str) -> bool:
        """Whether a cookie is ours."""
        return _same(given, self.session)


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


class Refusal(Exception):
    """Why a request is not answered."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        self.status, self.code, self.message, self.headers = status, code, message, headers
        super().__init__(message)


class Guard:
    """ASGI middleware.

    Args:
        app: What is guarded.
        settings: Of the server.
        keys: Of this start.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, keys: Keys) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys
        self._rates = Rates(settings.requests_per_second, settings.burst)
        self._tries = Rates(settings.tries_per_minute / 60, int(settings.tries_per_minute))
        self._local = is_own_address(settings.host)
        names = {"localhost", *(name.lower() for name in settings.names)}
        if not self._local:
            names |= {socket.gethostname().lower(), settings.host.lower()}
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope)
        except Refusal as refusal:
            await _answer(refusal, with_headers)
            return
        await self._app(scope, receive, with_headers)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        address = scope["client"][0] if scope.get("client") else "unknown"
        self._check_host(headers)
        wait = self._rates.wait_seconds(address)
        if wait:
            raise Refusal(
                429,
                "too-many-requests",
                f"more than {self._settings.requests_per_second:g} requests a second",
                **{"retry-after": str(ceil(wait))},
            )
        self._check_origin(scope, headers)
        if self._settings.token is not None:
            self._check_token(scope, headers, address)

    def _check_host(self, headers: Headers) -> None:
        given = headers.getlist("host")
        host = _host_of(given[0]) if len(given) == 1 else None
        if host is not None and (host in self._names or self._is_known_address(host)):
            return
        raise Refusal(
            421,
            "unknown-host",
            "this server is not known under that name; for a name of your own: --name",
        )

    def _is_known_address(self, host: str) -> bool:
        """Addresses cannot be rebound; a server for this machine alone takes its own only."""
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return address.is_loopback or not self._local

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        site = headers.get("sec-fetch-site")
        safe = scope["method"] in _SAFE_METHODS
        if site in ("cross-site", "same-site"):
            goes_there = headers.get("sec-fetch-mode") == "navigate" and safe
            if not (goes_there and headers.get("sec-fetch-dest") == "document"):
                raise Refusal(403, "other-site", "asked for by a page of another site")
        origin = headers.get("origin")
        if origin is not None and not _is_origin(origin, headers["host"]):
            raise Refusal(403, "other-site", "asked for by a page of another site")
        if safe or scope["path"] == "/login":
            return
        by_browser = origin is not None or site is not None
        if by_browser or headers.get("cookie") or headers.get("referer"):
            given = headers.get(CSRF_HEADER, "")
            if not _same(given, self._keys.csrf):
                raise Refusal(
                    403, "no-csrf-token", "the page is of an earlier start of the server: reload it"
                )

    def _check_token(self, scope: Scope, headers: Headers, address: str) -> None:
        path = scope["path"]
        if path.startswith(_OPEN_PATHS):
            if path == "/login" and scope["method"] == "POST":
                self._count_try(address)
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            if self._tries.left(address) < 1:
                self._count_try(address)
            if self._keys.is_token(given.strip()):
                return
            self._count_try(address)
        elif self._keys.is_session(cookie_of(headers)):
            return
        elif scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
            raise Refusal(303, "login", "the token is asked for first", location="/login")
        raise Refusal(
            401,
            "token-needed",
            "send Authorization: Bearer TOKEN",
            **{"www-authenticate": "Bearer"},
        )

    def _count_try(self, address: str) -> None:
        wait = self._tries.wait_seconds(address)
        if wait:
            raise Refusal(
                429, "too-many-tries", "too many tokens tried", **{"retry-after": str(ceil(wait))}
            )


def cookie_of(headers: Headers) -> str:
    """The session that a browser brings along."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _host_of(header: str) -> str | None:
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def _is_origin(origin: str, host: str) -> bool:
    parts = urlsplit(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


async def _answer(refusal: Refusal, send: Send) -> None:
    content = {"error": {"code": refusal.code, "message": refusal.message}}
    body = json.dumps(content).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    if refusal.status != 303:
        headers["connection"] = "close"  # what is still being sent is of no use
    raw = [(k.encode(), v.encode()) for k, v in (headers | refusal.headers).items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
