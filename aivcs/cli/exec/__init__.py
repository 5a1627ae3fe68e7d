"""`aivcs run exec`: runs a command between its caller and the store.

Neither the command nor its caller notices aivcs: output passes through as it comes, signals reach
the command, and its exit code is returned. Threads: one per stream copies output, one waits for
signals, one waits for the command. The main thread decides.
"""

import _thread
import fcntl
import os
from _queue import SimpleQueue
from errno import EAGAIN
from time import monotonic, sleep

from aivcs.cli.exec import process
from aivcs.cli.exec.signals import Witness, stop
from aivcs.cli.exec.tee import Tee

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping

    from aivcs.cli.exec.signals import Signals
    from aivcs.cli.exec.terminal import Terminal
else:
    import _signal as signal  # without the enumerations, which cost a third of a start

GRACE_S = 5.0
"""Seconds that a command has to end after SIGTERM."""
_POLL_S = 0.05
"""Seconds between looks at descendants that have to end."""
_EMPTY_LOOKS = 3
"""Looks that must find no descendant, one after the other, before all have ended."""
_PIPE_BYTES = 1 << 20
"""The size of a pipe, in bytes, so that the command need not wait for each chunk."""
_JOB_CONTROL_SIGNALS = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
"""Signals by which the terminal stops a command."""


class Outcome:
    """The end of a command.

    Attributes:
        exit_code: As shells report it.
        signal: The signal that ended it, or 0.
        was_told: Whether it was asked to end, by SIGINT or SIGTERM.
        duration_ms: Its duration in milliseconds.
        failure: The error that kept output from being written, or None.
        is_interrupted: Whether Ctrl-C on a terminal ended it.
        is_ended: Whether we ended it, because it exceeded its budget.
        survivors: Its descendants that SIGKILL did not end, by number.
    """

    __slots__ = (
        "duration_ms", "exit_code", "failure", "is_ended", "is_interrupted", "signal", "survivors",
        "was_told",
    )  # fmt: skip

    def __init__(self) -> None:
        """Begins with nothing known."""
        self.exit_code = 0
        self.signal = 0
        self.was_told = False
        self.duration_ms = 0
        self.failure: OSError | None = None
        self.is_interrupted = False
        self.is_ended = False
        self.survivors: list[int] = []


