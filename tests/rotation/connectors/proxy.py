"""Moved: the proxy is published with the contract suite."""

from rotation.connectors.contract.proxy import Mode, Proxy

__all__ = ["Mode", "Proxy"]
