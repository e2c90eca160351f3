"""The page in a real browser, on a real service, with real segmentations: what people come for."""

import csv
import json
import zipfile

import pytest
from driven_page import Page
from PIL import Image
from selenium.webdriver import Keys


@pytest.fixture(scope="session")
def page(driver, service):
    return Page(driver, service)


@pytest.fixture(scope="session")
def job(page, smear, tmp_path_factory):
    """The id of a job with an image, the same upside down, and a file that is none; dropped and watched."""
    folder = tmp_path_factory.mktemp("slides")
    broken = folder / "unreadable.png"
    broken.write_bytes(smear.read_bytes()[:5000])
    second = folder / "second.png"
    with Image.open(smear) as picture:
        picture.rotate(180).save(second)
    page.open()
    page.drop(smear, second, broken)
    assert page.text("#go") == "Segment 3 images"
    page.find("#pixel-size").send_keys("0,1")
    page.find("#job-name").send_keys("Tuesday")
    page.click("#go")
    page.until(lambda: page.find(".job-title progress:not([hidden])"), "a bar of progress")
    return page.wait_for_job()


@pytest.fixture
def field(page, job):
    """The first image of the job, opened anew."""
    page.open(f"#/jobs/{job}/1")
    page.until(lambda: page.find(".picture"), "the picture")
    return page


def test_dropped_images_are_segmented(page, job):
    assert page.text(".job-title h1") == "Tuesday"
    assert "done" in page.text(".job-state")
    assert "1 failed" in page.text(".job-state")
    assert [link.get_attribute("href").split("/")[-1] for link in page.all(".strip a")] == ["1", "2", "3"]
    assert page.complaints() == []


def test_figures_of_the_job(page, job):
    page.until(lambda: page.find(".figures:not([hidden])"), "figures")
    figures = dict(zip(page.texts(".figures dt"), page.texts(".figures dd"), strict=True))
    counts = [int(figures[name]) for name in ("Complete", "Heads alone", "Tails alone")]
    assert int(figures["Sperm"]) == sum(counts) > 0
    assert figures["Head length, median"].endswith("µm")


def test_an_image_that_failed_says_why(page, job):
    page.open(f"#/jobs/{job}/3")
    page.until(lambda: "could not be segmented" in page.text(".stage"), "the error")
    assert "unreadable.png" in page.text(".stage")


def test_masks_are_switched_by_part(field):
    everything = field.shown()
    heads, tails = len(field.all(".masks .head")), len(field.all(".masks .tail"))
    assert everything == heads + tails > 2
    field.click('[data-switch="tail"]')
    assert field.shown() == heads
    field.click('[data-switch="head"]')
    assert field.shown() == 0
    for name in ("head", "tail"):
        field.click(f'[data-switch="{name}"]')
    field.click('[data-switch="alone"]')
    assert field.shown() == len(field.all(".masks .whole > g"))
    field.click('[data-switch="masks"]')
    assert field.shown() == 0


def test_masks_are_switched_by_sperm(field):
    everything, parts = field.shown(), field.shown(1)
    tick = field.find('tr[data-sperm="1"] input')
    tick.click()
    assert field.shown(1) == 0
    assert field.shown() == everything - parts
    tick.click()
    field.click('tr[data-sperm="1"] th')
    field.click('.card [data-part="head"]')
    assert field.shown(1) == parts - 1
    assert tick.get_property("indeterminate")
    field.click('[aria-label="Show all sperm"]')
    field.until(lambda: field.shown() in (0, everything), "all or none")


def test_table_is_sorted_and_unknown_values_come_last(field):
    field.click('[data-key="tail_length_um"]')
    rising = field.column("tail_length_um")
    known = [float(value) for value in rising if value != "–"]
    assert known == sorted(known)
    assert rising[len(known) :] == ["–"] * (len(rising) - len(known))
    field.click('[data-key="tail_length_um"]')
    falling = field.column("tail_length_um")
    assert [float(value) for value in falling if value != "–"] == known[::-1]
    assert falling[len(known) :] == rising[len(known) :]
    assert (
        field.find('[data-key="tail_length_um"]').find_element("xpath", "..").get_attribute("aria-sort")
        == "descending"
    )


