"""The README's examples for scripts, run as they stand against the page as it is served."""

import json
import re
import shutil
import subprocess
import sys
from typing import Any
from urllib.request import Request, urlopen

import pytest
from test_readme import section

LOCAL = "http://127.0.0.1:7860/"


def example(language: str, address: str) -> str:
    """The example in a language, asking the page that the test serves."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", section("From a script"), re.DOTALL | re.MULTILINE)
    assert LOCAL.rstrip("/") in found
    return found.replace(LOCAL.rstrip("/"), address.rstrip("/"))


def said(*command: str, program: str) -> str:
    """What a program prints."""
    done = subprocess.run(command, input=program, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return done.stdout


def needed(program: str) -> str:
    """A program's path."""
    if not (path := shutil.which(program)):
        pytest.skip(f"there is no {program} on the PATH")
    return path


def ended(events: str) -> tuple[str, Any]:
    """How a call ended, and with what; while it runs, the server also says every so often that it is there."""
    ((kind, data),) = re.findall(r"^event: (complete|error)\r?\ndata: (.*)$", events, re.MULTILINE)
    return kind, json.loads(data)


def test_python(address):
    label, share = said(sys.executable, "-", program=example("python", address)).splitlines()[-1].split()
    assert label == "cat"
    assert 0.5 < float(share) <= 1


def test_curl(address):
    needed("curl")
    kind, data = ended(said(needed("bash"), "-e", program=example("bash", address)))
    assert kind == "complete"
    table, remark = data
    fields = dict(zip((row[0] for row in table["data"]), (row[7] for row in table["data"]), strict=True))
    assert table["headers"][7] == "rf"
    assert fields["features.30"] == 212  # Araujo et al., 2019, table of VGG-16
    assert isinstance(remark, str)


def test_javascript_in_node(address):
    node = needed("node")
    assert said(node, "--input-type=module", program=example("js", address)).split() == ["complete", "Trouser"]


def test_javascript_in_a_browser(address, page):
    page.goto(f"{address}gradio_api/info")  # a page of the same address, as light as there is one
    lines = []
    page.on("console", lambda line: lines.append(line.text))
    page.evaluate(f"(async () => {{ {example('js', address)} }})()")
    assert lines == ["complete Trouser"]


def test_a_refusal_ends_with_a_sentence(address):
    call = f"{address}gradio_api/call/classify_sketch"
    body = json.dumps({"data": [None]}).encode()
    with urlopen(Request(call, body, {"Content-Type": "application/json"}), timeout=30) as answer:
        event = json.load(answer)["event_id"]
    with urlopen(f"{call}/{event}", timeout=60) as answer:
        kind, data = ended(answer.read().decode())
    assert kind == "error"
    assert data["error"] == "Draw something: the sheet is empty."
