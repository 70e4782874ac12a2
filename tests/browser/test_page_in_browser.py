"""The example page under gunicorn, used by a person with a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait
from support import EXAMPLES, free_port, serve

CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
# WCAG 2.2, 1.4.3: "text ... has a contrast ratio of at least 4.5:1".
ENOUGH = 4.5
# WCAG 2.2, 1.4.10: "without requiring scrolling in two dimensions for ... a width
# equivalent to 320 CSS pixels".
NARROW = {"width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": True}


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The page, on a server of its own: buttons change the server as well."""
    port = free_port()
    bind = ("--bind", f"127.0.0.1:{port}")
    # Threads, because browsers open connections that they may not use.
    gunicorn = ("-m", "gunicorn", "--threads=4", "--graceful-timeout=1", *bind)
    command = ("python", *gunicorn, "--chdir", str(EXAMPLES), "page:app")
    with serve(*command, port=port, cwd=tmp_path):
        yield f"http://localhost:{port}/"


@contextmanager
def another_page(driver: WebDriver) -> Iterator[None]:
    """Wait, after the block, until the next document is there."""
    before = find(driver, "html").id
    yield
    # In between there may be no document at all, which is no mistake.
    wait = WebDriverWait(driver, 10, 0.05, [WebDriverException])
    wait.until(lambda _: find(driver, "footer") and find(driver, "html").id != before)


def find(driver: WebDriver, selector: str) -> WebElement:
    return driver.find_element(By.CSS_SELECTOR, selector)


def find_all(driver: WebDriver, selector: str) -> list[WebElement]:
    return driver.find_elements(By.CSS_SELECTOR, selector)


def words(driver: WebDriver, selector: str) -> str:
    return " ".join(find(driver, selector).text.split())


def press(driver: WebDriver, action: str) -> None:
    with another_page(driver):
        find(driver, f"button[value={action}]").click()


def type_keys(driver: WebDriver, *keys: str) -> None:
    ActionChains(driver).send_keys(*keys).perform()


def wait_for_focus(driver: WebDriver, name: str) -> None:
    """Firefox gives a new page its focus a moment after it is there."""
    WebDriverWait(driver, 10, 0.05).until(lambda _: focused(driver) == name)


def focused(driver: WebDriver) -> str:
    return driver.switch_to.active_element.accessible_name


@pytest.mark.parametrize(
    "driver", ["chromium", "firefox", "scriptless_chromium"], indirect=True
)
def test_every_button_works_with_and_without_javascript(
    driver: WebDriver, url: str
) -> None:
    driver.get(url)
    assert words(driver, ".verdict").startswith("No cookie came")

    press(driver, "count")
    press(driver, "count")
    assert "count 2 int" in words(driver, "#contents")
    press(driver, "cart")
    assert "price 4.20 Decimal" in words(driver, "#contents")
    find(driver, "#name").send_keys("Grace <b>Hopper</b>")
    press(driver, "login")
    assert words(driver, "#contents") == "dict user 'Grace <b>Hopper</b>' str"

    press(driver, "rotate")
    assert words(driver, ".verdict") == "Accepted Key 2 made it."
    press(driver, "tamper")
    assert words(driver, ".verdict").startswith("Refused bad_signature")
    assert words(driver, "#contents") == "An empty session."
    press(driver, "login")
    press(driver, "encryption")
    assert find_all(driver, ".token .opaque")
    assert words(driver, "#contents") == "dict user 'Ada' str"
    press(driver, "encryption")
    assert find_all(driver, ".token .signature")

    press(driver, "store")
    assert words(driver, "#contents") == "dict user 'Ada' str"
    assert len(words(driver, "#store #handle")) == 64
    press(driver, "count")
    assert "count 1 int" in words(driver, "#contents")
    press(driver, "end")
    assert words(driver, ".verdict").startswith("Refused ended")
    assert words(driver, "#contents") == "An empty session."
    press(driver, "login")
    assert words(driver, "#contents") == "dict user 'Ada' str"

    press(driver, "logout")
    assert words(driver, ".verdict").startswith("No cookie came")
    if isinstance(driver, Chrome):  # Firefox's driver tells nothing of it
        logged = driver.get_log("browser")  # type: ignore[no-untyped-call]
        assert logged == []  # the policy had nothing to block


