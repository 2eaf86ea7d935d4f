# SPDX-License-Identifier: MIT
# Clients that are cancelled, clients that must never be, and strangers with
# cancel requests of every kind.
# usage: cancels.py socket-directory port seconds seed clients [full]
#        cancels.py socket-directory port pile postmaster-pid requests
#
# Each query carries a nonce, which its answer must have. Half of the clients
# cancel their own queries: with several requests at once, before the query is
# sent, while it waits, runs, or is over; each waits for the end of all its
# requests, and its next query must then be left alone. The other half never
# ask for it. Meanwhile requests come with random keys, keys of clients that
# have gone, true keys for another worker, too short and too long; some say
# nothing or stop in the middle. "full": all log in, then max_client_conn is 1.
# "pile": many requests for one query while the postmaster is stopped.
# Status 1 if an answer is another's, or an error somebody else's.
import asyncio
import os
import random
import signal
import socket
import struct
import sys

where, port = sys.argv[1], int(sys.argv[2])
path = f"{where}/.s.PGSQL.{port}"
counts = {}
gone = []
in_use = []
loop_end = 0.0


def count(what):
    counts[what] = counts.get(what, 0) + 1


def fail(text):
    print(f"# {text}", flush=True)
    os._exit(1)


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def request(key):
    return struct.pack("!II", 8 + len(key), 80877102) + key


