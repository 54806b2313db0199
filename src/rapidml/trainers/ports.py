"""A port for a server of another process, kept free until that has it."""

from __future__ import annotations

import socket


def reserve_port(host: str) -> tuple[socket.socket, int]:
    """Find a free port and keep others from it.

    Args:
        host: Address of this machine on which the server will listen.

    Returns:
        A socket, and the port that it holds until it is closed. A server of the same user that sets ``SO_REUSEPORT``
        can listen there meanwhile (TensorFlow's does with ``TF_GRPC_REUSE_PORT=1``); this socket takes no connection.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    held = socket.socket(family, socket.SOCK_STREAM)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((host, 0))
    except BaseException:  # whatever it was, the socket is nobody's then
        held.close()
        raise
    return held, held.getsockname()[1]
