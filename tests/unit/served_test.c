/* SPDX-License-Identifier: MIT */
/* A stanza as the daemon serves it, on a directory; the store is real. */
#include "common/base.h"
#include "archiver/served.h"
#include "tests/unit/control_sample.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archiver/engine.h"
#include "common/err.h"

#define SEG	((uint32_t)1 << 20)

static char	base[64], config[96];
static char	said[1024];
static struct served *st;
static struct err e;

static void
warn(void *arg, const char *text)
{
	(void)arg;
	snprintf(said, sizeof(said), "%s", text);
}

static bool
never(void *arg)
{
	(void)arg;
	return false;
}

static char *
path_of(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", base, name);
	return path;
}

static void
run(const char *command)
{
	char cmd[600];

	snprintf(cmd, sizeof(cmd), "cd %s && %s", base, command);
	ck_assert_int_eq(system(cmd), 0);
}

/* A data directory, and a repository that its cluster has claimed. */
static void
setup(void)
{
	unsigned char	control[PGCONTROL_SIZE];
	FILE	*f;

	snprintf(base, sizeof(base), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(config, sizeof(config), "%s/archiver.ini", base);
	f = fopen(config, "w");
	fprintf(f, "[global]\nrepo1-path = %s/repo\nlock-path = %s/lock\n"
	    "spool-path = %s/spool\narchive-timeout = 200s\n"
	    "archive-get-timeout = 6s\n[main]\n", base, base, base);
	fclose(f);
	run("mkdir -p repo/main/id data/global data/pg_wal lock && "
	    "touch repo/main/id/7710469758564292716-15");
	control_sample(control);
	f = fopen(path_of("data/global/pg_control"), "w");
	ck_assert_uint_eq(fwrite(control, sizeof(control), 1, f), 1);
	fclose(f);
	memset(&e, 0, sizeof(e));
	ck_assert_int_eq(served_prepare(&st, config, "main", &e), 0);
	ck_assert_int_eq(served_lock(st, &e), 0);
	served_start(st);
}

static void
teardown(void)
{
	served_release(st);
	run("rm -rf data repo lock spool archiver.ini && rmdir $PWD");
}

/* The segment of this number in pg_wal, opened to be pushed. */
static int
segment(unsigned number, char fill)
{
	unsigned char	h[40] = { 0x10, 0xD1, 2 };
	uint64_t	id = CONTROL_SYSTEM_ID, addr = (uint64_t)number * SEG;
	uint32_t	size = SEG;
	char		name[64];
	int		fd;

	memcpy(h + 8, &addr, 8);
	memcpy(h + 24, &id, 8);
	memcpy(h + 32, &size, 4);
	snprintf(name, sizeof(name), "data/pg_wal/%024X", number);
	name[19] = '1';			/* the timeline */
	fd = open(path_of(name), O_RDWR | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, SEG), 0);
	ck_assert_int_eq(pwrite(fd, h, 40, 0), 40);
	ck_assert_int_eq(pwrite(fd, &fill, 1, 9000), 1);
	return fd;
}

static int
push(unsigned number, char fill)
{
	char	name[64], path[160];
	struct verb_call call = { .warn = warn, .cancelled = never,
	    .fd = segment(number, fill), .path = path };
	int	rc;

	snprintf(name, sizeof(name), "data/pg_wal/%024X", number);
	name[19] = '1';
	snprintf(path, sizeof(path), "%s", path_of(name));
	memset(&e, 0, sizeof(e));
	rc = served_push(st, &call, &e);
	close(call.fd);
	return rc;
}

/* The byte that a segment was filled with, or a negative code. */
static int
get(unsigned number)
{
	char	name[32], path[160];
	const char *argv[] = { name };
	struct verb_call call = { .warn = warn, .cancelled = never,
	    .argc = 1, .argv = argv, .path = path };
	char	fill = 0;
	int	rc;

	snprintf(name, sizeof(name), "%024X", number);
	name[7] = '1';
	snprintf(path, sizeof(path), "%s",
	    path_of("data/pg_wal/RECOVERYXLOG"));
	call.fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	memset(&e, 0, sizeof(e));
	rc = served_get(st, &call, &e);
	if (rc == 0)
		ck_assert_int_eq(pread(call.fd, &fill, 1, 9000), 1);
	close(call.fd);
	return rc != 0 ? rc : fill;
}

START_TEST(there_and_back)
{
	struct served *other = NULL;
	unsigned i;

	ck_assert_str_eq(served_name(st), "main");
	for (i = 1; i <= 20; i++)
		ck_assert_int_eq(push(i, (char)(i + 'A')), 0);
	ck_assert_int_eq(push(1, 'B'), 0);
	ck_assert_int_eq(push(1, 'x'), ERR_DUPLICATE);
	for (i = 1; i <= 20; i++)
		ck_assert_int_eq(get(i), (int)i + 'A');
	ck_assert_int_eq(get(21), ERR_ABSENT);
	ck_assert_int_eq(served_prepare(&other, config, "main", &e), 0);
	ck_assert_int_eq(served_lock(other, &e), ERR_LOCKED);
	served_release(other);
}
END_TEST

START_TEST(refused)
{
	char	path[160];
	struct verb_call call = { .warn = warn, .cancelled = never,
	    .fd = -1, .path = path };
	struct served *other = NULL;

	snprintf(path, sizeof(path), "%s", path_of("data/pg_wal/x"));
	ck_assert_int_eq(served_get(st, &call, &e), ERR_USAGE);
	ck_assert_int_eq(push(1, 'a'), 0);
	run("mv repo away");
	ck_assert_int_eq(push(2, 'a'), ERR_STORE);
	ck_assert_int_eq(get(1), ERR_STORE);
	run("mv away repo && rm -r repo/main/id/* && rm repo/main/wal/*/*/*/*");
	ck_assert_int_eq(get(1), ERR_MISMATCH);
	run("echo 'nonsense = 1' >>archiver.ini");
	ck_assert_int_eq(served_prepare(&other, config, "main", &e), ERR_CONFIG);
}
END_TEST

int
main(void)
{
	Suite	*suite = suite_create("served");
	TCase	*tc = tcase_create("served");
	SRunner	*runner = srunner_create(suite);
	int	 failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 1200);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, refused);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
