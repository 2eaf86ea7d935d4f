/* SPDX-License-Identifier: MIT */
/* One stanza in two repositories, for people and as JSON. */
#include "common/base.h"
#include "archiver/info.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#define OLD	"20260101-000000F"
#define NEW	"20260103-000000F"

static struct info	i[2];
static struct info_backup b[2][2];
static struct buf	out;

static void
backup(struct info_backup *x, const char *label, const char *run,
    uint64_t stored)
{
	memset(x, 0, sizeof(*x));
	strcpy(x->label, label);
	strcpy(x->run, run);
	strcpy(x->wal_start, "000000010000000000000002");
	strcpy(x->wal_stop, "000000010000000000000003");
	x->type = LABEL_FULL;
	x->system_id = 77;
	x->version = 15;
	x->size = 5u << 20;
	x->stored = stored << 20;
}

/* repo1 has OLD and its own NEW, repo2 the same OLD and another NEW. */
static void
setup(void)
{
	int	k;

	memset(i, 0, sizeof(i));
	for (k = 0; k < 2; k++) {
		strcpy(i[k].stanza, "main");
		i[k].repo = k + 1;
		i[k].cluster_count = 1;
		i[k].clusters[0].claim.system_id = 77;
		i[k].clusters[0].claim.version = 15;
		strcpy(i[k].clusters[0].wal_min, "000000010000000000000002");
		strcpy(i[k].clusters[0].wal_max, "000000010000000000000009");
		backup(&b[k][0], OLD, "aa", 1);
		backup(&b[k][1], NEW, k == 0 ? "bb" : "cc", 2);
		i[k].backups = b[k];
		i[k].backup_count = 2;
	}
	buf_clear(&out);
}

static int
times(const char *text)
{
	const char	*p = buf_cstr(&out);
	int		n = 0;

	while ((p = strstr(p, text)) != NULL) {
		n++;
		p++;
	}
	return n;
}

START_TEST(a_stanza_is_one)
{
	struct info_locks locks = { .backup = { .held = 1 } };

	setup();
	info_print_text(i, 2, &locks, &out);
	ck_assert_int_eq(times("stanza: main\n    status: ok (backup/expire "
	    "running)\n    cipher: none\n"), 1);
	ck_assert_int_eq(times("stanza:"), 1);
	ck_assert_int_eq(times("db (current)"), 1);
	ck_assert_int_eq(times("wal archive min/max (15): "
	    "000000010000000000000002/000000010000000000000009\n"), 1);
	/* The same run: one backup with two lines. */
	ck_assert_int_eq(times("full backup: " OLD), 1);
	ck_assert_int_eq(times("repo1: backup set size: 1.0 MiB, backup size: "
	    "1.0 MiB\n            repo2: backup set size: 1.0 MiB"), 1);
	/* The same label only: two backups. */
	ck_assert_int_eq(times("full backup: " NEW), 2);
	buf_release(&out);
}
END_TEST

START_TEST(repositories_differ)
{
	struct info_locks locks = { .restore = { .held = 1 } };

	setup();
	i[1].backup_count = 0;
	strcpy(i[1].clusters[0].wal_max, "000000010000000000000007");
	info_print_text(i, 2, &locks, &out);
	ck_assert_int_eq(times("    status: mixed (restore running)\n"
	    "        repo1: ok\n        repo2: error (no valid backups)\n"), 1);
	ck_assert_int_eq(times("            repo2: 000000010000000000000002/"
	    "000000010000000000000007\n"), 1);
	ck_assert_int_eq(times("            repo1: 0000"), 0);
	i[0].backup_count = 0;
	ck_assert_int_eq(info_status_of_all(i, 2), INFO_NO_BACKUP);
	strcpy(i[1].error, "it is \"away\"");
	ck_assert_int_eq(info_status_of_all(i, 2), INFO_MIXED);
	i[1].cluster_count = 0;
	i[1].clusters[0].wal_max[0] = '\0';
	buf_clear(&out);
	info_print_text(i, 2, &locks, &out);
	ck_assert_int_eq(times("        repo2: error (it is \"away\")\n"), 1);
	buf_release(&out);
}
END_TEST

START_TEST(clusters_of_both)
{
	const struct info_locks locks = { .archive = { .held = 0 } };

	setup();
	/* repo2 knows the cluster before pg_upgrade, too. */
	i[1].cluster_count = 2;
	i[1].clusters[1] = i[1].clusters[0];
	i[1].clusters[0].claim.system_id = 66;
	i[1].clusters[0].claim.version = 14;
	b[1][0].system_id = 66;
	info_print_text(i, 2, &locks, &out);
	ck_assert_int_eq(times("db (current)\n        wal archive min/max "
	    "(15)"), 1);
	ck_assert_int_eq(times("db (prior)\n        wal archive min/max "
	    "(14)"), 1);
	buf_release(&out);
}
END_TEST

START_TEST(json)
{
	const struct info_locks locks = {
		.archive = { 1, "serve, process 7, since now" },
		.backup = { .held = -1 } };
	struct json	*j = NULL;
	const struct json *stanza, *lock, *list;
	struct err	e = { 0 };

	setup();
	i[1].backup_count = 1;
	strcpy(i[1].error, "a \"quoted\" error");
	info_print_json(i, 2, &locks, &out);
	ck_assert(!buf_failed(&out));
	ck_assert_int_eq(json_parse(buf_bytes(&out), buf_len(&out), &j, &e),
	    0);
	ck_assert_uint_eq(json_count(j), 1);
	stanza = json_at(j, 0);
	list = json_get(stanza, "backup");
	ck_assert_uint_eq(json_count(list), 3);
	ck_assert_str_eq(json_text(json_get(json_at(list, 1), "label")), OLD);
	ck_assert_int_eq(json_int(json_get(json_get(json_at(list, 1),
	    "database"), "repo-key")), 2);
	ck_assert_uint_eq(json_count(json_get(stanza, "archive")), 2);
	ck_assert_uint_eq(json_count(json_get(stanza, "db")), 2);
	list = json_get(stanza, "repo");
	ck_assert_uint_eq(json_count(list), 2);
	ck_assert_str_eq(json_text(json_get(json_get(json_at(list, 1),
	    "status"), "message")), "a \"quoted\" error");
	ck_assert_int_eq(json_int(json_get(json_get(stanza, "status"),
	    "code")), INFO_MIXED);
	lock = json_get(json_get(stanza, "status"), "lock");
	ck_assert(json_yes(json_get(json_get(lock, "archive"), "held")));
	ck_assert_str_eq(json_text(json_get(json_get(lock, "archive"),
	    "holder")), "serve, process 7, since now");
	ck_assert(!json_yes(json_get(json_get(lock, "backup"), "held")));
	ck_assert(!json_yes(json_get(json_get(lock, "restore"), "held")));
	json_free(j);
	buf_release(&out);
}
END_TEST

UNIT_MAIN("info_print", a_stanza_is_one, repositories_differ,
    clusters_of_both, json)
