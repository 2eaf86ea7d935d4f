/* SPDX-License-Identifier: MIT */
/*
 * pooler_run - a pooler of a unit test's own, in a directory of its own.
 *
 * It listens on a Unix socket only; there is no PostgreSQL behind it.
 */
#ifndef TESTS_UNIT_POOLER_RUN_H
#define TESTS_UNIT_POOLER_RUN_H

#include "common/base.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"
#include "pooler/config.h"
#include "tests/unit/tempfile.h"

#define TEST_PORT	7777

struct test_dir {
	char	dir[64];
	char	ini[128];
	char	sock[96];
};

static inline void
test_dir_make(struct test_dir *t)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(t->dir, sizeof(t->dir), "%.40s/pooler.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(t->dir));
	snprintf(t->ini, sizeof(t->ini), "%s/x.ini", t->dir);
	snprintf(t->sock, sizeof(t->sock), "%.64s/.s.PGSQL.%d", t->dir,
	    TEST_PORT);
}

static inline void
test_dir_remove(struct test_dir *t)
{
	unlink(t->ini);
	unlink(t->sock);
	ck_assert_int_eq(rmdir(t->dir), 0);
}

/* A configuration of the directory with more lines in [pgbouncer]. */
static inline struct config *
test_config(struct test_dir *t, struct config_source *source,
    const char *lines)
{
	struct config *c = NULL;
	struct err     e = { 0 };
	FILE	      *f = fopen(t->ini, "w");

	ck_assert_ptr_nonnull(f);
	fprintf(f, "[databases]\nx = host=127.0.0.1 port=1\n[pgbouncer]\n"
	    "listen_port = %d\nunix_socket_dir = %s\nauth_type = any\n"
	    "worker_threads = 2\n%s\n", TEST_PORT, t->dir, lines);
	fclose(f);
	*source = (struct config_source){ .path = t->ini };
	ck_assert_msg(config_load(source, &c, &e) == 0, "%s", e.msg);
	return c;
}

#endif /* TESTS_UNIT_POOLER_RUN_H */
