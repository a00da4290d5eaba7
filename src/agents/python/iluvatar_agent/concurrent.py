"""Several invocations at once in one process (ASSIGN's `concurrency` above 1): a thread each, answers serialised by one lock.

A thread keeps its own event loop for `async def` handlers. Output is told apart by context: what a handler's own new threads print goes to the log.
"""

import os
import threading
from queue import SimpleQueue
from time import sleep

from .runner import REPLYING, RUNNING, Runner, stack_of
from .wire import EXIT_CONNECTION_TAKEN, EXIT_INTERNAL, EXIT_TIMEOUT, TIMEOUT, UNAVAILABLE, ConnectionTaken

_exit = os._exit
_get_ident = threading.get_ident


class Pool:
    """At most `size` threads, started as they are needed."""

    def __init__(self, size, connection, handler, limits, capture):
        self._size = size
        self._make_runner = lambda lock: Runner(connection, handler, limits, capture, lock)
        self._lock = threading.Lock()
        self._queue = SimpleQueue()
        self._runners = []
        self._idle = 0
        self._count_lock = threading.Lock()
        capture.use_contexts()

    @property
    def lock(self):
        """Held while a frame is written."""
        return self._lock

    def submit(self, request_id, timeout_ms, body):
        with self._count_lock:
            start = self._idle <= self._queue.qsize() and len(self._runners) < self._size
            if start:
                runner = self._make_runner(self._lock)
                self._runners.append([runner, 0])
                entry = self._runners[-1]
        self._queue.put((request_id, timeout_ms, body))
        if start:
            threading.Thread(target=self._work, args=(entry,), daemon=True).start()

    def _work(self, entry):
        runner = entry[0]
        entry[1] = _get_ident()
        take = self._queue.get
        while True:
            with self._count_lock:
                self._idle += 1
            request = take()
            with self._count_lock:
                self._idle -= 1
            try:
                runner.run(*request)
            except ConnectionTaken:
                _exit(EXIT_CONNECTION_TAKEN)
            except BaseException:
                _exit(EXIT_INTERNAL)  # run() answers everything user code can do: this is a defect of ours

    def on_timeout(self, pid):
        """The SIGUSR2 handler: the signal names no request, and this process is about to be killed, so every running invocation gets its answer."""

        def handle(_signal, _frame):
            if os.getpid() != pid:
                return
            try:
                for runner, thread_id in list(self._runners):
                    if runner.state != RUNNING:
                        continue
                    elapsed = runner.elapsed_ms()
                    # A timer fires late, never early; half a per cent covers the way to us.
                    if runner.timeout_ms == 0 or elapsed >= runner.timeout_ms * 0.995 - 2:
                        status, message = TIMEOUT, "timed out after %d ms" % elapsed
                    else:
                        status, message = UNAVAILABLE, "the container was stopped because another of its invocations timed out"
                    # The lock is taken with a limit: its holder may wait for a worker that no longer reads.
                    if self._lock.acquire(timeout=0.1):
                        try:
                            if runner.state == RUNNING:
                                runner.give_up(status, message, stack_of(thread_id))
                        finally:
                            self._lock.release()
                for _ in range(50):  # at most 50 ms for those that were about to answer by themselves
                    if not any(runner.state == REPLYING and not runner.given_up for runner, _ in self._runners):
                        break
                    sleep(0.001)
            except ConnectionTaken:
                _exit(EXIT_CONNECTION_TAKEN)
            finally:
                _exit(EXIT_TIMEOUT)

        return handle
