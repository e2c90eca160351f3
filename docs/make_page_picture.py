"""Take docs/images/page.png: `python docs/make_page_picture.py`.

Needs the extras `service` and `browser`, and Chromium. Segments the bundled examples with its own service
and shows one of them as a person may have left it.
"""

import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from service.client import Client

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "images" / "page.png"
SIZE = {"width": 1366, "height": 768, "deviceScaleFactor": 1, "mobile": False}
SHOWN, REJECTED, CHOSEN = 1, 4, 12  # image; sperm


def main() -> None:
    """Start a service, segment, review, and take the picture."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"CS3_SERVICE_DATA": folder}
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "start", "--port", str(port)], env=environment
        )
        try:
            take(address, prepare(address))
        finally:
            process.terminate()
            process.wait()


def prepare(address: str) -> str:
    """A job of the examples with a rejected sperm; its id."""
    with Client(address) as client:
        job = client.submit(ROOT / "cascade" / "examples", name="Bundled examples", pixel_size_um=0.05)
        job.wait()
        job.review(SHOWN, REJECTED, rejected=True, comment="Turns back at a crossing")
        return job.id


def take(address: str, job_id: str) -> None:
    """Open the page, choose a sperm, and write the picture."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en-GB"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Driver(shutil.which("chromedriver")))
    try:
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", SIZE)
        driver.get(f"{address}/#/jobs/{job_id}/{SHOWN}")
        row = f'tr[data-sperm="{CHOSEN}"] th'
        WebDriverWait(driver, 60).until(lambda _: driver.find_elements(By.CSS_SELECTOR, row))[0].click()
        WebDriverWait(driver, 60).until(
            lambda _: driver.find_elements(By.CSS_SELECTOR, ".figures:not([hidden])")
        )
        time.sleep(1)
        picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    finally:
        driver.quit()
    picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
        PICTURE, optimize=True
    )
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