def test_picture_and_table_are_linked_both_ways(field):
    field.click('tr[data-sperm="2"] th')
    assert field.find('.masks .chosen[data-sperm="2"]')
    assert field.text(".card h2") == "Sperm 2"
    field.script(
        "const touch = document.querySelector('.masks [data-sperm=\"1\"] .touch');"
        "for (const type of ['pointerdown', 'pointerup'])"
        " touch.dispatchEvent(new PointerEvent(type, {bubbles: true, button: 0}))"
    )
    assert field.find('tr[data-sperm="1"][aria-selected="true"]')
    assert field.text(".card h2") == "Sperm 1"


def test_enlarging_and_the_whole_picture(field):
    def extent():
        return [float(number) for number in field.find(".picture").get_dom_attribute("viewBox").split()]

    before = extent()
    field.until(lambda: field.find(".figures:not([hidden])"), "figures")
    whole = extent()
    assert whole == pytest.approx(before)  # figures come late and must not move the picture
    field.click('[aria-label="Enlarge"]')
    assert extent()[2] < whole[2]
    field.click('[aria-label="Whole picture"]')
    assert extent() == pytest.approx(whole)
    assert field.text(".scale-bar span").endswith("µm")


def test_reject_and_comment_are_kept_and_downloaded(field, job, downloads):
    field.click('tr[data-sperm="2"] th')
    field.click("#reject")
    field.until(lambda: field.find('tr[data-sperm="2"].rejected'), "the rejection")
    field.find("#comment").send_keys('Two tails, "joined"')
    field.click("#save-comment")
    field.until(lambda: "joined" in field.text('tr[data-sperm="2"]'), "the comment")
    field.until(lambda: "Rejected1" in field.text(".figures"), "the figures")

    field.open(f"#/jobs/{job}/1")  # another day
    field.until(lambda: field.find('tr[data-sperm="2"].rejected'), "the rejection")
    assert 'Two tails, "joined"' in field.text('tr[data-sperm="2"]')

    table = field.download(downloads, "Measurements", f"cs3-{job[:12]}.csv").read_text("utf-8")
    rows = list(csv.DictReader(table.splitlines()))
    said = {(row["file_name"], row["sperm_id"]): (row["rejected"], row["comment"]) for row in rows}
    assert said["papanicolaou.png", "2"] == ("true", 'Two tails, "joined"')
    assert said["papanicolaou.png", "1"] == ("false", "")

    field.click('tr[data-sperm="2"] th')  # and take it back
    field.click("#reject")
    field.until(lambda: not field.find('tr[data-sperm="2"].rejected'), "the rejection to go")


def test_a_comment_is_not_lost_by_going_on(field):
    field.click('tr[data-sperm="3"] th')
    field.find("#comment").send_keys("blurred")
    field.click("#reject")  # without having saved the comment
    field.until(lambda: field.find('tr[data-sperm="3"].rejected'), "the rejection")
    field.until(lambda: "blurred" in field.text('tr[data-sperm="3"]'), "the comment")
    field.find("#comment").send_keys(" tail")
    field.click('tr[data-sperm="1"] th')  # on to the next
    field.until(lambda: "blurred tail" in field.text('tr[data-sperm="3"]'), "the longer comment")
    field.click('tr[data-sperm="3"] th')
    field.find("#comment").clear()
    field.click("#reject")
    field.until(lambda: not field.find('tr[data-sperm="3"].rejected'), "the review to go")


def test_everything_is_downloaded(field, job, downloads):
    with zipfile.ZipFile(field.download(downloads, "Everything", f"cs3-{job[:12]}.zip")) as everything:
        names = everything.namelist()
        coco = json.loads(everything.read("annotations.coco.json"))
    assert {"sperm.csv", "run.json"} <= set(names)
    for folder in ("overlays", "geojson", "imagej", "labels", "results"):
        assert sum(name.startswith(f"{folder}/") for name in names) == 2
    assert [image["file_name"] for image in coco["images"]] == ["papanicolaou.png", "second.png"]


