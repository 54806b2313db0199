"""Who passes the gate of the dashboard, request by request."""

from __future__ import annotations

from typing import Any

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import create_signed_value

from rapidml.dashboard.gate import Gate, GateAuth

TOKEN = "a-token-of-the-right-length-for-a-test"


class Connection:
    """As much of a connection as a request looks at."""

    context = None


def ask(uri: str = "/", host: str = "127.0.0.1:5006", **headers: str) -> HTTPServerRequest:
    given = HTTPHeaders({"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}})
    connection: Any = Connection()
    line = RequestStartLine("GET", uri, "HTTP/1.1")
    return HTTPServerRequest(start_line=line, headers=given, connection=connection)


@pytest.fixture
def gate() -> Gate:
    return Gate(5006, TOKEN)


def is_stopped(gate: Gate, request: HTTPServerRequest) -> bool:
    return gate.make_rule().matcher.match(request) is not None


def test_the_cookie_opens(gate: Gate) -> None:
    request = ask(Cookie=f"{gate.cookie}={gate.make_cookie()}")
    assert not is_stopped(gate, request)


@pytest.mark.parametrize(
    "path", ["/", "/ws", "/static/js/bokeh.min.js", "/static/extensions/panel/x", "/rest/x", "/metadata"]
)
def test_without_it_no_path_is_open(gate: Gate, path: str) -> None:
    assert is_stopped(gate, ask(path))


def test_cookies_of_others_do_not_open(gate: Gate) -> None:
    other = Gate(5006, TOKEN)
    forged = create_signed_value(b"guess", gate.cookie, "owner").decode()
    unsigned = "owner"
    own = gate.make_cookie()
    changed = own[:-1] + ("1" if own.endswith("0") else "0")
    for value in (other.make_cookie(), forged, unsigned, "", changed):
        assert is_stopped(gate, ask(Cookie=f"{gate.cookie}={value}"))
    assert is_stopped(gate, ask(Cookie=f"rapidml-5007={gate.make_cookie()}"))


def test_only_the_token_itself_is_the_token(gate: Gate) -> None:
    assert gate.has_token(ask(f"/?token={TOKEN}"))
    for wrong in ("", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "%00", "é"):
        assert not gate.has_token(ask(f"/?token={wrong}"))
    assert not Gate(5006, None).has_token(ask("/?token="))


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1:5007", "127.0.0.1", "localhost", "[::1]:5006", "0.0.0.0:5006"]
)
def test_other_names_are_refused_even_with_the_cookie(gate: Gate, host: str) -> None:
    assert is_stopped(gate, ask(host=host, Cookie=f"{gate.cookie}={gate.make_cookie()}"))


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "https://127.0.0.1:5006", "http://127.0.0.1:5007", "null", "", "http://localhost"]
)
def test_other_origins_are_refused_even_with_the_cookie(gate: Gate, origin: str) -> None:
    assert is_stopped(gate, ask("/ws", Origin=origin, Cookie=f"{gate.cookie}={gate.make_cookie()}"))


@pytest.mark.parametrize("name", ["127.0.0.1:5006", "localhost:5006", "LOCALHOST:5006"])
def test_the_names_it_was_started_with_are_its_own(gate: Gate, name: str) -> None:
    cookie = f"{gate.cookie}={gate.make_cookie()}"
    assert not is_stopped(gate, ask(host=name, Cookie=cookie))
    assert not is_stopped(gate, ask("/ws", host=name, Origin=f"http://{name}", Cookie=cookie))


def test_without_a_token_names_and_origins_still_count() -> None:
    gate = Gate(5006, None)
    assert not is_stopped(gate, ask())
    assert is_stopped(gate, ask(host="evil.example:5006"))
    assert is_stopped(gate, ask("/ws", Origin="http://evil.example"))


def test_the_hook_of_bokeh_asks_the_same(gate: Gate) -> None:
    class Handler:
        request: Any = None

    handler, auth = Handler(), GateAuth(gate)
    handler.request = ask()
    assert auth.get_user(handler) is None
    handler.request = ask(Cookie=f"{gate.cookie}={gate.make_cookie()}")
    assert auth.get_user(handler) == "owner"
    assert auth.login_url == "/"
