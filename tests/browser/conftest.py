"""A real Chromium without a window, from Debian's packages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1000",
)
PREFERENCE = "profile.managed_default_content_settings.javascript"
BLOCK = 2


@contextmanager
def start_chromium(profile: Path, *, scripts: bool = True) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not scripts:
        options.add_experimental_option("prefs", {PREFERENCE: BLOCK})
    driver = Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        driver.set_page_load_timeout(20)
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with start_chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="session")
def scriptless_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    profile = tmp_path_factory.mktemp("scriptless-profile")
    with start_chromium(profile, scripts=False) as driver:
        yield driver


@pytest.fixture
def browser(chromium: Chrome) -> Chrome:
    """Chromium without a cookie and with a window of its usual size."""
    return as_new(chromium)


@pytest.fixture
def scriptless(scriptless_chromium: Chrome) -> Chrome:
    """The same, and no script runs in it."""
    return as_new(scriptless_chromium)


def as_new(driver: Chrome) -> Chrome:
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    driver.get("about:blank")
    driver.get_log("browser")  # type: ignore[no-untyped-call]  # forgets it
    return driver
