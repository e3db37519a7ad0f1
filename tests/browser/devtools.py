"""A page in headless Chromium, driven over the DevTools protocol: open, look, click, and what it said and asked for."""

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress

import websocket

from tests.work import HANG, wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=1400,1000",
)
# What DevTools says of a script in a page that another one replaces.
LEAVING = ("navigated or closed", "context was destroyed", "Cannot find context", "Cannot find default execution context")


class LeavingError(RuntimeError):
    """The page was left while a script ran in it."""


def family_of(number):
    """The ids of a process and of all that it started, the youngest first. No group holds all: a kernel has a session of its own."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    children = {}
    for line in listed.splitlines():
        one, parent = map(int, line.split())
        children.setdefault(parent, []).append(one)
    found = [number]
    for one in found:
        found += children.get(one, [])
    return found[::-1]


def end_process(process, seconds=5.0):
    """End a process and all that it started; what does not go when asked is killed."""
    family = family_of(process.pid) if process.poll() is None else []
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    for one in family:
        with suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    process.wait(seconds)


class Page:
    """One tab. Used with `with`: the browser ends with the block, whatever happens in it.

    `asked` holds the addresses that the page asked for, `said` what came to its console as warning or error, `dialogs` the texts
    of dialogs that a script opened.
    """

    def __init__(self, folder):
        self.folder = folder
        self.asked, self.said, self.dialogs = [], [], []
        self._number = 0

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [CHROMIUM, *OPTIONS, f"--user-data-dir={self.folder}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            self._connect()
        except BaseException:
            end_process(self.process)
            raise
        return self

    def __exit__(self, *fault):
        try:
            self._socket.close()
        finally:
            end_process(self.process)

    def _connect(self):
        """Attach to the tab; the browser writes its port and address into a file."""
        file = self.folder / "DevToolsActivePort"
        lines = wait_until(lambda: file.is_file() and len(found := file.read_text().split()) == 2 and found, "Chromium")
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{lines[0]}{lines[1]}", timeout=HANG, suppress_origin=True, http_no_proxy=["127.0.0.1"]
        )
        self._session = None
        tabs = wait_until(lambda: [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"], "a tab")
        attached = self.call("Target.attachToTarget", targetId=tabs[0]["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        """One command, and its answer; events that come meanwhile are kept."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == number:
                if "error" in answer:
                    said = answer["error"]["message"]
                    raise (LeavingError if any(words in said for words in LEAVING) else RuntimeError)(f"{method}: {said}")
                return answer["result"]
            self._event(answer.get("method", ""), answer.get("params", {}))

    def _event(self, name, given):
        if name == "Network.requestWillBeSent":
            self.asked.append(given["request"]["url"])
        elif name == "Network.webSocketCreated":
            self.asked.append(given["url"])
        elif name == "Log.entryAdded" and given["entry"]["level"] in ("warning", "error"):
            self.said.append(f"{given['entry']['text']} {given['entry'].get('url', '')}".strip())
        elif name == "Runtime.consoleAPICalled" and given["type"] in ("warning", "error", "assert"):
            self.said.append(" ".join(str(a.get("value", a.get("description", ""))) for a in given["args"]))
        elif name == "Runtime.exceptionThrown":
            details = given["exceptionDetails"]
            self.said.append(details.get("exception", {}).get("description", details["text"]))
        elif name == "Page.javascriptDialogOpening":
            self.dialogs.append(given["message"])
            self._number += 1
            close = {"id": self._number, "method": "Page.handleJavaScriptDialog", "params": {"accept": False}}
            self._socket.send(json.dumps({**close, "sessionId": self._session}))

    def run(self, script):
        """The value of a piece of JavaScript; promises are waited for."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return found["result"].get("value")

    def wait(self, script, what):
        """Ask until the script gives something that is not false; a page that is being left has nothing to say yet."""

        def look():
            try:
                return self.run(script)
            except LeavingError:
                return False

        return wait_until(look, what)

    def open(self, address):
        """Go to an address."""
        self.call("Page.navigate", url=address)

    def size(self, width, height):
        """The inner size of the window in CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def click(self, place):
        """Press and release the mouse in the middle of what `place`, JavaScript for one element, names."""
        x, y = self.run(
            f"(() => {{const e = {place}; e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            " return [r.left + r.width / 2, r.top + r.height / 2]})()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key, code, number, text=""):
        """One key, such as `press("Tab", "Tab", 9)`."""
        common = {"key": key, "code": code, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)
