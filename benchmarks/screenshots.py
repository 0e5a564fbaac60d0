"""Take screenshots of a comparison's page for the docs, in a headless Chromium.

    python benchmarks/screenshots.py runs/compare

Needs playwright and a Chromium (``apt-get install chromium`` or ``playwright install chromium``).
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

LARGEST = 300_000
"""Maximum size of a picture in bytes."""

DESK = {"viewport": {"width": 1180, "height": 1240}}
PHONE = {"viewport": {"width": 390, "height": 1240}, "device_scale_factor": 1.5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="the run folder, which contains report.html")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    page = options.run / "report.html"
    if not page.is_file():
        raise SystemExit(f"{page} does not exist: give the folder that selfcorrect compare wrote.")
    options.out.mkdir(parents=True, exist_ok=True)
    address = page.resolve().as_uri()
    with sync_playwright() as playwright:
        found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
        browser = playwright.chromium.launch(
            executable_path=next(filter(None, found), None),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        for scheme in ("light", "dark"):
            opened = open_page(browser, address, color_scheme=scheme, **DESK)
            save(opened, options.out / f"compare-{scheme}.png")
        save(open_page(browser, address, **PHONE), options.out / "compare-phone.png")
        opened = open_page(browser, f"{address}#transition=i->c", **DESK)
        save(opened, options.out / "compare-episodes.png", of="#episodes")
        browser.close()


def open_page(browser: Browser, address: str, **options: Any) -> Page:
    opened = browser.new_page(reduced_motion="reduce", **options)
    opened.goto(address)
    return opened


def save(opened: Page, path: Path, of: str | None = None) -> None:
    """Save a screenshot of the window, or of one element, with at most 256 colours."""
    taken = opened.locator(of).screenshot() if of else opened.screenshot(full_page=False)
    picture = Image.open(io.BytesIO(taken)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{path} has {size:,} bytes, more than {LARGEST:,}: make it smaller.")
    print(f"{path}: {picture.width} x {picture.height}, {size:,} bytes")


if __name__ == "__main__":
    main()
