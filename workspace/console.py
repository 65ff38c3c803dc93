"""The admin site: Owners into their workspace, platform staff into all."""

from unfold.sites import UnfoldAdminSite


class Console(UnfoldAdminSite):
    """The one admin site of the product."""
