/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/status.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"
#include "homelabctl/ctloptions.h"

/* So many segments waiting for the archiver are more than a burst. */
#define QUEUE_WARN	16

static void
judge_wal(struct status *s)
{
	if (s->server_error[0] != '\0') {
		s->wal = LEVEL_WARN;
		snprintf(s->wal_why, sizeof(s->wal_why), "not known while "
		    "PostgreSQL does not answer");
	} else if (!s->archiving) {
		s->wal = LEVEL_CRIT;
		snprintf(s->wal_why, sizeof(s->wal_why), "archive_mode is "
		    "off: there is no restore but to the end of a backup");
	} else if (s->failed_time > s->last_time) {
		s->wal = LEVEL_CRIT;
		snprintf(s->wal_why, sizeof(s->wal_why), "archiving of %s "
		    "fails: PostgreSQL's log says why", s->failed_wal);
	} else if (s->queue > QUEUE_WARN) {
		s->wal = LEVEL_WARN;
		snprintf(s->wal_why, sizeof(s->wal_why), "%lld segments wait "
		    "to be archived", (long long)s->queue);
	}
}

static void
judge_backups(struct status *s, const struct ctloptions *o)
{
	const struct archiver_backup *b;
	char	age[TEXT_NUMBER_MAX];

	for (b = s->backups.backups; b < s->backups.backups + s->backups.n;
	    b++) {
		if (s->newest == NULL || b->stop > s->newest->stop)
			s->newest = b;
		if (s->since == 0 || b->stop < s->since)
			s->since = b->stop;
	}
	if (s->backup_error[0] != '\0' || s->backups.problem[0] != '\0') {
		s->backup = LEVEL_CRIT;
		snprintf(s->backup_why, sizeof(s->backup_why), "%.190s",
		    s->backup_error[0] != '\0' ? s->backup_error :
		    s->backups.problem);
	} else if (s->newest == NULL) {
		s->backup = LEVEL_CRIT;
		snprintf(s->backup_why, sizeof(s->backup_why),
		    "there is no backup");
	} else if (o->backup_max_age != 0 &&
	    s->now - s->newest->stop > o->backup_max_age) {
		s->backup = LEVEL_WARN;
		snprintf(s->backup_why, sizeof(s->backup_why),
		    "older than %s", text_print_time_short(o->backup_max_age,
		    age));
	} else if (s->newest->damaged) {
		s->backup = LEVEL_WARN;
		snprintf(s->backup_why, sizeof(s->backup_why), "it has pages "
		    "with wrong checksums");
	}
}

void
status_judge(struct status *s, const struct ctloptions *o)
{
	s->server = s->server_error[0] != '\0' ? LEVEL_CRIT : LEVEL_OK;
	judge_wal(s);
	judge_backups(s, o);
	if (s->has_pooler && s->pooler_error[0] != '\0')
		s->pooler = LEVEL_CRIT;
	else if (s->has_pooler && (s->paused || s->holding))
		s->pooler = LEVEL_WARN;
	s->overall = MAX(MAX(s->server, s->wal), MAX(s->pooler, s->backup));
	if (s->server != LEVEL_OK)
		snprintf(s->next, sizeof(s->next), "look into PostgreSQL's "
		    "log");
	else if (s->wal != LEVEL_OK)
		snprintf(s->next, sizeof(s->next), "homelabctl db check");
	else if (s->pooler == LEVEL_WARN)
		snprintf(s->next, sizeof(s->next), "psql -h %s -p %d -U "
		    "pgbouncer pgbouncer -c %s", o->pooler_socket_dir,
		    o->pooler_port, s->holding ? "RELEASE" : "RESUME");
	else if (s->pooler != LEVEL_OK)
		snprintf(s->next, sizeof(s->next), "look into the pooler's "
		    "log");
	else if (s->backup != LEVEL_OK && s->backup_error[0] == '\0' &&
	    s->backups.problem[0] == '\0')
		snprintf(s->next, sizeof(s->next), "homelabctl db backup "
		    "full");
	else if (s->backup != LEVEL_OK)
		snprintf(s->next, sizeof(s->next), "homelabctl db check");
}

