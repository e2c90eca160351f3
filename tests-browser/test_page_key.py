"""The page of a service that asks for a key."""

import pytest
from driven_page import Page


@pytest.fixture
def page(driver, guarded):
    return Page(driver, guarded[0])


def test_a_key_is_asked_for_once(page, guarded, smear, downloads):
    def give(key):
        page.until(lambda: page.find("#key-dialog[open]"), "the question for a key")
        page.find("#key-input").send_keys(key)
        page.click("#key-form button.main")

    page.open()
    give("cs3_wrong")
    page.until(lambda: "does not take this key" in page.text("#key-why"), "the refusal")
    give(guarded[1])
    page.until(lambda: page.find(".recent .empty:not([hidden])"), "the jobs, of which there are none")
    assert not page.find("#key-dialog[open]")

    page.drop(smear)
    page.click("#go")
    job = page.wait_for_job()
    path = page.download(downloads, "Measurements", f"cs3-{job[:12]}.csv")
    assert path.read_text("utf-8").startswith("file_name,sperm_id")

    page.driver.refresh()  # the tab keeps it
    page.until(lambda: page.find(".picture"), "the picture")
    assert page.script("return Object.keys(localStorage).filter((name) => name.includes('key'))") == []

    page.click("#key-button")
    page.click("#key-forget")
    page.until(lambda: page.find("#key-dialog[open]"), "the question for a key")
