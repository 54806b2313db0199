"""Who may see the dashboard: a token in the first address, then a signed cookie; only under the server's own names.

Loopback is not private on a host with several users. The gate stands before every path of the server, static files,
REST and websocket included, and answers what may not pass itself. Bokeh's own authentication hook asks it once more.
"""

from __future__ import annotations

import hmac
import secrets
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bokeh.server.auth_provider import AuthProvider
from tornado.routing import Matcher, Rule
from tornado.web import RequestHandler, create_signed_value, decode_signed_value

if TYPE_CHECKING:
    from tornado.httputil import HTTPServerRequest

ARGUMENT = "token"
_USER = "owner"

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>rapidml: no access</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}}
code{{background:#8883;padding:.1em .3em;border-radius:4px}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
_HOW_TO_ENTER = (
    "Open the address that <code>rapidml dashboard</code> printed in its terminal: it ends in "
    "<code>?token=...</code> and is asked for once in each browser. If it is gone, stop that command with Ctrl-C and "
    "start it again."
)
_WRONG_NAME = "This server answers only under the addresses that it was started with: {names}."


class Gate:
    """Decides what may pass.

    Args:
        port: Port of the server.
        token: What the first address must hold; None lets everybody pass who uses the server's own names.
    """

    def __init__(self, port: int, token: str | None) -> None:
        self.hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self.cookie = f"rapidml-{port}"  # cookies do not know ports: each server has its own
        self._token = token
        self._secret = secrets.token_bytes(32)

    def is_own(self, request: HTTPServerRequest) -> bool:
        """Whether a request uses a name of this server, and comes from its own pages if from any."""
        origin = request.headers.get("Origin", request.headers.get("Sec-Websocket-Origin"))
        own = origin is None or (urlsplit(origin).scheme == "http" and urlsplit(origin).netloc.lower() in self.hosts)
        return own and request.host.lower() in self.hosts

    def is_known(self, request: HTTPServerRequest) -> bool:
        """Whether a request brings the cookie."""
        if self._token is None:
            return True
        morsel = request.cookies.get(self.cookie)
        value = None if morsel is None else decode_signed_value(self._secret, self.cookie, morsel.value)
        return value is not None and hmac.compare_digest(value, _USER.encode())

    def has_token(self, request: HTTPServerRequest) -> bool:
        """Whether a request brings the token."""
        given = request.query_arguments.get(ARGUMENT, [b""])[-1]
        return self._token is not None and hmac.compare_digest(given, self._token.encode())

    def make_cookie(self) -> str:
        """Value of the cookie."""
        return create_signed_value(self._secret, self.cookie, _USER).decode()

    def make_rule(self) -> Rule:
        """The rule that comes before all others of the server."""
        return Rule(_Refused(self), _GateHandler, {"gate": self})


class _Refused(Matcher):
    """Matches what the gate answers itself: strangers, and whoever brings the token."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Not None for a request that must not reach the pages."""
        if ARGUMENT in request.query_arguments:
            return {}
        return None if self.gate.is_own(request) and self.gate.is_known(request) else {}


class _GateHandler(RequestHandler):
    """Refuses, or takes the token out of the address and leaves a cookie."""

    def initialize(self, gate: Gate) -> None:
        """Called by Tornado."""
        self.gate = gate

    def prepare(self) -> None:
        """Answer every method alike."""
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        if not self.gate.is_own(self.request):
            names = " and ".join(f"<code>http://{escape(host)}</code>" for host in self.gate.hosts)
            self._refuse("Not under this address", _WRONG_NAME.format(names=names))
        elif self.gate.is_known(self.request) or self.gate.has_token(self.request):
            self.set_cookie(self.gate.cookie, self.gate.make_cookie(), httponly=True, samesite="Lax", path="/")
            self.redirect("/")
        else:
            self._refuse("No access without the token", _HOW_TO_ENTER)

    def _request_summary(self) -> str:
        """What Tornado logs of a request that is refused: not its query, which may hold the token."""
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    def _refuse(self, title: str, text: str) -> None:
        self.set_status(403)
        self.finish(_PAGE.format(title=title, text=text))


class GateAuth(AuthProvider):
    """Bokeh's hook: the pages themselves ask the gate as well.

    Args:
        gate: The gate.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        super().__init__()

    @property
    def get_user(self) -> Any:
        """Who asks: the owner, or nobody."""

        def find(handler: RequestHandler) -> str | None:
            passes = self.gate.is_own(handler.request) and self.gate.is_known(handler.request)
            return _USER if passes else None

        return find

    @property
    def login_url(self) -> str:
        """Where Bokeh sends strangers, who never come that far."""
        return "/"