/* ---- text ---- */

static void
head(struct buf *out, const char *name, enum level l, bool colour)
{
	buf_printf(out, "%-12s", name);
	render_level(out, l, colour);
	buf_append_str(out, "  ");
}

static void
text_databases(const struct status *s, struct buf *out)
{
	struct render_table t = { .columns = 5, .right = 0x1e };
	const struct status_database *d;
	char	size[TEXT_NUMBER_MAX];
	size_t	i;

	render_cell(&t, "%s", "DATABASE");
	render_cell(&t, "%s", "SIZE");
	render_cell(&t, "%s", "CONNS");
	render_cell(&t, "%s", "XID AGE");
	render_cell(&t, "%s", "CACHE HIT");
	for (i = 0; i < s->database_count; i++) {
		d = &s->databases[i];
		render_cell(&t, "%s", d->name);
		render_cell(&t, "%s", text_print_size_short(d->size, size));
		render_cell(&t, "%lld", (long long)d->connections);
		render_cell(&t, "%lld", (long long)d->xid_age);
		if (d->cache_hit < 0)
			render_cell(&t, "%s", "-");
		else
			render_cell(&t, "%.1f %%", d->cache_hit);
	}
	render_table(&t, "                  ", out);
	render_table_release(&t);
}

static void
text_server(const struct status *s, bool colour, struct buf *out)
{
	char	age[TEXT_NUMBER_MAX];

	head(out, "PostgreSQL", s->server, colour);
	if (s->server_error[0] != '\0') {
		buf_printf(out, "%s\n", s->server_error);
		return;
	}
	buf_printf(out, "%d.%d  %s  up %s  %lld/%lld connections  timeline "
	    "%lld\n", s->version / 10000, s->version % 10000, s->standby ?
	    "standby" : "primary", text_print_time_short(MAX(s->now -
	    s->started, 0), age), (long long)s->connections,
	    (long long)s->connections_max, (long long)s->timeline);
	text_databases(s, out);
}

static void
text_pooler(const struct status *s, const struct ctloptions *o, bool colour,
    struct buf *out)
{
	char	wait[TEXT_NUMBER_MAX];

	if (!s->has_pooler)
		return;
	head(out, "Pooler", s->pooler, colour);
	if (s->pooler_error[0] != '\0') {
		buf_printf(out, "%s\n", s->pooler_error);
		return;
	}
	buf_printf(out, "port %d  clients %lld  waiting %lld  servers %lld "
	    "busy, %lld idle  longest wait %s%s\n", o->pooler_port,
	    (long long)(s->clients_active + s->clients_waiting),
	    (long long)s->clients_waiting, (long long)s->servers_busy,
	    (long long)s->servers_idle,
	    s->max_wait == 0 ? "none" :
	    text_print_time_short(s->max_wait, wait), s->holding ?
	    "  HOLDING" : s->paused ? "  PAUSED" : "");
}

static void
text_backups(const struct status *s, bool colour, struct buf *out)
{
	char	age[RENDER_AGE_MAX], size[TEXT_NUMBER_MAX];
	char	from[TEXT_STAMP_MAX];

	head(out, "Backups", s->backup, colour);
	if (s->newest != NULL)
		buf_printf(out, "last %s  %s  %s  repo%d%s", s->newest->label,
		    render_age(s->newest->stop, s->now, age),
		    text_print_size_short(s->newest->size, size),
		    s->newest->repo, s->backup_why[0] != '\0' ? "  " : "");
	buf_printf(out, "%s\n", s->backup_why);
	head(out, "WAL", s->wal, colour);
	if (s->wal_why[0] != '\0') {
		buf_printf(out, "%s\n", s->wal_why);
		return;
	}
	if (s->last_time == 0)
		buf_printf(out, "nothing archived yet  queue %lld",
		    (long long)s->queue);
	else
		buf_printf(out, "last %s  %s  queue %lld", s->last_wal,
		    render_age(s->last_time, s->now, age),
		    (long long)s->queue);
	if (s->since != 0 && s->last_time > s->since)
		buf_printf(out, "\n                  recoverable from %s to "
		    "%s", text_print_rfc3339(s->since, from),
		    render_age(s->last_time, s->now, age));
	buf_append_u8(out, '\n');
}

