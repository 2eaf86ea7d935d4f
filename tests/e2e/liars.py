# SPDX-License-Identifier: MIT
# A PostgreSQL server that is none: it logs the pooler in, answers as a server
# would, and now and then does one of the things that no server does. And its
# clients, who ask for something, take whatever comes, and leave.
# usage: liars.py port-to-listen-on pooler-port seconds seed
import random
import socket
import struct
import sys
import threading
import time

port, pooler, seconds, seed = (int(a) for a in sys.argv[1:5])
end = time.monotonic() + seconds
counts = {}
lock = threading.Lock()


def count(what):
    with lock:
        counts[what] = counts.get(what, 0) + 1


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def status(name, value):
    return message(b"S", name + b"\0" + value + b"\0")


ERROR = message(b"E", b"SERROR\0VERROR\0C22012\0Mlie\0\0")
FATAL = message(b"E", b"SFATAL\0VFATAL\0C57P01\0Mlie\0\0")
NOTICE = message(b"N", b"SNOTICE\0VNOTICE\0C00000\0Mlie\0\0")
ROW = message(b"T", struct.pack("!H", 1) + b"x\0" +
              struct.pack("!IHIhih", 0, 0, 23, 4, -1, 0)) + \
    message(b"D", struct.pack("!HI", 1, 1) + b"1")
DONE = message(b"C", b"SELECT 1\0")
HELLO = message(b"R", bytes(4)) + status(b"server_version", b"16.4") + \
    status(b"client_encoding", b"UTF8") + \
    message(b"K", struct.pack("!II", 7, 9))


def ready(tx=b"I"):
    return message(b"Z", tx)


def any_message(r):
    kind = bytes([r.choice(b"RKSZCDTENAGHWdcs123nIVtvX~\0\xff")])
    return message(kind, r.randbytes(r.choice((0, 1, 4, 5, 9, 200))))


LIES = {
    "any": any_message,
    "several": lambda r: b"".join(any_message(r) for _ in range(5)),
    "ready twice": lambda r: ready() + ready(),
    "ready, strange": lambda r: ready(r.choice((b"", b"X", b"II", b"\0"))),
    "in a transaction": lambda r: ready(b"T"),
    "failed": lambda r: ready(b"E"),
    "oversized": lambda r: bytes([r.choice(b"DTCEZSNd")]) +
    struct.pack("!I", r.choice((0x7fffffff, 0xffffffff, 0x40000000))) + b"x",
    "undersized": lambda r: bytes([r.choice(b"DTCEZSNd")]) +
    struct.pack("!I", r.randrange(4)),
    "half": lambda r: ROW[:r.randrange(1, len(ROW))],
    "password, again": lambda r: message(b"R", struct.pack(
        "!I", r.choice((0, 3, 5, 10, 11, 12, 99)))) + b"",
    "statuses": lambda r: b"".join(
        status(r.choice((b"client_encoding", b"TimeZone", b"x%d" % i, b"")),
               r.choice((b"UTF8", b"a'b\\c\"d", b"", b"v" * 3000)))
        for i in range(2000)),
    "status, no end": lambda r: message(b"S", b"TimeZone\0abc"),
    "notices": lambda r: NOTICE * 20000,
    "notifications": lambda r: message(b"A", bytes(4) + b"c\0p\0") * 5000,
    "error": lambda r: ERROR,
    "error of nothing": lambda r: message(b"E", b""),
    "error, no end": lambda r: message(b"E", b"SERROR"),
    "fatal": lambda r: FATAL,
    "copy in": lambda r: message(b"G", b"\0\0\0"),
    "copy out": lambda r: message(b"H", b"\0\0\0") + message(b"d", b"x"),
    "copy both": lambda r: message(b"W", b"\0\0\0"),
    "tags": lambda r: message(b"C", b"DEALLOCATE ALL\0") +
    message(b"C", b"DISCARD ALL\0") + message(b"C", b"no end"),
    "rows": lambda r: ROW * 20000,
    "completions": lambda r: b"".join(message(k) for k in
                                      (b"1", b"2", b"3", b"n", b"s", b"I")),
    "random": lambda r: r.randbytes(300),
}


