"""The page in a browser, for who stays: what may be typed, what became of it, jobs of all tabs, and older clips."""

import json
import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from made.browsing import AXE, IN_BROWSER, Page, listening
from made.models import tiny_director
from PIL import Image

from reelm.lm.training_domain import TrainingDomain
from reelm.sampling.model import Model
from reelm.tokenizer.text.pieces import TextTokenizer

pytestmark = IN_BROWSER

# The contrast of the border of a field to what is in it (WCAG 1.4.11).
CONTRAST = """
const light = (colour) => { const [r, g, b] = colour.match(/[\\d.]+/g).map((each) => each / 255).map((each) =>
  each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
const { borderColor, backgroundColor } = getComputedStyle(document.getElementById("prompt"));
const [one, two] = [light(borderColor), light(backgroundColor)].sort((a, b) => b - a);
return (one + 0.05) / (two + 0.05)"""
PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}


WORDS = "a red green blue yellow magenta cyan white two four seven nine moves left right up down slowly"
WORDS_ZH = "七 红 色 的 向 右 移 动"
SENTENCES = ["a red seven moves right", "红色的七向右移动"]


@pytest.fixture(scope="module")
def toy() -> Model:
    """A model of random weights, with the words of `demo`."""
    model = tiny_director()
    assert model.lm is not None
    domain = TrainingDomain(words=tuple(f"{WORDS} {WORDS_ZH}".split()), frames=33)
    text = TextTokenizer.train(SENTENCES * 5, model.lm.config.text_vocabulary)
    return replace(model, name="demo", lm=replace(model.lm, training_domain=domain, text=text))


@pytest.fixture(scope="module")
def address(toy, tmp_path_factory) -> Iterator[str]:
    with listening({"demo": toy, "twin": toy}, tmp_path_factory.mktemp("stays")) as address:
        yield address


