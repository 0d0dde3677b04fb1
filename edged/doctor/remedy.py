"""Lines of errors, which say what is wrong and what to do, as the two texts of a finding."""

from __future__ import annotations


def parted(line: str) -> tuple[str, str]:
    """What is wrong, and what to do: that is behind the last semicolon, and empty without one."""
    what, _, remedy = line.rpartition("; ")
    return (what, remedy) if what else (line, "")
