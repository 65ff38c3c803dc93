"""The ground: tenancy, people, teams, shared accounts, secrets, grants, audit. Imports nothing above it."""
