# SPDX-License-Identifier: MIT
# Servers whose TLS breaks in the middle, and clients whose does.
# usage: tlsliars.py server port certificate key seconds seed
#        tlsliars.py client pooler-port seconds seed
#        tlsliars.py ask pooler-port seconds seed
#        tlsliars.py hang port certificate key file
#        tlsliars.py behind port
#
# server: answers SSLRequest as no server should, or speaks TLS and cuts it
# anywhere; some connections are honest, and answer each query with its text.
# client: does to the pooler what a stranger in the middle would.
# ask: plain clients of the server's: their own answer, or an error.
# hang: answers SSLRequest with S as soon as the file is there.
# behind: no TLS; the first half of a notice comes with the login's last word.
import os
import random
import select
import socket
import ssl
import struct
import sys
import threading
import time

counts = {}
lock = threading.Lock()


def count(what):
    with lock:
        counts[what] = counts.get(what, 0) + 1


def fail(text):
    print(f"# {text}", flush=True)
    os._exit(1)


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def packet(body):
    return struct.pack("!I", len(body) + 4) + body


SSL_REQUEST = packet(struct.pack("!I", 80877103))
GSS_REQUEST = packet(struct.pack("!I", 80877104))
STARTUP = packet(struct.pack("!I", 196608) +
                 b"user\0alice\0database\0postgres\0\0")
READY = message(b"Z", b"I")
HELLO = message(b"R", bytes(4)) + \
    message(b"S", b"server_version\x0016.4\0") + \
    message(b"S", b"client_encoding\0UTF8\0") + \
    message(b"K", struct.pack("!II", 7, 9)) + READY
ERROR = message(b"E", b"SFATAL\0VFATAL\0C57P01\0Minjected\0\0")
FAKE_ROW = message(b"T", struct.pack("!H", 1) + b"x\0" +
                   struct.pack("!IHIhih", 0, 0, 25, -1, -1, 0))


def row(text):
    return FAKE_ROW + message(b"D", struct.pack("!HI", 1, len(text)) + text) \
        + message(b"C", b"SELECT 1\0") + READY


def receive(s, n):
    got = b""
    while len(got) < n:
        part = s.recv(n - len(got))
        if not part:
            raise EOFError
        got += part
    return got


class Tls:
    """TLS over a socket, with its records in our hands."""
    def __init__(self, s, context, server, cut=None):
        self.s, self.cut = s, cut
        self.sent = 0
        self.inside, self.outside = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.inside, self.outside,
                                    server_side=server)

    def flush(self):
        raw = self.outside.read()
        if self.cut is not None and self.sent + len(raw) > self.cut:
            self.s.sendall(raw[:self.cut - self.sent])
            raise EOFError
        self.sent += len(raw)
        self.s.sendall(raw)

    def do(self, fn, *args):
        while True:
            try:
                got = fn(*args)
                self.flush()
                return got
            except ssl.SSLWantReadError:
                self.flush()
                raw = self.s.recv(65536)
                if not raw:
                    raise EOFError from None
                self.inside.write(raw)

    def handshake(self):
        self.do(self.tls.do_handshake)

    def sendall(self, raw):
        self.do(self.tls.write, raw)

    def recv(self, n):
        return self.do(self.tls.read, n)


def serve(s, r):
    """An honest server, over whatever it is given, until it is tired."""
    n, code = struct.unpack("!II", receive(s, 8))
    receive(s, n - 8)
    if code == 80877102:
        return
    s.sendall(HELLO)
    serve_queries(s, r)


def serve_queries(s, r):
    while r.random() < 0.95:
        kind = receive(s, 1)
        body = receive(s, struct.unpack("!I", receive(s, 4))[0] - 4)
        if kind == b"X":
            return
        if kind == b"Q":
            s.sendall(row(body[:-1]))


