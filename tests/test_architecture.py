"""Imports point one way, and importing the app is cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for folder in ("cnn_core", "demos") for path in (ROOT / folder).rglob("*.py"))
FORBIDDEN = {"cnn_core": {"gradio", "demos", "app"}, "demos": {"app"}}
HEAVY = {"torch", "torchvision", "timm", "cv2"}

every_module = pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(ROOT)) for path in MODULES])


def imported(path: Path) -> set[str]:
    """Dotted names of all that a module imports, also inside functions; of a relative import, the whole name."""
    names = set()
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            origin = ".".join((*above, *([node.module] if node.module else [])))
            names |= {f"{origin}.{alias.name}" for alias in node.names}
    return names


@every_module
def test_imports_point_down(path):
    layer = path.relative_to(ROOT).parts[0]
    assert not {name for name in imported(path) if name.split(".")[0] in FORBIDDEN[layer]}


@every_module
def test_tabs_do_not_import_each_other(path):
    layer, *_, name = path.relative_to(ROOT).with_suffix("").parts
    tabs = {other.stem for other in (ROOT / "demos").glob("[!_]*.py")} - {name}
    assert layer != "demos" or not {f"demos.{tab}" for tab in tabs} & {
        ".".join(found.split(".")[:2]) for found in imported(path)
    }


def test_importing_the_app_imports_nothing_heavy():
    program = f"import sys, app; print(*sorted({HEAVY!r} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_building_the_app_imports_nothing_heavy_and_starts_no_thread():
    program = (
        "import sys, threading, app; before = threading.active_count(); app.build_app(); "
        f"print(*sorted({HEAVY!r} & sys.modules.keys()), threading.active_count() - before)"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["0"]
