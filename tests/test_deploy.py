"""What carries ConvLens elsewhere: the container's steps replayed without an engine, a proxy, hooks and workflows."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from test_readme import FRONT, fenced

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
CADDYFILE = (ROOT / "Caddyfile").read_text(encoding="utf-8")


def steps() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what they say, in order; continued lines joined."""
    lines = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines if line.strip()]


def said(instruction: str) -> list[str]:
    return [what for name, what in steps() if name == instruction]


def copied() -> list[tuple[str, str]]:
    """What is copied into the app's folder: source and place."""
    pairs = []
    for line in said("COPY"):
        *sources, place = [word for word in shlex.split(line) if not word.startswith("--")]
        pairs += [(source, place) for source in sources if not place.startswith("/")]
    return pairs


def settings() -> dict[str, str]:
    return dict(word.split("=", 1) for line in said("ENV") for word in shlex.split(line))


# The container


def test_the_image_is_the_spaces_python_and_has_no_root():
    assert said("FROM") == [f"python:{FRONT['python_version']}-slim"]
    names = [name for name, _ in steps()]
    assert said("USER") == ["1000"]  # by number, which a host can check
    assert names.index("USER") < names.index("CMD")
    assert set(names) <= {"FROM", "ARG", "COPY", "RUN", "WORKDIR", "USER", "ENV", "EXPOSE", "HEALTHCHECK", "CMD"}


def test_what_is_installed_is_what_is_pinned():
    installs = [line for line in said("RUN") if "install" in line]
    assert any("packages.txt" in line and "apt-get install" in line for line in installs)
    assert any("pip install" in line and line.endswith("-r requirements.txt") for line in installs)
    assert all("rm -rf /var/lib/apt/lists" in line for line in installs if "apt-get" in line)


def test_all_that_is_copied_is_there_and_let_through():
    through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source, _ in copied():
        assert (ROOT / source).exists(), source
        assert source.rstrip("/") in through, source


def test_the_image_serves_what_it_copies(tmp_path):
    """Its steps after the installation, with this environment in place of the one it installs."""
    for source, place in copied():
        target = tmp_path / place / ("" if place.endswith("/") and source.endswith("/") else source)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, target)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    own = settings() | {"GRADIO_SERVER_PORT": port, "HF_HOME": str(tmp_path / "hub")}
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GRADIO_", "CONVLENS_"))}
    program, *arguments = json.loads(said("CMD")[0])
    check = json.loads(said("HEALTHCHECK")[0].split("CMD", 1)[1])
    assert program == check[0] == "python"
    check = [sys.executable, *(word.replace(settings()["GRADIO_SERVER_PORT"], port) for word in check[1:])]
    with subprocess.Popen(
        [sys.executable, *arguments], cwd=tmp_path, env=environment | own, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert "ConvLens: http://" in process.stdout.readline()  # said once it is served
            assert subprocess.run(check, cwd=tmp_path, timeout=60, check=False).returncode == 0
        finally:
            process.kill()
    assert subprocess.run(check, cwd=tmp_path, timeout=60, check=False, stderr=subprocess.DEVNULL).returncode != 0


def test_the_port_is_the_same_everywhere():
    port = settings()["GRADIO_SERVER_PORT"]
    assert said("EXPOSE") == [port]
    assert f"app:{port}" in CADDYFILE
    assert f":{port}/" in said("HEALTHCHECK")[0]


def test_the_proxy_serves_the_path_that_the_app_believes_in():
    path = COMPOSE["services"]["app"]["environment"]["GRADIO_ROOT_PATH"]
    assert f"handle_path {path}/*" in CADDYFILE  # which takes the path off, as Gradio wants it
    assert COMPOSE["services"]["proxy"]["depends_on"]["app"]["condition"] == "service_healthy"
    mounted = [volume.split(":")[1] for volume in COMPOSE["services"]["app"]["volumes"]]
    assert mounted == [settings()["HF_HOME"]]


# Under a path of its own


@pytest.fixture
def proxied():
    """The app behind a proxy that serves it under /convlens and takes the path off, as the Caddyfile does."""
    import app

    page = app.build_app()
    behind = app.serve(page, server_name="127.0.0.1", root_path="/convlens").removesuffix("/")
    asked: list[str] = []

    async def forward(request: Request) -> StreamingResponse:
        path = request.url.path.removeprefix("/convlens")
        asked.append(path)
        client = httpx.AsyncClient(timeout=60)
        headers = {key: value for key, value in request.headers.items() if key != "host"}
        sent = client.build_request(
            request.method, f"{behind}{path}", params=request.query_params, headers=headers, content=request.stream()
        )
        answer = await client.send(sent, stream=True)
        kept = {key: value for key, value in answer.headers.items() if key != "transfer-encoding"}
        return StreamingResponse(answer.aiter_raw(), answer.status_code, kept)

    routes = [Route("/convlens/{path:path}", forward, methods=["GET", "HEAD", "POST"])]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/convlens/"
    server.should_exit = True
    thread.join()
    page.close(verbose=False)


def test_the_page_works_under_a_path(proxied, page):
    from playwright.sync_api import expect

    page.goto(proxied)
    expect(page.get_by_role("heading", name="ConvLens")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Sneaker").first).to_be_visible(timeout=60_000)  # its example is answered


# Hooks and workflows


def test_hooks_are_the_checks_of_the_readme():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    commands = " && ".join(hook["entry"] for hook in hooks)
    checks = [command.strip() for command in fenced("Check it").split("&&")[2:]]
    assert [check for check in checks if check not in commands] == []


def test_workflows_run_the_check_and_sync_the_space():
    runs = {}
    for file in (ROOT / ".github" / "workflows").glob("*.yml"):
        jobs = yaml.safe_load(file.read_text())["jobs"].values()
        runs[file.stem] = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    assert ".ci/run" in runs["check"]
    assert any(line.startswith("hf upload") and "--repo-type space" in line for line in runs["space"])


def test_the_linter_of_dockerfiles_finds_nothing():
    hadolint = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if not hadolint:
        pytest.skip("hadolint is not installed")
    found = subprocess.run([hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60)
    assert (found.stdout, found.returncode) == ("", 0)


# ZeroGPU


def test_functions_that_gain_from_a_gpu_are_marked_where_spaces_is_installed(tmp_path):
    """A stand-in for Hugging Face's package `spaces`, which only their machines need."""
    (tmp_path / "spaces.py").write_text("marked = []\ndef GPU(run):\n    marked.append(run.__name__)\n    return run\n")
    program = "import app, spaces; app.build_app(); print(*sorted(spaces.marked))"
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == ["run", "watch"]
