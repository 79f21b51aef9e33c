"""The browser for the tests of the page."""

from tests.browser import browser, page  # noqa: F401  (fixtures)
