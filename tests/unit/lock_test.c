/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/lock.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"

START_TEST(one_at_a_time)
{
	struct lock	a, b, c;
	struct err	e = { 0 };
	char		dir[64] = "/tmp/homelab-unit.XXXXXX", path[96];
	char		want[64];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(lock_take(&a, dir, "main", "backup", "expire", &e), 0);
	ck_assert_int_eq(lock_take(&b, dir, "main", "backup", "backup", &e),
	    ERR_LOCKED);
	snprintf(want, sizeof(want), "held by expire, process %ld, since ",
	    (long)getpid());
	ck_assert_ptr_nonnull(strstr(e.msg, want));
	/* Other stanzas and other locks are free. */
	ck_assert_int_eq(lock_take(&b, dir, "main", "restore", "x", &e), 0);
	ck_assert_int_eq(lock_take(&c, dir, "other", "backup", "x", &e), 0);
	lock_release(&c);
	lock_release(&c);
	lock_release(&b);
	lock_release(&a);
	ck_assert_int_eq(lock_take(&b, dir, "main", "backup", "backup", &e),
	    0);
	lock_release(&b);
	ck_assert_int_eq(chmod(dir, 0777), 0);
	ck_assert_int_eq(lock_take(&b, dir, "main", "backup", "backup", &e),
	    ERR_ACCESS);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	ck_assert_int_eq(system(path), 0);
}
END_TEST

START_TEST(looking)
{
	struct lock	a, b;
	struct err	e = { 0 };
	char		dir[64] = "/tmp/homelab-unit.XXXXXX", path[96];
	char		who[160];
	int		fd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(lock_look(dir, "main", "backup", who, sizeof(who),
	    &e), 0);
	snprintf(path, sizeof(path), "%s/main-backup.lock", dir);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(lock_take(&a, dir, "main", "backup", "expire", &e), 0);
	ck_assert_int_eq(lock_look(dir, "main", "backup", who, sizeof(who),
	    &e), 1);
	ck_assert_ptr_eq(strstr(who, "expire, process "), who);
	ck_assert_int_eq(lock_look(dir, "main", "restore", who, sizeof(who),
	    &e), 0);
	lock_release(&a);
	ck_assert_int_eq(lock_look(dir, "main", "backup", who, sizeof(who),
	    &e), 0);
	/* Somebody who looks all the time does keep it. */
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(flock(fd, LOCK_SH), 0);
	ck_assert_int_eq(lock_take(&b, dir, "main", "backup", "x", &e),
	    ERR_LOCKED);
	close(fd);
	ck_assert_int_eq(lock_take(&b, dir, "main", "backup", "x", &e), 0);
	lock_release(&b);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	ck_assert_int_eq(system(path), 0);
}
END_TEST

UNIT_MAIN("lock", one_at_a_time, looking)
