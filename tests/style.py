"""`python -m tests.style`: the phrases that docs/style.md rules out, where they are written.

The table at the end of that page is the list: a phrase is found in any case, and across the end of
a line with its comment sign or quotes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
STYLE = ROOT / "docs" / "style.md"

READ = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "docs/*.md", "config/*"),
    *("systemd/*", "edged/**/*.py", "edged/**/*.js", "edged/**/*.jinja"),
)
"""What people read, relative to the project; the style guide itself quotes what it rules out."""


def ruled_out(page: str) -> dict[str, str]:
    """What to write, for each phrase of the last table of `page`."""
    rows = re.findall(r"^\| (`.*`) \| (.*) \|$", page.rpartition("| instead of |")[2], re.M)
    return {phrase: instead for cell, instead in rows for phrase in re.findall("`(.*?)`", cell)}


def faults(text: str, phrases: dict[str, str]) -> Iterator[tuple[int, str]]:
    """The line and the phrase of each ruled-out phrase in `text`, in order."""
    between = r"[\s\"#]+"
    words = "|".join(between.join(map(re.escape, phrase.split())) for phrase in phrases)
    for found in re.finditer(rf"\b(?:{words})\b", text, re.I):
        phrase = " ".join(re.split(between, found[0])).lower()
        yield text.count("\n", 0, found.start()) + 1, phrase


def pages(root: Path) -> Iterable[Path]:
    """The files to look at."""
    for pattern in READ:
        for path in sorted(root.glob(pattern)):
            if path != root / "docs" / "style.md":
                yield path


def main() -> int:
    """1 where something is written that should not be, with a line for each."""
    phrases = ruled_out(STYLE.read_text())
    lines = [
        f'{path.relative_to(ROOT)}:{line}: "{phrase}": write: {phrases[phrase]}'
        for path in pages(ROOT)
        for line, phrase in faults(path.read_text(), phrases)
    ]
    print(*lines, sep="\n", end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