def dialled():
    """Blocking: of a full backlog asyncio says that it is connected."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.setblocking(False)
    return s


async def dial(r):
    if r.random() < 0.5:
        return await asyncio.open_unix_connection(sock=dialled())
    return await asyncio.open_connection("127.0.0.1", port)


class Client:
    def __init__(self, number, r):
        self.number, self.r, self.key = number, r, None

    async def login(self, database, user="alice"):
        self.reader, self.writer = await dial(self.r)
        body = struct.pack("!I", 196608) + \
            f"user\0{user}\0database\0{database}\0".encode() + \
            f"application_name\0c{self.number}\0\0".encode()
        self.writer.write(struct.pack("!I", len(body) + 4) + body)
        await self.answer()

    async def answer(self):
        rows, errors = [], []
        while True:
            head = await self.reader.readexactly(5)
            size = struct.unpack("!I", head[1:])[0] - 4
            body = await self.reader.readexactly(size)
            if head[:1] == b"K":
                self.key = body
            elif head[:1] == b"D":
                rows.append(body)
            elif head[:1] == b"E":
                fields = dict((f[:1], f[1:]) for f in body.split(b"\0") if f)
                errors.append(fields[b"C"].decode())
                if fields[b"S"] == b"FATAL":
                    fail(f"client {self.number}: {fields}")
            elif head[:1] == b"Z":
                return rows, errors

    def ask(self, sql):
        self.writer.write(message(b"Q", sql.encode() + b"\0"))

    def leave(self):
        self.writer.close()


async def ended(reader, what):
    """The pooler ends the connection of a request when all is over."""
    try:
        if await asyncio.wait_for(reader.read(1), 110):
            fail(f"{what}: an answer")
    except ConnectionError:
        pass
    except asyncio.TimeoutError:
        fail(f"{what}: not ended")


async def cancel(key, r, late=0.0):
    await asyncio.sleep(late)
    reader, writer = await dial(r)
    writer.write(request(key))
    await ended(reader, "a cancel request")
    writer.close()
    count("cancels")


async def one(c, may):
    r, nonce = c.r, c.r.randrange(1 << 30)
    kind = r.randrange(4)
    sleep = r.choice((0, 0, 0.001, 0.01, 0.03))
    mark = "/*may*/" if may else "/*never*/"
    sql = f"select pg_sleep({sleep}), '{nonce}' {mark}"
    if kind == 0:
        sql = f"begin; {sql}; commit"
    requests = []
    if may:
        requests = [asyncio.ensure_future(cancel(c.key, r, r.choice(
            (0, 0, 0.001, sleep, 0.05)))) for _ in range(r.choice((0, 1, 9)))]
        if r.random() < 0.3:
            await asyncio.sleep(0.001)
    c.ask(sql)
    rows, errors = await c.answer()
    if errors and (errors != ["57014"] or not requests):
        fail(f"client {c.number} {mark}: {errors}, "
             f"{len(requests)} requests of its own")
    if not errors and (len(rows) != 1 or str(nonce).encode() not in rows[0]):
        fail(f"client {c.number}: another's answer: {rows}")
    count("cancelled" if errors else "answered")
    for f in requests:
        await f
    # All is over: what follows is not to be hit by what was.
    c.ask("rollback; show application_name")
    rows, errors = await c.answer()
    if errors or len(rows) != 1 or f"c{c.number}".encode() not in rows[0]:
        fail(f"client {c.number}: afterwards {errors} {rows}")


async def client(number, seed, full):
    r = random.Random(f"{seed} {number}")
    loop = asyncio.get_running_loop()
    databases = ("one", "tested", "session")
    c = Client(number, r)
    await c.login(r.choice(databases))
    in_use.append(c.key)
    await full.wait()
    while loop.time() < loop_end:
        await one(c, number % 2 == 0)
        if r.random() < 0.05 and not full.stays:
            count("left")
            gone.append(c.key)
            c.leave()
            c = Client(number, r)
            await c.login(r.choice(databases))
            in_use.append(c.key)
    c.leave()


async def stranger(number, seed):
    r = random.Random(f"stranger {seed} {number}")
    loop = asyncio.get_running_loop()
    while loop.time() < loop_end:
        reader, writer = await dial(r)
        kind = r.randrange(7)
        key = r.choice(in_use)
        if kind == 0:
            packet = request(r.randbytes(8))
        elif kind == 1 and gone:
            packet = request(r.choice(gone))
        elif kind == 2:
            # Another worker's number, or that of none.
            packet = request(bytes([key[0] ^ r.choice((1, 2, 128))]) +
                             key[1:])
        elif kind == 3:
            packet = request(key[:r.randrange(8)])
        elif kind == 4:
            packet = request(key + r.randbytes(r.choice((1, 4, 28))))
        elif kind == 5:
            packet = request(key)[:r.randrange(16)]
        else:
            packet = b""
        writer.write(packet)
        count("strangers")
        if kind < 5 and packet:
            await ended_or_told(reader)
        else:
            await asyncio.sleep(r.random() * 0.2)
        writer.close()


async def ended_or_told(reader):
    """A request that is none is told so, or only ended."""
    try:
        await asyncio.wait_for(reader.read(), 110)
    except ConnectionError:
        pass
    except asyncio.TimeoutError:
        fail("a stranger's request: not ended")


def columns(row):
    at, values = 2, []
    for _ in range(struct.unpack("!H", row[:2])[0]):
        size = struct.unpack("!i", row[at:at + 4])[0]
        at += 4
        values.append(row[at:at + max(size, 0)])
        at += max(size, 0)
    return values


class Gate:
    """Full: nobody begins before all are in."""
    def __init__(self, n, stays):
        self.left, self.stays, self.event = n, stays, asyncio.Event()

    async def wait(self):
        self.left -= 1
        if self.left == 0:
            if self.stays:
                console = Client(0, random.Random(0))
                console.r.random = lambda: 0
                await console.login("pgbouncer", "pgbouncer")
                console.ask("SET max_client_conn = 1")
                await console.answer()
                console.leave()
            self.event.set()
        if self.stays:
            await self.event.wait()


async def storm(seconds, seed, n, stays):
    global loop_end
    loop_end = asyncio.get_running_loop().time() + seconds
    gate = Gate(n, stays)
    tasks = [client(i + 1, seed, gate) for i in range(n)]
    all_ = asyncio.gather(*tasks)
    while not in_use and not all_.done():
        await asyncio.sleep(0.01)
    await asyncio.gather(all_, *(stranger(i, seed) for i in range(n // 4)))


async def pile(postmaster, n):
    r = random.Random(1)
    r.random = lambda: 0
    c = Client(1, r)
    await c.login("one")
    c.ask("select pg_sleep(600) /*may*/")
    watch = Client(2, r)
    await watch.login("pgbouncer", "pgbouncer")
    other = Client(3, r)
    await other.login("one")
    # It runs when there is a backend that sleeps.
    while True:
        other.ask("select count(*) from pg_stat_activity "
                  "where wait_event = 'PgSleep'")
        if (await other.answer())[0][0][-1:] == b"1":
            break
        await asyncio.sleep(0.05)
    os.kill(postmaster, signal.SIGSTOP)
    try:
        requests = [asyncio.ensure_future(cancel(c.key, r))
                    for _ in range(n)]
        while True:
            watch.ask("SHOW POOLS")
            rows, _ = await watch.answer()
            if sum(int(columns(row)[4]) + int(columns(row)[5])
                   for row in rows) == n:
                break
            await asyncio.sleep(0.05)
    finally:
        os.kill(postmaster, signal.SIGCONT)
    if (await c.answer())[1] != ["57014"]:
        fail("it was not cancelled")
    for f in requests:
        await f


if sys.argv[3] == "pile":
    asyncio.run(pile(int(sys.argv[4]), int(sys.argv[5])))
else:
    asyncio.run(storm(float(sys.argv[3]), sys.argv[4], int(sys.argv[5]),
                      len(sys.argv) > 6))
print("# " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
