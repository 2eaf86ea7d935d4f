/* SPDX-License-Identifier: MIT */
/*
 * db status: asks everybody, and goes on when somebody does not answer.
 */
#include "common/base.h"
#include "homelabctl/cli.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/pgquery.h"
#include "homelabctl/connect.h"
#include "homelabctl/status.h"

static const char server_sql[] =
    "SELECT pg_is_in_recovery(),"
    " (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,"
    " (SELECT count(*) FROM pg_stat_activity"
    "   WHERE backend_type = 'client backend'),"
    " current_setting('max_connections')::bigint,"
    " (SELECT timeline_id FROM pg_control_checkpoint())::bigint,"
    " current_setting('archive_mode') <> 'off'";

static const char databases_sql[] =
    "SELECT d.datname, pg_database_size(d.oid), s.numbackends,"
    " age(d.datfrozenxid)::bigint,"
    " CASE WHEN s.blks_hit + s.blks_read > 0 THEN"
    "  100.0 * s.blks_hit / (s.blks_hit + s.blks_read) ELSE -1 END"
    " FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid"
    " WHERE d.datallowconn AND NOT d.datistemplate"
    " ORDER BY 2 DESC LIMIT 20";

static const char wal_sql[] =
    "SELECT coalesce(last_archived_wal, ''),"
    " coalesce((extract(epoch FROM last_archived_time) * 1000000)::bigint,"
    "  0), coalesce(last_failed_wal, ''),"
    " coalesce((extract(epoch FROM last_failed_time) * 1000000)::bigint, 0),"
    " (SELECT count(*) FROM pg_ls_archive_statusdir()"
    "   WHERE name LIKE '%.ready')"
    " FROM pg_stat_archiver";

static int64_t
number(const struct pgquery_result *r, int row, int column)
{
	int64_t	n = 0;

	return pgquery_int64(r, row, column, &n) == 0 ? n : 0;
}

static bool
truth(const struct pgquery_result *r, int row, int column)
{
	bool	b = false;

	return pgquery_bool(r, row, column, &b) == 0 && b;
}

static void
text(const struct pgquery_result *r, int row, int column, char *out,
    size_t size)
{
	const char *t = pgquery_text(r, row, column);

	snprintf(out, size, "%s", t == NULL ? "" : t);
}

static void
read_databases(const struct pgquery_result *r, struct status *s)
{
	struct status_database *d;
	int	i;

	for (i = 0; i < pgquery_rows(r) && i < STATUS_DATABASES_MAX; i++) {
		d = &s->databases[s->database_count++];
		text(r, i, 0, d->name, sizeof(d->name));
		d->size = number(r, i, 1);
		d->connections = number(r, i, 2);
		d->xid_age = number(r, i, 3);
		if (pgquery_double(r, i, 4, &d->cache_hit) != 0)
			d->cache_hit = -1;
	}
}

static int
ask_session(struct pgquery *q, struct status *s, struct err *e)
{
	struct pgquery_result *r;
	int	rc;

	s->version = pgquery_server_version(q);
	rc = pgquery_run_one(q, server_sql, NULL, 0, &r, e);
	if (rc != 0)
		return rc;
	s->standby = truth(r, 0, 0);
	s->started = number(r, 0, 1);
	s->connections = number(r, 0, 2);
	s->connections_max = number(r, 0, 3);
	s->timeline = number(r, 0, 4);
	s->archiving = truth(r, 0, 5);
	pgquery_result_free(r);
	rc = pgquery_run(q, databases_sql, NULL, 0, &r, e);
	if (rc != 0)
		return rc;
	read_databases(r, s);
	pgquery_result_free(r);
	rc = pgquery_run_one(q, wal_sql, NULL, 0, &r, e);
	if (rc != 0)
		return rc;
	text(r, 0, 0, s->last_wal, sizeof(s->last_wal));
	s->last_time = number(r, 0, 1);
	text(r, 0, 2, s->failed_wal, sizeof(s->failed_wal));
	s->failed_time = number(r, 0, 3);
	s->queue = number(r, 0, 4);
	pgquery_result_free(r);
	return 0;
}