def test_the_scriptless_browser_runs_no_script(scriptless: Chrome) -> None:
    scriptless.get("data:text/html,<noscript>none</noscript><script>1</script>")
    assert find(scriptless, "body").text == "none"


def test_a_reload_repeats_nothing(driver: WebDriver, url: str) -> None:
    driver.get(url)
    press(driver, "count")
    with another_page(driver):
        driver.refresh()
    assert "count 1 int" in words(driver, "#contents")


def test_the_keyboard_is_enough(driver: WebDriver, url: str) -> None:
    driver.get(url)
    type_keys(driver, Keys.TAB)
    assert focused(driver) == "Skip to the cookie"
    type_keys(driver, Keys.ENTER)
    section = driver.switch_to.active_element
    assert section.get_attribute("id") == "cookie"

    driver.get(url)
    type_keys(driver, Keys.TAB, Keys.TAB)
    for _ in range(3):  # the button that was pressed has the focus again
        wait_for_focus(driver, "Count")
        with another_page(driver):
            type_keys(driver, Keys.ENTER)
    wait_for_focus(driver, "Count")
    assert "count 3 int" in words(driver, "#contents")

    type_keys(driver, Keys.TAB, Keys.TAB)
    assert focused(driver) == "Name"
    with another_page(driver):
        type_keys(driver, "Grace", Keys.ENTER)
    assert words(driver, "#contents") == "dict user 'Grace' str"


def test_the_focus_follows_the_page_and_is_seen(driver: WebDriver, url: str) -> None:
    driver.get(url)
    press(driver, "count")
    driver.get(url)
    order, seen = [], []
    for _ in range(10):
        type_keys(driver, Keys.TAB)
        element = driver.switch_to.active_element
        order.append(element.accessible_name)
        seen.append(element.value_of_css_property("outline-style"))
    controls = find_all(driver, "a, button:enabled, input")
    assert order == [each.accessible_name for each in controls]
    assert set(seen) == {"solid"}


def test_a_screen_reader_finds_its_way(driver: WebDriver, url: str) -> None:
    driver.get(url)
    press(driver, "cart")
    assert find(driver, "html").get_attribute("lang") == "en"
    assert driver.title == "A session in a signed cookie"
    assert len(find_all(driver, "h1")) == 1
    landmarks = ("header", "nav", "main", "footer")
    roles = [find(driver, f"body > {name}").aria_role for name in landmarks]
    assert roles == ["banner", "navigation", "main", "contentinfo"]
    named = find_all(driver, "button, input, meter, nav, section, [role=group]")
    assert len(named) == 9 + 1 + 1 + 1 + 6 + 4
    assert all(each.accessible_name for each in named)
    assert find(driver, "meter").aria_role == "meter"


def states(driver: WebDriver, url: str) -> Iterator[str]:
    """Everything that the page can look like."""
    driver.get(url)
    yield "first"
    for action in (
        *("cart", "login", "rotate", "encryption"),
        *("store", "encryption", "end", "tamper"),
    ):
        press(driver, action)
        yield f"after {action}"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_enough_contrast(browser: Chrome, url: str, scheme: str) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    for state in states(browser, url):
        ratios: list[Any] = browser.execute_script(CONTRAST)
        assert len(ratios) > 20
        weak = [text for ratio, text in ratios if ratio < ENOUGH]
        assert not weak, (state, weak)
        is_dark = "rgb(20, 22, 26)" in str(
            find(browser, "body").value_of_css_property("background")
        )
        assert is_dark == (scheme == "dark")


def test_a_narrow_window_scrolls_in_one_direction_only(
    browser: Chrome, url: str
) -> None:
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", NARROW)
    for state in states(browser, url):
        root = find(browser, "html")
        assert root.get_property("clientWidth") == NARROW["width"]
        assert root.get_property("scrollWidth") == NARROW["width"], state
