"""The ``mlp`` adapter: a network of dense layers, for rows of numbers."""

from __future__ import annotations

from rapidml.models.network_adapter import NetworkAdapter


class Mlp(NetworkAdapter):
    """Dense layers by their widths; see ``adapter.Adapter`` for the contract."""

    name = "mlp"