def ask(address: str, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address + path, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def long_jobs(address: str, count: int) -> list[str]:
    asked = {"prompt": "a red seven", "num_frames": 9_999}
    return [ask(address, "v1/videos", asked | {"prompt": f"a red seven {name}"})["id"] for name in "abc"[:count]]


def focused(page: Page) -> str:
    return page.do("return document.activeElement.id")


def test_words_are_clicked_and_the_page_says_what_is_read_and_what_it_costs(address, page):
    assert "English" in page.at("prompt").get_attribute("placeholder")
    for name in ("seven", "red"):
        [chip] = [each for each in page.all(".chip") if each.text == name]
        chip.click()
    page.make()
    [job] = ask(address, "v1/videos?limit=1")["data"]
    assert (job["prompt"], job["status"]) == ("a red seven", "completed")
    assert [each.text for each in page.all(".chip[aria-pressed=true]")] == ["red", "seven"]
    page.until(lambda: "About" in page.text("cost"))
    assert not page.driver.get_log("browser")


def test_a_chinese_page_writes_chinese_for_a_model_that_reads_it(address, page):
    page.speak("zh")
    assert page.at("prompt").get_attribute("placeholder").endswith("红色的七向右移动")
    page.write("")
    for name in ("七", "红色", "向右"):
        [chip] = [each for each in page.all(".chip") if each.text == name]
        chip.click()
    page.make()
    [job] = ask(address, "v1/videos?limit=1")["data"]
    assert (job["prompt"], job["status"]) == ("红色的七向右移动", "completed")
    assert [each.text for each in page.all(".chip[aria-pressed=true]")] == ["红色", "七", "向右"]
    page.speak("en")
    assert [each.text for each in page.all(".chip[aria-pressed=true]")] == ["red", "seven", "right"]


def test_words_that_the_model_does_not_know_are_told_in_the_language_of_the_page(page):
    page.write("一只猫")
    page.make()
    page.until(lambda: "demo may not know '一只猫'" in page.text("doubts"))
    page.write("a cat")
    page.make()
    page.until(lambda: "demo may not know 'a cat'" in page.text("doubts"))
    page.speak("zh")
    assert "demo 可能不认识“a cat”" in page.text("doubts") and page.text("status").startswith("完成")
    page.write("seven " * 60)
    page.at("make").click()
    page.until(lambda: re.search(r"提示词占 \d+ 个词元", page.text("message")))
    page.speak("en")
    assert re.search(r"the prompt takes \d+ text tokens", page.text("message"))


def test_all_tabs_show_the_jobs_of_all_and_stopped_is_not_failed(address, page):
    names = long_jobs(address, 3)
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    page.visit(address)

    def shown() -> list[str]:
        return [each.text for each in page.all("#jobs .title")]

    wanted = [f"a red seven {name}" for name in "abc"]
    page.until(lambda: shown() == wanted)
    page.until(lambda: "place 2 in the queue" in page.all("#jobs .quiet")[2].text)
    page.driver.switch_to.window(first)
    page.at("tab-live").click()  # in every view
    page.until(lambda: shown() == wanted)
    page.all("#jobs li:nth-child(2) button:last-child")[0].click()
    page.until(lambda: shown() == [wanted[0], wanted[2]])
    page.all("#jobs .title")[0].click()
    page.until(lambda: page.at("stop").is_displayed())
    page.at("stop").click()
    page.until(lambda: page.text("status").startswith("stopped"))
    assert not page.text("message") and "fault" not in page.at("status").get_attribute("class")
    ask(address, f"v1/videos/{names[2]}/cancel", {})
    page.until(lambda: not shown())


def test_a_lost_server_is_told_and_the_page_goes_on_by_itself(toy, browser, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = browser
    with listening({"demo": toy}, tmp_path, port) as address:
        page.open(address)
        page.write("a red seven moves right", seconds=60)
        page.at("make").click()
        page.until(lambda: page.at("progress").is_displayed())
    lost = time.monotonic()
    page.until(lambda: page.text("lost").startswith("Connection lost"))
    assert time.monotonic() - lost < 3
    with listening({"demo": toy}, tmp_path, port):
        page.until(lambda: not page.at("lost").is_displayed())
        page.until(page.done)
        page.until(lambda: page.tiles() == ["a red seven moves right"])
        page.do("localStorage.clear()")


def test_live_words_that_are_refused_are_told_and_another_model_goes_on(page):
    page.at("tab-live").click()
    page.write("a red seven")
    page.at("make").click()

    def plays() -> float:
        return page.do("return document.getElementById('video').currentTime")

    page.until(lambda: plays() > 0.5)
    page.write("seven " * 60)
    page.at("make").click()
    page.until(lambda: "text tokens" in page.text("message"))
    now = plays()
    page.until(lambda: plays() > now + 0.5 and page.text("status").startswith("playing"))
    page.write("a blue two")
    page.do("document.getElementById('video').dataset.before = document.getElementById('video').src")
    page.all("#model option[value=twin]")[0].click()
    page.until(lambda: page.do("const v = document.getElementById('video'); return v.src !== v.dataset.before"))
    page.until(lambda: plays() > 0.5 and not page.text("message"))


def test_the_focus_stays_near_a_job_that_is_stopped(page):
    page.write("a red seven", seconds=900)
    page.at("make").click()
    page.until(lambda: page.at("stop").is_displayed())
    page.at("stop").click()
    page.until(lambda: "stopped" in page.text("status"))
    assert focused(page) == "make"


def test_the_history_has_pages_that_what_failed_does_not_fill(address, page):
    for _ in range(26):
        ask(address, "v1/videos", {"prompt": "", "num_frames": 1, "seed": 3})
    for _ in range(5):
        job = ask(address, "v1/videos", {"prompt": "a red seven", "num_frames": 9_999})["id"]
        ask(address, f"v1/videos/{job}/cancel", {})
    page.until(lambda: len(page.tiles()) == 24 and page.at("older").is_displayed())
    page.until(lambda: page.tiles()[0] == "no words" and not page.all("#jobs .title"))
    page.at("older").click()
    page.until(lambda: len(page.tiles()) > 24)
    heights = page.do("return [...document.querySelectorAll('#history li')].map((each) => each.offsetHeight)")
    assert len(set(heights)) == 1
    begun = time.monotonic()
    ask(address, "v1/videos?status=completed&limit=24")
    assert time.monotonic() - begun < 0.5  # the bound against listing all; benchmarks measure


def test_a_clip_of_the_history_brings_all_its_settings_and_goes_on(address, page, tmp_path):
    page.at("advanced").click()
    page.write("a blue two", seed=7, seconds=1, temperature=0.9)
    page.make()
    page.until(lambda: page.tiles()[0] == "a blue two")
    page.write("something else", seed=1, seconds=3, temperature=1)
    page.all("#history button")[0].click()
    values = [page.at(name).get_attribute("value") for name in ("prompt", "seed", "seconds", "temperature")]
    assert values == ["a blue two", "7", "1", "0.9"] and focused(page) == "stage"
    page.all("#one .up")[0].click()
    page.until(lambda: page.all("#one .up[aria-pressed=true]"))
    page.driver.refresh()
    page.until(lambda: page.tiles() and page.tiles()[0] == "a blue two")
    page.all("#history button")[0].click()
    page.until(lambda: page.all("#one .up[aria-pressed=true]"))
    page.at("continue").click()
    page.until(lambda: page.all("#drops video") and page.at("seconds").get_attribute("value") == "1")
    page.at("seconds").clear()
    page.until(lambda: page.at("seconds").get_attribute("placeholder") == "1.6")
    page.make()
    [job] = ask(address, "v1/videos?limit=1")["data"]
    assert job["settings"]["num_frames"] == 13 and list(job["given"]) == ["video"]
    assert focused(page) in ("make", "stage")


def test_again_and_delete_keep_the_focus_and_delete_can_be_undone(address, page):
    page.write("a green four")
    page.make()
    page.until(lambda: page.tiles()[0] == "a green four")
    page.at("again").click()
    page.until(lambda: page.at("other").is_displayed() and page.done())
    assert focused(page) == "stage"
    page.until(lambda: page.tiles()[:2] == ["a green four"] * 2)
    count = ask(address, "v1/videos?status=completed&limit=100")["data"]
    page.at("delete").click()
    page.until(lambda: page.tiles()[:2] != ["a green four"] * 2)
    assert focused(page) == "undo"
    page.at("undo").click()
    page.until(lambda: page.tiles()[:2] == ["a green four"] * 2)
    assert focused(page) == "stage"
    page.at("delete").click()
    page.do("dispatchEvent(new Event('pagehide'))")  # as if the page was left before it was undone
    page.until(lambda: len(ask(address, "v1/videos?status=completed&limit=100")["data"]) == len(count) - 1)


def test_an_enter_of_an_input_method_sends_nothing_and_a_double_click_one_job(address, page):
    before = len(ask(address, "v1/videos?limit=100")["data"])
    page.write("a white nine")
    page.do(
        "const p = document.getElementById('prompt');"
        "for (const how of [{keyCode: 229}, {isComposing: true}]) {"
        "  p.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true, ...how})) }"
    )
    time.sleep(0.5)
    assert len(ask(address, "v1/videos?limit=100")["data"]) == before
    page.do("const b = document.getElementById('make'); b.click(); b.click()")
    page.until(page.done)
    assert len(ask(address, "v1/videos?limit=100")["data"]) == before + 1


def test_files_are_shown_and_cleared_and_errors_call_them_by_their_names(page, tmp_path):
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "dark.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    page.at("given").click()
    chosen = page.all("input[name=image]")[0]
    chosen.send_keys(str(tmp_path / "dark.png"))
    page.until(lambda: page.all("#drops img"))
    [clear] = [each for each in page.all("#drops button") if each.is_displayed()]
    assert clear.get_attribute("aria-label") == "Clear: First picture"
    clear.click()
    assert not page.all("#drops img")
    drop = (
        "const held = new DataTransfer(); held.items.add(new File(['x'], arguments[0], {type: 'image/png'}));"
        "const made = new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer: held});"
        "document.querySelectorAll('.drop')[2].dispatchEvent(made)"  # the last picture; those of controls stand before
    )
    page.do(drop, "dropped.png")
    page.until(lambda: "dropped.png" in page.text("drops"))
    paste = (
        "const held = new DataTransfer(); held.items.add(new File(['x'], 'pasted.png', {type: 'image/png'}));"
        "document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: held, bubbles: true, cancelable: true}))"
    )
    page.do(paste)
    page.until(lambda: "pasted.png" in page.text("drops"))
    for button in [each for each in page.all("#drops button") if each.is_displayed()]:
        button.click()
    chosen.send_keys(str(tmp_path / "broken.png"))
    page.write("a red seven")
    page.at("make").click()
    page.until(lambda: "'broken.png' cannot be read" in page.text("message"))
    page.speak("zh")
    assert "“broken.png”" in page.text("message")


def test_what_a_clip_costs_and_what_was_not_trained_is_said_before(page):
    page.write("a red seven", seconds=4)
    assert "at most" not in page.text("cost")
    page.write("a red seven", seconds=9)
    assert "trained on clips of at most 4.1 s" in page.text("cost")


@pytest.mark.skipif(not AXE.is_file(), reason="axe is not there: npm install axe-core, or set AXE_CORE to axe.min.js")
def test_everybody_can_use_it(page):
    page.write("a cat", seconds=9)
    page.at("add-shot").click()
    page.make()
    page.do("for (const name of ['steering', 'given', 'advanced']) document.getElementById(name).open = true")
    page.do("document.querySelector('#paths details').open = true")
    page.at("retake-this").click()
    page.until(lambda: page.at("part").is_displayed())
    page.all("#camera-words option[value=own]")[0].click()
    page.all("#paths button:last-child")[-1].click()
    for language, scheme, phone in product(("en", "zh"), ("light", "dark"), (False, True)):
        page.speak(language)
        colours = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", colours)
        if phone:
            page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
        else:
            page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.accessible()
        assert page.do("return document.documentElement.scrollWidth <= innerWidth")
        assert page.do(CONTRAST) >= 3  # of borders, which axe does not measure
