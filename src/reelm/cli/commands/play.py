"""`reelm play`: play a world with keys in the browser."""

import webbrowser
from dataclasses import dataclass
from threading import Thread

from .serve import Serve


@dataclass(frozen=True, kw_only=True)
class Play:
    """Play a world: serve its page on this machine, open it in the browser, and print its address.

    Example: reelm play
    """

    model: str = "crafter"
    """World to play: a model folder, an id on the Hugging Face hub or a shipped model. One without keys is steered by
    words."""
    port: int = 8000
    """Port to listen at. 0 takes a free one."""

    def run(self) -> None:
        Serve(model=(self.model,), port=self.port).start(_open)


def _open(address: str) -> None:
    """Print the address of the page, and open it if there is a graphical browser."""
    page = f"{address}/#live"
    print(page, flush=True)
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return
    if type(browser) is not webbrowser.GenericBrowser:  # a browser in the terminal, which shows no pictures
        Thread(target=browser.open, args=[page], daemon=True).start()
