"""scim2-server as its README has it: a WSGI application over a storage in memory. Nothing is durable.

It cannot be spread over processes, since each would have people of its own: it is given one, with threads.
"""

from scim2_server.applications.wsgi import WSGIApplication
from scim2_server.memory import InMemoryStorage
from scim2_server.utils import load_default_provider

application = WSGIApplication(InMemoryStorage(), load_default_provider())