ANSWERS = {
    "no": lambda r: b"N",
    "no and more": lambda r: b"N" + HELLO,
    "error": lambda r: ERROR,
    "close": lambda r: b"",
    "rubbish": lambda r: r.randbytes(1),
    "much rubbish": lambda r: r.randbytes(300),
    "yes and an error": lambda r: b"S" + ERROR,
    "yes and a login": lambda r: b"S" + HELLO,
    "yes, then clear text": lambda r: (b"S", HELLO),
    "yes, then rubbish": lambda r: (b"S", r.randbytes(500)),
    "yes, then an alert": lambda r: (b"S", b"\x15\3\3\0\2\2\x28"),
    "yes, then a huge record": lambda r: (b"S", b"\x16\3\3\xff\xff" +
                                          bytes(70000)),
    "yes, then application data": lambda r: (b"S", b"\x17\3\3\0\x20" +
                                             bytes(32)),
}


def after_tls(t, r):
    """The handshake is over; the login or a query is not."""
    kind = r.randrange(6)
    if kind == 0:
        count("tls: cut in a record")
        t.cut = t.sent + r.randrange(1, 400)
        serve(t, r)
    elif kind == 1:
        count("tls: close_notify in the login")
        receive(t, 8)
        t.do(t.tls.write, HELLO[:r.randrange(len(HELLO))])
        try:
            t.tls.unwrap()
        except ssl.SSLError:
            pass
        t.flush()
        t.s.sendall(HELLO)
        t.s.recv(1)
    elif kind == 2:
        count("tls: clear text in the login")
        receive(t, 8)
        t.s.sendall(HELLO)
        t.s.recv(1)
    elif kind == 3:
        count("tls: a byte of a record is another")
        receive(t, 8)
        t.tls.write(HELLO)
        raw = bytearray(t.outside.read())
        raw[r.randrange(5, len(raw))] ^= 1 << r.randrange(8)
        t.s.sendall(raw)
        t.s.recv(1)
    elif kind == 4:
        count("tls: bytes behind the login")
        n, code = struct.unpack("!II", receive(t, 8))
        receive(t, n - 8)
        half = message(b"N", b"SNOTICE\0C00000\0Mhello\0\0")
        t.sendall(HELLO + half[:5])
        time.sleep(0.05)
        t.sendall(half[5:])
        serve_queries(t, r)
    else:
        count("tls: honest")
        serve(t, r)


def liar(s, context, r, seconds):
    s.settimeout(seconds)
    try:
        first = receive(s, 8)
        if first != SSL_REQUEST:
            fail("a server was not asked for TLS")
        if r.random() < 0.4:
            name = r.choice(tuple(ANSWERS))
            count("server: " + name)
            parts = ANSWERS[name](r)
            for part in parts if isinstance(parts, tuple) else (parts,):
                s.sendall(part)
                time.sleep(0.01)
            if parts != b"" and s.recv(65536).startswith(STARTUP[4:8]):
                fail("the login came in clear text")
            return
        if r.random() < 0.1:
            count("server: yes, and silence")
            s.sendall(b"S")
            time.sleep(1)
            return
        s.sendall(b"S")
        t = Tls(s, context, True, r.choice((None, None, r.randrange(2000))))
        t.handshake()
        t.cut = None
        after_tls(t, r)
    except (OSError, EOFError, struct.error):
        pass
    finally:
        s.close()


def server_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def server(port, certificate, key, seconds, seed):
    context = server_context(certificate, key)
    end = time.monotonic() + seconds
    s = socket.create_server(("127.0.0.1", port), backlog=100)
    s.settimeout(0.3)
    n = 0
    while time.monotonic() < end:
        try:
            c = s.accept()[0]
        except TimeoutError:
            continue
        n += 1
        threading.Thread(target=liar, args=(c, context, random.Random(
            seed * 100000 + n), seconds), daemon=True).start()
    s.close()