void
status_text(const struct status *s, const struct ctloptions *o, bool colour,
    struct buf *out)
{
	char	now[TEXT_STAMP_MAX];

	head(out, "Overall", s->overall, colour);
	buf_printf(out, "stanza %s  %s\n", o->stanza, text_print_rfc3339(
	    s->now / TEXT_USEC_PER_SEC * TEXT_USEC_PER_SEC, now));
	text_server(s, colour, out);
	text_pooler(s, o, colour, out);
	text_backups(s, colour, out);
	if (s->next[0] != '\0')
		buf_printf(out, "%-12s%s\n", "Next", s->next);
}

/* ---- Nagios ---- */

/* A '|' would begin the performance data, a line end the next line. */
static void
put_plain(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		buf_append_u8(out, *text == '|' ? '/' : *text == '\n' ? ' ' :
		    (uint8_t)*text);
}

static void
nagios_part(struct buf *out, const char *name, enum level l, const char *why)
{
	if (l == LEVEL_OK)
		return;
	buf_printf(out, ", %s: ", name);
	put_plain(out, why);
}

/* What is wrong; when nothing is, what a person wants to read first. */
static void
nagios_words(const struct status *s, struct buf *out)
{
	char	age[RENDER_AGE_MAX];

	if (s->server_error[0] == '\0')
		buf_printf(out, "PostgreSQL %d.%d %s", s->version / 10000,
		    s->version % 10000, s->standby ? "standby" : "primary");
	else
		buf_append_str(out, "PostgreSQL does not answer");
	nagios_part(out, "pooler", s->pooler, s->pooler_error[0] != '\0' ?
	    s->pooler_error : s->holding ? "holding its clients" : "paused");
	nagios_part(out, "backups", s->backup, s->backup_why);
	nagios_part(out, "WAL", s->wal, s->wal_why);
	if (s->newest != NULL && s->backup == LEVEL_OK)
		buf_printf(out, ", last backup %s %s", s->newest->label,
		    render_age(s->newest->stop, s->now, age));
}

void
status_nagios(const struct status *s, const struct ctloptions *o,
    struct buf *out)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL" };
	const int64_t second = TEXT_USEC_PER_SEC;

	buf_printf(out, "HOMELAB %s - ", words[s->overall]);
	nagios_words(s, out);
	buf_append_str(out, " |");
	if (s->server_error[0] == '\0')
		buf_printf(out, " connections=%lld;;;0;%lld wal_queue=%lld;%d;"
		    ";0", (long long)s->connections,
		    (long long)s->connections_max, (long long)s->queue,
		    QUEUE_WARN);
	if (s->server_error[0] == '\0' && s->last_time != 0)
		buf_printf(out, " wal_age=%llds;;;0",
		    (long long)(MAX(s->now - s->last_time, 0) / second));
	if (s->has_pooler && s->pooler_error[0] == '\0')
		buf_printf(out, " clients=%lld;;;0 waiting=%lld;;;0 "
		    "max_wait=%.3fs;;;0", (long long)(s->clients_active +
		    s->clients_waiting), (long long)s->clients_waiting,
		    (double)s->max_wait / (double)second);
	if (s->newest != NULL) {
		buf_printf(out, " backup_age=%llds;", (long long)(MAX(s->now -
		    s->newest->stop, 0) / second));
		if (o->backup_max_age != 0)
			buf_printf(out, "%lld",
			    (long long)(o->backup_max_age / second));
		buf_printf(out, ";;0 backup_size=%lldB;;;0",
		    (long long)s->newest->size);
	}
	buf_append_u8(out, '\n');
}

