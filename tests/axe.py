"""axe-core in a real Chromium: pages of a folder, each in a frame of a window's width, in light or in dark."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .conftest import missing

WIDE, PHONE = 1280, 390
DARK = "--blink-settings=preferredColorScheme=0"
PATIENCE = 240
GRAVE = ("serious", "critical")
HARNESS = """<!doctype html><title>axe</title><body><script>
const tell = (path, what) => fetch(path, {method: "POST", body: JSON.stringify(what)});
async function looked(page, width) {
  const frame = document.createElement("iframe");
  Object.assign(frame.style, {width: width + "px", height: "900px", border: 0});
  const loaded = new Promise(done => frame.onload = done);
  frame.src = page;
  document.body.append(frame);
  await loaded;
  const script = frame.contentDocument.createElement("script");
  const ready = new Promise((done, failed) => { script.onload = done; script.onerror = failed; });
  script.src = "/axe.min.js";
  frame.contentDocument.head.append(script);
  await ready;
  const found = await frame.contentWindow.axe.run(frame.contentDocument, {resultTypes: ["violations"]});
  const dark = frame.contentWindow.matchMedia("(prefers-color-scheme: dark)").matches;
  frame.remove();
  return {page, width, dark, passed: found.passes.length, violations: found.violations.map(one => ({
    rule: one.id, impact: one.impact,
    nodes: one.nodes.map(node => node.html.slice(0, 200) + " " + node.failureSummary)}))};
}
(async () => {
  const told = [];
  try {
    for (const [page, width] of VIEWS) told.push(await looked(page, width));
    tell("/found", {told});
  } catch (error) { tell("/found", {error: String(error)}); }
})();
</script>"""


def seen(folder: Path, views: Sequence[tuple[str, int]], *, dark: bool) -> list[dict[str, Any]]:
    """What axe has found on each page at a width."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        missing("Chromium")
    spec = importlib.util.find_spec("axe_core_python")
    assert spec
    assert spec.submodule_search_locations
    shutil.copy(Path(spec.submodule_search_locations[0], "axe.min.js"), folder)
    (folder / "harness.html").write_text(HARNESS.replace("VIEWS", json.dumps(views)))
    with (
        served(folder) as (port, answered, told),
        started(folder, f"http://127.0.0.1:{port}/harness.html", program or "", dark),
    ):
        assert answered.wait(PATIENCE), "Chromium has not answered"
    assert "error" not in told[0], told[0]
    found: list[dict[str, Any]] = told[0]["told"]
    assert len(found) == len(views)
    assert all(one["dark"] is dark and one["passed"] for one in found)
    return found


def grave(found: Sequence[dict[str, Any]], impacts: Sequence[str] = GRAVE) -> list[tuple[Any, ...]]:
    """What nobody should have to bear, in words."""
    return [
        (one["page"], one["width"], bad["rule"], bad["nodes"][:3])
        for one in found
        for bad in one["violations"]
        if bad["impact"] in impacts
    ]


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, threading.Event, list[dict[str, list[dict[str, Any]]]]]]:
    """On loopback; what the page has to say comes back by POST."""
    answered, told = threading.Event(), []

    class Handler(SimpleHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            answered.set()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port, answered, told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def started(folder: Path, url: str, program: str, dark: bool) -> Iterator[None]:
    argv = [
        program,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--remote-debugging-port=0",
    ]
    argv += [f"--user-data-dir={folder}/profile", f"--window-size={WIDE + 100},1000", *([DARK] if dark else []), url]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