def receive(s, n):
    got = b""
    while len(got) < n:
        part = s.recv(n - len(got))
        if not part:
            raise EOFError
        got += part
    return got


def answer(kind, body):
    if kind == b"Q":
        tx = b"T" if body.startswith(b"begin") else b"I"
        return ROW + DONE + ready(tx)
    return {b"P": message(b"1"), b"B": message(b"2"), b"C": message(b"3"),
            b"D": message(b"n"), b"E": DONE, b"S": ready()}.get(kind, b"")


def lie(s, r):
    name = r.choice(tuple(LIES))
    count(name)
    s.sendall(LIES[name](r))


def liar(s, r):
    s.settimeout(seconds)
    try:
        n = struct.unpack("!I", receive(s, 4))[0]
        code = struct.unpack("!I", receive(s, 4))[0]
        receive(s, n - 8)
        if code == 80877102:
            return
        honest = r.random() < 0.5
        if r.random() < 0.2:
            lie(s, r)
        s.sendall(HELLO)
        if r.random() < 0.1:
            lie(s, r)
        s.sendall(ready())
        while True:
            if not honest and r.random() < 0.1:
                lie(s, r)
            kind = receive(s, 1)
            body = receive(s, struct.unpack("!I", receive(s, 4))[0] - 4)
            if honest or r.random() < 0.8:
                s.sendall(answer(kind, body))
            elif r.random() < 0.8:
                lie(s, r)
            elif r.random() < 0.5:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
                return
            elif r.random() < 0.3:
                time.sleep(2)
            else:
                s.shutdown(r.choice((socket.SHUT_RD, socket.SHUT_WR)))
    except (OSError, EOFError, struct.error):
        pass
    finally:
        s.close()


def listen():
    s = socket.create_server(("127.0.0.1", port), backlog=100)
    s.settimeout(0.5)
    n = 0
    while time.monotonic() < end + 3:
        try:
            c = s.accept()[0]
        except TimeoutError:
            continue
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        n += 1
        threading.Thread(target=liar, args=(c, random.Random(seed + n)),
                         daemon=True).start()


def ask(r):
    kind = r.randrange(6)
    if kind == 0:
        return message(b"Q", b"select 1\0")
    if kind == 1:
        return message(b"Q", b"begin\0")
    name = b"s%d\0" % r.randrange(4)
    if kind == 2:
        return message(b"P", name + b"select %d\0" % r.randrange(3) +
                       bytes(2)) + message(b"S")
    if kind == 3:
        return message(b"B", b"\0" + name + bytes(6)) + \
            message(b"D", b"P\0") + message(b"E", bytes(5)) + message(b"S")
    if kind == 4:
        return message(b"C", b"S" + name) + message(b"S")
    return message(b"d", b"x") + message(b"c") + message(b"S")


def client(number):
    r = random.Random(seed * 1000 + number)
    while time.monotonic() < end:
        try:
            s = socket.create_connection(("127.0.0.1", pooler), 5)
            body = struct.pack("!I", 196608) + b"user\0alice\0database\0" + \
                (b"liar", b"liars")[number % 2] + b"\0\0"
            s.sendall(struct.pack("!I", len(body) + 4) + body)
            s.settimeout(0.3)
            count("clients")
            for _ in range(r.randrange(1, 12)):
                s.sendall(ask(r))
                if r.random() < 0.7 and not s.recv(65536):
                    break
        except OSError:
            pass
        finally:
            s.close()


threading.Thread(target=listen, daemon=True).start()
clients = [threading.Thread(target=client, args=(i,)) for i in range(12)]
for c in clients:
    c.start()
for c in clients:
    c.join()
print("# " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
