"""Moved: the contract suite is published as `rotation.connectors.contract`."""

from rotation.connectors.contract import ConnectorContract, random_password, until

__all__ = ["ConnectorContract", "random_password", "until"]
