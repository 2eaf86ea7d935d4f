/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "homelabctl/ctloptions.h"
#include "homelabctl/status.h"

#define S	TEXT_USEC_PER_SEC

static struct ctloptions o;

/* A platform in which all is well, an hour after its backup. */
static void
well(struct status *s, struct archiver_backup *b)
{
	struct err e = { 0 };

	ck_assert_int_eq(opt_init(&homelabctl_option_table, &o, &e), 0);
	*b = (struct archiver_backup){ .label = "20261120-020000F",
	    .start = 90000 * S, .stop = 100000 * S, .size = 1 << 20,
	    .repo = 1 };
	*s = (struct status){ .now = 103600 * S, .version = 160004,
	    .started = 50000 * S, .connections = 4, .connections_max = 100,
	    .timeline = 1, .archiving = true,
	    .last_wal = "000000010000000000000009",
	    .last_time = 103590 * S, .has_pooler = true,
	    .backups = { .backups = b, .n = 1 } };
}

static const char *
text(struct status *s)
{
	static char copy[4096];
	struct buf out = { 0 };

	status_judge(s, &o);
	status_text(s, &o, false, &out);
	snprintf(copy, sizeof(copy), "%s", buf_cstr(&out));
	buf_release(&out);
	ctloptions_release(&o);
	return copy;
}

START_TEST(all_is_well)
{
	struct archiver_backup b;
	struct status s;

	well(&s, &b);
	ck_assert_str_eq(text(&s),
	    "Overall     OK    stanza main  1970-01-02T04:46:40Z\n"
	    "PostgreSQL  OK    16.4  primary  up 14h 53m  4/100 connections"
	    "  timeline 1\n"
	    "                  DATABASE  SIZE  CONNS  XID AGE  CACHE HIT\n"
	    "Pooler      OK    port 6432  clients 0  waiting 0  servers 0 "
	    "busy, 0 idle  longest wait none\n"
	    "Backups     OK    last 20261120-020000F  1h 00m ago  1.0 MiB"
	    "  repo1\n"
	    "WAL         OK    last 000000010000000000000009  10s ago  "
	    "queue 0\n"
	    "                  recoverable from 1970-01-02T03:46:40Z to "
	    "10s ago\n");
	ck_assert_int_eq(s.overall, LEVEL_OK);
}
END_TEST

/* What is changed, and what must follow from it. */
static void
no_server(struct status *s)
{
	strcpy(s->server_error, "cannot connect");
}

static void
no_archiving(struct status *s)
{
	s->archiving = false;
}

static void
archiving_fails(struct status *s)
{
	s->failed_time = s->now;
	strcpy(s->failed_wal, "00000001000000000000000A");
}

static void
failed_long_ago(struct status *s)
{
	s->failed_time = s->last_time - 1;
}

static void
queue(struct status *s)
{
	s->queue = 17;
}

static void
old_backup(struct status *s)
{
	s->now += 90000 * S;
}

static void
no_backup(struct status *s)
{
	s->backups.n = 0;
}

static void
store_down(struct status *s)
{
	strcpy(s->backup_error, "no answer");
}

static void
pooler_down(struct status *s)
{
	strcpy(s->pooler_error, "connection refused");
}

static void
holding(struct status *s)
{
	s->holding = true;
}

