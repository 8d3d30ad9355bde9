"""What tests share: Gradio kept to itself, apps served on 127.0.0.1, pages in a real browser."""

import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import axe_playwright_python
import pytest

# Before Gradio is imported: nothing is reported to anyone, and every run has folders of its own.
TEMPORARY = tempfile.mkdtemp(prefix="convlens-tests-")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_TEMP_DIR"] = str(Path(TEMPORARY, "gradio"))
os.environ["GRADIO_EXAMPLES_CACHE"] = str(Path(TEMPORARY, "examples"))

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


def pytest_configure(config):
    # Now and then Gradio counts its events in a way that pandas 3 calls deprecated; as an error, that ends the queue's
    # worker, and the browser waits for ever.
    for message in ("'future.no_silent_downcasting' is deprecated", "The copy keyword is deprecated"):
        config.addinivalue_line("filterwarnings", f"ignore:{message}")


def pytest_unconfigure():
    shutil.rmtree(TEMPORARY, ignore_errors=True)


@pytest.fixture(scope="session")
def shared():
    """The folder of test data beside the repository, where there is one."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("there is no ../shared/data beside the repository")
    return folder


@pytest.fixture(scope="session")
def serve():
    """Launch Blocks as the app is launched, on a free port; returns the address."""
    launched = []

    def launch(blocks, **options):
        options = {"footer_links": [], "run_history": False, "show_error": False, "enable_monitoring": False} | options
        _, url, _ = blocks.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **options)
        launched.append(blocks)
        return url

    yield launch
    for blocks in launched:
        blocks.close(verbose=False)


@pytest.fixture(scope="session")
def address():
    """The whole app, served as a visitor finds it."""
    import app

    page = app.build_app()
    yield app.serve(page, server_name="127.0.0.1")
    page.close(verbose=False)


@pytest.fixture(scope="session")
def browser():
    """Chromium. While it is open, asyncio.run cannot be used on the main thread (playwright's own loop is there)."""
    executable = shutil.which("chromium")
    if not executable:
        # CONVLENS_REQUIRE_BROWSER, as .ci/run sets it, makes that a failure.
        assert not os.environ.get("CONVLENS_REQUIRE_BROWSER"), "there is no chromium on the PATH"
        pytest.skip("there is no chromium on the PATH")
    sync_api = pytest.importorskip("playwright.sync_api")
    sync_api.expect.set_options(timeout=30_000)  # ms; a machine may be busy with other things
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture
def new_page(browser):
    """Open pages that reach this machine only; what went wrong in them fails the test at its end."""
    contexts, wrong = [], []

    def local_only(route):
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            wrong.append(f"asked for {route.request.url}")
            route.abort()

    def open_page(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.route("**/*", local_only)
        page.on("pageerror", lambda error: wrong.append(f"raised {error}"))
        page.on("console", lambda line: line.type == "error" and wrong.append(f"logged {line.text}"))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture
def page(new_page):
    """A page on a desktop."""
    return new_page(viewport={"width": 1280, "height": 800})


@pytest.fixture
def phone(new_page):
    """A page on a phone."""
    return new_page(**PHONE)


@pytest.fixture(scope="session")
def axe():
    """Function that lists a page's WCAG A and AA violations by axe-core: (rule, impact, elements)."""
    script = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
    found = (
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa']})"
        ".then(r => r.violations.map(v => [v.id, v.impact, v.nodes.map(n => n.html)]))"
    )

    def violations(page):
        page.evaluate(script)
        return page.evaluate(found)

    return violations
