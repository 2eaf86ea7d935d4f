/* SPDX-License-Identifier: MIT */
/*
 * history - random work on a cluster, with points to return to.
 *
 * usage: history work SEED STEPS TABLESPACES POINTS
 *        history sum
 * libpq's environment says where the cluster is.
 *
 * `work` takes STEPS random steps: tables made, filled, changed, truncated,
 * rewritten and dropped, databases and tablespaces made and dropped, large
 * objects, unlogged tables, sequences, prepared transactions, savepoints,
 * checkpoints, ends of WAL segments; two more sessions keep transactions
 * open meanwhile. Now and then it appends a point to the file POINTS:
 *
 *	point KIND TIMELINE BACKUP DIGEST VALUE
 *
 * DIGEST is of all rows that were committed then, KIND and VALUE (name, lsn,
 * time, xid) are a recovery target that leads there. BACKUP is the label of
 * the last line `backup LABEL` that stood in POINTS before: that backup ended
 * before the point. A server that dies is waited for, a point that was being
 * made then is not written. TABLESPACES is a directory for tablespaces.
 *
 * HISTORY_LOG in the environment names a file for each statement.
 * `sum` prints the digest. It reads each table twice, by its index and
 * without, and fails where the two differ; contents of unlogged tables do
 * not count, as recovery empties them.
 */
#include "common/base.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/digest.h"

#define SESSIONS	3	/* the first one does all but the rows */
#define PATIENCE_S	120	/* for a server that comes back */

static PGconn		*sessions[SESSIONS];
static uint64_t		 lot;
static const char	*tablespaces, *points;

static _Noreturn void
die(const char *what, const char *why)
{
	fprintf(stderr, "history: %s: %s\n", what, why);
	exit(1);
}

/* xorshift: repeatable by the seed. */
static unsigned
draw(unsigned below)
{
	lot ^= lot << 13;
	lot ^= lot >> 7;
	lot ^= lot << 17;
	return (unsigned)(lot >> 33) % below;
}

/* One line for whoever looks at a failure, in the file HISTORY_LOG. */
static void
note(const char *format, ...) PRINTF_LIKE(1, 2);
static void
note(const char *format, ...)
{
	const char *path = getenv("HISTORY_LOG");
	FILE *f = path && *path ? fopen(path, "a") : NULL;
	va_list args;

	if (f == NULL)
		return;
	va_start(args, format);
	vfprintf(f, format, args);
	va_end(args);
	fputc('\n', f);
	fclose(f);
}

