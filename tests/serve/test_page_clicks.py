"""Every control of the page, at its own place: a mouse that goes to the middle of what it sees hits it.

On screens of phones, held up and sideways, and of a desk. Nothing scrolls sideways, and axe finds nothing.
"""

import urllib.request
from collections.abc import Iterator

import pytest
from made.browsing import IN_BROWSER, Page, listening
from made.models import tiny_director, tiny_world
from PIL import Image

from reelm.zoo.crafter.game import KEYS

selenium = pytest.importorskip("selenium", reason="selenium drives the browser")
from selenium.common.exceptions import StaleElementReferenceException  # noqa: E402

pytestmark = IN_BROWSER

SIZES = ((320, 640), (390, 844), (844, 390), (1280, 800))
# The controls that are seen. A field for a file is hidden behind its label.
SEEN = """
const kinds = "a[href], button, input, select, textarea, summary, video[controls], [tabindex='0']";
return [...document.querySelectorAll(kinds)]
  .map((each) => (each.type === "file" ? each.closest("label") : each))
  .filter((each) => each.checkVisibility({visibilityProperty: true}) && each.getBoundingClientRect().width > 1)"""
# Go to a control, and return its middle; hear what is clicked, and let nothing come of it.
TO = """
const [control] = arguments;
control.scrollIntoView({block: "center", inline: "center"});
const {left, top, width, height} = control.getBoundingClientRect(), at = [left + width / 2, top + height / 2];
window.hit = null;
const types = ["pointerdown", "mousedown", "pointerup", "mouseup", "click", "focusin", "keydown"];
if (!window.heard) for (const type of types) {
  addEventListener(type, (event) => {
    if (type === "click") window.hit = event.target;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
}
window.heard = true;
return at"""
MEETS = """
const [control, x, y] = arguments, there = document.elementFromPoint(x, y);
const own = (each) => each && [control, ...(control.labels ?? [])].some((place) => place.contains(each));
const [what, found] = [control, there].map((each) => each?.outerHTML.slice(0, 200));
return [own(there), own(window.hit), control.matches(":disabled"), what, found]"""


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    models = {"director": tiny_director(), "world": tiny_world(KEYS)}
    with listening(models, tmp_path_factory.mktemp("clicks"), rows=2) as address:
        yield address


def clicked(page: Page, x: float, y: float) -> None:
    mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
    for type_ in ("mousePressed", "mouseReleased"):
        page.driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": type_, **mouse})


def at_hand(page: Page, least: int) -> None:
    """Check that each control that is seen can be clicked, and that nothing scrolls sideways."""
    controls = page.do(SEEN)
    for control in controls:
        try:
            x, y = page.do(TO, control)
            clicked(page, x, y)
            met, hit, disabled, what, there = page.do(MEETS, control, x, y)
        except StaleElementReferenceException:  # such as that of a job, which has ended
            continue
        least -= 1
        assert met and (hit or disabled), f"{what} lies under {there}"
    assert least <= 0
    assert page.do("return document.documentElement.scrollWidth <= innerWidth")


def all_open(page: Page) -> None:
    page.write("a red seven moves", seconds=2)
    page.make()
    page.at("again").click()
    page.until(lambda: page.at("other").is_displayed() and page.done())
    page.at("retake-this").click()
    page.until(lambda: page.at("part").is_displayed())
    page.at("add-shot").click()
    page.do("for (const each of document.querySelectorAll('details')) each.open = true")
    page.all("#camera-words option[value=own]")[0].click()
    page.all("#paths details button:last-child")[-1].click()


def played(page: Page) -> None:
    page.all("#model option[value=world]")[0].click()
    page.until(lambda: page.text("counter"))


def live(page: Page) -> None:
    page.at("tab-live").click()
    page.at("make").click()
    page.until(lambda: page.at("stop").is_displayed())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("view", "least"), [(all_open, 60), (live, 10), (played, 24)])
def test_each_control_is_hit_where_it_stands(page, size, view, least):
    page.fit(*size)
    view(page)
    for language in ("en", "zh"):
        page.speak(language)
        page.accessible()
    at_hand(page, least)


@pytest.mark.parametrize("size", SIZES)
def test_the_page_of_a_clip_fits_and_makes_a_card(page, size):
    page.fit(*size)
    page.write("a red seven & <b>", seed=5)
    page.make()
    page.driver.get(page.at("share").get_attribute("href"))
    page.accessible()
    at_hand(page, 2)
    said = page.do(
        "return Object.fromEntries([...document.querySelectorAll('meta[property]')].map((each) =>"
        "[each.getAttribute('property'), each.content]))"
    )
    assert said["og:title"] == page.driver.title == "a red seven & <b>" and said["og:url"] == page.driver.current_url
    sides = int(said["og:image:width"]), int(said["og:image:height"])
    with urllib.request.urlopen(said["og:image"]) as answer, Image.open(answer) as poster:
        assert poster.size == sides == (384, 256)
    with urllib.request.urlopen(said["og:video"]) as answer:
        assert answer.headers["content-disposition"].endswith('"a-red-seven-b-seed-5.mp4"')


@pytest.mark.parametrize("size", SIZES)
def test_a_world_is_played_by_its_buttons_without_scrolling(page, size):
    page.fit(*size)
    played(page)
    page.do("const s = document.getElementById('screen'); s.width = s.height = 72")  # as square as Crafter
    buttons = page.all("#pad button")
    assert [each.get_attribute("data-key") for each in buttons] == [*KEYS]
    page.do("scrollTo(0, 0)")
    for each in (page.at("screen"), *buttons):
        place = page.do(
            "const {left, top, right, bottom} = arguments[0].getBoundingClientRect();"
            "return [left >= 0, top >= 0, right <= innerWidth, bottom <= innerHeight]",
            each,
        )
        assert all(place), (each.get_attribute("data-key"), place)
    middle = "const b = arguments[0].getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]"
    for button in buttons:
        clicked(page, *page.do(middle, button))
        said = page.do("return arguments[0].querySelector('span').textContent", button)
        page.until(lambda said=said: page.text("pressed") == said)
    shortcuts = [button.get_attribute("aria-keyshortcuts") for button in buttons]
    assert shortcuts[:5] == ["ArrowLeft a", "ArrowRight d", "ArrowUp w", "ArrowDown s", "Space"]
    letters = " ".join(shortcuts).split(" ")
    assert len(letters) == len({*letters}) == len(KEYS) + 4  # none has two meanings
