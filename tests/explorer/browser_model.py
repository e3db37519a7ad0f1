"""The browser's side of the widgets: what it shows, and the messages that a reader's clicks send."""

import threading

import comm
from comm.base_comm import BaseComm


class Browser:
    """What a page shows of each widget. A pick is shown at once and sent; what the kernel sends is shown when it comes.

    Widgets that are made after it are those of this page. As in a page, a pick that is on its way and an update that crosses it leave
    the last to arrive on the screen.
    """

    def __init__(self, monkeypatch):
        self.shown, self.closed = {}, set()
        self._lock = threading.Lock()
        page = self

        class Comm(BaseComm):
            def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
                page.receive(self.comm_id, msg_type, data or {})

        monkeypatch.setattr(comm, "create_comm", Comm)

    def receive(self, number, kind, data):
        with self._lock:
            if kind == "comm_close":
                self.closed.add(number)
            elif kind == "comm_open":
                self.shown[number] = dict(data["state"])
            elif data.get("method") in ("update", "echo_update"):
                self.shown[number].update(data["state"])

    def pick(self, widget, **state):
        """A reader changes a widget: the page shows it at once. The message that is to be sent, as a function."""
        link = widget.comm
        with self._lock:
            self.shown[link.comm_id].update(state)

        def send():
            link.handle_msg({"content": {"data": {"method": "update", "state": state, "buffer_paths": []}}, "buffers": []})

        return send

    def click(self, button):
        link = button.comm

        def send():
            link.handle_msg({"content": {"data": {"method": "custom", "content": {"event": "click"}}}, "buffers": []})

        return send

    def shows(self, widget, name):
        return self.shown[widget.comm.comm_id][name]


def at_once(*lists):
    """Send lists of messages, each in its order, from one thread each."""
    start = threading.Barrier(len(lists))
    failed = []

    def run(messages):
        start.wait()
        try:
            for send in messages:
                send()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(messages,)) for messages in lists]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed
