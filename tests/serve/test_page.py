"""The page in a browser: words become a clip that plays with sound, live words change it, and worlds hear keys."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made.browsing import IN_BROWSER, browsing, listening
from made.models import tiny_world
from PIL import Image

import reelm
from reelm import Clip
from reelm.sampling.model import Model

selenium = pytest.importorskip("selenium", reason="selenium drives the browser")
from selenium import webdriver  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select, WebDriverWait  # noqa: E402

pytestmark = IN_BROWSER

_PATIENCE = 300  # seconds: a model that ships is compiled and decodes without optimizations here
USABLE = ("button", "textbox", "combobox", "spinbutton", "checkbox", "link", "DisclosureTriangle")


@pytest.fixture(scope="module")
def demo() -> Model:
    return reelm.load()


@pytest.fixture(scope="module")
def page(demo, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """The address of a server, and its folder."""
    home = tmp_path_factory.mktemp("page")
    with listening({"demo": demo}, home) as address:
        yield address, home


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[str]:
    """The address of a server with a world of two keys, left and right."""
    with listening({"world": tiny_world()}, tmp_path_factory.mktemp("world"), warm=False) as address:
        yield address


@pytest.fixture
def browser() -> Iterator[webdriver.Chrome]:
    with browsing() as page:
        yield page.driver


def player(browser: webdriver.Chrome) -> tuple[int, int, float, float]:
    """How much the player knows, the width of the clip, its time, and the end of what it has."""
    return browser.execute_script(
        "const v = document.getElementById('video');"
        "return [v.readyState, v.videoWidth, v.currentTime, v.buffered.length ? v.buffered.end(0) : 0]"
    )


def brightest(browser: webdriver.Chrome) -> list[int]:
    """Largest red, green and blue of the frame that is shown."""
    return browser.execute_script(
        "const v = document.getElementById('video'), c = document.createElement('canvas'), x = c.getContext('2d');"
        "c.width = v.videoWidth; c.height = v.videoHeight; x.drawImage(v, 0, 0); const most = [0, 0, 0];"
        "x.getImageData(0, 0, c.width, c.height).data.forEach((p, i) => {"
        "  if (i % 4 < 3) most[i % 4] = Math.max(most[i % 4], p) }); return most"
    )


def test_words_become_a_clip_that_plays_with_sound_and_is_compared_with_another(page, browser):
    address, home = page
    browser.get(address)
    wait = WebDriverWait(browser, _PATIENCE, 0.05)
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#model option"))
    browser.find_element(By.ID, "seed").send_keys("1")
    browser.find_element(By.ID, "prompt").send_keys("a red seven moves right", Keys.ENTER)
    wait.until(lambda _: browser.find_element(By.ID, "progress").is_displayed())
    wait.until(lambda _: player(browser)[0] >= 2)
    assert player(browser)[1] == 64
    red, green, blue = brightest(browser)
    assert red > 150 > 100 > max(green, blue)
    wait.until(lambda _: browser.execute_script("return document.getElementById('video').webkitAudioDecodedByteCount"))
    wait.until(lambda _: len(browser.find_elements(By.CSS_SELECTOR, "#history li")) == 1)
    browser.find_element(By.ID, "again").click()
    wait.until(lambda _: len(browser.find_elements(By.CSS_SELECTOR, "#history li")) == 2)
    first, second = (browser.find_element(By.CSS_SELECTOR, f"#{name} .up") for name in ("one", "other"))
    wait.until(lambda _: first.is_displayed() and second.is_displayed())
    first.click()
    wait.until(lambda _: first.get_attribute("aria-pressed") == "true")
    [line] = [json.loads(line) for line in (home / "feedback.jsonl").read_text().splitlines()]
    assert (line["rating"], line["prompt"]) == (1, "a red seven moves right")
    assert line["over"] != line["video"] and line["over"].startswith("video_")
    assert not browser.get_log("browser")


def test_two_clicks_make_a_clip_that_shows_what_was_clicked(demo, page, browser, tmp_path):
    address, _ = page
    browser.get(address)
    wait = WebDriverWait(browser, _PATIENCE, 0.05)
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".chip"))
    [seven] = [chip for chip in browser.find_elements(By.CSS_SELECTOR, ".chip") if chip.text == "seven"]
    seven.click()
    browser.find_element(By.ID, "make").click()
    wait.until(lambda _: browser.find_element(By.ID, "after").is_displayed())
    with urllib.request.urlopen(browser.find_element(By.CSS_SELECTOR, "#download a").get_attribute("href")) as answer:
        (tmp_path / "seven.mp4").write_bytes(answer.read())
    assert "seven" in demo.describe(Clip.open(tmp_path / "seven.mp4"))


def test_it_fits_a_phone_speaks_chinese_and_names_what_can_be_used(page, browser):
    address, _ = page
    screen = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.get(address)
    wait = WebDriverWait(browser, _PATIENCE, 0.05)
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#model option"))
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    browser.find_element(By.CSS_SELECTOR, "#language option[value=zh]").click()
    assert browser.find_element(By.ID, "make").text == "生成"
    assert browser.execute_script("return document.documentElement.lang") == "zh-CN"
    words = browser.execute_async_script(
        "import('/words.js').then(({WORDS: w}) => arguments[0](Object.values(w).map((each) => Object.keys(each))))"
    )
    assert len(words) == 2 and sorted(words[0]) == sorted(words[1])
    # What a screen reader says: everything that can be used has a name.
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    usable = [node for node in nodes if node.get("role", {}).get("value") in USABLE and not node["ignored"]]
    assert len(usable) >= 8
    assert not [node for node in usable if not node["name"]["value"].strip()]


def test_live_words_change_while_it_plays(page, browser):
    address, _ = page
    browser.get(address)
    wait = WebDriverWait(browser, _PATIENCE, 0.05)
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#model option"))
    browser.find_element(By.ID, "tab-live").click()
    words = browser.find_element(By.ID, "prompt")
    words.send_keys("a red seven moves right")
    browser.find_element(By.ID, "make").click()
    wait.until(lambda _: player(browser)[2] > 1 and brightest(browser)[0] > 150)
    words.clear()
    words.send_keys("a green four moves left")
    browser.find_element(By.ID, "make").click()
    wait.until(lambda _: brightest(browser)[1] > 150)
    begun = player(browser)[2]
    wait.until(lambda _: player(browser)[2] > begun + 3)
    assert not browser.find_element(By.ID, "message").text
    assert not browser.get_log("browser")


def test_a_world_is_played_at_the_bare_address_and_what_is_recorded_is_once(world, browser, tmp_path):
    browser.get(world)
    wait = WebDriverWait(browser, _PATIENCE, 0.05)

    def text(name: str) -> str:
        return browser.find_element(By.ID, name).text

    wait.until(lambda _: text("counter").startswith("Frame"))  # it begins by itself
    wait.until(lambda _: any(pixels(browser)))
    before = pixels(browser)
    ActionChains(browser).key_down(Keys.ARROW_LEFT).pause(0.2).key_up(Keys.ARROW_LEFT).perform()
    wait.until(lambda _: text("pressed") == "left" and pixels(browser) != before)
    ActionChains(browser).send_keys("d").perform()
    wait.until(lambda _: text("pressed") == "right")
    # Once more where a step that heard "right" came in between.
    no_key = "This world has no key q"
    wait.until(lambda _: ActionChains(browser).send_keys("q").perform() or text("pressed") == no_key)
    assert not browser.find_element(By.ID, "prompt").is_displayed()
    record = browser.find_element(By.ID, "record")
    record.click()
    assert browser.execute_script("return document.activeElement.id") == "screen"
    for _ in range(2):  # "do", if the world had it: the keyboard is the world's, and no job is made
        ActionChains(browser).send_keys(Keys.SPACE, Keys.ARROW_LEFT).perform()
    wait.until(lambda _: text("pressed") == "left")
    record.click()
    wait.until(lambda _: browser.find_element(By.CSS_SELECTOR, "#recording a").is_displayed())
    with urllib.request.urlopen(f"{world}v1/videos") as answer:
        [job] = json.loads(answer.read())["data"]
    chosen = Select(browser.find_element(By.CSS_SELECTOR, "#recording select"))
    for kind in ("mp4", "gif", "webp"):
        chosen.select_by_value(kind)
        with urllib.request.urlopen(
            browser.find_element(By.CSS_SELECTOR, "#recording a").get_attribute("href")
        ) as answer:
            steps = len(job["settings"]["keys"])
            assert f'"world-{steps}-steps-seed-{job["seed"]}.{kind}"' in answer.headers["content-disposition"]
            (tmp_path / f"made.{kind}").write_bytes(answer.read())
        if kind != "mp4":
            with Image.open(tmp_path / f"made.{kind}") as file:
                blocks = np.asarray(file.convert("RGB")).reshape(16, 16, 24, 16, 3)
            assert file.size == (384, 256) and (blocks == blocks[:, :1, :, :1]).all()  # hard pixels
    info = Clip.open(tmp_path / "made.mp4").info
    assert ["left"] in info["keys"] and info["seed"] == job["seed"]
    browser.find_element(By.ID, "tab-clips").click()
    wait.until(lambda _: browser.find_elements(By.CSS_SELECTOR, "#history button"))[0].click()
    browser.find_element(By.ID, "play-on").click()
    wait.until(lambda _: text("counter").endswith(f" {job['seed']}") and int(text("counter").split()[1]) > steps)
    browser.find_element(By.ID, "anew").click()
    wait.until(lambda _: text("counter") and not text("counter").endswith(f" {job['seed']}"))
    browser.find_element(By.ID, "stop").click()
    assert browser.execute_script("return document.activeElement.id") == "make"
    assert not text("message") and not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def test_a_link_replays_a_walk_on_another_server(world, browser, tmp_path):
    browser.get(world)
    wait = WebDriverWait(browser, _PATIENCE, 0.05)
    wait.until(lambda _: browser.find_element(By.ID, "link").is_enabled())
    ActionChains(browser).send_keys(Keys.ARROW_LEFT, Keys.ARROW_RIGHT, "a").perform()
    wait.until(lambda _: int(browser.find_element(By.ID, "counter").text.split()[1]) > 5)
    browser.find_element(By.ID, "link").click()
    link = browser.execute_script("return location.hash")
    assert "left" in link and "right" in link
    seed, keys = browser.execute_async_script(
        "import('/game.js').then(({linked}) => { const { seed, replay } = linked(); arguments[0]([seed, replay]) })"
    )
    made = tiny_world().generate(keys=keys, seed=seed).video[-1]
    with listening({"world": tiny_world()}, tmp_path, warm=False) as other:
        browser.get(f"{other}{link}")
        browser.execute_script("window.shots = []")
        keep = (
            "const c = document.getElementById('screen'), x = c.getContext('2d');"
            "const before = x.drawImage.bind(x); x.drawImage = (...all) => { before(...all);"
            "const shown = [...x.getImageData(0, 0, c.width, c.height).data];"
            "window.shots.push(shown.filter((_, at) => at % 4 < 3).join()) }"
        )
        browser.execute_script(keep)
        shown = ",".join(map(str, made.reshape(-1).tolist()))
        wait.until(lambda _: browser.execute_script("return window.shots.includes(arguments[0])", shown))
        browser.get("about:blank")


def test_a_goal_is_ticked_because_the_picture_shows_it_not_for_its_key(browser, tmp_path):
    wait = WebDriverWait(browser, 60, 0.05)
    with listening({"crafter": reelm.load("crafter")}, tmp_path, rows=2) as address:
        for way, ticked in (("down", []), ("up", ["Collect wood"])):  # grass, and a tree
            browser.get("about:blank")
            browser.get(f"{address}#world=crafter&seed=3&keys={way}.do*4.-*5")
            wait.until(lambda _: "replay is over" in browser.find_element(By.ID, "noted").text)
            reached = browser.find_elements(By.CSS_SELECTOR, "#goal-list .reached")
            assert [each.text.splitlines()[1] for each in reached] == ticked
            assert browser.find_element(By.ID, "reached").text == f"{len(ticked)} / 19"
        browser.find_element(By.ID, "anew").click()
        wait.until(lambda _: browser.find_element(By.ID, "reached").text == "0 / 19")
        browser.get("about:blank")


def pixels(browser: webdriver.Chrome) -> list[int]:
    return browser.execute_script(
        "const c = document.getElementById('screen');"
        "return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