START_TEST(judgements)
{
	static const struct {
		void	(*change)(struct status *);
		enum level overall;
		const char *says, *next;
	} samples[] = {
		{ no_server, LEVEL_CRIT, "PostgreSQL  CRIT  cannot connect",
		    "look into PostgreSQL's log" },
		{ no_archiving, LEVEL_CRIT, "archive_mode is off",
		    "homelabctl db check" },
		{ archiving_fails, LEVEL_CRIT,
		    "archiving of 00000001000000000000000A fails",
		    "homelabctl db check" },
		{ failed_long_ago, LEVEL_OK, "WAL         OK", "" },
		{ queue, LEVEL_WARN, "17 segments wait",
		    "homelabctl db check" },
		{ old_backup, LEVEL_WARN, "repo1  older than 1d 1h",
		    "homelabctl db backup full" },
		{ no_backup, LEVEL_CRIT, "there is no backup",
		    "homelabctl db backup full" },
		{ store_down, LEVEL_CRIT, "Backups     CRIT",
		    "homelabctl db check" },
		{ pooler_down, LEVEL_CRIT, "Pooler      CRIT",
		    "look into the pooler's log" },
		{ holding, LEVEL_WARN, "HOLDING", "psql -h /tmp -p 6432 -U "
		    "pgbouncer pgbouncer -c RELEASE" },
	};
	struct archiver_backup b;
	struct status s;
	const char *t;
	size_t	i;

	for (i = 0; i < ARRAY_LEN(samples); i++) {
		well(&s, &b);
		samples[i].change(&s);
		t = text(&s);
		ck_assert_int_eq(s.overall, samples[i].overall);
		ck_assert_msg(strstr(t, samples[i].says) != NULL,
		    "%s: %s", samples[i].says, t);
		ck_assert_str_eq(s.next, samples[i].next);
	}
}
END_TEST

static const char *
nagios(struct status *s)
{
	static char copy[2048];
	struct buf out = { 0 };

	status_judge(s, &o);
	status_nagios(s, &o, &out);
	snprintf(copy, sizeof(copy), "%s", buf_cstr(&out));
	buf_release(&out);
	ctloptions_release(&o);
	return copy;
}

START_TEST(for_nagios)
{
	struct archiver_backup b;
	struct status s;

	well(&s, &b);
	s.clients_active = 5;
	s.max_wait = 1500;
	ck_assert_str_eq(nagios(&s), "HOMELAB OK - PostgreSQL 16.4 primary, "
	    "last backup 20261120-020000F 1h 00m ago | connections=4;;;0;100 "
	    "wal_queue=0;16;;0 wal_age=10s;;;0 clients=5;;;0 waiting=0;;;0 "
	    "max_wait=0.002s;;;0 backup_age=3600s;90000;;0 "
	    "backup_size=1048576B;;;0\n");
	well(&s, &b);
	s.queue = 17;
	s.has_pooler = false;
	s.last_time = 0;
	ck_assert_str_eq(nagios(&s), "HOMELAB WARNING - PostgreSQL 16.4 "
	    "primary, WAL: 17 segments wait to be archived, last backup "
	    "20261120-020000F 1h 00m ago | connections=4;;;0;100 "
	    "wal_queue=17;16;;0 backup_age=3600s;90000;;0 "
	    "backup_size=1048576B;;;0\n");
	/* Whatever an error says, it is one line and one '|'. */
	well(&s, &b);
	s.backups.n = 0;
	snprintf(s.server_error, sizeof(s.server_error), "down");
	snprintf(s.pooler_error, sizeof(s.pooler_error), "a|b\nc");
	ck_assert_str_eq(nagios(&s), "HOMELAB CRITICAL - PostgreSQL does not "
	    "answer, pooler: a/b c, backups: there is no backup, WAL: not "
	    "known while PostgreSQL does not answer |\n");
}
END_TEST

START_TEST(json)
{
	struct archiver_backup b;
	struct status s;
	struct buf out = { 0 };
	struct err e = { 0 };

	well(&s, &b);
	status_judge(&s, &o);
	ck_assert_int_eq(status_json(&s, &o, &out, &e), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\"schema\": 1,\n"
	    "  \"overall\": \"OK\",\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out),
	    "\"recoverable_from\": \"1970-01-02T03:46:40Z\""));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "\"next\": null"));
	buf_release(&out);
	ctloptions_release(&o);
}
END_TEST

UNIT_MAIN("status", all_is_well, judgements, for_nagios, json)
