"""The example with logins under gunicorn, used by a person with a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait
from support import EXAMPLES, free_port, serve
from visitor import Visitor


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    # Threads, because browsers open connections that they may not use.
    command = f"python -m gunicorn --workers 2 --threads 4 --bind 127.0.0.1:{port}"
    words = [*command.split(), "--graceful-timeout=1", "--chdir", str(EXAMPLES)]
    env = {"DATA": str(tmp_path)}
    with serve(*words, "logins:app", port=port, cwd=tmp_path, env=env):
        yield port


def press(driver: WebDriver, label: str) -> None:
    button = driver.find_element(By.XPATH, f"//button[.='{label}']")
    button.click()
    WebDriverWait(driver, 10, 0.05).until(staleness_of(button))


def said(driver: WebDriver) -> str:
    return driver.find_element(By.CSS_SELECTOR, "[role=status]").text


def rows(driver: WebDriver) -> int:
    return len(driver.find_elements(By.CSS_SELECTOR, "tbody tr"))


def log_in(driver: WebDriver, port: int, password: str = "open sesame") -> None:
    driver.get(f"http://localhost:{port}/")
    driver.find_element(By.NAME, "name").send_keys("ada")
    driver.find_element(By.NAME, "password").send_keys(password)
    press(driver, "Log in")


def another_device(port: int) -> Visitor:
    visitor = Visitor(port)
    page = visitor.visit("/").body.decode()
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    form = {"csrf_token": token, "name": "ada", "password": "open sesame"}
    assert visitor.visit("/login", form=urlencode(form)).status == 303
    assert is_logged_in(visitor)
    return visitor


def is_logged_in(visitor: Visitor) -> bool:
    return b"Log out here" in visitor.visit("/").body


def test_sessions_are_listed_and_one_is_ended(driver: WebDriver, port: int) -> None:
    phone = another_device(port)
    log_in(driver, port)
    assert said(driver) == "Welcome, ada."
    assert rows(driver) == 2
    press(driver, "Log out")
    assert said(driver) == "It is logged out."
    assert rows(driver) == 1
    assert not is_logged_in(phone)


def test_the_others_are_ended_and_this_one_stays(driver: WebDriver, port: int) -> None:
    devices = [another_device(port) for _ in range(2)]
    log_in(driver, port)
    assert rows(driver) == 3
    press(driver, "Log out everywhere else")
    assert said(driver) == "Logged out elsewhere: 2."
    assert rows(driver) == 1
    assert not any(map(is_logged_in, devices))


def test_a_session_that_another_device_ends_is_over(
    driver: WebDriver, port: int
) -> None:
    log_in(driver, port)
    phone = another_device(port)
    page = phone.visit("/").body.decode()
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    form = urlencode({"csrf_token": token})
    assert phone.visit("/end-others", form=form).status == 303
    driver.refresh()
    assert driver.find_elements(By.NAME, "password")
    assert rows(driver) == 0


def test_log_in_and_out(driver: WebDriver, port: int) -> None:
    log_in(driver, port, "wrong")
    assert said(driver) == "That name and password do not go together."
    log_in(driver, port)
    assert {each["httpOnly"] for each in driver.get_cookies()} == {True}
    press(driver, "Log out here")
    assert said(driver) == "You are logged out."
    driver.refresh()
    assert driver.find_elements(By.NAME, "password")