class CommandRunner:
    """Runs a command whose output passes through this process."""

    def __init__(
        self, take: "Callable[[str, bytes], None] | None", *, may_end: bool = False
    ) -> None:
        """Prepares the streams.

        Args:
            take: Called with each stream's output as it comes. None: output is not copied.
            may_end: Whether `end` may be called: then no descendant of the command gets lost.
        """
        self._take = take
        self._terminal: Terminal | None = None
        self._witness: Witness | None = None
        self._routes: list[tuple[str, int, int]] = []
        self._victims: dict[int, str] = {}
        self._may_end = may_end
        self._is_parent_of_orphans = False
        self._spared: dict[int, str] = {}
        self._descriptors: dict[int, int] = {}
        self._inbox: SimpleQueue[tuple[str, int, bool]] = SimpleQueue()
        if take is not None:
            self._route()

    @property
    def has_session(self) -> bool:
        """Whether the command has its own session, out of reach of our terminal's keys."""
        return self._terminal is not None and self._terminal.is_keyboard

    def end(self) -> None:
        """Ends the command and its descendants: by SIGTERM, and after `GRACE_S` by SIGKILL."""
        self._inbox.put(("end", signal.SIGTERM, False))

    def run(
        self,
        argv: "list[str]",
        environment: "Mapping[str, str]",
        signals: "Signals",
        started: "Callable[[], None]",
    ) -> Outcome:
        """Executes a command. Returns how it ended, after all of its output was passed on.

        Args:
            argv: The command and its arguments.
            environment: Its environment.
            signals: Our signals, blocked until they can be passed on.
            started: Called once threads may be started: an earlier fork would copy them mid-work.

        Raises:
            StartError: The command cannot be executed, or the system has no further process or
                thread. Nothing was executed.
        """
        terminal = self._terminal
        began = monotonic()
        if terminal:
            terminal.enter()  # before anything is shown, which it would show otherwise
        try:
            return self._run(argv, environment, signals, started, began)
        finally:
            if terminal:
                terminal.leave()

    def _run(
        self,
        argv: "list[str]",
        environment: "Mapping[str, str]",
        signals: "Signals",
        started: "Callable[[], None]",
        began: float,
    ) -> Outcome:
        terminal = self._terminal
        try:
            command = self._prepare(argv, environment, signals)
        except OSError as error:
            raise process.StartError(argv[0], error.errno or 0, is_ours=True) from error
        slave = terminal.slave if terminal else -1
        for descriptor in set(self._descriptors.values()) - {slave}:
            os.close(descriptor)
        ended, end = os.pipe()
        try:
            # Start all threads before the command: the system may have none left.
            started()
            tees = [
                Tee(source, target, self._taker(stream), ended)
                for stream, source, target in self._routes
            ]
            if terminal and terminal.is_keyboard:
                terminal.listen(ended)
                _thread.start_new_thread(command.reap, ())
            signals.listen(lambda number, by_system: self._inbox.put(("signal", number, by_system)))
            _thread.start_new_thread(self._wait, (command,))
        except RuntimeError as error:
            command.abandon()
            raise process.StartError(argv[0], EAGAIN, is_ours=True) from error
        failed = command.execute()
        outcome = self._watch(command)
        if outcome.is_ended:
            self._end_rest(command, outcome)
        outcome.duration_ms = int((monotonic() - began) * 1000)
        os.close(end)
        if terminal:
            # Not earlier: a command that has closed its terminal still gets its keys.
            os.close(slave)
        for tee in tees:
            tee.join()
            outcome.failure = outcome.failure or tee.failure
        if terminal:
            terminal.leave()
        command.dismiss()  # before the shell has our terminal again, and sets it as it likes
        # A reader of the output need not wait until the rest is stored.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
        if self._witness:
            self._witness.dismiss()
        if failed:
            raise process.StartError(argv[0], failed)
        return outcome

    def _prepare(
        self, argv: "list[str]", environment: "Mapping[str, str]", signals: "Signals"
    ) -> process.Child:
        """Starts the process that will become the command, and the witness of group signals."""
        terminal = self._terminal
        if self._may_end:
            from aivcs.cli.exec.descendants import adopt_orphans

            self._is_parent_of_orphans = adopt_orphans()
        if terminal and terminal.is_keyboard:
            command = process.start_session(
                argv, environment, self._descriptors, signals,
                slave=terminal.slave, release=terminal.restore, kept=terminal.real,
            )  # fmt: skip
        else:
            self._witness = Witness()
            command = process.start(argv, environment, self._descriptors, signals)
        if self._may_end:
            from aivcs.cli.exec.descendants import find_descendants

            # The command, which gets its signals itself, and processes of our own.
            self._spared = find_descendants(os.getpid(), {})
        return command

    def _route(self) -> None:
        """Decides how each stream is passed on: by a pipe, a terminal, or not at all."""
        for target, name in ((1, "stdout"), (2, "stderr")):
            mode = fcntl.fcntl(target, fcntl.F_GETFL) & os.O_ACCMODE
            if mode == os.O_RDONLY:
                continue  # closed, and stays closed for the command
            if not os.isatty(target):
                source, sink = os.pipe()
                try:
                    fcntl.fcntl(source, getattr(fcntl, "F_SETPIPE_SZ", 1031), _PIPE_BYTES)
                except OSError:
                    pass  # a smaller pipe works, too
                self._routes.append((name, source, target))
                self._descriptors[target] = sink
                continue
            if self._terminal is None:
                from aivcs.cli.exec.terminal import Terminal

                # Pagers and prompts read the keyboard from the terminal of their output.
                is_keyboard = target == 1 and mode == os.O_RDWR
                self._terminal = Terminal(target, is_keyboard=is_keyboard)
                self._routes.append(("terminal", self._terminal.master, target))
                if is_keyboard and os.isatty(0):
                    self._descriptors[0] = self._terminal.slave
            self._descriptors[target] = self._terminal.slave

    def _taker(self, stream: str) -> "Callable[[bytes], None]":
        take = self._take
        assert take is not None
        return lambda data: take(stream, data)

    def _wait(self, command: process.Child) -> None:
        while True:
            status = command.wait()
            self._inbox.put(("status", status, False))
            if not os.WIFSTOPPED(status):
                return

    def _watch(self, command: process.Child) -> Outcome:
        """Passes signals on until the command has ended."""
        outcome = Outcome()
        interrupts = 0
        is_suspended = False
        while True:
            what, number, by_system = self._inbox.get()
            if what == "signal":
                outcome.was_told |= number in {signal.SIGINT, signal.SIGTERM}
                interrupts += by_system and number == signal.SIGINT
                # Some programs restore the terminal on this signal, and then stop themselves.
                is_suspended |= number == signal.SIGTSTP
                self._relay(command, number, by_system=by_system)
            elif what == "end":
                outcome.is_ended = True
                self._end(command, number)
            elif not os.WIFSTOPPED(number):
                outcome.exit_code, outcome.signal = process.exit_code(number)
                if self._terminal and self._terminal.is_keyboard:
                    interrupts = self._terminal.interrupts
                outcome.is_interrupted = outcome.signal == signal.SIGINT and interrupts > 0
                return outcome
            elif command.has_session or is_suspended or os.WSTOPSIG(number) in _JOB_CONTROL_SIGNALS:
                is_suspended = False
                self._stop(command)

    def _end(self, command: process.Child, number: int) -> None:
        """Ends the command; if it has not ended when the grace is over, for good."""
        from aivcs.cli.exec.descendants import send_all

        self._look(command)
        send_all(self._victims, number)
        command.send(number)
        command.send(signal.SIGCONT)  # a stopped process would not notice
        if number == signal.SIGTERM:
            _thread.start_new_thread(self._insist, ())

    def _look(self, command: process.Child) -> "set[int]":
        """Looks for the descendants of the command; returns those that were not known."""
        from aivcs.cli.exec.descendants import find_descendants

        known = self._victims
        root = os.getpid() if self._is_parent_of_orphans else command.pid
        self._victims = find_descendants(root, known, self._spared)
        return self._victims.keys() - known.keys()

    def _end_rest(self, command: process.Child, outcome: Outcome) -> None:
        """Waits for descendants that outlive the command, which would go on, and kills them."""
        from aivcs.cli.exec.descendants import send_all

        until = monotonic() + GRACE_S
        while monotonic() < until:
            send_all(self._look(command), signal.SIGTERM)
            if not self._victims:
                break
            sleep(_POLL_S)
        # One that starts others and ends may be missed in a look, but hardly in all of them.
        until, empty = monotonic() + GRACE_S, 0
        while empty < _EMPTY_LOOKS and monotonic() < until:
            self._look(command)
            empty = 0 if self._victims else empty + 1
            send_all(self._victims, signal.SIGKILL)
        outcome.survivors = sorted(self._victims)

    def _insist(self) -> None:
        sleep(GRACE_S)
        self._inbox.put(("end", signal.SIGKILL, False))

    def _relay(self, command: process.Child, number: int, *, by_system: bool) -> None:
        terminal = self._terminal
        if number == signal.SIGWINCH:
            if terminal:
                terminal.resize()  # tells those in its session; others would not be told
                if not terminal.is_keyboard:
                    command.send(number)
            return
        if number == signal.SIGCONT and terminal:
            terminal.enter()
        # The command has got already what was sent to the whole group, as by the terminal.
        if command.has_session or not (
            by_system or (self._witness and self._witness.has_seen(number))
        ):
            command.send(number)

    def _stop(self, command: process.Child) -> None:
        """Stops this process because the command has stopped, and continues both together."""
        if self._terminal:
            self._terminal.leave()
        stop(whole_group=command.has_session)
        if self._terminal:
            self._terminal.resize()
            self._terminal.enter()
        command.send(signal.SIGCONT)
