"""What reads from outside, given what a fuzzer makes.

`targets.py` has each reader and what must hold. ``python -m tests.fuzz NAME`` searches one, guided
by coverage; the folder `corpus` has what was found.
"""