def hang(port, certificate, key, until):
    context = server_context(certificate, key)
    s = socket.create_server(("127.0.0.1", port), backlog=100)
    while True:
        c = s.accept()[0]
        try:
            if receive(c, 8) != SSL_REQUEST:
                fail("not an SSLRequest")
            open(until + ".asked", "w").close()
            while not os.path.exists(until):
                time.sleep(0.02)
            c.sendall(b"S")
            t = Tls(c, context, True)
            t.handshake()
            serve(t, random.Random(1))
        except (OSError, EOFError, struct.error, ssl.SSLError):
            pass
        c.close()


def behind(port):
    half = message(b"N", b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0")
    s = socket.create_server(("127.0.0.1", port), backlog=100)
    while True:
        c = s.accept()[0]
        try:
            n, _ = struct.unpack("!II", receive(c, 8))
            receive(c, n - 8)
            c.sendall(HELLO + half[:7])
            time.sleep(0.05)
            c.sendall(half[7:])
            serve_queries(c, random.Random(1))
        except (OSError, EOFError, struct.error):
            pass
        c.close()


# --- clients ---------------------------------------------------------------


def told(s, what):
    """A refusal in clear text: an ErrorResponse, then the end."""
    got = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                break
            got += part
    except ConnectionError:
        pass
    if b"received unencrypted data after" not in got:
        fail(f"{what}: {got[:200]}")


def plain(s):
    """The end, and nobody is logged in."""
    got = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                break
            got += part
    except ConnectionError:
        pass
    if b"server_version" in got:
        fail(f"logged in: {got[:200]}")


def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def begin(s, cut=None):
    s.sendall(SSL_REQUEST)
    if receive(s, 1) != b"S":
        fail("no TLS")
    t = Tls(s, client_context(), False, cut)
    t.handshake()
    return t


def till_ready(t):
    got = b""
    while not got.endswith(READY):
        part = t.recv(65536)
        if not part:
            raise EOFError
        got += part
    return got


def query(t, r):
    text = b"nonce%d" % r.randrange(1 << 30)
    t.sendall(message(b"Q", b"select '" + text + b"'\0"))
    if text not in till_ready(t):
        fail("another answer")


def in_session(s, r):
    t = begin(s)
    t.sendall(STARTUP)
    till_ready(t)
    query(t, r)
    return t


def ssl_and_startup(s, r):
    s.sendall(SSL_REQUEST + STARTUP)
    told(s, "a start-up packet behind SSLRequest")


def ssl_and_a_byte(s, r):
    s.sendall(SSL_REQUEST + b"\x16")
    told(s, "a byte behind SSLRequest")


def gss_and_startup(s, r):
    s.sendall(GSS_REQUEST + STARTUP)
    told(s, "a start-up packet behind GSSENCRequest")


def gss_then_ssl(s, r):
    s.sendall(GSS_REQUEST)
    if receive(s, 1) != b"N":
        fail("GSS?")
    t = begin(s)
    t.sendall(STARTUP)
    till_ready(t)
    query(t, r)


def clear_text_in_tls(s, r):
    s.sendall(SSL_REQUEST)
    receive(s, 1)
    s.sendall(STARTUP)
    plain(s)


def cut_in_handshake(s, r):
    try:
        begin(s, r.randrange(1, 500))
    except EOFError:
        pass


def clear_text_in_session(s, r):
    t = in_session(s, r)
    s.sendall(message(b"Q", b"select 'clear'\0"))
    got = b""
    try:
        while True:
            part = t.recv(65536)
            if not part:
                break
            got += part
    except (ssl.SSLError, EOFError, ConnectionError):
        pass
    if b"clear" in got:
        fail("clear text was taken")


def cut_in_record(s, r):
    t = in_session(s, r)
    t.tls.write(message(b"Q", b"select 'cut'\0"))
    raw = t.outside.read()
    s.sendall(raw[:r.randrange(1, len(raw))])


def other_byte(s, r):
    t = in_session(s, r)
    t.tls.write(message(b"Q", b"select 'changed'\0"))
    raw = bytearray(t.outside.read())
    raw[r.randrange(5, len(raw))] ^= 1
    s.sendall(raw)
    plain(s)


def record_twice(s, r):
    t = in_session(s, r)
    t.tls.write(message(b"Q", b"select 'twice'\0"))
    raw = t.outside.read()
    s.sendall(raw + raw)
    plain(s)


def alert(s, r):
    in_session(s, r)
    s.sendall(b"\x15\3\3\0\2" + bytes((r.choice((1, 2)), r.randrange(256))))
    plain(s)


def notify_and_go_on(s, r):
    t = in_session(s, r)
    t.tls.write(message(b"Q", b"select 'last'\0"))
    try:
        t.tls.unwrap()
    except ssl.SSLError:
        pass
    s.sendall(t.outside.read() + message(b"Q", b"select 'clear'\0"))
    plain(s)


def byte_by_byte(s, r):
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    t = in_session(s, r)
    t.tls.write(message(b"Q", b"select 'drop by drop'\0"))
    for b in t.outside.read():
        s.sendall(bytes((b,)))
    if b"drop by drop" not in till_ready(t):
        fail("another answer")


def many_records(s, r):
    t = in_session(s, r)
    for b in message(b"Q", b"select 'piece by piece'\0"):
        t.tls.write(bytes((b,)))
    t.flush()
    if b"piece by piece" not in till_ready(t):
        fail("another answer")


def cancel_over_tls(s, r):
    t = begin(s)
    t.sendall(STARTUP)
    got = till_ready(t)
    at = got.index(b"K\0\0\0\x0c") + 5
    key = got[at:at + 8]
    t.sendall(message(b"Q", b"select pg_sleep(600)\0"))
    # One that is there before the query does nothing.
    while not select.select([s], [], [], 0.1)[0]:
        other = socket.create_connection(s.getpeername(), 110)
        begin(other).sendall(packet(struct.pack("!I", 80877102) + key))
        plain(other)
        other.close()
    if b"C57014" not in till_ready(t):
        fail("not cancelled")
    query(t, r)


ACTS = (cancel_over_tls, ssl_and_startup, ssl_and_a_byte, gss_and_startup, gss_then_ssl,
        clear_text_in_tls, cut_in_handshake, clear_text_in_session,
        cut_in_record, other_byte, record_twice, alert, notify_and_go_on,
        byte_by_byte, many_records)


def clients(pooler, seconds, seed, number):
    r = random.Random(seed * 1000 + number)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        s = socket.create_connection(("127.0.0.1", pooler), 110)
        act = r.choice(ACTS)
        try:
            act(s, r)
            count(act.__name__)
        except TimeoutError:
            fail(f"{act.__name__}: not ended")
        except (EOFError, ConnectionError, ssl.SSLError) as e:
            fail(f"{act.__name__}: {e!r}")
        finally:
            s.close()


def ask(pooler, seconds, seed, number):
    r = random.Random(seed * 1000 + number)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        s = socket.create_connection(("127.0.0.1", pooler), 110)
        s.sendall(STARTUP.replace(b"postgres", b"tlsliars"))
        try:
            got = till_ready(s)
            while b"server_version" in got and r.random() < 0.9:
                sql = b"select 'nonce%d'" % r.randrange(1 << 30)
                s.sendall(message(b"Q", sql + b"\0"))
                got = till_ready(s)
                if got.find(row(sql)) < 0:
                    fail(f"another answer: {got[:200]}")
                count("answers")
                got = b"server_version"
        except TimeoutError:
            fail("a client is left without a word")
        except (EOFError, ConnectionError):
            count("errors")
        finally:
            s.close()


what = sys.argv[1]
if what == "behind":
    behind(int(sys.argv[2]))
elif what == "hang":
    hang(int(sys.argv[2]), *sys.argv[3:])
elif what == "server":
    server(int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5]),
           int(sys.argv[6]))
else:
    fn = ask if what == "ask" else clients
    threads = [threading.Thread(target=fn, args=(
        int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), i))
        for i in range(6)]
    for c in threads:
        c.start()
    for c in threads:
        c.join()
print("# " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
