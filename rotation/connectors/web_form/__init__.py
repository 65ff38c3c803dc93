"""Logins of web sites, changed as a person would: in a browser, by a recipe or by what the site declares of itself."""

from rotation.connectors.web_form.connector import WebForm, WebFormSettings

__all__ = ["WebForm", "WebFormSettings"]
