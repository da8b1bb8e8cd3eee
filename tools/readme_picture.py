"""The picture of the README: a campaign of the demo, as a browser shows it. Run by `make screenshots`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "images" / "dashboard.png"
CAMPAIGN = "Tents & tarps"
PORT = 8497
SIZE = {"width": 1280, "height": 960}


def take(address: str, email: str, password: str) -> None:
    """Sign in, open the campaign, wait for its chart, take the picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, device_scale_factor=1, reduced_motion="reduce")
        page.goto(address)
        page.get_by_label("E-mail").fill(email)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Campaigns", exact=True).click()
        page.get_by_role("link", name=CAMPAIGN).first.click()
        page.wait_for_selector("h1")
        page.wait_for_selector(".uplot")
        page.screenshot(path=PICTURE)
        browser.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("campanile")), "demo", "--port", str(PORT), "--data", folder]
        demo = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            if demo.stdout is None:
                raise RuntimeError("the demo prints nothing")
            printed = ""
            for line in demo.stdout:
                printed += line
                if line.startswith("Serving at"):
                    break
            credentials = dict(re.findall(r"^ *(e-mail|password) +(\S+)", printed, re.MULTILINE))
            take(f"http://127.0.0.1:{PORT}", credentials["e-mail"], credentials["password"])
        finally:
            demo.terminate()
            demo.wait()


if __name__ == "__main__":
    main()
