"""A service of its own and a real headless Chromium for the tests of the page."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest
from driven_page import EXAMPLES
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-GB",
    "--window-size=1366,768",
)
READY_WITHIN = 300  # seconds; a busy machine with two cores takes its time


def _program(*names):
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        pytest.exit(f"expected {' or '.join(names)}, found neither; run: make test-browser", returncode=2)
    return found


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _running(data):
    """The address of a service with this folder; its log is shown when it does not get ready."""
    port, log = _free_port(), data.with_suffix(".log")
    # Workers step back for others by default; here somebody waits for them.
    environment = os.environ | {"CS3_SERVICE_DATA": str(data), "CS3_SERVICE_WORKER_NICENESS": "0"}
    command = [sys.executable, "-m", "service", "start", "--port", str(port)]
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_ready(address, process, log)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """The address of a service that asks for no key."""
    with _running(tmp_path_factory.mktemp("service") / "data") as address:
        yield address


@pytest.fixture
def guarded(tmp_path):
    """The address of a service that asks for a key, and a key."""
    data = tmp_path / "data"
    command = [sys.executable, "-m", "service", "keys", "create", "technician"]
    environment = os.environ | {"CS3_SERVICE_DATA": str(data)}
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    with _running(data) as address:
        yield address, made.stdout.strip()


def _wait_until_ready(address, process, log):
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"{address}/v2/health/ready", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    pytest.fail(f"the service did not get ready:\n{log.read_text()[-4000:]}")


@pytest.fixture(scope="session")
def smear(tmp_path_factory):
    """The path of a part of an example, which takes less time than the whole."""
    path = tmp_path_factory.mktemp("smear") / "papanicolaou.png"
    with Image.open(EXAMPLES / path.name) as picture:
        picture.crop((300, 90, 700, 390)).save(path)
    return path


@pytest.fixture(scope="session")
def downloads(tmp_path_factory):
    """The folder into which the browser downloads."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def driver(tmp_path_factory, downloads):
    """A browser with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Driver(_program("chromedriver")))
    size = {"width": 1366, "height": 768, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    where = {"behavior": "allow", "downloadPath": str(downloads)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    yield driver
    driver.quit()
