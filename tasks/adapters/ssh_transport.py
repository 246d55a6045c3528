"""An SSH connection whose channels may be written to at the moment the host closes them.

Paramiko answers a channel's closing at once, from its own thread, and builds a message before it sends it. So an end
of input, or data, that another thread is just sending can follow the answer, and OpenSSH ends a connection, with
everything that runs on it, when a message names a channel that is closed on both sides. Here the answer waits for what
is being sent.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE

# What opens the window wakes who waits for it; this is for a connection that dies.
_WINDOW_SECONDS = 0.5


class Transport(paramiko.Transport):
    """A connection to a host.

    Its reader looks once a second whether it was closed or must give a sign of life, not ten times; what the host sends
    wakes it at once either way.
    """

    _active_check_timeout = 1.0

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._sends = threading.Condition()
        self._sending: set[paramiko.Channel] = set()
        self._closings: dict[paramiko.Channel, paramiko.Message] = {}
        # The class has one table for all; the library's types leave both out.
        handlers: dict[int, Any] = vars(paramiko.Transport)["_channel_handler_table"]
        self._answer: Callable[[paramiko.Channel, paramiko.Message], None] = handlers[MSG_CHANNEL_CLOSE]
        self._channel_handler_table = {**handlers, MSG_CHANNEL_CLOSE: self._answer_closing}

    @contextmanager
    def sending(self, channel: paramiko.Channel) -> Iterator[None]:
        """Send something on a channel, one thread at a time; nothing in it may wait for the host."""
        with self._sends:
            self._sends.wait_for(lambda: channel not in self._sending)
            self._sending.add(channel)
        try:
            yield
        finally:
            with self._sends:
                self._sending.discard(channel)
                self._sends.notify_all()
                closing = self._closings.pop(channel, None)
            if closing is not None:
                self._answer(channel, closing)

    def _answer_closing(self, channel: paramiko.Channel, message: paramiko.Message) -> None:
        # Never waits: this thread alone reads, also what those who send wait for.
        with self._sends:
            if channel in self._sending:
                self._closings[channel] = message
            else:
                self._answer(channel, message)

    def _parse_disconnect(self, message: paramiko.Message) -> None:
        message.get_int()
        self.saved_exception = paramiko.SSHException(f"the host ended it: {message.get_text()}")


def send(channel: paramiko.Channel, piece: bytes) -> int:
    """Send as much of a piece as the host takes now, waiting until it takes any.

    Returns:
        How many bytes were sent; 0 where the channel takes no more.
    """
    while True:
        with channel.out_buffer_cv:
            if not (channel.out_window_size or channel.closed or channel.eof_sent):
                channel.out_buffer_cv.wait(_WINDOW_SECONDS)
        with _transport(channel).sending(channel):
            if channel.send_ready():
                return channel.send(piece)


def send_eof(channel: paramiko.Channel) -> None:
    """Tell the host that nothing more comes."""
    with _transport(channel).sending(channel):
        channel.shutdown_write()


def close(channel: paramiko.Channel) -> None:
    """Close a channel, after what another thread is just sending on it."""
    with _transport(channel).sending(channel):
        channel.close()


def _transport(channel: paramiko.Channel) -> Transport:
    return cast("Transport", channel.get_transport())
