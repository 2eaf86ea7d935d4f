# SPDX-License-Identifier: MIT
# psycopg 3 through a transaction pooler; prints "ok name" or what was wrong.
import threading
import psycopg


def check(name, got, want):
    print("ok " + name if got == want else f"{name}: {got!r}, not {want!r}")


a = psycopg.connect("", autocommit=True, prepare_threshold=0)
b = psycopg.connect("", autocommit=True, prepare_threshold=0)
got = []
for i in range(20):
    got.append(a.execute("select %s::int + 1", (i,)).fetchone()[0])
    got.append(b.execute("select %s::int + 2", (i,)).fetchone()[0])
check("prepared statements of two clients, in turns", got,
      [x for i in range(20) for x in (i + 1, i + 2)])
got = []
for i in range(150):
    got.append(a.execute(f"select {i}, %s::int", (i,)).fetchone())
check("more statements than a driver keeps", got, [(i, i) for i in range(150)])
with a.pipeline():
    curs = [a.execute("select %s::int", (i,)) for i in range(50)]
check("a pipeline", [c.fetchone()[0] for c in curs], list(range(50)))
try:
    with a.pipeline():
        a.execute("select 1")
        a.execute("select 1/%s::int", (0,))
        a.execute("select 2")
    check("an error in a pipeline", "none", "22012")
except psycopg.Error as e:
    check("an error in a pipeline", e.sqlstate, "22012")
check("and after it", a.execute("select 3").fetchone(), (3,))
with a.transaction():
    a.execute("create temp table t3 (i int) on commit drop")
    with a.cursor().copy("copy t3 from stdin") as copy:
        for i in range(1000):
            copy.write_row((i,))
    n = a.execute("select count(*), sum(i) from t3").fetchone()
check("COPY in a transaction", n, (1000, 499500))
try:
    with a.transaction():
        a.execute("select nonsense")
    check("an error in a transaction", "none", "42703")
except psycopg.Error as e:
    check("an error in a transaction", e.sqlstate, "42703")
check("and after it", a.execute("select 4").fetchone(), (4,))

wrong = []


def work(n):
    with psycopg.connect("", prepare_threshold=0) as c:
        for i in range(100):
            if c.execute("select %s::int, %s::text", (i, str(n))).fetchone() \
                    != (i, str(n)):
                wrong.append((n, i))
            c.commit()


threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
check("eight threads on two servers", wrong, [])
a.close()
b.close()
