"""The database as the product uses it: units of work."""
