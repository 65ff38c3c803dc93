"""The console's pages of the ground floor. People and accounts are registered in `rotation.admin`, which adds to
them what a departure sets off."""

from workspace.admin import audit, grants, home, teams, workspaces

__all__ = ["audit", "grants", "home", "teams", "workspaces"]
