"""`reelm play` prints the address of the live page, and opens it where a browser can show it."""

import webbrowser
from queue import SimpleQueue

import pytest

from reelm.cli.commands.serve import Serve
from reelm.cli.parse import parse


class Window:
    """A browser that notes what it opens."""

    def __init__(self):
        self.opened = SimpleQueue[str]()

    def open(self, page: str) -> None:
        self.opened.put(page)


@pytest.fixture(autouse=True)
def _serve_nothing(monkeypatch):
    monkeypatch.setattr(Serve, "start", lambda serve, tell: tell(f"http://127.0.0.1:{serve.port}"))


def test_the_live_page_is_opened(monkeypatch, capsys):
    window = Window()
    monkeypatch.setattr(webbrowser, "get", lambda: window)
    parse(["play", "--model", "world", "--port", "9000"]).run()
    assert capsys.readouterr().out == "http://127.0.0.1:9000/#live\n"
    assert window.opened.get(timeout=10) == "http://127.0.0.1:9000/#live"


@pytest.mark.parametrize("found", [None, "a terminal's"])
def test_without_a_window_the_address_is_all(found, monkeypatch, capsys):
    def get() -> webbrowser.BaseBrowser:
        if found is None:
            raise webbrowser.Error
        return webbrowser.GenericBrowser(["false"])

    monkeypatch.setattr(webbrowser, "get", get)
    monkeypatch.setattr(webbrowser.GenericBrowser, "open", lambda *_: pytest.fail("it has no pictures"))
    parse(["play", "--model", "world"]).run()
    assert capsys.readouterr().out == "http://127.0.0.1:8000/#live\n"


def test_the_shipped_world_is_played_unless_another_is_named(monkeypatch):
    monkeypatch.setattr(Serve, "start", lambda serve, tell: tell(serve.model[0]))
    monkeypatch.setattr(webbrowser, "get", Window)
    told = list[str]()
    monkeypatch.setattr("builtins.print", lambda text, **_: told.append(text))
    parse(["play"]).run()
    assert told == ["crafter/#live"]
