# SPDX-License-Identifier: MIT
# Clients whose statements push one another out of the servers.
# usage: statements.py socket-directory port seconds seed clients
#
# Each sends batches of Parse, Bind and Execute, Describe, Close and Sync ahead
# of the answers, with the names that all use and with texts that others use,
# too; some texts are wrong, some names are taken or unknown; now and then all
# are deallocated. A model of its own says what must come back. Meanwhile the
# console changes max_prepared_statements between 1 and 3. Status 1 for another
# answer.
import asyncio
import os
import random
import socket
import struct
import sys

where, port, seconds, seed, n = sys.argv[1], *map(int, sys.argv[2:6])
path = f"{where}/.s.PGSQL.{port}"
counts = {}
NAMES = ("", "s1", "s2", "s3", "s4")


def count(what):
    counts[what] = counts.get(what, 0) + 1


def fail(text):
    print(f"# {text}", flush=True)
    os._exit(1)


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


def dialled():
    """Blocking: of a full backlog asyncio says that it is connected."""
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)
    s.setblocking(False)
    return s


class Client:
    def __init__(self, number):
        self.number = number
        self.r = random.Random(f"{seed} {number}")
        self.names = {}
        self.in_tx = False

    async def login(self, database="postgres", user="alice"):
        self.reader, self.writer = \
            await asyncio.open_unix_connection(sock=dialled())
        body = struct.pack("!I", 196608) + \
            f"user\0{user}\0database\0{database}\0\0".encode()
        self.writer.write(struct.pack("!I", len(body) + 4) + body)
        await self.answers()

    async def answers(self):
        """What came up to Ready: letters, rows, errors' codes."""
        got = []
        while True:
            head = await asyncio.wait_for(self.reader.readexactly(5), 110)
            size = struct.unpack("!I", head[1:])[0] - 4
            body = await self.reader.readexactly(size)
            kind = head[:1].decode()
            if kind == "E":
                fields = dict((f[:1], f[1:]) for f in body.split(b"\0") if f)
                kind = "E" + fields[b"C"].decode()
            elif kind == "D":
                at, values = 2, []
                for _ in range(struct.unpack("!H", body[:2])[0]):
                    size = struct.unpack("!i", body[at:at + 4])[0]
                    values.append(body[at + 4:at + 4 + size].decode())
                    at += 4 + size
                kind = "D" + "|".join(values)
            elif kind == "Z":
                return got + ["Z" + body.decode()]
            if kind not in "SNRK":
                got.append(kind)

    def text(self):
        # Everybody's, its own, or a wrong one.
        kind = self.r.randrange(10)
        if kind == 0:
            return None
        return f"t{self.r.randrange(6)}" if kind < 6 else \
            f"c{self.number}-{self.r.randrange(3)}"

    def step(self):
        """Bytes, and what they bring; an error ends the batch."""
        r, name = self.r, self.r.choice(NAMES)
        raw = name.encode() + b"\0"
        kind = r.randrange(10)
        if kind < 3:
            text = self.text()
            sql = "selec" if text is None else f"select $1::text, '{text}'"
            out = message(b"P", raw + sql.encode() + b"\0" + bytes(2))
            if name == "":
                self.names.pop("", None)
            if text is None:
                return out, ["E42601"]
            if name in self.names:
                return out, ["E42P05"]
            self.names[name] = text
            return out, ["1"]
        if kind < 8:
            nonce = str(r.randrange(1 << 30))
            out = message(b"B", b"\0" + raw + struct.pack(
                "!HHI", 0, 1, len(nonce)) + nonce.encode() + bytes(2)) + \
                message(b"E", bytes(5))
            if name not in self.names:
                return out, ["E26000"]
            return out, ["2", f"D{nonce}|{self.names[name]}", "C"]
        if kind == 8:
            out = message(b"D", b"S" + raw)
            return out, ["t", "T"] if name in self.names else ["E26000"]
        self.names.pop(name, None)
        return message(b"C", b"S" + raw), ["3"]

    async def batches(self):
        """Several, of which none waits for the answer of the last."""
        out, wanted = b"", []
        for _ in range(self.r.randrange(1, 4)):
            for _ in range(self.r.randrange(1, 7)):
                raw, brings = self.step()
                out += raw
                wanted += brings
                count(brings[0][:6] if brings[0][0] == "E" else brings[0])
                if brings[0][0] == "E":
                    # What follows is passed over.
                    for _ in range(self.r.randrange(3)):
                        kept = dict(self.names)
                        out += self.step()[0]
                        self.names = kept
                    break
            out += message(b"S")
            wanted.append("ZI")
        self.writer.write(out)
        got = []
        for _ in range(wanted.count("ZI")):
            got += await self.answers()
        if got != wanted:
            fail(f"client {self.number}: wanted {wanted}, got {got}")

    async def query(self, sql, *wanted):
        self.writer.write(message(b"Q", sql.encode() + b"\0"))
        self.names.pop("", None)
        got = await self.answers()
        if got != list(wanted):
            fail(f"client {self.number}: {sql}: {got}")

    async def run(self, end):
        await self.login()
        while asyncio.get_running_loop().time() < end:
            kind = self.r.randrange(40)
            if kind == 0:
                await self.query("deallocate all", "C", "ZI")
                self.names = {}
            elif kind == 1:
                await self.query("discard all", "C", "ZI")
                self.names = {}
            elif kind == 2:
                await self.query("select 'x'", "T", "Dx", "C", "ZI")
            elif kind == 3:
                self.writer.close()
                self.names = {}
                await self.login()
            else:
                await self.batches()
        self.writer.close()


async def main():
    end = asyncio.get_running_loop().time() + seconds
    admin = Client(0)
    await admin.login("pgbouncer", "pgbouncer")
    clients = asyncio.gather(*(Client(i + 1).run(end) for i in range(n)))
    while not clients.done():
        await asyncio.sleep(0.02)
        await admin.query("SET max_prepared_statements = "
                          f"{admin.r.randrange(1, 4)}", "C", "ZI")
    await clients


asyncio.run(main())
print("# " + ", ".join(f"{n} {what}" for what, n in sorted(counts.items())))
