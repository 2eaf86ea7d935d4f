/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pgserver.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archiver/label.h"
#include "archiver/manifest.h"
#include "common/err.h"
#include "common/pgquery.h"

#define LOGIN_US	INT64_C(60000000)

/* Microseconds since 1970, from the server's clock: its WAL has that one. */
#define SQL_NOW	"(extract(epoch from clock_timestamp()) * 1000000)::bigint"

static const char sql_facts[] =
    "SELECT current_setting('server_version_num')::int / 10000,"
    " (SELECT system_identifier FROM pg_control_system()),"
    " (SELECT timeline_id FROM pg_control_checkpoint()),"
    " (SELECT setting::bigint FROM pg_settings"
    "   WHERE name = 'wal_segment_size'),"
    " pg_is_in_recovery(),"
    " current_setting('data_directory', true),"
    " current_setting('archive_mode'),"
    " coalesce(current_setting('archive_command', true), ''),"
    " coalesce(current_setting('archive_library', true), '')";

static void
copy_text(const struct pgquery_result *r, int column, char *out, size_t size)
{
	const char	*s = pgquery_text(r, 0, column);

	snprintf(out, size, "%s", s == NULL ? "" : s);
}

int
pgserver_connect(struct pgquery **out, const struct pgquery_target *t,
    const struct pgquery_limits *l, struct err *e)
{
	struct pgquery_limits login = *l;
	int		rc;

	login.timeout_us = MIN(l->timeout_us, LOGIN_US);
	rc = pgquery_connect(out, t, &login, e);
	if (rc == 0)
		pgquery_set_limits(*out, l);
	return rc;
}

int
pgserver_init(struct pgserver *s, struct pgquery *q, struct err *e)
{
	struct pgquery_result *r;
	int64_t		version, system_id, timeline, segment;
	int		rc;

	memset(s, 0, sizeof(*s));
	s->q = q;
	rc = pgquery_run_one(q, sql_facts, NULL, 0, &r, e);
	if (rc != 0)
		return err_wrap(e, "cannot ask PostgreSQL for its settings");
	if (pgquery_int64(r, 0, 0, &version) != 0 ||
	    pgquery_int64(r, 0, 1, &system_id) != 0 ||
	    pgquery_int64(r, 0, 2, &timeline) != 0 ||
	    pgquery_int64(r, 0, 3, &segment) != 0 ||
	    pgquery_bool(r, 0, 4, &s->in_recovery) != 0) {
		rc = err_set(e, ERR_DB_QUERY,
		    "PostgreSQL answered with unexpected settings");
		goto out;
	}
	s->version = (int)version;
	s->system_id = (uint64_t)system_id;
	s->timeline = (uint32_t)timeline;
	s->wal_segment_size = (uint32_t)segment;
	copy_text(r, 5, s->data_directory, sizeof(s->data_directory));
	copy_text(r, 6, s->archive_mode, sizeof(s->archive_mode));
	copy_text(r, 7, s->archive_command, sizeof(s->archive_command));
	copy_text(r, 8, s->archive_library, sizeof(s->archive_library));
	if (s->version < 14 || s->version > 18) {
		rc = err_set(e, ERR_NOT_YET, "PostgreSQL %d is not supported",
		    s->version);
		err_hint(e, "supported are 14, 15, 16, 17 and 18");
	}
out:
	pgquery_result_free(r);
	return rc;
}

int
pgserver_check_archiving(const struct pgserver *s, struct err *e)
{
	if (strcmp(s->archive_mode, "off") == 0) {
		err_set(e, ERR_CONFIG, "archive_mode is off in PostgreSQL");
		return err_hint(e, "set archive_mode = on in postgresql.conf "
		    "and restart PostgreSQL: a backup without its WAL is "
		    "worthless");
	}
	if (s->archive_command[0] == '\0' && s->archive_library[0] == '\0') {
		err_set(e, ERR_CONFIG, "archive_command is not set in "
		    "PostgreSQL");
		return err_hint(e, "set archive_command = 'homelab-archiver "
		    "--stanza=NAME archive-push %%p' in postgresql.conf and "
		    "reload PostgreSQL");
	}
	return 0;
}

int
pgserver_check_directory(const struct pgserver *s, const char *pgdata,
    uint64_t system_id, struct err *e)
{
	char	a[PATH_MAX], b[PATH_MAX];

	if (s->system_id != system_id) {
		err_set(e, ERR_MISMATCH, "%s is not the data directory of the "
		    "PostgreSQL that answers (system identifier %llu, not "
		    "%llu)", pgdata, (unsigned long long)system_id,
		    (unsigned long long)s->system_id);
		return err_hint(e, "check pg1-path, pg1-port and "
		    "pg1-socket-path");
	}
	/* Empty without pg_read_all_settings; the identifier has to do. */
	if (s->data_directory[0] == '\0' || realpath(pgdata, a) == NULL ||
	    realpath(s->data_directory, b) == NULL || strcmp(a, b) == 0)
		return 0;
	err_set(e, ERR_MISMATCH, "PostgreSQL's data directory is %s, not %s",
	    s->data_directory, pgdata);
	return err_hint(e, "correct pg1-path");
}

