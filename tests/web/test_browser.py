"""The page in Debian's chromium, before a daemon that runs."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mosquitto import wait_until
from tests.web.screenshots import CHROMIUM, running

if not Path(CHROMIUM).exists():
    pytest.skip("chromium is not installed: apt install chromium", allow_module_level=True)
playwright_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")

from playwright.sync_api import Browser, Page, expect  # noqa: E402

LIMIT_MS = 30_000
PICTURE = Path(__file__).parent.parent / "pictures" / "cat.jpg"

Open = Callable[..., Page]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def started() -> list[subprocess.Popen[bytes]]:
    """The daemon and its web process."""
    return []


@pytest.fixture(scope="module")
def address(started: list[subprocess.Popen[bytes]]) -> Iterator[str]:
    with running(started=started) as where:
        yield where


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Open]:
    """Opens the page; at the end nothing may have been complained of, such as by its policy."""
    expect.set_options(timeout=LIMIT_MS)
    contexts, complaints = [], []

    def complain(kind: str, text: str) -> None:
        # That a request is refused is what some tests are about.
        if kind == "error" and "responded with a status of 4" not in text:
            complaints.append(text)

    def visit(width_px: int = 1280, scheme: str = "light", **options: object) -> Page:
        context = browser.new_context(
            viewport={"width": width_px, "height": 800},
            color_scheme=scheme,
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LIMIT_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complain(message.type, message.text))
        page.goto(address)
        expect(page.locator("#rule-list li")).not_to_have_count(0)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not complaints


def test_what_is_seen_is_shown(visit: Open) -> None:
    page = visit()
    expect(page.locator("#link")).to_have_text("live")
    expect(page.locator("#classes li")).to_have_count(5)
    expect(page.locator("#scene")).not_to_have_text("…")
    wait_until(lambda: page.evaluate("document.getElementById('picture').naturalWidth > 0"))
    expect(page.locator("#rule-list .plot .line")).not_to_have_count(0)
    expect(page.locator("#event-list li").first).to_contain_text("onset")
    expect(page.locator("#event-list img").first).to_be_attached()
    expect(page.locator("#facts")).to_contain_text("edged-cifar10-int8")
    expect(page.locator("#fps-now")).to_have_text(re.compile(r"\d"))


@pytest.mark.parametrize("width_px", [360, 390, 768, 1280])
def test_nothing_is_wider_than_the_screen(visit: Open, width_px: int) -> None:
    page = visit(width_px)
    page.click("#draw-region")
    open_rule_form(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width_px


def test_in_the_dark_the_page_is_dark(visit: Open) -> None:
    def brightness(page: Page) -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert brightness(visit(scheme="dark")) < 150 < brightness(visit(scheme="light"))


def test_all_can_be_done_by_keyboard(visit: Open) -> None:
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.focus("#pause")
    page.keyboard.press("Enter")
    expect(page.locator("#pause")).to_have_text("Resume")
    expect(page.locator("#link")).to_have_text("paused")
    page.keyboard.press("Enter")
    expect(page.locator("#pause")).to_have_text("Pause")


def test_a_screen_reader_finds_its_way(visit: Open) -> None:
    page = visit()
    for role in ("banner", "navigation", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    assert page.get_by_role("heading", level=1).count() == 1
    for title in ("Rules", "Outputs", "Events", "Your picture", "Health"):
        assert page.get_by_role("region", name=title, exact=True).count() == 1, title
    nameless = page.evaluate(
        """[...document.querySelectorAll("button, input, select, a")].filter((element) =>
             !element.textContent.trim() && !element.ariaLabel && !element.labels?.length)
           .map((element) => element.outerHTML)"""
    )
    assert nameless == []
    expect(page.locator("[aria-live=polite]#said")).to_contain_text(re.compile("(on|off) at"))


def test_a_picture_of_ones_own_is_classified(visit: Open) -> None:
    page = visit()
    page.set_input_files("#file", PICTURE)
    expect(page.locator("#own-classes li").first).to_contain_text("cat")
    page.set_input_files("#photo", {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": b"x"})
    expect(page.locator("#own-problem")).to_be_visible()


def test_a_pasted_picture_is_classified(visit: Open) -> None:
    page = visit()
    page.evaluate(
        """async () => {
             const picture = await (await fetch("/static/icon-512.png")).blob();
             const data = new DataTransfer();
             data.items.add(new File([picture], "pasted.png", { type: "image/png" }));
             document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
           }"""
    )
    expect(page.locator("#own-classes li")).not_to_have_count(0)


def test_a_shared_picture_is_classified(visit: Open, address: str) -> None:
    page = visit()
    files = {"image": {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": PICTURE.read_bytes()}}
    answer = page.request.post(f"{address}share", multipart=files, max_redirects=0)
    page.goto(f"{address}login")
    page.goto(f"{address.rstrip('/')}{answer.headers['location']}")
    expect(page.locator("#own-classes li").first).to_contain_text("cat")


def test_an_output_is_set_by_hand_for_a_time(visit: Open) -> None:
    page = visit()
    lamp = page.locator("#output-list li", has_text="lamp")
    lamp.locator("select").select_option("600")
    lamp.get_by_role("button", name="lamp on").click()
    expect(lamp.locator(".detail")).to_contain_text("s left")
    lamp.get_by_role("button", name="lamp off").click()
    expect(lamp.locator(".pill")).to_have_text("off")


def test_a_mask_is_drawn_and_taken_back(visit: Open) -> None:
    page = visit()
    page.click("#draw-privacy")
    box = page.locator("#drawing").bounding_box()
    assert box is not None
    x, y = box["x"] + 50, box["y"] + 50
    page.mouse.move(x, y)
    page.mouse.down()
    for to_x, to_y in ((200, 0), (200, 200), (0, 200)):
        page.mouse.move(x + to_x, y + to_y, steps=8)
    page.mouse.up()
    page.click("#draw-save")
    expect(page.locator("#tools")).to_be_hidden()
    privacy = "async () => (await (await fetch('/status.json')).json()).setup.privacy.length"
    wait_until(lambda: page.evaluate(privacy) == 1)
    page.click("#undo")
    wait_until(lambda: page.evaluate(privacy) == 0)


def test_a_mask_is_added_to_those_that_another_page_has_drawn(visit: Open) -> None:
    page = visit()
    # It is asked for nothing any more, and knows of no mask.
    page.evaluate(
        """async () => {
             Object.defineProperty(document, "hidden", { get: () => true, configurable: true });
             document.dispatchEvent(new Event("visibilitychange"));
             const save = { command: "save", privacy: [[[0, 0], [0.1, 0.1]]] };
             await fetch("/command", { method: "POST", body: JSON.stringify(save) });
           }"""
    )
    page.click("#draw-privacy")
    for edge, value in (("left", "10"), ("top", "20"), ("right", "60"), ("bottom", "90")):
        page.fill(f"#draw-{edge}", value)
    page.click("#draw-save")
    expect(page.locator("#tools")).to_be_hidden()
    privacy = "async () => (await (await fetch('/status.json')).json()).setup.privacy"
    assert page.evaluate(privacy) == [[[0, 0], [0.1, 0.1]], [[0.1, 0.2], [0.6, 0.9]]]
    page.click("#draw-privacy")
    page.click("#draw-clear")
    expect(page.locator("#tools")).to_be_hidden()
    assert page.evaluate(privacy) == []


def test_a_region_is_typed_and_taken_back(visit: Open) -> None:
    page = visit()
    page.click("#draw-region")
    for edge, value in (("left", "10"), ("top", "20"), ("right", "60"), ("bottom", "90")):
        page.fill(f"#draw-{edge}", value)
    page.click("#draw-save")
    expect(page.locator("#tools")).to_be_hidden()
    region = "async () => (await (await fetch('/status.json')).json()).setup.region"
    wait_until(lambda: page.evaluate(region) == pytest.approx([0.1, 0.2, 0.5, 0.7]))
    page.click("#draw-region")
    page.click("#draw-clear")
    wait_until(lambda: page.evaluate(region) == [0, 0, 1, 1])


def test_a_rule_is_made_of_what_is_seen_and_removed(visit: Open) -> None:
    page = visit()
    open_rule_form(page)
    page.fill("#rule-form [name=label]", "frog")
    assert page.input_value("#rule-form [name=name]") == "frog"
    page.click("#rule-form .primary")
    rule = page.locator("#rule-list li", has_text="frog")
    expect(rule).to_have_count(1)
    rule.get_by_role("button", name="Remove").click()
    expect(rule).to_have_count(0)


def open_rule_form(page: Page) -> None:
    page.click("#new-rule summary")
    # It fills in a label when it opens, which is an event of its own.
    page.evaluate("() => new Promise((done) => setTimeout(done, 50))")


def test_a_label_that_the_model_has_not_is_told(visit: Open) -> None:
    page = visit()
    open_rule_form(page)
    page.fill("#rule-form [name=label]", "dragon")
    with page.expect_response("**/command") as answer:
        page.click("#rule-form .primary")
    assert answer.value.status == 409
    expect(page.locator("#rule-problem")).to_contain_text('no label "dragon"')


def test_a_label_is_taught_from_the_camera_seen_and_forgotten(visit: Open) -> None:
    page = visit()
    form, taught = page.locator("#teach-form"), page.locator("#taught-list li")
    expect(page.locator("#teach .empty")).to_be_visible()
    form.get_by_label("Label").fill("my view")
    form.get_by_role("button", name="Teach").click()
    expect(taught).to_have_count(1)
    expect(taught).to_contain_text("10 pictures")
    expect(taught.locator("img")).to_have_count(10)
    wait_until(
        lambda: page.evaluate(
            """[...document.querySelectorAll("#taught-list img")]
                 .every((one) => one.naturalWidth > 60)"""
        )
    )
    expect(taught.locator("img").first).to_have_attribute("alt", re.compile("my view, from frame"))
    expect(page.locator("#labels option[value='my view']")).to_be_attached()
    taught.get_by_role("button", name="Forget my view").click()
    expect(taught).to_have_count(0)
    expect(page.locator("#teach .empty")).to_be_visible()
    expect(page.locator("#labels option[value='my view']")).to_have_count(0)
    page.click("#teach-undo")
    expect(taught.locator("img")).to_have_count(10)
    taught.get_by_role("button", name="Forget my view").click()
    expect(taught).to_have_count(0)


def test_a_label_of_the_model_is_not_taught_again(visit: Open) -> None:
    page = visit()
    page.fill("#teach-form [name=label]", "cat")
    page.click("#teach-begin")
    expect(page.locator("#teach-problem")).to_contain_text("cat is a label of model")
    expect(page.locator("#teach-begin")).to_be_enabled()


def reviewing(visit: Open, address: str, pictures: int, **options: object) -> Page:
    """The page with so many pictures that nobody has decided on, at least."""
    page = visit(**options)
    wait_until(
        lambda: (
            page.evaluate(
                """async () => (await (await fetch("/review.json")).json())
                 .pictures.filter(({ verdict }) => !verdict).length"""
            )
            >= pictures
        )
    )
    page.goto(f"{address}review")
    expect(page.locator("#kept > li")).not_to_have_count(0)
    return page


def test_pictures_are_reviewed_by_keyboard(visit: Open, address: str) -> None:
    page = reviewing(visit, address, 3)
    undecided = page.locator("#kept li[data-verdict='']")
    first = undecided.first
    name = first.get_attribute("aria-label")
    first.focus()
    page.keyboard.press("a")
    accepted = page.locator(f"#kept li[aria-label='{name}']")
    expect(accepted.locator(".said")).to_have_text(re.compile("^Accepted: .*, by the page, from"))
    # The next one that nobody has decided on is next.
    expect(page.locator("#kept li:focus")).to_have_attribute("data-verdict", "")
    name = page.locator("#kept li:focus").get_attribute("aria-label")
    page.keyboard.press("c")
    page.keyboard.type("my thing")
    page.keyboard.press("Enter")
    corrected = page.locator(f"#kept li[aria-label='{name}']")
    expect(corrected.locator(".said")).to_have_text(re.compile("^Corrected: my thing, by"))
    page.keyboard.press("ArrowLeft")
    name = page.locator("#kept li:focus").get_attribute("aria-label")
    page.keyboard.press("d")
    expect(page.locator(f"#kept li[aria-label='{name}']")).to_have_count(0)


def test_pictures_are_reviewed_by_finger_and_taught(visit: Open, address: str) -> None:
    page = reviewing(visit, address, 3, width_px=390, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for _ in range(3):
        item = page.locator("#kept li[data-verdict='']").first
        image = item.locator("img")
        image.scroll_into_view_if_needed()
        name = item.get_attribute("aria-label")
        item.get_by_role("button", name="Correct").tap()
        item.locator("input").fill("my thing")
        item.get_by_role("button", name="Save").tap()
        decided = page.locator(f"#kept li[aria-label='{name}']")
        expect(decided).to_have_attribute("data-verdict", "corrected")
        width_px = "async (one) => { await one.decode(); return one.naturalWidth }"
        # The narrow ones were kept while another test had set a region.
        assert decided.locator("img").evaluate(width_px) in (320, 480)
    page.get_by_role("button", name="Teach").tap()
    expect(page.locator("#review-said")).to_contain_text("Taught now: my thing (")
    page.goto(address)
    taught = page.locator("#taught-list li", has_text="my thing")
    expect(taught.locator("img").first).to_have_attribute("alt", re.compile("review .* of porch"))
    taught.get_by_role("button", name="Forget my thing").click()
    expect(taught).to_have_count(0)


def test_what_another_reviewer_has_decided_is_not_overwritten_unseen(
    visit: Open, address: str
) -> None:
    page = reviewing(visit, address, 2)
    item = page.locator("#kept li[data-verdict='']").first
    number = int(item.get_attribute("aria-label").removeprefix("Picture "))  # type: ignore[union-attr]
    name = f"#kept li[aria-label='Picture {number}']"
    page.evaluate(
        """(number) => {
             Object.defineProperty(document, "hidden", { get: () => true, configurable: true });
             const fields = { numbers: [number], verdict: "correct", label: "bin" };
             const body = JSON.stringify({ command: "review-decide", ...fields });
             return fetch("/command", { method: "POST", body });
           }""",
        number,
    )
    page.locator(name).get_by_role("button", name="Discard").click()
    expect(page.locator("#review-problem")).to_contain_text(
        "was corrected as bin by the page, from"
    )
    expect(page.locator(f"{name} .said")).to_contain_text("Corrected: bin")
    page.locator(name).get_by_role("button", name="Discard").click()
    expect(page.locator(name)).to_have_count(0)


def test_a_daemon_that_hangs_is_not_live(
    visit: Open, started: list[subprocess.Popen[bytes]]
) -> None:
    page = visit()
    expect(page.locator("#link")).to_have_text("live")
    daemon, _ = started
    daemon.send_signal(signal.SIGSTOP)
    try:
        expect(page.locator("#link")).to_have_text(re.compile(r"no frame for \d+ s"))
        expect(page.locator("#dot")).not_to_have_class(re.compile("on"))
    finally:
        daemon.send_signal(signal.SIGCONT)
    expect(page.locator("#link")).to_have_text("live")


def test_a_page_that_nobody_sees_asks_for_nothing(visit: Open) -> None:
    page = visit()
    page.evaluate(
        """() => {
             Object.defineProperty(document, "hidden", { get: () => true, configurable: true });
             document.dispatchEvent(new Event("visibilitychange"));
           }"""
    )
    assert page.get_attribute("#picture", "src") is None
    page.evaluate(
        """() => {
             delete document.hidden;
             document.dispatchEvent(new Event("visibilitychange"));
           }"""
    )
    wait_until(lambda: page.evaluate("document.getElementById('picture').naturalWidth > 0"))
