"""The account and input pages in a browser: what an admin fills in there is what the input then runs with."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from entrawatch.emulator.server import Emulator

from .conftest import interpreter
from .pages import Pages
from .running import Splunk
from .splunkd import Splunkd
from .test_collection import audits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.xdist_group("splunk-input")
PROXY = {
    "proxy_url": "proxy-1.corp.example", "proxy_port": "3128", "proxy_username": "u", "proxy_password": "p4ss~word",
}  # fmt: skip


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of Chromium, which finds this machine and no other."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser, "no Chromium: apt-get install chromium"
    flags = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=flags)
        page = opened.new_page(viewport={"width": 1200, "height": 900})
        page.set_default_timeout(30_000)
        yield page
        opened.close()


@pytest.fixture
def splunk(app: Path, tmp_path: Path) -> Iterator[Splunk]:
    with Splunkd() as splunkd:
        yield Splunk(interpreter("3.13"), app, tmp_path, splunkd)


def field(page: Page, name: str) -> Locator:
    return page.locator(f"[data-test=modal] [data-name={name}]")


def fill(page: Page, **values: str) -> None:
    for name, text in values.items():
        field(page, name).locator("input").fill(text)


def choose(page: Page, name: str, *labels: str, many: bool = False) -> None:
    field(page, name).locator("[data-test=select], [data-test=multiselect] input, [data-test=textbox]").first.click()
    for label in labels:
        page.get_by_role("option", name=label, exact=True).click()
    if many:  # a menu of one choice closes by itself, and Escape would close the whole form then
        page.keyboard.press("Escape")
    expect(page.get_by_role("option", name=labels[0], exact=True)).to_be_hidden()


def add(page: Page) -> None:
    page.locator("[data-test=modal]").get_by_role("button", name="Add", exact=True).click()


def test_what_an_admin_fills_in_is_what_is_collected(page: Page, splunk: Splunk) -> None:
    with Emulator(audits(5), throttle=False) as emulator, Pages(splunk) as pages:
        add_account(page, pages, emulator)
        assert pages.posted[0] == ("entrawatch_account", {
            "name": "contoso", "tenant_id": emulator.tenant_id, "client_id": emulator.client_id,
            "client_secret": emulator.client_secret, "cloud": "global", "graph_url": emulator.url,
            "login_url": emulator.login_url, "ca_bundle": str(emulator.ca_file),
        })  # fmt: skip
        assert emulator.client_secret not in str(splunk.splunkd.confs) + page.content()
        add_input(page, pages)
        saved = splunk.splunkd.inputs["signs_of_change"]
        assert {name: saved[name] for name in ("account", "streams", "interval", "index", "format", "start_time")} == {
            "account": "contoso", "streams": "directory_audits", "interval": "600", "index": "entra",
            "format": "azure:monitor:aad", "start_time": "6h",
        }  # fmt: skip
        splunk.inputs = saved
        done = splunk.collect()
    assert (done.code, done.err) == (0, "")
    assert len(done.events()) == 5
    assert {event["sourcetype"] for event in done.events()} == {"azure:monitor:aad"}


def add_account(page: Page, pages: Pages, emulator: Emulator) -> None:
    page.goto(f"{pages.url}/configuration")
    page.get_by_role("button", name="Add", exact=True).click()
    secret = field(page, "client_secret").locator("input")
    assert secret.get_attribute("type") == "password"
    fill(page, name="contoso", tenant_id="contoso", client_id=emulator.client_id, client_secret=emulator.client_secret)
    add(page)
    expect(page.get_by_text("Tenant ID is a GUID")).to_be_visible()
    assert pages.posted == []
    fill(page, tenant_id=emulator.tenant_id)
    page.get_by_role("button", name="Another way to Microsoft").click()
    fill(page, graph_url=emulator.url, login_url=emulator.login_url, ca_bundle=str(emulator.ca_file))
    add(page)
    expect(page.get_by_role("row").filter(has_text=emulator.tenant_id)).to_contain_text("contoso")


def add_input(page: Page, pages: Pages) -> None:
    page.goto(f"{pages.url}/inputs")
    page.get_by_role("button", name="Create New Input").click()
    fill(page, name="signs_of_change", interval="600", start_time="6h")
    choose(page, "account", "contoso")
    choose(page, "streams", "Directory audits", many=True)
    fill(page, index="entra")
    page.get_by_role("option", name="entra", exact=True).click()
    choose(page, "format", "azure:monitor:aad")
    add(page)
    expect(page.get_by_role("row").filter(has_text="signs_of_change")).to_contain_text("contoso")


def test_the_proxy_s_password_is_hidden_and_any_host_is_taken(page: Page, splunk: Splunk) -> None:
    with Pages(splunk) as pages:
        page.goto(f"{pages.url}/configuration")
        page.get_by_role("tab", name="Proxy").click()
        panel = page.locator("#proxyTab")
        assert panel.locator("[data-name=proxy_password] input").get_attribute("type") == "password"
        panel.locator("[data-name=proxy_enabled] [data-test=toggle]").click()
        values = {
            "proxy_url": "proxy-1.corp.example",
            "proxy_port": "3128",
            "proxy_username": "u",
            "proxy_password": "p4ss~word",
        }
        for name, text in values.items():
            panel.locator(f"[data-name={name}] input").fill(text)
        panel.get_by_role("button", name="Save").click()
        page.wait_for_function("() => document.body.innerText.includes('pdated')")
        saved = splunk.splunkd.confs["entrawatch_settings"]["proxy"]
    assert (saved["proxy_url"], saved["proxy_enabled"]) == ("proxy-1.corp.example", "1")
    assert "p4ss~word" not in str(splunk.splunkd.confs)
    assert any("p4ss~word" in text for text in splunk.splunkd.passwords.values())
