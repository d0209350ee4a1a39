"""The page in a browser, for who steers: a field for all that the model can do, and a clip of what was said there."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.browsing import IN_BROWSER, Page, listening
from made.models import tiny_director, tiny_model
from PIL import Image

from reelm import Clip
from reelm.lm.control.camera import WORDS
from reelm.lm.training_domain import TrainingDomain
from reelm.sampling.conditions.storyboard import read_storyboard

selenium = pytest.importorskip("selenium", reason="selenium drives the browser")
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

pytestmark = IN_BROWSER

FIELDS = ("steering", "paths", "camera", "motion", "structure", "storyboard", "retake-this", "upscale")


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    plain = tiny_model(sound=False)
    assert plain.lm is not None
    plain = replace(plain, name="plain", lm=replace(plain.lm, tasks=("t2v",)))
    director = tiny_director()
    assert director.lm is not None
    domain = TrainingDomain(track_speed=0.05, track_area=(0.1, 0.1, 0.9, 0.9), camera_speed=(2.0, 0.1, 0.1))
    director = replace(director, lm=replace(director.lm, training_domain=domain))
    models = {"director": director, "plain": plain}
    with listening(models, tmp_path_factory.mktemp("steers")) as address:
        yield address


def newest(address: str) -> dict[str, Any]:
    return made(address)[0]


def made(address: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{address}v1/videos?limit=100&status=completed", timeout=60) as answer:
        return json.loads(answer.read())["data"]


def brought_back(page: Page, address: str, number: int) -> None:
    """Click a clip of the history, once it shows all."""
    page.until(lambda: len(page.tiles()) == min(24, len(made(address))))
    page.all("#history button")[number].click()


def opened(page: Page, *names: str) -> None:
    for name in names:
        page.do("document.getElementById(arguments[0]).open = true", name)


def drawn(page: Page, *points: tuple[float, float], held: bool) -> None:
    """Draw through points of the canvas, shares of its width and height, or tap each."""
    canvas = page.all("#paths canvas")[0]
    page.do("arguments[0].scrollIntoView({block: 'center'})", canvas)
    width, height = canvas.size["width"], canvas.size["height"]
    pen = ActionChains(page.driver, duration=20)
    for number, (x, y) in enumerate(points):
        pen.move_to_element_with_offset(canvas, round((x - 0.5) * width), round((y - 0.5) * height))
        if not held:
            pen.click()
        elif number == 0:
            pen.click_and_hold()
    (pen.release() if held else pen).perform()


def chosen(page: Page, name: str, value: str) -> None:
    Select(page.at(name)).select_by_value(value)


def slid(page: Page, name: str, value: float) -> None:
    page.do(
        "const f = document.getElementById(arguments[0]); f.value = arguments[1];"
        "f.dispatchEvent(new Event('input', {bubbles: true}))",
        name,
        value,
    )


def picture(path: Path, grey: int) -> str:
    Image.fromarray(np.full((16, 24, 3), grey, np.uint8)).save(path)
    return str(path)


def test_a_model_without_a_capability_has_no_field_for_it(page):
    page.write("a red seven moves")
    page.make()
    opened(page, "steering", "given", "advanced")
    assert {name for name in FIELDS if page.at(name).is_displayed()} == {*FIELDS}
    assert page.all("input[name=references-1]") and not page.all("input[name=references-2]")[0].is_displayed()
    chosen(page, "model", "plain")
    page.make()
    assert not {name for name in FIELDS if page.at(name).is_displayed()}
    assert not any(each.is_displayed() for each in page.all("#drops .row")[3:])


def test_a_clip_is_made_larger(address, page):
    opened(page, "advanced")
    page.write("red", seconds=1, upscale=2)
    page.make()
    job = newest(address)
    assert (job["settings"]["upscale"], job["size"]) == (2, "48x32")
    brought_back(page, address, 0)
    page.until(lambda: page.at("upscale").get_attribute("value") == "2")
    page.write("red", upscale="")


def test_paths_are_drawn_tapped_and_written_as_numbers(address, page):
    opened(page, "steering")
    page.write("a red seven moves", seconds=1)
    drawn(page, (0.2, 0.5), (0.5, 0.5), (0.8, 0.5), held=True)
    page.all(".subjects button")[1].click()
    drawn(page, (0.5, 0.1), (0.5, 0.5), (0.9, 0.5), held=False)
    assert "Subject 1: 2 points" in page.all("#paths canvas")[0].get_attribute("aria-label")
    page.all("#paths summary")[0].click()
    fields = page.all("#paths .numbers input")
    assert len(fields) == 9 and fields[5].get_attribute("aria-label") == "Point 2: Down, %"
    fields[5].send_keys(Keys.CONTROL, "a")
    fields[5].send_keys("60")
    page.make()
    first, second = newest(address)["settings"]["tracks"]
    assert np.allclose([[at, *place] for at, place in first], [[0, 0.2, 0.5], [1, 0.8, 0.5]], atol=0.01)
    assert np.allclose([place for _, place in second], [[0.5, 0.1], [0.5, 0.6], [0.9, 0.5]], atol=0.01)
    page.at("seconds").clear()
    page.all(".subjects button")[0].click()
    [clear] = [each for each in page.all("#paths button") if each.text == "Clear this path"]
    clear.click()
    page.make()
    assert newest(address)["settings"]["tracks"][0] is None
    brought_back(page, address, 1)
    page.until(lambda: "Subject 1: 2 points" in page.all("#paths canvas")[0].get_attribute("aria-label"))
    assert not page.at("extras").is_displayed()


def test_a_path_and_a_camera_faster_than_the_training_are_said_while_they_are_drawn(address, page):
    opened(page, "steering")
    page.write("a red seven moves", seconds=1)
    drawn(page, (0.2, 0.5), (0.8, 0.5), held=True)
    page.until(lambda: page.all("#paths .doubt"))
    [said] = page.all("#paths .doubt")
    assert said.text.startswith("The path of subject 1 moves 1.8 pixels a frame; the fastest in training was 0.8.")
    page.write("a red seven moves", seconds=3)
    page.at("prompt").click()
    page.until(lambda: not page.all("#paths .doubt"))
    page.all(".subjects button")[1].click()
    drawn(page, (0.5, 0.5), (0.5, 0.97), held=True)
    page.speak("zh")
    page.until(
        lambda: (
            [each.text for each in page.all("#paths .doubt")]
            == ["主体 2 的轨迹太靠近边缘：训练中的轨迹横向都在 10% 到 90%，纵向都在 10% 到 90% 之间。"]
        )
    )
    page.speak("en")
    chosen(page, "camera-words", "own")
    page.until(lambda: not page.all("#camera .doubt"))
    fields = page.all("#camera .numbers input")
    fields[5].send_keys(Keys.CONTROL, "a")
    fields[5].send_keys("60")
    page.until(lambda: page.all("#camera .doubt"))
    page.accessible()
    page.write("a red seven moves", seconds=1)
    page.make()
    warnings = newest(address)["warnings"]
    assert [each.split(" moves ")[0] for each in warnings if "pixels" in each] == ["track 1", "track 2"]


def test_a_camera_in_words_and_numbers_and_how_much_moves(address, page):
    opened(page, "steering")
    assert {each.get_attribute("value") for each in page.all("#camera-words option")} == {"", "own", *WORDS}
    page.write("a red seven moves")
    chosen(page, "camera-words", "zoom in")
    page.make()
    assert newest(address)["settings"] == {"camera": "zoom in"}
    chosen(page, "camera-words", "own")
    slid(page, "motion-share", 0.8)
    page.make()
    settings = newest(address)["settings"]
    assert settings["motion"] == 0.8
    assert settings["camera"] == [[0, {"orbit": 0, "zoom": 1, "rise": 0}], [2, {"orbit": 30, "zoom": 1.2, "rise": 0}]]
    brought_back(page, address, 1)
    page.until(lambda: page.at("camera-words").get_attribute("value") == "zoom in")
    assert page.text("motion").endswith("as the model likes")


def test_a_clip_is_followed(address, page, tmp_path):
    video = np.zeros((5, 16, 24, 3), np.uint8)
    video[:, 4:12, 8:16] = 200
    Clip(video, fps=8.0).save(tmp_path / "square.mp4")
    opened(page, "steering")
    page.all("input[name=control]")[0].send_keys(str(tmp_path / "square.mp4"))
    page.until(lambda: page.at("control-kind").is_displayed())
    chosen(page, "control-kind", "silhouette")
    page.write("a red seven moves")
    page.make()
    job = newest(address)
    assert (job["settings"], job["given"]) == ({"control_kind": "silhouette"}, {"control": "square.mp4"})


def test_references_are_named_in_the_words_and_have_no_gaps(address, page, tmp_path):
    opened(page, "given")
    one, two = picture(tmp_path / "one.png", 60), picture(tmp_path / "two.png", 200)
    page.all("input[name=references-1]")[0].send_keys(one)
    page.until(lambda: page.do("return !document.querySelector('input[name=references-2]').closest('.row').hidden"))
    page.all("input[name=references-2]")[0].send_keys(two)
    page.write("a red")
    [name] = [each for each in page.all("#drops button") if each.text == "<2>"]
    name.click()
    assert page.at("prompt").get_attribute("value") == "a red <2>"
    [clear] = [
        each for each in page.all("#drops button") if each.get_attribute("aria-label") == "Clear: Picture of <1>"
    ]
    clear.click()
    page.write("a <1> moves")
    page.make()
    assert newest(address)["given"] == {"references-1": "two.png"}


def test_a_storyboard_is_a_timeline_of_shots(address, page):
    opened(page, "steering")
    page.write("a red seven moves", seconds=1)
    page.at("add-shot").click()
    page.write("a blue two moves", seconds=2)
    chosen(page, "camera-words", "circle left")
    page.at("add-shot").click()
    page.write("a red two moves", seconds=0.5)
    page.at("shot-cut").click()
    shots = page.all("#shots button")
    assert [" ".join(each.accessible_name.split()) for each in shots] == [
        "Shot 1: a red seven moves 1 s",
        "Shot 2: a blue two moves 2 s Begins with a cut",
        "Shot 3: a red two moves 0.5 s",
    ]
    widths = [each.size["width"] for each in shots]
    assert widths[1] > widths[0] > widths[2]
    shots[0].click()
    assert (
        page.at("prompt").get_attribute("value") == "a red seven moves"
        and page.at("seconds").get_attribute("value") == "1"
    )
    assert page.all("label[for=prompt]")[0].text == "What should shot 1 show?"
    page.make()
    told = [
        {"prompt": "a red seven moves", "seconds": 1, "cut": True},
        {"prompt": "a blue two moves", "seconds": 2, "cut": True, "camera": "circle left"},
        {"prompt": "a red two moves", "seconds": 0.5, "cut": False},  # a new shot has a camera of its own
    ]
    job = newest(address)
    assert (job["prompt"], job["settings"]) == ("", {"storyboard": told})
    title = "a red seven moves / a blue two moves / a red two moves"
    page.until(lambda: page.tiles()[0] == title)
    for _ in range(2):
        page.at("remove-shot").click()
    assert not page.all("#shots li") and page.at("prompt").get_attribute("value") == "a red two moves"
    brought_back(page, address, 0)
    page.until(lambda: len(page.all("#shots li")) == 3)


def told(page: Page) -> list[str]:
    return [each.text.splitlines()[0] for each in page.all("#shots .words")]


def test_a_storyboard_is_reordered_saved_and_loaded(address, page, tmp_path):
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path), "eventsEnabled": False}
    )
    page.write("a red seven moves", seconds=1)
    page.at("add-shot").click()
    page.write("a blue two moves", seconds=2)
    page.at("shot-earlier").click()
    assert told(page) == ["a blue two moves", "a red seven moves"] and not page.at("shot-earlier").is_enabled()
    page.at("save-shots").click()
    saved = tmp_path / "storyboard.json"
    page.until(saved.exists)
    shots = json.loads(saved.read_text())["storyboard"]
    assert shots == [
        {"prompt": "a blue two moves", "seconds": 2, "cut": True},
        {"prompt": "a red seven moves", "seconds": 1, "cut": True},
    ]
    assert [shot.prompt for shot in read_storyboard(saved)["storyboard"]] == told(page)  # the command line reads it
    saved.write_text(json.dumps([*shots, {"prompt": "two", "seconds": 1.5, "cut": False}]))
    page.at("load-shots").send_keys(str(saved))
    page.until(lambda: len(told(page)) == 3)
    saved.write_text("[1]")
    page.at("load-shots").send_keys(str(saved))
    page.until(lambda: page.text("message") == "This file holds no storyboard")
    assert len(told(page)) == 3


def test_one_shot_is_made_anew_and_the_others_stay(address, page):
    page.write("a red seven moves", seconds=1)
    page.at("add-shot").click()
    page.write("a blue two moves", seconds=0.8)
    page.make()
    page.at("retake-this").click()
    page.until(lambda: page.at("part").is_displayed())
    assert [page.at(name).get_attribute("value") for name in ("from", "to")] == ["0", "1"]
    page.all("#shots button")[1].click()
    assert [page.at(name).get_attribute("value") for name in ("from", "to")] == ["1", "1.8"]
    page.make()
    page.until(lambda: "retake" in newest(address)["settings"])
    job = newest(address)
    assert job["settings"]["retake"] == [1, 1.8] and len(job["settings"]["storyboard"]) == 2
    assert list(job["given"]) == ["video"]


def test_a_part_of_a_finished_clip_is_made_anew(address, page):
    page.write("a red seven moves", seconds=2, seed=3)
    page.make()
    page.at("retake-this").click()
    page.until(lambda: page.at("part").is_displayed() and page.do("return document.activeElement.id") == "from")
    slid(page, "from", 0.5)
    slid(page, "to", 1.2)
    assert page.text("to-said") == "1.20 s"
    slid(page, "to", 0.2)  # the ends keep their order
    assert [page.at(name).get_attribute("value") for name in ("from", "to")] == ["0.15", "0.2"]
    slid(page, "to", 1.2)
    slid(page, "from", 0.5)
    page.make()
    job = newest(address)
    assert job["settings"] == {"retake": [0.5, 1.2]} and list(job["given"]) == ["video"]
    assert (job["prompt"], job["seconds"], job["seed"] != 3) == ("a red seven moves", "2", True)
    assert not page.at("seconds").is_enabled()
    page.at("continue").click()  # all of it stays
    page.until(lambda: not page.at("part").is_displayed())
    brought_back(page, address, 0)
    page.until(lambda: page.at("part").is_displayed() and page.at("from").get_attribute("value") == "0.5")


def test_of_four_takes_one_is_chosen(address, page):
    page.write("a red seven moves", seed=20)
    page.at("make-four").click()
    page.until(lambda: len(page.all("#takes video[src]")) == 4)
    assert [job["seed"] for job in made(address)[:4]] == [23, 22, 21, 20]
    page.all("#takes button")[2].click()
    page.until(lambda: page.filmed() and page.all("#one figcaption span")[0].text == "Seed 22")
    assert [each.get_attribute("aria-pressed") for each in page.all("#takes button")] == [
        "false",
        "false",
        "true",
        "false",
    ]
    page.make()
    assert not page.at("takes").is_displayed()


def test_what_is_painted_over_is_made_anew_and_the_rest_stays(address, page):
    page.write("a red seven moves", seconds=1)
    page.make()
    page.at("continue").click()
    page.until(
        lambda: page.at("mask").is_displayed() and page.do("return document.querySelector('#mask canvas').width") == 384
    )
    page.at("seconds").clear()
    canvas = page.all("#mask canvas")[0]
    page.do("arguments[0].scrollIntoView({block: 'center'})", canvas)
    ActionChains(page.driver, duration=20).move_to_element(canvas).click_and_hold().move_by_offset(
        20, 0
    ).release().perform()
    page.until(lambda: "mask.png" in page.text("mask"))
    assert not page.at("seconds").is_enabled() and "programs are compiled" in page.text("cost")
    page.make()
    job = newest(address)
    assert job["given"].keys() == {"video", "mask"} and job["settings"] == {}
    with urllib.request.urlopen(f"{address}v1/videos/{job['id']}/given/mask") as answer, Image.open(answer) as file:
        mask = np.asarray(file.convert("L"))
    assert mask[128, 200] == 255 and not mask[:60].any() and not mask[:, :100].any()
    page.until(lambda: "compiled" not in page.text("cost"))  # the second one does not wait
    brought_back(page, address, 0)
    page.until(lambda: "mask" in page.text("mask") and page.all("#mask img"))
    bright = (
        "const c = document.querySelector('#mask canvas'); return "
        "c.getContext('2d').getImageData(200, 128, 1, 1).data[0]"
    )
    page.until(lambda: page.do(bright) > 180)


def test_a_sound_is_given_and_what_a_photo_becomes_is_said(address, page, tmp_path):
    opened(page, "given")
    assert "doubt" not in page.at("likes").get_attribute("class")
    Clip(
        video=np.zeros((9, 16, 24, 3), np.uint8), fps=8.0, audio=np.full((9000, 1), 0.1, np.float32), sample_rate=8000
    ).save(tmp_path / "sound.mp4")
    page.all("input[name=audio]")[0].send_keys(str(tmp_path / "sound.mp4"))
    page.write("a red seven moves")
    page.make()
    assert newest(address)["given"] == {"audio": "sound.mp4"}
    page.all("input[name=image]")[0].send_keys(picture(tmp_path / "photo.png", 90))
    assert "doubt" in page.at("likes").get_attribute("class") and "photo" in page.text("likes")