/* ---- JSON ---- */

static void
put_time(struct json_build *j, const char *key, int64_t us)
{
	char	text[TEXT_STAMP_MAX];

	json_put_string(j, key, us == 0 ? NULL :
	    text_print_rfc3339(us, text));
}

static void
open_part(struct json_build *j, const char *key, enum level l,
    const char *problem)
{
	json_open(j, key, false);
	json_put_string(j, "state", level_word(l));
	json_put_string(j, "problem", problem[0] != '\0' ? problem : NULL);
}

static void
json_server(struct json_build *j, const struct status *s)
{
	const struct status_database *d;

	open_part(j, "postgresql", s->server, s->server_error);
	if (s->server_error[0] == '\0') {
		json_put_int(j, "version_num", s->version);
		json_put_bool(j, "standby", s->standby);
		put_time(j, "started", s->started);
		json_put_int(j, "connections", s->connections);
		json_put_int(j, "max_connections", s->connections_max);
		json_put_int(j, "timeline", s->timeline);
		json_open(j, "databases", true);
		for (d = s->databases; d < s->databases + s->database_count;
		    d++) {
			json_open(j, NULL, false);
			json_put_string(j, "name", d->name);
			json_put_int(j, "size_bytes", d->size);
			json_put_int(j, "connections", d->connections);
			json_put_int(j, "xid_age", d->xid_age);
			json_close(j);
		}
		json_close(j);
	}
	json_close(j);
}

static void
json_pooler(struct json_build *j, const struct status *s)
{
	if (!s->has_pooler)
		return;
	open_part(j, "pooler", s->pooler, s->pooler_error);
	if (s->pooler_error[0] == '\0') {
		json_put_int(j, "clients", s->clients_active +
		    s->clients_waiting);
		json_put_int(j, "waiting", s->clients_waiting);
		json_put_int(j, "servers_busy", s->servers_busy);
		json_put_int(j, "servers_idle", s->servers_idle);
		json_put_int(j, "max_wait_us", s->max_wait);
		json_put_bool(j, "paused", s->paused);
		json_put_bool(j, "holding", s->holding);
	}
	json_close(j);
}

int
status_json(const struct status *s, const struct ctloptions *o, struct buf *out,
    struct err *e)
{
	struct json_build j = { .root = NULL };
	int	rc;

	json_open(&j, NULL, false);
	json_put_int(&j, "schema", 1);
	json_put_string(&j, "overall", level_word(s->overall));
	put_time(&j, "time", s->now);
	json_put_string(&j, "stanza", o->stanza);
	json_server(&j, s);
	json_pooler(&j, s);
	open_part(&j, "backups", s->backup, s->backup_why);
	json_put_int(&j, "count", (int64_t)s->backups.n);
	json_put_string(&j, "last", s->newest == NULL ? NULL :
	    s->newest->label);
	put_time(&j, "last_complete", s->newest == NULL ? 0 :
	    s->newest->stop);
	put_time(&j, "recoverable_from", s->since);
	json_close(&j);
	open_part(&j, "wal", s->wal, s->wal_why);
	json_put_string(&j, "last", s->last_wal[0] != '\0' ? s->last_wal :
	    NULL);
	put_time(&j, "last_archived", s->last_time);
	json_put_int(&j, "queue", s->queue);
	json_close(&j);
	json_put_string(&j, "next", s->next[0] != '\0' ? s->next : NULL);
	json_close(&j);
	rc = json_build_print(&j, out, e);
	json_build_release(&j);
	return rc;
}
