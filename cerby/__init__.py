"""The frame: settings, URLs, processes, the embedded engines. Holds the floors together, knows no domain."""
