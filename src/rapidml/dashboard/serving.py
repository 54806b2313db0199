"""The server of the dashboard: Panel's, on loopback, behind the gate."""

from __future__ import annotations

import errno
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidml.errors import ExtraNotInstalled, RapidmlError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rapidml.dashboard.entry import Settings

ADDRESS = "127.0.0.1"
DEFAULT_PORT = 5006
PAGES = {"/": "runs", "/search": "search", "/training": "training"}
"""Addresses of the pages, with the names of their apps."""
_TRIED_PORTS = 20
_LARGEST_MESSAGE = 4 * 1024 * 1024


def find_app(name: str) -> Path:
    """File of an app: ``rapidml/apps`` of an installed wheel, else ``apps`` beside ``src`` in a source tree.

    Args:
        name: Name without folder and suffix, such as ``runs``.

    Raises:
        RapidmlError: It is not there: the installation is broken.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "apps", package.parents[1] / "apps"):
        if (folder / f"{name}.py").is_file():
            return folder / f"{name}.py"
    raise RapidmlError(f"this installation has no apps/{name}.py; install it again")


def find_port(wanted: int | None) -> int:
    """A free port of this host.

    Args:
        wanted: The port; 0 for any; None for the usual one, or the next that is free.

    Raises:
        RapidmlError: The port is taken, or needs another user.
    """
    ports = range(DEFAULT_PORT, DEFAULT_PORT + _TRIED_PORTS) if wanted is None else [wanted]
    for port in ports:
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((ADDRESS, port))
            except OSError as error:
                if wanted is not None:
                    raise RapidmlError(_port_text(port, error)) from error
                continue
            return int(tried.getsockname()[1])
    raise RapidmlError(f"ports {ports[0]} to {ports[-1]} are taken; write --port 0 for any free one")


def _port_text(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is taken, perhaps by another dashboard; leave --port out for the next free one"
    return f"port {port} cannot be used ({error.strerror}); leave --port out for a free one"


def serve(settings: Settings, port: int | None, *, use_token: bool, on_ready: Callable[[str], None]) -> None:
    """Serve the dashboard until it is interrupted.

    Args:
        settings: What to show.
        port: As for ``find_port``.
        use_token: Whether a browser must bring the token once.
        on_ready: Called with the address as soon as the server answers.

    Raises:
        ExtraNotInstalled: Panel is missing.
        RapidmlError: The port is taken.
    """
    number = find_port(port)
    token = secrets.token_urlsafe(32) if use_token else None
    server = make_server(settings, number, token)
    address = f"http://{ADDRESS}:{number}/"
    server.start()
    server.io_loop.add_callback(on_ready, address if token is None else f"{address}?token={token}")
    try:
        server.io_loop.start()
    finally:
        server.stop()


def make_server(settings: Settings, port: int, token: str | None) -> Any:
    """The server, listening but not started.

    Args:
        settings: What to show.
        port: Port on loopback.
        token: What the first address must hold; None for nobody is asked.
    """
    try:
        import panel_material_ui  # noqa: F401
        from panel.io.application import build_single_handler_application
        from panel.io.server import get_server
    except ImportError as error:
        raise ExtraNotInstalled("rapidml dashboard", "app") from error
    from rapidml.dashboard.gate import Gate, GateAuth

    gate = Gate(port, token)
    pages: dict[str, Any] = {path: build_single_handler_application(find_app(name)) for path, name in PAGES.items()}
    for application in pages.values():
        application._metadata = settings.to_metadata()  # noqa: SLF001  Bokeh takes it in the constructor only
    server = get_server(
        pages,
        port=port,
        address=ADDRESS,
        websocket_origin=list(gate.hosts),
        auth_provider=GateAuth(gate),
        websocket_max_message_size=_LARGEST_MESSAGE,
        unused_session_lifetime_milliseconds=60_000,
        show=False,
        start=False,
    )
    server._tornado.add_handlers(".*", [gate.make_rule()])  # noqa: SLF001  as Panel itself reaches Bokeh's application
    return server