def test_by_keyboard_alone(page, smear):
    """From the start page to a rejected sperm with a comment, without a mouse."""
    page.open()
    page.tab_to(lambda: page.focused == "choose-files")
    page.find("#files").send_keys(str(smear))  # what the system's dialog would do
    page.until(lambda: page.focused == "go", "the focus on the button")
    page.press(Keys.ENTER)
    page.wait_for_job()
    page.tab_to(lambda: page.focused == "svg")
    page.press("n", "n")
    assert page.text(".card h2") == "Sperm 2"
    before = page.shown(2)
    page.press(" ")
    assert page.shown(2) == 0
    page.press(" ")
    assert page.shown(2) == before
    page.press("t")
    assert page.shown() == len(page.all(".masks .head"))
    page.press("t", "r")
    page.until(lambda: page.find('tr[data-sperm="2"].rejected'), "the rejection")
    page.press("c")
    assert page.focused == "comment"
    page.press("faint")
    page.press_with_control(Keys.ENTER)
    page.until(lambda: "faint" in page.text('tr[data-sperm="2"]'), "the comment")
    page.tab_to(lambda: page.script("return document.activeElement.dataset.key ?? ''") == "score")
    page.press(Keys.ENTER)
    scores = [float(score) for score in page.column("score")]
    assert scores == sorted(scores)
    page.tab_to(lambda: page.focused == "tr")
    chosen = page.script("return document.activeElement.rowIndex")
    page.press(Keys.ARROW_UP)
    assert page.script("return document.activeElement.rowIndex") == max(1, chosen - 1)


def test_recent_jobs_lead_to_their_results(page, job):
    page.open()
    page.until(lambda: page.find(f'.recent a[href="#/jobs/{job}"]'), "the job in the list")
    assert "Tuesday" in page.text(".recent")
    page.click(f'.recent a[href="#/jobs/{job}"]')
    page.until(lambda: page.find(".picture"), "the picture")


def test_long_lists_scroll_in_their_places(field):
    """A job of a thousand images must not push the picture out of the window; a low window shows the same."""
    size = {"width": 1366, "deviceScaleFactor": 1, "mobile": False}
    command = "Emulation.setDeviceMetricsOverride"
    field.driver.execute_cdp_cmd(command, size | {"height": 300})
    try:
        for part in (".strip ol", ".side", ".viewer"):
            bottom = field.script(
                "return document.querySelector(arguments[0]).getBoundingClientRect().bottom", part
            )
            assert bottom <= field.find(".purpose").rect["y"] + 1, part
    finally:
        field.driver.execute_cdp_cmd(command, size | {"height": 768})


def test_files_that_are_no_images_are_left_out(page, smear, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    page.open()
    page.drop(smear, tmp_path / "notes.txt")
    assert page.text("#go") == "Segment 1 image"
    assert "1 file left out" in page.text(".order-files .hint")
    page.find("#pixel-size").send_keys("small")
    page.click("#go")
    page.until(lambda: "Expected µm a pixel" in page.text("#trouble"), "the message")
    assert page.find("#pixel-size").get_attribute("aria-invalid") == "true"


def test_a_job_that_does_not_exist(page):
    page.open("#/jobs/none")
    page.until(lambda: page.text(".stage.message"), "the message")


def test_the_page_says_what_it_is_for(page):
    page.open()
    assert "For research use only" in page.text(".purpose")
    assert "not a medical device" in page.text(".purpose")


def test_nothing_comes_from_elsewhere(page, service):
    page.open()
    page.until(lambda: page.text("#service"), "the state of the service")
    names = page.script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert names
    assert all(name.startswith((service, "blob:")) for name in names)


def test_texts_can_be_read_and_controls_have_names(page, job):
    """Contrast of texts (WCAG 2.2, 1.4.3) in light and dark, and names of all controls."""
    for theme in ("light", "dark"):
        page.open(f"#/jobs/{job}/1")
        page.until(lambda: page.find(".picture"), "the picture")
        page.script("document.documentElement.dataset.theme = arguments[0]", theme)
        page.click('tr[data-sperm="1"] th')
        assert page.script(CONTRAST) == []
    assert page.script(NAMELESS) == []


CONTRAST = """
const parse = (colour) => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
const ground = (element) => {
  for (; element; element = element.parentElement) {
    const colour = parse(getComputedStyle(element).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return [255, 255, 255, 255];
};
const bad = [];
for (const element of document.querySelectorAll('body *:not(svg *, .unseen, :disabled, dialog *)')) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.checkVisibility()) continue;
  const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) bad.push(`${element.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
}
return bad;
"""

NAMELESS = """
return [...document.querySelectorAll('button, input:not([type=file]), select, textarea, a, summary')]
  .filter((element) => !(element.textContent.trim() || element.getAttribute('aria-label')
    || element.labels?.length || element.querySelector('[aria-label]')))
  .map((element) => element.outerHTML.slice(0, 80));
"""
