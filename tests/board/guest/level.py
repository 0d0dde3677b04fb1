#!/usr/bin/python3
"""Prints each level that a line of the simulated chip has had: ``level.py SYSFS_VALUE``."""

import os
import sys
import time

value = os.open(sys.argv[1], os.O_RDONLY)
was = b""
while True:
    if (level := os.pread(value, 1, 0)) != was:
        print(level.decode(), flush=True)
        was = level
    time.sleep(0.01)
