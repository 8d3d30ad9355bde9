"""Take the README's pictures: every tab with its worked example, in a real browser.

    python tests/screenshots.py [tab ...]

writes `docs/screenshots/<tab>.png`, 1280 px wide, and needs Chromium and what tests/requirements.txt lists.
"""

import shutil
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "screenshots"
# What there is to see once a tab has worked its example: an element, and what it says.
DONE = {
    "sketch": ("#tab-sketch [role=tabpanel], #tab-sketch", "Sneaker"),
    "cats_dogs": ("#cats-dogs-verdict", "A cat"),
    "feature_maps": ("#feature-maps-sentence", "maps of"),
    "model_zoo": ("#model-zoo-table", "Compare asks"),
    "receptive_field": (".rf-network .sees", "This unit sees"),
}


def main(names: list[str]) -> None:
    """Serve the page, open each tab, and keep what it looks like."""
    sys.path.insert(0, str(ROOT))
    from playwright.sync_api import expect, sync_playwright

    import app

    page = app.build_app()
    address = app.serve(page, server_name="127.0.0.1")
    app.warm_up()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for name in names:
            seen = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
            seen.goto(f"{address}?tab={name}&__theme=light")
            place, text = DONE[name]
            expect(seen.locator(place).first).to_contain_text(text, timeout=120_000)
            seen.wait_for_function("[...document.images].every(image => image.complete || !image.offsetParent)")
            picture = Image.open(BytesIO(seen.screenshot(animations="disabled"))).convert("RGB")
            # Few colours need a third of the bytes, and look the same.
            picture.quantize(256, dither=Image.Dither.NONE).save(FOLDER / f"{name}.png", optimize=True)
            seen.close()
        browser.close()
    page.close(verbose=False)


if __name__ == "__main__":
    main(sys.argv[1:] or list(DONE))
