"""The ``keras`` adapter: a network by the layers that its recipe lists under Keras' own names."""

from __future__ import annotations

from rapidml.models.network_adapter import NetworkAdapter


class KerasNetwork(NetworkAdapter):
    """Layers as listed; see ``adapter.Adapter`` for the contract."""

    name = "keras"
