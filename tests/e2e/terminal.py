#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a program on a terminal of its own and talks to it.

usage: terminal.py columns program [argument]...

Steps come from stdin, one a line, done in order:

	expect REGEX	wait until it was printed, after what the last matched
	send TEXT	type it; \\r and \\x03 (Ctrl-C) as in Python
	run COMMAND	a shell command, waited for

Then the program's end is waited for. All that it printed goes to stdout; the
exit status is the program's, 128 + n for signal n, 99 if a step failed.
"""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

LIMIT = 600


def give_up(seen, why):
    sys.stdout.write(seen.decode(errors="replace"))
    print("\nterminal.py: " + why)
    sys.exit(99)


def read_some(fd, seconds):
    """What was printed within that time; b"" if nothing, None at the end."""
    if not select.select([fd], [], [], seconds)[0]:
        return b""
    try:
        return os.read(fd, 65536) or None
    except OSError:             # EIO: the last process on it has gone
        return None


def main():
    steps = sys.stdin.read().splitlines()
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(sys.argv[2], sys.argv[2:])
    fcntl.ioctl(fd, termios.TIOCSWINSZ,
                struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    seen, at, due = b"", 0, time.monotonic() + LIMIT
    for step in steps:
        word, _, rest = step.partition(" ")
        if word == "send":
            os.write(fd, rest.encode().decode("unicode_escape").encode())
        elif word == "run":
            subprocess.run(rest, shell=True, check=False,
                           stdin=subprocess.DEVNULL)
        while word == "expect":
            found = re.compile(rest.encode(), re.S).search(seen, at)
            if found:
                at = found.end()
                break
            some = read_some(fd, 0.1)
            if some is None or time.monotonic() > due:
                os.kill(pid, 9)
                give_up(seen, "never printed: " + rest)
            seen += some
    while True:
        some = read_some(fd, 0.1)
        if some is None:
            break
        seen += some
        if time.monotonic() > due:
            os.kill(pid, 9)
            give_up(seen, "it does not end")
    sys.stdout.write(seen.decode(errors="replace"))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    sys.exit(status if status >= 0 else 128 - status)


main()
