"""Pictures of the pages for the documentation: ``make screenshots``."""

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
from typing import TYPE_CHECKING, Any

from tests.web.serving import free_port
from tests.web.shown import Shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = "/usr/bin/chromium"
JPEG: Any = {"type": "jpeg", "quality": 82}
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


TAUGHT = """
[[rule]]
name = "cup"
labels = ["coffee"]
[[output]]
name = "bell"
pin = 27
device = "buzzer"
rule = "cup"
"""
"""What docs/teaching.md adds to a configuration when the label was taught."""


@contextmanager
def running(
    more: str = "",
    started: list[subprocess.Popen[bytes]] | None = None,
    state: Path | None = None,
) -> Iterator[str]:
    """A daemon and its web process, whose address is given; `more` is added to ``[web]``.

    Both processes are put into `started`; `state` keeps what was taught.
    """
    with TemporaryDirectory() as temporary:
        folder = state or Path(temporary)
        port = free_port()
        address = f"http://127.0.0.1:{port}/"
        path = folder / "porch.toml"
        path.write_text(CONFIG.format(folder=folder, port=port) + more)
        command = [sys.executable, "-m", "edged"]
        environment = {**os.environ, "STATE_DIRECTORY": str(folder)}
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
    page.screenshot(path=folder / "search-1280-light.jpg", **JPEG)
    page.close()


def take_teaching(browser: Browser, folder: Path) -> None:
    """The cup of coffee is taught on the page, then a rule looks for it."""
    shown = Shown()

    def opened(address: str) -> Page:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(address)
        page.wait_for_selector("#rule-list li")
        return page

    def picture(page: Page) -> bytes:
        return page.request.get(page.url + "live/picture.jpg").body()

    with TemporaryDirectory() as state:
        with running(state=Path(state)) as address:
            page = opened(address)
            page.fill("#teach-form [name=label]", "coffee")
            shown.await_start("coffee", lambda: picture(page))
            page.click("#teach-begin")
            page.locator("#taught-list img").nth(9).wait_for(timeout=60_000)
            page.locator("#teach").screenshot(path=folder / "teaching-taught.jpg", **JPEG)
            page.close()
        with running(TAUGHT, state=Path(state)) as address:
            page = opened(address)
            rule = page.locator("#rule-list li", has_text="cup").locator(".pill[data-state=on]")
            rule.wait_for(timeout=120_000)
            page.locator("#output-list li", has_text="bell").locator(
                ".pill[data-state=on]"
            ).wait_for(timeout=30_000)
            page.screenshot(path=folder / "teaching-rule.jpg", **JPEG)
            page.close()


def take_review(browser: Browser, address: str, folder: Path) -> None:
    """The review page, with some decisions."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(f"{address}review")
    page.locator("#kept li").nth(5).wait_for(timeout=120_000)
    page.locator("#kept li").nth(0).get_by_role("button", name="Accept").click()
    second = page.locator("#kept li").nth(1)
    second.get_by_role("button", name="Correct").click()
    second.locator("input").fill("bin full")
    second.get_by_role("button", name="Save").click()
    page.locator("#kept li[data-verdict=corrected]").wait_for()
    page.locator("#kept li").nth(2).focus()
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_load_state("networkidle")
    page.screenshot(path=folder / "review-1280-light.jpg", **JPEG)
    page.close()


def main() -> None:
    """Into a folder."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--settle", type=float, default=20.0, metavar="S")
    parser.add_argument("--only", choices=["page", "search", "review", "teaching"])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    more = f'search_folder = "{Path("tests/pictures").absolute()}"\n'
    with running(more) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        if arguments.only in (None, "search"):
            take_search(browser, address, arguments.out)
        if arguments.only in (None, "page"):
            take(browser, address, arguments.out, arguments.settle)
        if arguments.only in (None, "review"):
            take_review(browser, address, arguments.out)
        if arguments.only in (None, "teaching"):
            take_teaching(browser, arguments.out)
        browser.close()


if __name__ == "__main__":
    main()
