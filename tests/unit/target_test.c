/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/target.h"
#include "archiver/manifest.h"
#include "archiver/pgfiles.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char	root[64];

static const char *
at(const char *name)
{
	static char	path[4][256];
	static int	k;

	k = (k + 1) % 4;
	snprintf(path[k], sizeof(path[k]), "%s/%s", root, name);
	return path[k];
}

static void
touch(const char *name)
{
	FILE	*f = fopen(at(name), "w");

	ck_assert_ptr_nonnull(f);
	fclose(f);
}

static void
setup(struct manifest *m)
{
	static const char *const dirs[] = { "base", "base/5", "global",
	    "pg_tblspc", "pg_tblspc/16400", "pg_tblspc/16400/PG_15_1",
	    "pg_tblspc/16401" };
	size_t	i;

	strcpy(root, "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	manifest_init(m);
	for (i = 0; i < ARRAY_LEN(dirs); i++) {
		ck_assert_ptr_nonnull(manifest_add_directory(m, dirs[i]));
		m->dirs[i].mode = 0700;
	}
	ck_assert_ptr_nonnull(manifest_add_file(m, "PG_VERSION"));
	ck_assert_ptr_nonnull(manifest_add_file(m, "base/5/1"));
	ck_assert_ptr_nonnull(manifest_add_tablespace(m, 16400, at("space"),
	    "fast"));
	ck_assert_ptr_nonnull(manifest_add_tablespace(m, 16401, NULL, "in"));
}

static void
teardown(struct manifest *m)
{
	char	command[128];

	manifest_release(m);
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

static bool
exists(const char *name)
{
	struct stat	st;

	return lstat(at(name), &st) == 0;
}

START_TEST(refusals)
{
	struct manifest	m;
	struct target	t = { 0 };
	struct err	e = { 0 };
	char		pgdata[128], text[32];
	FILE		*f;

	setup(&m);
	snprintf(pgdata, sizeof(pgdata), "%s/pg", root);
	t.pgdata = "relative";
	ck_assert_int_eq(target_check(&t, &m, &e), ERR_USAGE);
	t.pgdata = pgdata;
	ck_assert_int_eq(target_check(&t, &m, &e), 0);	/* not there */
	ck_assert_int_eq(mkdir(pgdata, 0700), 0);
	ck_assert_int_eq(target_check(&t, &m, &e), 0);	/* empty */
	touch("pg/photo.jpg");
	ck_assert_int_eq(target_check(&t, &m, &e), ERR_EXISTS);
	ck_assert_ptr_nonnull(strstr(e.msg, "/pg is not empty"));
	/* Somebody's photos are not removed, whatever was asked for. */
	t.force = true;
	ck_assert_int_eq(target_check(&t, &m, &e), ERR_EXISTS);
	ck_assert_ptr_nonnull(strstr(e.msg,
	    "does not look like a data directory"));
	touch("pg/PG_VERSION");
	ck_assert_int_eq(target_check(&t, &m, &e), 0);
	/* What a restore left is nobody's photos. */
	ck_assert_int_eq(unlink(at("pg/PG_VERSION")), 0);
	touch("pg/" TARGET_MARKER PGFILES_TMP);
	ck_assert_int_eq(target_check(&t, &m, &e), 0);
	ck_assert_int_eq(unlink(at("pg/" TARGET_MARKER PGFILES_TMP)), 0);
	touch("pg/" TARGET_MARKER);
	ck_assert_int_eq(target_check(&t, &m, &e), 0);
	ck_assert_int_eq(unlink(at("pg/" TARGET_MARKER)), 0);
	touch("pg/PG_VERSION");
	/* A running server, even with force. */
	snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	f = fopen(at("pg/postmaster.pid"), "w");
	fputs(text, f);
	fclose(f);
	ck_assert_int_eq(target_check(&t, &m, &e), ERR_RUNNING);
	ck_assert_int_eq(unlink(at("pg/postmaster.pid")), 0);
	t.force = false;
	t.delta = true;
	ck_assert_int_eq(target_check(&t, &m, &e), 0);
	/* A tablespace's place. */
	t.delta = false;
	ck_assert_int_eq(unlink(at("pg/PG_VERSION")), 0);
	ck_assert_int_eq(unlink(at("pg/photo.jpg")), 0);
	ck_assert_int_eq(mkdir(at("space"), 0700), 0);
	touch("space/x");
	ck_assert_int_eq(target_check(&t, &m, &e), ERR_EXISTS);
	ck_assert_ptr_nonnull(strstr(e.msg,
	    "/space, where a tablespace belongs, is not empty"));
	teardown(&m);
}
END_TEST

START_TEST(tree_and_clean)
{
	struct manifest	m;
	struct target	t = { .delta = true };
	struct err	e = { 0 };
	struct stat	st;
	char		pgdata[128];

	setup(&m);
	snprintf(pgdata, sizeof(pgdata), "%s/deep/pg", root);
	t.pgdata = pgdata;
	strcpy(m.label, "20251123-020000F");
	ck_assert_int_eq(target_prepare(&t, &m, &e), 0);
	ck_assert(exists("deep/pg/base/5"));
	ck_assert(exists("deep/pg/" TARGET_MARKER));
	ck_assert_int_eq(lstat(at("deep/pg/pg_tblspc/16400"), &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_assert(exists("space/PG_15_1"));
	ck_assert_int_eq(lstat(at("deep/pg/pg_tblspc/16401"), &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
	touch("deep/pg/base/5/1");
	touch("deep/pg/base/5/2");
	touch("deep/pg/global/pg_control");
	touch("deep/pg/recovery.signal");
	touch("space/PG_15_1/old");
	touch("beside");
	ck_assert_int_eq(mkdir(at("deep/pg/pg_old"), 0700), 0);
	touch("deep/pg/pg_old/x");
	ck_assert_int_eq(symlink(at("beside"), at("deep/pg/link")), 0);
	ck_assert_int_eq(target_prepare(&t, &m, &e), 0);
	ck_assert(exists("deep/pg/base/5/1"));
	ck_assert(!exists("deep/pg/base/5/2"));
	ck_assert(!exists("deep/pg/global/pg_control"));
	ck_assert(!exists("deep/pg/recovery.signal"));
	ck_assert(!exists("deep/pg/pg_old"));
	ck_assert(!exists("deep/pg/link"));
	ck_assert(exists("beside"));
	ck_assert(!exists("space/PG_15_1/old"));
	ck_assert_int_eq(target_finish(&t, &m, &e), 0);
	ck_assert(!exists("deep/pg/" TARGET_MARKER));
	teardown(&m);
}
END_TEST

START_TEST(recovery_files_stay)
{
	struct manifest	m;
	struct target	t = { .delta = true, .keep_recovery = true };
	struct err	e = { 0 };
	char		pgdata[128];
	size_t		files;

	setup(&m);
	snprintf(pgdata, sizeof(pgdata), "%s/pg", root);
	t.pgdata = pgdata;
	strcpy(m.label, "20251123-020000F");
	ck_assert_ptr_nonnull(manifest_add_file(&m, "postgresql.auto.conf"));
	manifest_find(&m, "postgresql.auto.conf")->size = 88;
	m.size = 100;
	files = m.file_count;
	/* Those of the backup, where the directory has none. */
	target_keep_recovery(&t, &m);
	ck_assert_uint_eq(m.file_count, files);
	ck_assert_int_eq(target_prepare(&t, &m, &e), 0);
	touch("pg/postgresql.auto.conf");
	touch("pg/standby.signal");
	touch("pg/base/standby.signal");
	target_keep_recovery(&t, &m);
	ck_assert_uint_eq(m.file_count, files - 1);
	ck_assert_uint_eq(m.size, 12);
	ck_assert_ptr_null(manifest_find(&m, "postgresql.auto.conf"));
	ck_assert_int_eq(target_prepare(&t, &m, &e), 0);
	ck_assert(exists("pg/postgresql.auto.conf"));
	ck_assert(exists("pg/standby.signal"));
	ck_assert(!exists("pg/base/standby.signal"));
	teardown(&m);
}
END_TEST

START_TEST(maps)
{
	struct manifest	m;
	struct target_map map[2] = { { "fast", "/new/place" },
	    { "16402", "/new/place" } };
	struct target	t = { .maps = map, .map_count = 1 };
	struct err	e = { 0 };

	setup(&m);
	ck_assert_int_eq(target_map_tablespaces(&t, &m, &e), 0);
	ck_assert_str_eq(m.spaces[0].target, "/new/place");
	ck_assert_ptr_null(m.spaces[1].target);
	t.map_all = "/all";
	t.map_count = 0;
	ck_assert_int_eq(target_map_tablespaces(&t, &m, &e), 0);
	ck_assert_str_eq(m.spaces[0].target, "/all/fast");
	t.map_all = "all";
	ck_assert_int_eq(target_map_tablespaces(&t, &m, &e), ERR_USAGE);
	t.map_all = NULL;
	t.map_count = 2;
	ck_assert_int_eq(target_map_tablespaces(&t, &m, &e), ERR_USAGE);
	ck_assert_str_eq(e.msg, "the backup has no tablespace \"16402\" that "
	    "could be mapped");
	ck_assert_ptr_nonnull(manifest_add_tablespace(&m, 16402, "/x", NULL));
	ck_assert_int_eq(target_map_tablespaces(&t, &m, &e), ERR_USAGE);
	ck_assert_str_eq(e.msg, "two tablespaces would go into /new/place");
	map[0].path = "relative";
	ck_assert_int_eq(target_map_tablespaces(&t, &m, &e), ERR_USAGE);
	teardown(&m);
}
END_TEST

UNIT_MAIN("target", refusals, tree_and_clean, recovery_files_stay,
    maps)
