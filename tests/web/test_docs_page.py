"""The page of the APIs in Debian's chromium: it loads, and what it sends is answered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.config.schema import Config
from tests.web.conftest import RED
from tests.web.screenshots import CHROMIUM
from tests.web.serving import Serving, model_options, serving

if not Path(CHROMIUM).exists():
    pytest.skip("chromium is not installed: apt install chromium", allow_module_level=True)
playwright_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

from playwright.sync_api import Page, expect  # noqa: E402

LIMIT_MS = 30_000

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def process(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(tmp_path_factory.mktemp("web"), "web", *model_options(config)) as made:
        yield made


@pytest.fixture
def page(process: Serving) -> Iterator[Page]:
    """``/docs`` on a telephone; nothing may have been complained of at the end."""
    complaints: list[str] = []
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = browser.new_page(viewport={"width": 390, "height": 800})
        made.set_default_timeout(LIMIT_MS)
        expect.set_options(timeout=LIMIT_MS)
        made.on("pageerror", lambda error: complaints.append(str(error)))
        made.on("console", lambda message: complaints.append(message.text))
        made.goto(f"http://{process.address}/docs")
        yield made
        browser.close()
    assert complaints == []


def test_every_operation_can_be_tried_from_the_page(page: Page, tmp_path: Path) -> None:
    expect(page.locator("#about")).to_have_text("Classifies pictures with colours.")
    for name in ("MAX", "TensorFlow Serving", "Open Inference Protocol V2", "Monitoring"):
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    picture = tmp_path / "red.png"
    picture.write_bytes(RED)
    predict = page.locator("details", has_text="POST /model/predict")
    predict.locator("summary").click()
    predict.get_by_label("image").set_input_files(picture)
    predict.get_by_label("topk").fill("1")
    predict.get_by_role("button", name="Send").click()
    expect(predict.get_by_role("status")).to_contain_text("200 OK")
    expect(predict.get_by_role("status")).to_contain_text('"label": "red"')

    model = page.locator("details", has_text="GET /v2/models/{name} Inputs")
    model.locator("summary").click()
    model.get_by_role("button", name="Send").click()
    expect(model.get_by_role("status")).to_contain_text('"UINT8"')
