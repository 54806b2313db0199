"""`rapidml dashboard` as a process, asked without a browser."""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from rapidml.cli import main
from rapidml.dashboard.serving import find_port
from rapidml.errors import RapidmlError
from tests.dashboard.started import Dashboard, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    dashboard = Dashboard(tmp_path_factory.mktemp("served"))
    yield dashboard
    assert dashboard.close() == 0


def ask(dashboard: Dashboard, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(dashboard.address).netloc, timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.body = answer.read().decode("utf-8", "replace")  # type: ignore[attr-defined]
    connection.close()
    return answer


def enter(dashboard: Dashboard) -> str:
    """The cookie that the token gives."""
    answer = ask(dashboard, f"/?{urlsplit(dashboard.opening).query}")
    assert (answer.status, answer.headers["Location"]) == (302, "/")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert answer.headers["Cache-Control"] == "no-store"
    return str(cookie.split(";")[0])


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/ws",
        "/metadata",
        "/autoload.js",
        "/static/js/bokeh.min.js",
        "/favicon.ico",
        "/rest/",
        "/search",
        "/search/ws",
        "/training",
        "/training/ws",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "HEAD"])
def test_strangers_get_403_everywhere(started: Dashboard, path: str, method: str) -> None:
    answer = ask(started, path, method)
    assert answer.status == 403
    assert answer.headers["Cache-Control"] == "no-store"
    if method == "GET":
        assert "rapidml dashboard" in answer.body  # type: ignore[attr-defined]


def test_a_wrong_token_gets_403_and_no_cookie(started: Dashboard) -> None:
    answer = ask(started, "/?token=wrong")
    assert (answer.status, answer.headers["Set-Cookie"]) == (403, None)


def test_no_address_leads_elsewhere(started: Dashboard) -> None:
    query = urlsplit(started.opening).query
    for path in ("//evil.example/", "/\\evil.example", "/%2f%2fevil.example"):
        answer = ask(started, f"{path}?{query}")
        assert answer.headers.get("Location", "/") == "/"


def test_the_cookie_opens_the_page_which_is_not_kept(started: Dashboard) -> None:
    cookie = enter(started)
    answer = ask(started, "/", Cookie=cookie)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert "token=" not in answer.body.replace("csrftoken", "")  # type: ignore[attr-defined]
    assert ask(started, "/static/js/bokeh.min.js", Cookie=cookie).status == 200
    assert ask(started, "/", Cookie=cookie, Host="evil.example").status == 403
    assert ask(started, "/", Cookie=cookie, Origin="http://evil.example").status == 403


def test_the_websocket_wants_cookie_and_origin(started: Dashboard) -> None:
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec_WebSocket_Key": "x3JJHMbDL1EzLkh9GBhXDw==",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Protocol": "bokeh, token",
    }
    cookie, origin = enter(started), started.address.rstrip("/")
    assert ask(started, "/ws", **upgrade, Origin=origin).status == 403
    assert ask(started, "/ws", **upgrade, Origin="http://evil.example", Cookie=cookie).status == 403
    connection = http.client.HTTPConnection(urlsplit(started.address).netloc, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in upgrade.items()}
    connection.request("GET", "/ws", headers={**headers, "Origin": origin, "Cookie": cookie})
    assert connection.getresponse().status == 101
    connection.close()


def test_it_listens_on_loopback_only(started: Dashboard) -> None:
    port = urlsplit(started.address).port
    assert port is not None
    lines = []
    for name in ("tcp", "tcp6"):
        with open(f"/proc/{started.process.pid}/net/{name}", encoding="ascii") as file:  # noqa: PTH123
            lines += [line.split() for line in file.readlines()[1:]]
    listening = {fields[1] for fields in lines if fields[3] == "0A" and fields[1].endswith(f":{port:04X}")}
    assert listening == {f"0100007F:{port:04X}"}


def test_without_a_token_it_warns_and_still_asks_for_its_name(tmp_path: Path) -> None:
    dashboard = Dashboard(tmp_path, "--no-token")
    try:
        assert dashboard.opening == dashboard.address
        assert ask(dashboard, "/").status == 200
        assert ask(dashboard, "/", Host="evil.example").status == 403
    finally:
        assert dashboard.close() == 0
    said = (tmp_path / "dashboard.err").read_text()
    assert "warning: without a token" in said
    assert "there is no store at" in said


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RapidmlError, match=rf"port {port} is taken.*leave --port out"):
            find_port(port)
    assert find_port(0) > 1023


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("hello")
    done = CliRunner().invoke(main, ["dashboard", str(tmp_path)])
    assert done.exit_code == 1
    assert "no store" in done.output


def test_without_panel_the_extra_is_named(tmp_path: Path) -> None:
    program = "import sys; sys.modules['panel'] = None; from rapidml.cli import main; main(['dashboard'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"rapidml dashboard needs .*pip install 'iml-rapidml\[app\]'", done.stderr)