static void
ask_server(const struct cli *cli, struct status *s)
{
	struct pgquery *q = NULL;
	struct err e = { 0 };
	int	rc = connect_server(cli, &q, &e);

	if (rc == 0)
		rc = ask_session(q, s, &e);
	if (rc != 0)
		snprintf(s->server_error, sizeof(s->server_error), "%.299s",
		    e.msg);
	pgquery_close(q);
}

static int
column(const struct pgquery_result *r, const char *name)
{
	int	i;

	for (i = 0; i < pgquery_columns(r); i++) {
		if (strcmp(pgquery_column_name(r, i), name) == 0)
			return i;
	}
	return -1;
}

static int64_t
named(const struct pgquery_result *r, int row, const char *name)
{
	int	i = column(r, name);

	return i < 0 ? 0 : number(r, row, i);
}

static void
read_pools(const struct pgquery_result *r, struct status *s)
{
	const char *name;
	int64_t	wait;
	int	i;

	for (i = 0; i < pgquery_rows(r); i++) {
		name = pgquery_text(r, i, 0);
		if (name != NULL && strcmp(name, "pgbouncer") == 0)
			continue;
		s->clients_active += named(r, i, "cl_active");
		s->clients_waiting += named(r, i, "cl_waiting");
		s->servers_busy += named(r, i, "sv_active");
		s->servers_idle += named(r, i, "sv_idle") +
		    named(r, i, "sv_used");
		wait = named(r, i, "maxwait") * 1000000 +
		    named(r, i, "maxwait_us");
		s->max_wait = MAX(s->max_wait, wait);
	}
}

static void
read_state(const struct pgquery_result *r, struct status *s)
{
	char	key[32], value[32];
	int	i;

	for (i = 0; i < pgquery_rows(r); i++) {
		text(r, i, 0, key, sizeof(key));
		text(r, i, 1, value, sizeof(value));
		if (strcmp(key, "paused") == 0)
			s->paused = strcmp(value, "yes") == 0;
		else if (strcmp(key, "holding") == 0)
			s->holding = strcmp(value, "yes") == 0;
	}
}

static void
ask_pooler(const struct cli *cli, struct status *s)
{
	struct pgquery *q = NULL;
	struct pgquery_result *r = NULL;
	struct err e = { 0 };
	int	rc;

	s->has_pooler = cli->opt.pooler;
	if (!s->has_pooler)
		return;
	rc = connect_pooler(cli, &q, NULL, &e);
	if (rc == 0)
		rc = pgquery_run(q, "SHOW POOLS", NULL, 0, &r, &e);
	if (rc == 0) {
		read_pools(r, s);
		pgquery_result_free(r);
		rc = pgquery_run(q, "SHOW STATE", NULL, 0, &r, &e);
	}
	if (rc == 0) {
		read_state(r, s);
		pgquery_result_free(r);
	} else {
		snprintf(s->pooler_error, sizeof(s->pooler_error), "%.299s",
		    e.msg);
	}
	pgquery_close(q);
}

int
verb_status(struct cli *cli, struct err *e)
{
	struct status s = { .now = cli_now() };
	struct buf out = { 0 };
	struct err why = { 0 };
	int	rc = 0;

	ask_server(cli, &s);
	ask_pooler(cli, &s);
	if (archiver_info(cli, &s.backups, &why) != 0) {
		s.backups = (struct archiver_info){ .n = 0 };
		snprintf(s.backup_error, sizeof(s.backup_error), "%.299s",
		    why.msg);
	}
	status_judge(&s, &cli->opt);
	if (cli->json)
		rc = status_json(&s, &cli->opt, &out, e);
	else if (cli->nagios)
		status_nagios(&s, &cli->opt, &out);
	else
		status_text(&s, &cli->opt, cli->colour, &out);
	if (rc == 0)
		fputs(buf_cstr(&out), stdout);
	buf_release(&out);
	archiver_info_release(&s.backups);
	if (rc != 0)
		return rc;
	return s.overall == LEVEL_OK ? 0 : s.overall == LEVEL_WARN ?
	    CLI_DEGRADED : CLI_CRITICAL;
}
