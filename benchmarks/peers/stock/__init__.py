"""Stock django-scim2 in the smallest project its README describes: its own adapters, views, urls and filters."""
