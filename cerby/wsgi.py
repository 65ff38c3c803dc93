"""The WSGI entry point for a web server.

Only web processes limit their statements: a migration, an export or a purge at a terminal may take its time.
"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from cerby import connections
from cerby.request_bodies import with_length

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cerby.settings")
application = with_length(get_wsgi_application())
connections.limit_statements(settings.DATABASES["default"], settings.WEB_STATEMENT_SECONDS)