static void
nap(long milliseconds)
{
	struct timespec t = { milliseconds / 1000,
	    milliseconds % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* A session with the database, or NULL when nobody answers in time. */
static PGconn *
session_open(const char *database)
{
	const char *const names[] = { "dbname", "options", NULL };
	const char *const values[] = { database,
	    "-c lock_timeout=200ms -c client_min_messages=error "
	    "-c statement_timeout=60s", NULL };
	time_t end = time(NULL) + PATIENCE_S;

	do {
		PGconn *conn = PQconnectdbParams(names, values, 0);

		if (PQstatus(conn) == CONNECTION_OK)
			return conn;
		PQfinish(conn);
		nap(100);
	} while (time(NULL) < end);
	return NULL;
}

static PGconn *
session(unsigned i)
{
	if (sessions[i] && PQstatus(sessions[i]) != CONNECTION_OK) {
		PQfinish(sessions[i]);
		sessions[i] = NULL;
	}
	if (sessions[i] == NULL)
		sessions[i] = session_open("postgres");
	if (sessions[i] == NULL)
		die("connect", "nobody answers");
	return sessions[i];
}

/*
 * Runs a statement. What it says first is copied into value (may be NULL).
 * False when it failed: random work may collide, so that is no error.
 */
static bool
run(PGconn *conn, char *value, size_t size, const char *format, ...)
    PRINTF_LIKE(4, 5);
static bool
run(PGconn *conn, char *value, size_t size, const char *format, ...)
{
	char text[2048];
	PGresult *result;
	bool good;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	result = PQexec(conn, text);
	good = PQresultStatus(result) == PGRES_TUPLES_OK ||
	    PQresultStatus(result) == PGRES_COMMAND_OK;
	if (good && value) {
		good = PQntuples(result) > 0;
		if (good)
			snprintf(value, size, "%s", PQgetvalue(result, 0, 0));
	}
	note("%s: %s", text, good ? "done" : PQerrorMessage(conn));
	PQclear(result);
	return good;
}

/* --- the digest ----------------------------------------------------------- */

/*
 * What is summed must be readable, else we die; false when the server went
 * away meanwhile.
 */
static bool
unreadable(PGconn *conn, const char *what)
{
	if (PQstatus(conn) == CONNECTION_OK)
		die(what, PQerrorMessage(conn));
	return false;
}

static void
sum_add(struct digest_stream *sum, const char *name, const char *value)
{
	digest_stream_add(sum, value, strlen(value) + 1);
	note("sum: %s: %s", name, value);
}

static bool
sum_query(PGconn *conn, struct digest_stream *sum, const char *name,
    const char *query)
{
	PGresult *result = PQexec(conn, query);
	bool good = PQresultStatus(result) == PGRES_TUPLES_OK ||
	    unreadable(conn, name);

	for (int i = 0; good && i < PQntuples(result); i++)
		sum_add(sum, name, PQgetvalue(result, i, 0));
	PQclear(result);
	return good;
}

/* The rows of one table by one way of reading them. */
static bool
table_rows(PGconn *conn, const char *table, bool by_index, char rows[128])
{
	return run(conn, NULL, 0, "SET enable_seqscan = %s",
	    by_index ? "off" : "on") &&
	    run(conn, NULL, 0, "SET enable_indexscan = %s",
	    by_index ? "on" : "off") &&
	    run(conn, NULL, 0, "SET enable_bitmapscan = off") &&
	    run(conn, rows, 128, "SELECT count(*) || ' ' || coalesce(md5("
	    "string_agg(t::text, ',' ORDER BY k, t::text)), '-') "
	    "FROM %s t WHERE k > -1", table);
}

static bool
sum_table(PGconn *conn, struct digest_stream *sum, const char *table,
    bool unlogged)
{
	char heap[128], index[128];

	if (!table_rows(conn, table, false, heap) ||
	    !table_rows(conn, table, true, index))
		return unreadable(conn, table);
	if (strcmp(heap, index) != 0) {
		fprintf(stderr, "history: %s.%s: %s in the table, %s by its "
		    "index\n", PQdb(conn), table, heap, index);
		exit(2);
	}
	sum_add(sum, table, unlogged ? "unlogged" : heap);
	return true;
}

/* One database: its tables and its large objects. */
static bool
sum_database(struct digest_stream *sum, const char *name)
{
	PGconn *conn = session_open(name);
	PGresult *tables;
	bool good;

	if (conn == NULL)
		die(name, "nobody answers");
	tables = PQexec(conn, "SELECT oid::regclass::text, relpersistence "
	    "FROM pg_class WHERE relkind = 'r' AND relname LIKE 'h%' AND "
	    "relnamespace = 'public'::regnamespace ORDER BY 1");
	good = PQresultStatus(tables) == PGRES_TUPLES_OK ||
	    unreadable(conn, name);
	for (int i = 0; good && i < PQntuples(tables); i++)
		good = sum_table(conn, sum, PQgetvalue(tables, i, 0),
		    *PQgetvalue(tables, i, 1) == 'u');
	good = good && sum_query(conn, sum, "large objects",
	    "SELECT oid || ' ' || md5(lo_get(oid)) "
	    "FROM pg_largeobject_metadata ORDER BY oid");
	PQclear(tables);
	PQfinish(conn);
	return good;
}

/* Of all that is committed; false when the server went away meanwhile. */
static bool
cluster_sum(char text[DIGEST_HEX_LEN + 1])
{
	struct digest_stream *sum = digest_stream_new(NULL);
	struct digest digest;
	PGconn *conn = session_open("postgres");
	PGresult *databases;
	bool good;

	if (conn == NULL || sum == NULL)
		die("sum", "nobody answers");
	good = sum_query(conn, sum, "roles",
	    "SELECT rolname FROM pg_roles ORDER BY 1") &&
	    sum_query(conn, sum, "tablespaces",
	    "SELECT spcname FROM pg_tablespace ORDER BY 1") &&
	    sum_query(conn, sum, "prepared transactions",
	    "SELECT gid FROM pg_prepared_xacts ORDER BY 1");
	/* -2: a crash interrupted its DROP, and nobody can connect to it. */
	databases = PQexec(conn, "SELECT datname FROM pg_database "
	    "WHERE datallowconn AND datconnlimit <> -2 ORDER BY 1");
	good = good && (PQresultStatus(databases) == PGRES_TUPLES_OK ||
	    unreadable(conn, "databases"));
	for (int i = 0; good && i < PQntuples(databases); i++) {
		sum_add(sum, "database", PQgetvalue(databases, i, 0));
		good = sum_database(sum, PQgetvalue(databases, i, 0));
	}
	PQclear(databases);
	PQfinish(conn);
	digest_stream_get(sum, &digest);
	digest_stream_free(sum);
	digest_hex(&digest, text);
	return good;
}

/* --- points ----------------------------------------------------------------- */

/* The label of the last backup that has ended, or "-". */
static void
last_backup(char label[64])
{
	FILE *f = fopen(points, "r");
	char line[512];

	snprintf(label, 64, "-");
	if (f == NULL)
		return;
	while (fgets(line, sizeof(line), f))
		(void)sscanf(line, "backup %63s", label);
	fclose(f);
}

/*
 * Appends a point. Nothing may be committed between the digest and the
 * target, so the two orders: a transaction is a target and then the state is
 * read; for the other kinds the state is read, then they are made. What is
 * written here has reached the server's WAL for certain: a commit follows.
 */
static void
point(unsigned number)
{
	static const char *const kinds[] = { "xid", "name", "lsn", "time" };
	const char *kind = kinds[draw(ARRAY_LEN(kinds))];
	PGconn *conn = session(0);
	char label[64], value[128] = "", timeline[32],
	    sum[DIGEST_HEX_LEN + 1];
	bool good = true;
	FILE *f;

	last_backup(label);
	if (strcmp(kind, "xid") == 0)
		good = run(conn, NULL, 0, "BEGIN") &&
		    run(conn, NULL, 0, "INSERT INTO h_points VALUES (%u)",
		    number) &&
		    run(conn, value, sizeof(value), "SELECT txid_current()") &&
		    run(conn, NULL, 0, "COMMIT");
	if (!good || !cluster_sum(sum))
		return;
	if (strcmp(kind, "name") == 0) {
		snprintf(value, sizeof(value), "point-%u-%u", number,
		    draw(1000000));
		good = run(conn, NULL, 0,
		    "SELECT pg_create_restore_point('%s')", value);
	} else if (strcmp(kind, "lsn") == 0) {
		good = run(conn, value, sizeof(value),
		    "SELECT pg_current_wal_insert_lsn()");
	} else if (strcmp(kind, "time") == 0) {
		nap(2);
		good = run(conn, value, sizeof(value), "SELECT "
		    "to_char(clock_timestamp() AT TIME ZONE 'UTC', "
		    "'YYYY-MM-DD\"T\"HH24:MI:SS.US+00')");
		nap(2);
	}
	/*
	 * The record that begins at an LSN is still replayed: it must not be
	 * a commit, which the insertion sees to.
	 */
	good = good && run(conn, timeline, sizeof(timeline),
	    "SELECT ('x' || substr(pg_walfile_name("
	    "pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int") &&
	    run(conn, NULL, 0, "INSERT INTO h_points VALUES (-1)");
	if (!good)
		return;
	f = fopen(points, "a");
	if (f == NULL)
		die(points, strerror(errno));
	fprintf(f, "point %s %s %s %s %s\n", kind, timeline, label, sum,
	    value);
	if (fclose(f) != 0)
		die(points, strerror(errno));
}

/* --- work --------------------------------------------------------------------- */

/* A random table of the database postgres: false when there is none. */
static bool
any_table(PGconn *conn, char name[128])
{
	return run(conn, name, 128, "SELECT relname FROM pg_class WHERE "
	    "relkind = 'r' AND relname LIKE 'h%%' AND relname <> 'h_points' "
	    "ORDER BY md5(relname || '%u') LIMIT 1", draw(1000000));
}

static const char *
any_tablespace(PGconn *conn, char name[128])
{
	if (!run(conn, name, 128, "SELECT spcname FROM pg_tablespace WHERE "
	    "spcname <> 'pg_global' ORDER BY md5(spcname || '%u') LIMIT 1",
	    draw(1000000)))
		return "pg_default";
	return name;
}

static void
make_table(PGconn *conn, unsigned step)
{
	static const char *const shapes[] = {
		"k int PRIMARY KEY, v text) WITH (fillfactor = 50",
		"k int PRIMARY KEY, v text",
		"k serial PRIMARY KEY, v text, w int[] DEFAULT '{1,2,3}'",
	};

	run(conn, NULL, 0, "CREATE %s TABLE h%u (%s)",
	    draw(4) == 0 ? "UNLOGGED" : "", step,
	    shapes[draw(ARRAY_LEN(shapes))]);
	run(conn, NULL, 0, "INSERT INTO h%u SELECT i, repeat(md5(i::text), "
	    "%u) FROM generate_series(1, %u) i", step, 1 + draw(4),
	    1 + draw(3000));
}

/* Rows only: any session, inside a transaction or not. */
static void
change_rows(PGconn *conn)
{
	char name[128];

	if (!any_table(conn, name))
		return;
	switch (draw(6)) {
	case 0:
	case 1:
		run(conn, NULL, 0, "INSERT INTO %s SELECT i, md5(i::text) "
		    "FROM generate_series(%u, %u) i ON CONFLICT DO NOTHING",
		    name, draw(5000), 5000 + draw(1000));
		break;
	case 2:
		run(conn, NULL, 0, "UPDATE %s SET v = '%u' || left(v, 200) "
		    "WHERE k %% %u = 0", name, draw(1000), 2 + draw(40));
		break;
	case 3:
		run(conn, NULL, 0, "DELETE FROM %s WHERE k %% %u = 1", name,
		    2 + draw(20));
		break;
	case 4:		/* too long for a page, not compressible */
		run(conn, NULL, 0, "INSERT INTO %s SELECT %u, (SELECT "
		    "string_agg(md5((i * %u)::text), '') FROM "
		    "generate_series(1, 900) i) ON CONFLICT DO NOTHING", name,
		    10000 + draw(1000), 1 + draw(1000));
		break;
	case 5:
		run(conn, NULL, 0, "SELECT count(*) FROM %s", name);
		break;
	}
}

static void
make_database(PGconn *conn, unsigned step)
{
	char name[64];
	PGconn *inside;

	snprintf(name, sizeof(name), "hd%u", step);
	if (!run(conn, NULL, 0, "CREATE DATABASE %s%s", name, draw(2) &&
	    PQserverVersion(conn) >= 150000 ? " STRATEGY file_copy" : ""))
		return;
	inside = session_open(name);
	if (inside)
		make_table(inside, step);
	PQfinish(inside);
}

/* What changes files: the first session, outside a transaction. */
static void
change_files(PGconn *conn, unsigned step)
{
	char name[128], place[128], directory[512];

	if (draw(4) == 0 || !any_table(conn, name)) {
		make_table(conn, step);
		return;
	}
	switch (draw(18)) {
	case 0:
		run(conn, NULL, 0, "DROP TABLE %s", name);
		break;
	case 1:
		run(conn, NULL, 0, "TRUNCATE %s", name);
		break;
	case 2:
		run(conn, NULL, 0, "BEGIN; TRUNCATE %s; INSERT INTO %s "
		    "VALUES (1, 'after'); %s", name, name,
		    draw(2) ? "COMMIT" : "ROLLBACK");
		break;
	case 3:
		run(conn, NULL, 0, "VACUUM FULL %s", name);
		break;
	case 4:
		run(conn, NULL, 0, "VACUUM (FREEZE) %s", name);
		break;
	case 5:
		run(conn, NULL, 0, "CREATE INDEX ON %s (v)", name);
		break;
	case 6:
		run(conn, NULL, 0, "REINDEX TABLE %s", name);
		break;
	case 7:
		run(conn, NULL, 0, "ALTER TABLE %s ADD COLUMN c%u int DEFAULT "
		    "%u", name, step, draw(100));
		break;
	case 8:
		run(conn, NULL, 0, "ALTER TABLE %s SET %s", name,
		    draw(2) ? "LOGGED" : "UNLOGGED");
		break;
	case 9:
		make_database(conn, step);
		break;
	case 10:
		if (run(conn, name, sizeof(name), "SELECT datname FROM "
		    "pg_database WHERE datname LIKE 'hd%%' LIMIT 1"))
			run(conn, NULL, 0, "DROP DATABASE %s", name);
		break;
	case 11:
		snprintf(directory, sizeof(directory), "%s/%u-%u", tablespaces,
		    step, draw(1000000));
		if (mkdir(directory, 0700) == 0)
			run(conn, NULL, 0, "CREATE TABLESPACE hs%u LOCATION "
			    "'%s'", step, directory);
		break;
	case 12:
	case 13:
		run(conn, NULL, 0, "ALTER TABLE %s SET TABLESPACE %s", name,
		    any_tablespace(conn, place));
		break;
	case 14:
		run(conn, NULL, 0, "SELECT lo_from_bytea(0, decode("
		    "repeat(md5('%u'), %u), 'hex'))", step, 1 + draw(2000));
		break;
	case 15:
		run(conn, NULL, 0, "SELECT lo_unlink(min(oid)) FROM "
		    "pg_largeobject_metadata HAVING count(*) > 2");
		break;
	case 16:
		if (run(conn, name, sizeof(name), "SELECT datname FROM "
		    "pg_database WHERE datname LIKE 'hd%%' LIMIT 1"))
			run(conn, NULL, 0, "ALTER DATABASE %s SET TABLESPACE "
			    "%s", name, any_tablespace(conn, place));
		break;
	case 17:
		if (run(conn, name, sizeof(name), "SELECT spcname FROM "
		    "pg_tablespace WHERE spcname LIKE 'hs%%' LIMIT 1"))
			run(conn, NULL, 0, "DROP TABLESPACE %s", name);
		break;
	}
}

/* Sessions that keep transactions open over points and backups. */
static void
change_open(unsigned i, unsigned step)
{
	PGconn *conn = session(i);
	char gid[64];

	if (PQtransactionStatus(conn) == PQTRANS_IDLE) {
		run(conn, NULL, 0, "BEGIN");
		change_rows(conn);
		return;
	}
	switch (draw(8)) {
	case 0:
		run(conn, NULL, 0, "COMMIT");
		break;
	case 1:
		run(conn, NULL, 0, "ROLLBACK");
		break;
	case 2:
		run(conn, NULL, 0, "PREPARE TRANSACTION 'h%u'", step);
		break;
	case 3:
		run(conn, NULL, 0, "SAVEPOINT s");
		change_rows(conn);
		run(conn, NULL, 0, "ROLLBACK TO s");
		break;
	case 4:
		if (run(session(0), gid, sizeof(gid),
		    "SELECT gid FROM pg_prepared_xacts LIMIT 1"))
			run(session(0), NULL, 0, "%s PREPARED '%s'",
			    draw(2) ? "COMMIT" : "ROLLBACK", gid);
		break;
	default:
		change_rows(conn);
		break;
	}
}

static int
work(unsigned steps)
{
	run(session(0), NULL, 0,
	    "CREATE TABLE IF NOT EXISTS h_points (k int)");
	for (unsigned step = 0; step < steps; step++) {
		/* Names stay apart when work goes on with another seed. */
		unsigned name = step + (draw(20000) + 1) * 1000;

		switch (draw(12)) {
		case 0:
		case 1:
		case 2:
			change_files(session(0), name);
			break;
		case 3:
		case 4:
			change_open(1 + draw(SESSIONS - 1), name);
			break;
		case 5:
			run(session(0), NULL, 0, draw(2) ? "CHECKPOINT" :
			    "SELECT pg_switch_wal()");
			break;
		case 6:
			point(name);
			break;
		default:
			change_rows(session(0));
			break;
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	char sum[DIGEST_HEX_LEN + 1];

	if (argc == 2 && strcmp(argv[1], "sum") == 0) {
		if (!cluster_sum(sum))
			die("sum", "the server went away");
		puts(sum);
		return 0;
	}
	if (argc != 6 || strcmp(argv[1], "work") != 0) {
		fprintf(stderr, "usage: history work SEED STEPS TABLESPACES "
		    "POINTS | history sum\n");
		return 2;
	}
	lot = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15 + 1;
	for (unsigned i = 0; i < 8; i++)
		(void)draw(2);
	tablespaces = argv[4];
	points = argv[5];
	return work((unsigned)strtoul(argv[3], NULL, 10));
}
