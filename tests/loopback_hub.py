"""A Hugging Face Hub on 127.0.0.1, for the real client: downloads, uploads, and faults on demand.

    with loopback_hub.Hub(root) as hub:
        hub.faults.append(Fault("GET", "resolve", silent_after=100))

Serves `root/<owner>/<name>/*` as the model repository `owner/name`, over plain HTTP and without Xet, the way
huggingface_hub 2.4 wants it. A repository's commit is a hash of its content, so every revision is the newest one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

from cnn_core import weights

LONGEST_SILENCE = 60.0  # s, so that a client without limits fails its test and does not hang


@dataclass
class Fault:
    """What goes wrong with the requests it matches.

    Attributes:
        method: "HEAD", "GET", "POST" or "PUT".
        path: regular expression, searched for in the path.
        skip: how many matching requests go well first.
        times: how many are spoilt then; all of them by default.
        status: answered instead of the real answer.
        code: the Hub's name for the error ("RepoNotFound", "GatedRepo", ...).
        headers: sent along with `status`.
        silent_after: bytes of the body before the server falls silent, until released; -1 is before any answer.
        cut_after: bytes of the body before the connection is closed.
        body: sent instead of the file.
        barrier: waited at before the real answer, to make requests meet.
        pause: s to wait between pieces of 32 KiB.
    """

    method: str
    path: str = ""
    skip: int = 0
    times: float = float("inf")
    status: int | None = None
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    silent_after: int | None = None
    cut_after: int | None = None
    body: bytes | None = None
    barrier: threading.Barrier | None = None
    pause: float = 0.0


class Hub:
    """The server; a context manager.

    Attributes:
        url: what `HF_ENDPOINT` should be.
        root: the folder with the repositories.
        requests: (method, path) of each request, in the order they came.
        faults: the first that matches a request applies.
        token: when set, requests must carry it, as those to a private repository must.
        private: names of the repositories that were made private.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.requests: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.token: str | None = None
        self.private: set[str] = set()
        self.uploads: dict[str, bytes] = {}  # LFS objects by SHA-256
        self.released = threading.Event()
        handler = type("BoundHandler", (Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def release(self) -> None:
        """Let every silent request go on as if nothing had been."""
        self.released.set()

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()
        self.server.shutdown()
        self.server.server_close()

    def files(self, repo: str) -> dict[str, Path]:
        """A repository's files by their path in it; none if there is no such repository."""
        folder = self.root / repo
        return {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}

    def commit(self, repo: str) -> str:
        """40 hex digits."""
        content = b"".join(name.encode() + file.read_bytes() for name, file in self.files(repo).items())
        return hashlib.sha1(content).hexdigest()

    def fault(self, method: str, path: str) -> Fault:
        """What is to go wrong with this request; an empty fault if nothing is."""
        for fault in self.faults:
            if fault.method == method and re.search(fault.path, path):
                if fault.skip:
                    fault.skip -= 1
                elif fault.times:
                    fault.times -= 1
                    return fault
        return Fault(method)

    def count(self, method: str, path: str = "") -> int:
        """How many requests there were whose path matches."""
        return sum(each == method and bool(re.search(path, where)) for each, where in self.requests)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    hub: Hub

    def answer(self) -> None:
        """Route a request, whatever its method."""
        hub = self.hub
        path = unquote(urlsplit(self.path).path).strip("/")
        self.payload = self.read_payload()
        hub.requests.append((self.command, path))
        self.fault = hub.fault(self.command, path)
        if self.fault.barrier:
            self.fault.barrier.wait(60)
        if self.fault.silent_after == -1:
            hub.released.wait(LONGEST_SILENCE)
        if self.fault.status:
            return self.error(self.fault.status, self.fault.code, self.fault.headers)
        public = not path or path.startswith("lfs/")  # the store of large files trusts whoever knows the address
        if hub.token and not public and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self.error(401, "RepoNotFound")
        for method, pattern, route in ROUTES:
            if method == self.command and (found := re.fullmatch(pattern, path)):
                return route(self, **found.groupdict())
        return self.error(404, "RepoNotFound")

    do_HEAD = do_GET = do_POST = do_PUT = answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the hub keeps its own log."""

    def read_payload(self) -> bytes:
        """The request's body, of known length or in chunks."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def error(self, status: int, code: str | None = None, headers: dict[str, str] | None = None) -> None:
        """An error as the Hub sends it."""
        self.send(b"{}", status, {**({"X-Error-Code": code} if code else {}), **(headers or {})})

    def json(self, value: Any) -> None:
        """A JSON answer."""
        self.send(json.dumps(value).encode())

    def send(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """An answer, spoilt as the fault wants it."""
        self.send_response(status)
        for key, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            with suppress(ConnectionError):  # the client may have given up
                self.send_body(body, self.fault)

    def send_body(self, body: bytes, fault: Fault) -> None:
        """The body, or as much of it as the fault lets through."""
        if fault.cut_after is not None:
            self.wfile.write(body[: fault.cut_after])
            self.close_connection = True
            return
        if fault.silent_after is not None and fault.silent_after >= 0:
            self.wfile.write(body[: fault.silent_after])
            body = body[fault.silent_after :]
            self.hub.released.wait(LONGEST_SILENCE)
        for start in range(0, len(body), 2**15):
            self.wfile.write(body[start : start + 2**15])
            if fault.pause:
                self.hub.released.wait(fault.pause)

    def root(self) -> None:
        """The front page."""
        self.json({})

    def whoami(self) -> None:
        """The token's owner."""
        self.json({"type": "user", "name": "me", "auth": {"accessToken": {"role": "write"}}})

    def file(self, repo: str, name: str) -> None:
        """A file, whole or from a byte on."""
        files = self.hub.files(repo)
        if not files:
            return self.error(404, "RepoNotFound")
        headers = {"X-Repo-Commit": self.hub.commit(repo)}
        if name not in files:
            return self.error(404, "EntryNotFound", headers)
        data = files[name].read_bytes()
        headers["ETag"] = f'"{hashlib.sha256(data).hexdigest()}"'
        if self.command == "GET" and self.fault.body is not None:
            data = self.fault.body
        if begin := re.match(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(begin[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            return self.send(data[start:], 206, headers)
        return self.send(data, headers=headers)

    def model(self, repo: str) -> None:
        """What a repository is and holds."""
        files = self.hub.files(repo)
        if not files:
            return self.error(404, "RepoNotFound")
        siblings = [{"rfilename": name, "size": file.stat().st_size} for name, file in files.items()]
        private = repo in self.hub.private
        values = {"_id": "0" * 24, "id": repo, "modelId": repo, "sha": self.hub.commit(repo), "private": private}
        card = files["README.md"].read_text() if "README.md" in files else ""
        tags = [f"license:{licence}" for licence in re.findall(r"^license: (\S+)$", card, re.MULTILINE)]
        return self.json({**values, "tags": tags, "downloads": 0, "likes": 0, "siblings": siblings})

    def tree(self, repo: str) -> None:
        """The files of a repository, with their sizes."""
        files = self.hub.files(repo).items()
        self.json([{"type": "file", "path": n, "size": f.stat().st_size, "oid": "0" * 40} for n, f in files])

    def create(self) -> None:
        """A new repository, empty but for what the Hub itself puts there."""
        wanted = json.loads(self.payload)
        repo = f"{wanted.get('organization') or 'me'}/{wanted['name']}"
        made = {"url": f"{self.hub.url}/{repo}", "name": repo, "id": repo}
        if self.hub.files(repo):
            return self.send(json.dumps(made).encode(), 409)
        (self.hub.root / repo).mkdir(parents=True)
        (self.hub.root / repo / ".gitattributes").write_text("*.safetensors filter=lfs diff=lfs merge=lfs -text\n")
        if wanted.get("private") or wanted.get("visibility") == "private":
            self.hub.private.add(repo)
        return self.json(made)

    def validate(self) -> None:
        """The check of a card's metadata."""
        self.json({"errors": [], "warnings": []})

    def preupload(self, repo: str) -> None:
        """Which files go to LFS."""
        del repo
        files = [each["path"] for each in json.loads(self.payload)["files"]]
        modes = {path: "lfs" if path.endswith(".safetensors") else "regular" for path in files}
        self.json({"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes.items()]})

    def batch(self, repo: str) -> None:
        """Where to put LFS objects."""
        objects = json.loads(self.payload)["objects"]
        actions = {each["oid"]: {"upload": {"href": f"{self.hub.url}/lfs/{repo}/{each['oid']}"}} for each in objects}
        self.json({"transfer": "basic", "objects": [{**each, "actions": actions[each["oid"]]} for each in objects]})

    def store(self, repo: str, oid: str) -> None:
        """An LFS object."""
        del repo
        if hashlib.sha256(self.payload).hexdigest() != oid:
            return self.error(400)
        self.hub.uploads[oid] = self.payload
        return self.json({})

    def commit(self, repo: str) -> None:
        """The end of an upload: files given in base64, and LFS objects that came before."""
        for line in self.payload.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "header":
                continue
            data = {
                "file": lambda value=value: base64.b64decode(value["content"]),
                "lfsFile": lambda value=value: self.hub.uploads[value["oid"]],
            }[operation["key"]]()
            path = self.hub.root / repo / value["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        oid = self.hub.commit(repo)
        self.json({"commitUrl": f"{self.hub.url}/{repo}/commit/{oid}", "commitOid": oid, "success": True})


REPO = r"(?P<repo>[\w-][\w.-]*/[\w-][\w.-]*)"
ROUTES = (
    ("HEAD", "", Handler.root),
    ("HEAD", rf"{REPO}/resolve/[^/]+/(?P<name>.+)", Handler.file),
    ("GET", rf"{REPO}/resolve/[^/]+/(?P<name>.+)", Handler.file),
    ("GET", r"api/whoami-v2", Handler.whoami),
    ("GET", rf"api/models/{REPO}(?:/revision/[^/]+)?", Handler.model),
    ("GET", rf"api/models/{REPO}/tree/[^/]+(?:/.*)?", Handler.tree),
    ("POST", r"api/repos/create", Handler.create),
    ("POST", r"api/validate-yaml", Handler.validate),
    ("POST", rf"api/models/{REPO}/preupload/[^/]+", Handler.preupload),
    ("POST", rf"{REPO}\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", rf"lfs/{REPO}/(?P<oid>[0-9a-f]{{64}})", Handler.store),
    ("POST", rf"api/models/{REPO}/commit/[^/]+", Handler.commit),
)


def point_at(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the real client in this process talk to `hub` alone, as nobody in particular, with an empty cache."""
    settings = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(cache),
        "HF_TOKEN_PATH": str(cache / "no-token"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_TELEMETRY": True,
        "HF_HUB_DISABLE_XET": True,
        "DOWNLOAD_CHUNK_SIZE": constants.DOWNLOAD_CHUNK_SIZE,  # which `weights` changes
    }
    for name, value in settings.items():
        monkeypatch.setattr(constants, name, value)
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "CONVLENS_WEIGHTS_REPO"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(weights, "_failures", {})
