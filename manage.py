#!/usr/bin/env python
"""Cerby's commands: `manage.py help` lists them."""

import sys

from cerby.boot import main

if __name__ == "__main__":
    main(sys.argv)
