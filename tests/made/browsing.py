"""A server that listens for a browser, the browser, and what tests ask of the page in it."""

import os
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from reelm.serve.routes.app import Server
from reelm.serve.run import Leaving

selenium = pytest.importorskip("selenium", reason="selenium drives the browser")
from selenium import webdriver  # noqa: E402
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

# From `npm install axe-core`; without it nothing is checked.
AXE = Path(os.environ.get("AXE_CORE", "node_modules/axe-core/axe.min.js"))

_STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN_AXE = """
const done = arguments[1];
axe.run(document, {runOnly: arguments[0]}).then(({violations: v}) =>
  done(v.map((each) => [each.id, ...each.nodes.map((node) => node.html)])))"""
_CHROME, _DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

_ARGUMENTS = (
    "headless=new",
    "no-sandbox",
    "disable-dev-shm-usage",
    "disable-gpu",
    "autoplay-policy=no-user-gesture-required",
    "lang=en",
)

IN_BROWSER = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.skipif(not (_CHROME and _DRIVER), reason="there is no chromium with its chromedriver"),
]


@contextmanager
def listening(models: dict[str, Any], home: Path, port: int = 0, warm: bool = True, rows: int = 1) -> Iterator[str]:
    """Yield the address of a server, which ends afterwards."""
    server = Server(models=models, home=home, rows=rows)
    running = Leaving(uvicorn.Config(server.app(), port=port, log_config=None, timeout_graceful_shutdown=5))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        time.sleep(0.01)
    address = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}/"
    while warm and b"true" not in urllib.request.urlopen(f"{address}healthz").read():
        time.sleep(0.1)
    try:
        yield address
    finally:
        running.should_exit = True
        thread.join(60)


class Page:
    """The page in a browser."""

    def __init__(self, driver: webdriver.Chrome):
        self.driver = driver
        # What is looked at may be drawn anew meanwhile.
        self._wait = WebDriverWait(driver, 120, 0.05, [NoSuchElementException, StaleElementReferenceException])

    def open(self, address: str) -> None:
        """Open the page as who comes for the first time, in the one tab that stays."""
        first, *others = self.driver.window_handles
        for other in others:
            self.driver.switch_to.window(other)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        self.driver.execute_cdp_cmd(
            "Storage.clearDataForOrigin", {"origin": address.rstrip("/"), "storageTypes": "local_storage"}
        )
        self.driver.get_log("browser")  # what was said of pages before
        self.visit(address)

    def visit(self, address: str) -> None:
        self.driver.get(address)
        self.until(lambda: self.all("#model option"))

    def until(self, holds: Callable[[], Any]) -> Any:
        return self._wait.until(lambda _: holds())

    def at(self, name: str) -> WebElement:
        return self.driver.find_element(By.ID, name)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, name: str) -> str:
        return self.at(name).text

    def do(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def fit(self, width: int, height: int) -> None:
        """Show the page on a screen of this size, a phone's if it is small."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": min(width, height) < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def accessible(self) -> None:
        """Check that everybody can use what is shown, by axe where it is there."""
        if not AXE.is_file():
            return
        if not self.do("return 'axe' in window"):
            self.do(AXE.read_text())
        found = self.driver.execute_async_script(_RUN_AXE, _STANDARDS)
        assert not found, found

    def speak(self, language: str) -> None:
        self.all(f"#language option[value={language}]")[0].click()

    def write(self, words: str, **fields: object) -> None:
        for name, value in {"prompt": words, **fields}.items():
            self.at(name).clear()
            self.at(name).send_keys(str(value))

    def make(self) -> None:
        """Press the button, and wait until the clip of it stands on the stage."""
        before = self.filmed()
        self.at("make").click()
        self.until(lambda: self.filmed() not in ("", before))

    def filmed(self) -> str:
        """Return the address of the finished clip on the stage, "" without one; asked at once, since a page goes on."""
        return self.do("return document.getElementById('after').hidden ? '' : document.getElementById('video').src")

    def done(self) -> bool:
        return self.at("after").is_displayed()

    def tiles(self) -> list[str]:
        return [each.text for each in self.all("#history li")]


@contextmanager
def browsing() -> Iterator[Page]:
    """Yield the page in a browser of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = _CHROME or ""
    for argument in _ARGUMENTS:
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options=options, service=Service(_DRIVER))
    try:
        driver.set_page_load_timeout(120)
        driver.set_script_timeout(60)
        yield Page(driver)
    finally:
        driver.quit()
