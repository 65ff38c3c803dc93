"""The same project as `startproject` and the README leave it: Django's usual middlewares, a connection a request."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.peers.stock.started_settings"

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
