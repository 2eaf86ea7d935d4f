# SPDX-License-Identifier: MIT
# psycopg2 through a transaction pooler; prints "ok name" or what was wrong.
import io
import psycopg2
import threading


def check(name, got, want):
    print("ok " + name if got == want else f"{name}: {got!r}, not {want!r}")


a = psycopg2.connect("")
b = psycopg2.connect("")
cur = a.cursor()
cur.execute("select %s + 1, %s", (41, "x'y"))
check("parameters", cur.fetchone(), (42, "x'y"))
a.commit()
cur.execute("create table if not exists drv2 (a int, b text)")
cur.execute("truncate drv2")
cur.copy_expert("copy drv2 from stdin", io.StringIO("1\tone\n2\ttwo\n"))
other = b.cursor()
a.commit()
other.execute("select count(*) from drv2")
check("COPY, seen by another client", other.fetchone(), (2,))
b.commit()
out = io.StringIO()
cur.copy_expert("copy drv2 to stdout", out)
check("COPY out", out.getvalue(), "1\tone\n2\ttwo\n")
a.rollback()
try:
    cur.execute("select 1/0")
    check("an error", "none", "22012")
except psycopg2.Error as e:
    check("an error", e.pgcode, "22012")
a.rollback()
named = a.cursor("big")
named.execute("select generate_series(1, 5000)")
check("a server-side cursor", sum(1 for _ in named), 5000)
a.rollback()

wrong = []


def work(n):
    c = psycopg2.connect("")
    k = c.cursor()
    for i in range(100):
        k.execute("select %s, %s", (n, i))
        if k.fetchone() != (n, i):
            wrong.append((n, i))
        c.commit()
    c.close()


threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
check("eight threads on two servers", wrong, [])
a.cancel()
cur.execute("select 1")
check("a cancel with nothing to cancel", cur.fetchone(), (1,))
a.rollback()
over = threading.Event()


def cancel_until_over():
    # One that comes before the query does nothing: so there is another.
    while not over.wait(0.3):
        a.cancel()


canceller = threading.Thread(target=cancel_until_over)
canceller.start()
try:
    cur.execute("select pg_sleep(600)")
    check("cancel", "none", "57014")
except psycopg2.Error as e:
    check("cancel", e.pgcode, "57014")
over.set()
canceller.join()
a.close()
b.close()
