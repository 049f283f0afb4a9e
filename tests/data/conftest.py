"""What the tests of data sets share: a catalogue's data sets, prepared, and a server on 127.0.0.1."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agbench.data.catalogue import Catalogue
from agbench.data.prepare import Request, prepare


@pytest.fixture
def prepared(tmp_path) -> Callable:
    """Prepare a data set by name, or as a catalogue gave it, in the test's folder."""

    def one(known, folder: Path = tmp_path, **request):
        found = Catalogue(folder).find(known) if isinstance(known, str) else known
        return prepare(found, folder, Request(**request), workers=2)

    return one


@dataclass
class Server:
    """Serves bytes by path, with ranges, and misbehaves as told.

    Parameters
    ----------
    files : dict of str to bytes
        What is there.
    seen : list of (str, str)
        Path and Range header of each request.
    cut : list of int
        For the next requests: after how many bytes the connection breaks.
    statuses : list of int
        For the next requests: what is answered instead.
    ranges : bool
        Whether ranges are served.
    tag : str
        The ETag; none where it is empty.
    total : str
        What a Content-Range gives as the whole size; the true one where it is empty.
    lengths : bool
        Whether the length of an answer is announced.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    tag: str = '"1"'
    total: str = ""
    lengths: bool = True

    def put(self, name: str, content: bytes) -> str:
        self.files[f"/{name}"] = content
        return f"{self.address}/{name}"


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            wanted = self.headers.get("Range", "")
            state.seen.append((self.path, wanted))
            content = state.files.get(self.path.partition("?")[0])
            if state.statuses or content is None:
                self.reply(state.statuses.pop(0) if state.statuses else 404, b"<html>no</html>", {})
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            if self.headers.get("If-Range", state.tag) != state.tag:
                start = 0
            if start >= len(content) > 0:
                self.reply(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            headers = {"ETag": state.tag} if state.tag else {}
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{state.total or len(content)}"
            self.reply(206 if start else 200, content[start:], headers)

        def reply(self, status, body, headers):
            self.send_response(status)
            length = {"Content-Length": str(len(body))} if state.lengths else {"Connection": "close"}
            for name, value in (headers | length).items():
                self.send_header(name, value)
            self.end_headers()
            if state.cut:
                self.wfile.write(body[: state.cut.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                self.connection.close()
            else:
                self.wfile.write(body)

        def log_message(self, *arguments):
            pass

        def handle(self):
            with contextlib.suppress(OSError):  # the connection was cut on purpose
                super().handle()

        def finish(self):
            with contextlib.suppress(OSError):
                super().finish()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.address = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield state
        http.shutdown()
        thread.join()
