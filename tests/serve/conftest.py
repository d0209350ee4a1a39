"""The browser in which files of tests look at the page of a server that each names: its `address`."""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser for the tests of one file, as a `made.browsing.Page`."""
    from made.browsing import browsing  # it skips where there is no selenium

    with browsing() as page:
        yield page


@pytest.fixture
def page(browser, address) -> Any:
    """The page, as who comes for the first time sees it."""
    browser.open(address)
    return browser
