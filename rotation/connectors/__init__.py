"""The connectors, by the key that `Account.connector` holds."""
