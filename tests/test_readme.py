"""What the README promises is so."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from PIL import Image

from app import TABS
from cnn_core import networks, zoo
from cnn_core.weights import WEIGHTS, HubFile
from demos import model_zoo

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FRONT = yaml.safe_load(README.split("---\n")[1])
MEGABYTE = 1_000_000


def pins(name: str) -> dict[str, str]:
    """Package -> version, from a requirements file; every line is an exact pin."""
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return dict(line.split("==") for line in lines if line and not line.startswith("-r"))


def table(name: str) -> list[list[str]]:
    """Rows of the table between `<!-- name -->` and `<!-- /name -->`, as cells, its head left out."""
    block = README.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()[2:]]


def section(heading: str) -> str:
    """What stands under a heading, to the next one."""
    return README.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def fenced(heading: str) -> str:
    """The first fenced block under a heading."""
    found = re.search(r"^```\w*\n(.*?)^```", section(heading), re.DOTALL | re.MULTILINE)
    assert found
    return found[1]


# What a Space reads


def test_front_matter_is_what_spaces_accept():
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    known = {
        *("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "license"),
        *("short_description", "tags", "models", "datasets", "pinned", "thumbnail", "preload_from_hub", "fullWidth"),
        *("header", "suggested_hardware", "startup_duration_timeout", "disable_embedding"),
    }
    assert FRONT.keys() <= known
    assert FRONT["title"] == "ConvLens"
    assert {FRONT["colorFrom"], FRONT["colorTo"]} <= colours
    assert len(FRONT["short_description"]) <= 60
    assert (FRONT["sdk"], FRONT["license"]) == ("gradio", "mit")
    assert (ROOT / FRONT["app_file"]).is_file()
    assert all(re.fullmatch(r"[a-z0-9-]+", tag) for tag in FRONT["tags"])


def test_space_runs_the_pinned_gradio():
    assert FRONT["sdk_version"] == pins("requirements.txt")["gradio"]


def test_space_runs_a_supported_python():
    assert FRONT["python_version"] in {"3.10", "3.11", "3.12"}


def test_models_at_the_top_are_those_of_the_hub():
    shipped = {row.source.repo for row in WEIGHTS.values() if isinstance(row.source, HubFile)}
    assert set(FRONT["models"]) == shipped | {line.split()[0] for line in FRONT["preload_from_hub"]}


def test_what_the_zoo_first_asks_the_hub_for_is_preloaded(monkeypatch):
    monkeypatch.delenv("CONVLENS_WEIGHTS_REPO", raising=False)
    asked = {name: zoo.sources(name)[0] for name in model_zoo.FIRST}
    files = f"config.json,{zoo.FILE}"  # what `zoo.describe` and `zoo.make` fetch
    hub = {name: source.repo for name, source in asked.items() if isinstance(source, HubFile)}
    assert FRONT["preload_from_hub"] == [f"{repo} {files}" for repo in hub.values()]
    numbers = [each.numel() for name in hub for each in networks.build(name, numberless=True).parameters()]
    assert f"({sum(numbers) * 4 / 1e9:.1f} GB)" in section("Put it online")
    assert "HF_HOME" not in section("Put it online")  # preloaded files lie where the Hub's library looks without it


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-mcp.txt", "tests/requirements.txt"])
def test_every_requirement_is_an_exact_pin(name):
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for version in pins(name).values())


# What a reader reads


def test_tabs_table_lists_the_tabs_in_order():
    assert [row[0].strip("`") for row in table("tabs")] == [tab.NAME for tab in TABS]
    assert all(question.endswith("?") for _, question, *_ in table("tabs"))


def test_what_a_space_can_and_cannot_is_told():
    told = section("Put it online")
    rows = {line.split("|")[1].strip() for line in told.splitlines() if line.startswith("| ")}
    assert {"free", "PRO"} <= rows
    for fact in ("ZeroGPU", "CPU Basic", "SSR", "Copy link", "hf.space", "gone at every restart", "--share"):
        assert fact in told, fact


def test_weights_table_lists_the_weights():
    assert [row[0].strip("`") for row in table("weights")] == list(WEIGHTS)
    assert [int(row[1].replace(",", "")) for row in table("weights")] == [row.num_params for row in WEIGHTS.values()]
    assert [row[4] for row in table("weights")] == [row.licence for row in WEIGHTS.values()]


@pytest.mark.parametrize("name", WEIGHTS)
def test_scores_are_the_measured_ones(name):
    measured = json.loads((ROOT / "weights" / name / "scores.json").read_text())
    figures = [f"{measured['accuracy']:.2%}"]
    if drawn := measured.get("drawings"):
        figures += [f"{drawn['strict']:.1%}", f"{drawn['near']:.1%}"]
    if book := measured.get("book"):
        figures.append(f"{book:.1%}")
    rows = {row[0].strip("`"): row for row in table("weights")}
    for text in (rows[name][2], WEIGHTS[name].metric, (ROOT / "weights" / "README.md").read_text()):
        assert [figure for figure in figures if figure not in text] == []


def test_files_in_the_tree_exist_and_are_told_once():
    folder, lines, told = "", fenced("The files").splitlines(), set()
    for line in lines:
        name, remark = re.split(r"\s{2,}", line.strip(), maxsplit=1)
        folder = folder if line.startswith(" ") else name if name.endswith("/") else ""
        path = ROOT / (folder + name if line.startswith(" ") else name)
        assert path.is_dir() if name.endswith("/") else path.is_file(), f"{path} is not there"
        assert remark
        assert path not in told, f"{path} stands there twice"
        told.add(path)


def test_every_module_is_in_the_tree():
    tree = fenced("The files")
    modules = [path.name for layer in ("demos", "cnn_core") for path in (ROOT / layer).glob("[!_]*.py")]
    assert [name for name in modules if name not in tree] == []


def test_variables_of_ours_are_listed():
    sources = [path for layer in ("demos", "cnn_core") for path in (ROOT / layer).rglob("*.py")]
    used = {name for path in [*sources, ROOT / "app.py"] for name in re.findall(r"CONVLENS_[A-Z_]+", path.read_text())}
    listed = re.findall(r"^\| `(CONVLENS_[A-Z_]+)`", section("The environment"), re.MULTILINE)
    assert used <= set(listed)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("heading", ["Run it", "Check it"])
def test_command_is_one_line_and_makes_its_own_environment(heading):
    command = fenced(heading)
    assert command.count("\n") == 1
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -r ")
    assert all((ROOT / name).is_file() for name in re.findall(r"\S+\.(?:txt|py)\b", command))


def test_ci_runs_the_command_of_the_readme():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    shown = subprocess.run([ROOT / ".ci" / "run", "--show"], capture_output=True, text=True, check=True)
    assert shown.stdout == fenced("Check it")


def test_no_file_is_larger_than_ten_megabytes():
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    files = [ROOT / name for name in names if name and (ROOT / name).is_file()]
    assert len(files) > 10
    assert [file for file in files if file.stat().st_size > 10 * MEGABYTE] == []


def test_every_tab_has_its_screenshot():
    shown = re.findall(r"docs/screenshots/(\w+)\.png", README)
    assert shown == [tab.NAME for tab in TABS]
    for name in shown:
        with Image.open(ROOT / "docs" / "screenshots" / f"{name}.png") as picture:
            assert picture.width == 1280
