"""Only who has the certificate and its key gets a connection; held against Python's own TLS, in its strict mode."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from rapidml.cluster.certificates import Certificate, make_certificate

if TYPE_CHECKING:
    from pathlib import Path

OWN, OTHER = make_certificate(), make_certificate()


def make_context(folder: Path, trusted: Certificate, shown: Certificate | None, protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_verify_locations(cadata=trusted.certificate)
    if shown is not None:
        path = folder / f"{id(shown)}.pem"
        path.write_text(shown.certificate + shown.key)
        context.load_cert_chain(path)
    return context


def shake_hands(folder: Path, trusted: Certificate, shown: Certificate | None) -> bytes:
    """What a server of ours answers to a client."""
    server = make_context(folder, OWN, OWN, ssl.PROTOCOL_TLS_SERVER)
    client = make_context(folder, trusted, shown, ssl.PROTOCOL_TLS_CLIENT)
    here, there = socket.socketpair()

    def serve() -> None:
        with here:
            try:
                with server.wrap_socket(here, server_side=True) as wrapped:
                    wrapped.sendall(b"hello")
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with there, client.wrap_socket(there) as wrapped:
            return wrapped.recv(5)
    finally:
        thread.join()


def test_who_has_the_certificate_is_let_in(tmp_path: Path) -> None:
    assert shake_hands(tmp_path, OWN, OWN) == b"hello"


@pytest.mark.parametrize(("trusted", "shown"), [(OWN, None), (OWN, OTHER), (OTHER, OTHER), (OTHER, OWN)])
def test_nobody_else_is(tmp_path: Path, trusted: Certificate, shown: Certificate | None) -> None:
    with pytest.raises(OSError, match=r"(?i)alert|verify failed|reset|EOF"):
        assert shake_hands(tmp_path, trusted, shown) != b"hello"


def test_dask_is_told_to_encrypt() -> None:
    security = OWN.make_security()
    assert security.require_encryption
    for role in ("client", "scheduler", "worker"):
        assert security.get_connection_args(role)["ssl_context"].verify_mode == ssl.CERT_REQUIRED
        assert security.get_listen_args(role if role != "client" else "worker")["ssl_context"].verify_mode
