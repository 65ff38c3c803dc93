"""An Owner's journeys through the console: in Chromium, on the running product, each ending with what the rows say."""
