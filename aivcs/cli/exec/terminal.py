"""The command's own terminal, between the command and our terminal.

If our output is a terminal, the command gets a terminal with a session of its own. Ours is set to
raw mode: keys are passed on unseen, and stop or interrupt there. If only our error stream is a
terminal, the command keeps our session, keyboard and process group; its terminal carries only
messages.
"""

import _thread
import os
import select
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FOREGROUND_POLL_MS = 200
"""Milliseconds between two checks whether we are in the foreground."""
_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6


class Terminal:
    """A pseudo-terminal, and our terminal that it stands for.

    Attributes:
        master: Our side of it.
        slave: The command's side of it.
        is_keyboard: Whether input goes through it, too.
        real: Our terminal.
        interrupts: The number of typed Ctrl-C.
    """

    def __init__(self, real: int, *, is_keyboard: bool) -> None:
        """Creates a pseudo-terminal with the settings of ours.

        Args:
            real: The descriptor of our terminal; kept under another number.
            is_keyboard: Whether input goes through it, too.
        """
        self.is_keyboard = is_keyboard
        self.real = os.dup(real)
        self.interrupts = 0
        self.master, self.slave = os.openpty()
        self._saved = termios.tcgetattr(self.real)
        self._is_raw = False
        mode = termios.tcgetattr(self.real)
        if not is_keyboard:
            mode[_OFLAG] &= ~termios.OPOST  # ours does it
        termios.tcsetattr(self.slave, termios.TCSANOW, mode)
        self.resize()

    def resize(self) -> None:
        """Gives the pseudo-terminal the size of ours."""
        try:
            termios.tcsetwinsize(self.master, termios.tcgetwinsize(self.real))
        except OSError:
            pass  # ours has been hung up

    def is_foreground(self) -> bool:
        """Whether our process group is in the foreground of our terminal."""
        try:
            return os.tcgetpgrp(self.real) == os.getpgrp()
        except OSError:
            return False

    def enter(self) -> None:
        """Sets our terminal to raw mode, if input passes through and we are in the foreground."""
        if not self.is_keyboard or not self.is_foreground():
            return
        try:
            self._saved = termios.tcgetattr(self.real) if not self._is_raw else self._saved
            termios.tcsetattr(self.real, termios.TCSADRAIN, _raw(self._saved))
            self._is_raw = True
        except (OSError, termios.error):
            pass

    def leave(self) -> None:
        """Restores our terminal."""
        if not self._is_raw:
            return
        self._is_raw = False
        if self.is_foreground():
            self.restore()

    def restore(self) -> None:
        """Restores our terminal, whichever process uses it now."""
        try:
            termios.tcsetattr(self.real, termios.TCSADRAIN, self._saved)
        except (OSError, termios.error):
            pass

    def listen(self, ended: int) -> None:
        """Passes typed keys on, in a thread, until the command has ended."""
        _thread.start_new_thread(self._type, (ended,))

    def _type(self, ended: int) -> None:
        away, here = select.poll(), select.poll()
        away.register(ended, 0)
        here.register(ended, 0)
        here.register(self.real, select.POLLIN)
        try:
            while True:
                if not self.is_foreground():
                    if away.poll(_FOREGROUND_POLL_MS):
                        return
                    continue
                ready = dict(here.poll(_FOREGROUND_POLL_MS))
                if ended in ready:
                    return
                if self.real in ready and self.is_foreground():
                    try:
                        data = os.read(self.real, 4096)
                    except BlockingIOError:  # another process was first
                        continue
                    if not data:
                        return
                    self.interrupts += data.count(self._saved[_CC][termios.VINTR])
                    while data:
                        data = data[os.write(self.master, data) :]
        except OSError:
            pass  # one of the two has been hung up; SIGHUP will say so


def _raw(saved: "list[Any]") -> "list[Any]":
    """Returns a terminal mode that passes every key and shows every byte unchanged."""
    mode = [*saved[:_CC], list(saved[_CC])]
    mode[_IFLAG] &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR
        | termios.IGNCR | termios.ICRNL | termios.IXON
    )  # fmt: skip
    mode[_OFLAG] &= ~termios.OPOST
    mode[_CFLAG] = mode[_CFLAG] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    mode[_LFLAG] &= ~(
        termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN
    )
    mode[_CC][termios.VMIN], mode[_CC][termios.VTIME] = 1, 0
    return mode