int
pgserver_switch_wal(struct pgserver *s, char segment[32], struct err *e)
{
	struct pgquery_result *r;
	const char	*name;
	int		rc;

	rc = pgquery_run(s->q, "SELECT pg_create_restore_point("
	    "'homelab-archiver check')", NULL, 0, NULL, e);
	if (rc != 0)
		return err_wrap(e, "cannot write a restore point");
	rc = pgquery_run_one(s->q, "SELECT pg_walfile_name(pg_switch_wal())",
	    NULL, 0, &r, e);
	if (rc != 0)
		return err_wrap(e, "cannot switch to a new WAL segment");
	name = pgquery_text(r, 0, 0);
	if (name == NULL || strlen(name) != 24) {
		rc = err_set(e, ERR_DB_QUERY,
		    "PostgreSQL named no WAL segment");
	} else {
		memcpy(segment, name, 25);
	}
	pgquery_result_free(r);
	return rc;
}

int
pgserver_archive_failures(struct pgserver *s, int64_t *count, struct err *e)
{
	struct pgquery_result *r;
	int		rc;

	rc = pgquery_run_one(s->q, "SELECT failed_count FROM pg_stat_archiver",
	    NULL, 0, &r, e);
	if (rc != 0)
		return rc;
	rc = pgquery_int64(r, 0, 0, count);
	pgquery_result_free(r);
	return rc == 0 ? 0 : err_set(e, rc, "pg_stat_archiver has no count");
}

int
pgserver_start(struct pgserver *s, const char *label, bool fast,
    uint64_t *lsn, int64_t *time, struct err *e)
{
	const char	*params[2] = { label, fast ? "t" : "f" };
	struct pgquery_result *r;
	int		rc;

	/* The LSN and the moment, which must not be before the checkpoint. */
	rc = pgquery_run_one(s->q, s->version < 15 ?
	    "SELECT lsn, " SQL_NOW " FROM pg_start_backup($1, $2::bool, "
	    "false) AS lsn" :
	    "SELECT lsn, " SQL_NOW " FROM pg_backup_start($1, $2::bool) "
	    "AS lsn", params, 2, &r, e);
	if (rc != 0)
		return err_wrap(e, "cannot start the backup");
	if (pgquery_text(r, 0, 0) == NULL ||
	    !lsn_parse(pgquery_text(r, 0, 0), lsn) ||
	    pgquery_int64(r, 0, 1, time) != 0) {
		rc = err_set(e, ERR_DB_QUERY,
		    "PostgreSQL did not say where the backup starts");
	}
	pgquery_result_free(r);
	return rc;
}

/* A copy of a field that is bytes to us. */
static int
copy_field(const struct pgquery_result *r, int column, char **out, size_t *n)
{
	const char	*s = pgquery_text(r, 0, column);

	*n = s == NULL ? 0 : pgquery_length(r, 0, column);
	*out = malloc(*n + 1);
	if (*out == NULL)
		return ERR_NOMEM;
	if (*n > 0)
		memcpy(*out, s, *n);
	(*out)[*n] = '\0';
	return 0;
}

int
pgserver_stop(struct pgserver *s, struct pgserver_stop *stop, struct err *e)
{
	struct pgquery_result *r;
	int		rc;

	memset(stop, 0, sizeof(*stop));
	rc = pgquery_run_one(s->q, s->version < 15 ?
	    "SELECT lsn, labelfile, spcmapfile, " SQL_NOW
	    " FROM pg_stop_backup(false, false)" :
	    "SELECT lsn, labelfile, spcmapfile, " SQL_NOW
	    " FROM pg_backup_stop(false)", NULL, 0, &r, e);
	if (rc != 0)
		return err_wrap(e, "cannot stop the backup");
	if (pgquery_text(r, 0, 0) == NULL ||
	    !lsn_parse(pgquery_text(r, 0, 0), &stop->lsn) ||
	    pgquery_int64(r, 0, 3, &stop->time) != 0) {
		rc = err_set(e, ERR_DB_QUERY,
		    "PostgreSQL did not say where the backup stops");
		goto out;
	}
	rc = copy_field(r, 1, &stop->label, &stop->label_len);
	if (rc == 0)
		rc = copy_field(r, 2, &stop->map, &stop->map_len);
	if (rc != 0) {
		free(stop->label);
		memset(stop, 0, sizeof(*stop));
		err_set(e, rc, "out of memory");
	}
out:
	pgquery_result_free(r);
	return rc;
}

int
pgserver_name_tablespaces(struct pgserver *s, struct manifest *m,
    struct err *e)
{
	struct pgquery_result *r;
	const char	*name;
	int64_t		oid;
	size_t		j;
	int		rc, i;

	rc = pgquery_run(s->q, "SELECT oid, spcname FROM pg_tablespace", NULL,
	    0, &r, e);
	if (rc != 0)
		return err_wrap(e, "cannot list the tablespaces");
	for (i = 0; rc == 0 && i < pgquery_rows(r); i++) {
		name = pgquery_text(r, i, 1);
		if (pgquery_int64(r, i, 0, &oid) != 0 || name == NULL)
			continue;
		for (j = 0; rc == 0 && j < m->space_count; j++) {
			if (m->spaces[j].oid == oid)
				rc = manifest_set(&m->spaces[j].name, name);
		}
	}
	pgquery_result_free(r);
	return rc == 0 ? 0 : err_set(e, rc, "out of memory");
}
