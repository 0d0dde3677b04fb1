"""Pictures of the page for the documentation: ``make screenshots``."""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.web.serving import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = "/usr/bin/chromium"
SIZES = {1280: 1480, 390: 844}

CONFIG = """
device = "porch"
[camera]
kind = "demo"
[decide]
smoothing_s = 0.5
enter = 0.8
exit = 0.5
[[rule]]
name = "cat"
labels = ["cat"]
min_on_s = 1.0
[[rule]]
name = "vehicle"
labels = ["automobile", "truck", "ship", "airplane"]
combine = "sum"
[gpio]
factory = "mock"
[[output]]
name = "lamp"
pin = 17
device = "led"
rule = "cat"
[[output]]
name = "meter"
pin = 18
device = "pwm"
rule = "cat"
action = "score"
[mqtt]
enabled = false
[control]
socket = "{folder}/edged.sock"
[journal]
path = "{folder}/events.db"
[review]
enabled = true
every_s = 1.0
[web]
port = {port}
"""


@contextmanager
def running(more: str = "", started: list[subprocess.Popen[bytes]] | None = None) -> Iterator[str]:
    """A daemon and its web process, whose address is given; `more` is added to ``[web]``.

    Both processes are put into `started`.
    """
    with TemporaryDirectory() as folder:
        port = free_port()
        address = f"http://127.0.0.1:{port}/"
        path = Path(folder) / "porch.toml"
        path.write_text(CONFIG.format(folder=folder, port=port) + more)
        command = [sys.executable, "-m", "edged"]
        environment = {**os.environ, "STATE_DIRECTORY": folder}
        both = [
            subprocess.Popen(
                [*command, name, "--config", str(path)],
                stderr=subprocess.DEVNULL,
                env=environment,
            )
            for name in ("run", "web")
        ]
        if started is not None:
            started += both
        try:
            for _ in range(300):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield address
        finally:
            for process in both:
                process.terminate()
            for process in both:
                process.wait()


def take(browser: Browser, address: str, folder: Path, settle_s: float) -> None:
    """One picture for each width and scheme; the narrow ones are of the whole page."""
    for width_px, height_px in SIZES.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": width_px, "height": height_px},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            page = context.new_page()
            page.goto(address)
            page.wait_for_selector("#rule-list li")
            time.sleep(settle_s)
            page.set_input_files("#file", "tests/pictures/cat.jpg")
            page.wait_for_selector("#own-classes li")
            # Of the demo's photographs, the one of a cat.
            sure = page.locator("#classes li:first-child", has_text=re.compile(r"^cat9\d%$"))
            sure.wait_for(timeout=120_000)
            page.screenshot(
                path=folder / f"page-{width_px}-{scheme}.jpg",
                type="jpeg",
                quality=82,
                full_page=width_px < 1000,
                timeout=60_000,
            )
            context.close()


def take_search(browser: Browser, address: str, folder: Path) -> None:
    """The search page, wide."""
    page = browser.new_page(viewport={"width": 1280, "height": 500})
    page.goto(f"{address}search?words=cat+ship")
    page.wait_for_selector(".found img")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / "search-1280-light.jpg", type="jpeg", quality=82)
    page.close()


def main() -> None:
    """Into a folder."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--settle", type=float, default=20.0, metavar="S")
    parser.add_argument("--only", choices=["page", "search"])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    more = f'search_folder = "{Path("tests/pictures").absolute()}"\n'
    with running(more) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        if arguments.only != "page":
            take_search(browser, address, arguments.out)
        if arguments.only != "search":
            take(browser, address, arguments.out, arguments.settle)
        browser.close()


if __name__ == "__main__":
    main()
