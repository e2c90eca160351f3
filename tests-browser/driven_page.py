"""What a person does with the page, in the page's own terms."""

from pathlib import Path

from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

EXAMPLES = Path(__file__).parent.parent / "cascade" / "examples"
PATIENCE = 240  # seconds: images are really segmented


class Page:
    """The page in a browser."""

    def __init__(self, driver, address):
        self.driver = driver
        self.address = address

    # -- looking

    def find(self, selector):
        """The first element, or None."""
        return next(iter(self.driver.find_elements(By.CSS_SELECTOR, selector)), None)

    def all(self, selector):
        """All elements."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector):
        """The text of the first element, or nothing."""
        return self.script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)

    def texts(self, selector):
        """The texts of all elements, read at one moment."""
        return self.script(
            "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)", selector
        )

    def script(self, source, *values):
        """What a script returns."""
        return self.driver.execute_script(source, *values)

    def until(self, condition, what):
        """Wait for something; fails saying what was waited for."""
        return WebDriverWait(self.driver, PATIENCE, 0.1).until(lambda _: condition(), f"waited for {what}")

    @property
    def focused(self):
        """The element that has the focus, by id, or by its tag's name."""
        return self.script("const e = document.activeElement; return e.id || e.tagName.toLowerCase()")

    def shown(self, sperm_id=None):
        """How many parts (of one sperm) the picture shows."""
        which = "" if sperm_id is None else f'[data-sperm="{sperm_id}"]'
        return len(self.all(f".masks g[data-sperm]{which} > g:not([hidden])"))

    def column(self, key):
        """The texts of a column of the table, by its heading's key, in order of the rows."""
        return self.script(
            "const head = document.querySelector(`[data-key='${arguments[0]}']`).closest('th');"
            "return [...document.querySelectorAll('.table tbody tr')]"
            ".map(row => row.cells[head.cellIndex].textContent)",
            key,
        )

    def complaints(self):
        """What the browser complained about: errors, blocked styles and scripts."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    # -- doing

    def open(self, path=""):
        """Go to the page anew."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.address}/{path}")
        self.until(lambda: self.find("#view > *"), "the page")

    def drop(self, *files):
        """Drop files on the page as from a file manager."""
        zone = self.find("#drop-zone").rect
        x, y = zone["x"] + zone["width"] / 2, zone["y"] + zone["height"] / 2
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, "x": x, "y": y, "data": data}
            self.driver.execute_cdp_cmd("Input.dispatchDragEvent", event)
        self.until(lambda: self.find("form.order:not([hidden])"), "the list of dropped files")

    def press(self, *keys):
        """Press keys one after the other."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def press_with_control(self, key):
        """Press a key while the control key is held."""
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL).perform()

    def tab_to(self, reached, most=80):
        """Press Tab until something has the focus."""
        for _ in range(most):
            if reached():
                return
            self.press(Keys.TAB)
        raise AssertionError(f"not reached with {most} tabs; the focus is on {self.focused}")

    def click(self, selector):
        """Click the first element."""
        self.find(selector).click()

    def wait_for_job(self):
        """Wait until the job that is looked at is done and its image shown; gives the job's id."""
        self.until(lambda: "#/jobs/" in self.driver.current_url, "the job")
        self.until(lambda: self.find("#delete"), "the end of the job")
        self.until(lambda: self.find(".picture"), "the picture")
        return self.driver.current_url.split("#/jobs/")[1].split("/")[0]

    def download(self, folder: Path, entry, name):
        """Choose an entry of the menu of downloads, wait for the file, and give its path."""
        (folder / name).unlink(missing_ok=True)
        self.click("#download")
        menu = {button.text.split("\n")[0]: button for button in self.all(".menu > div:first-child .entry")}
        menu[entry].click()
        self.until(lambda: (folder / name).exists() and not list(folder.glob("*.crdownload")), name)
        return folder / name
