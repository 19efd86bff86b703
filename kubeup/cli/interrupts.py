"""Signals that end a command: Ctrl-C, a terminal that is closed, kill(1)."""

from __future__ import annotations

import os
import signal
import threading
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WAKING = signal.SIGURG  # ignored by default, so that nobody minds one more


def end_on_signals() -> None:
    """End what was started as well: it would go on beside the next command."""
    for number in ENDING:
        # nohup(1) has one ignored
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _end_all)
    if signal.getsignal(WAKING) is signal.SIG_DFL:
        _wake_the_main_thread()


def _end_all(*_: object) -> NoReturn:
    """What other threads have started ends first: this one waits for them."""
    from kubeup.core import shell

    shell.stop_all()
    raise KeyboardInterrupt


def _wake_the_main_thread() -> None:
    """Have it take signals that came to another thread: any may get one (signal(7)).

    Handlers run in the main thread alone
    (https://docs.python.org/3/library/signal.html#signals-and-threads), and one that waits for a
    lock, as for the end of other threads, does not notice.
    """
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.signal(WAKING, lambda *_: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    main = threading.main_thread().ident or 0

    def wake() -> None:
        while numbers := os.read(read, 64):
            if set(numbers) != {WAKING}:
                signal.pthread_kill(main, WAKING)

    threading.Thread(target=wake, daemon=True).start()
