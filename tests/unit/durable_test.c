/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/durable.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"

START_TEST(life)
{
	struct durable	d;
	struct err	e = { 0 };
	struct stat	st;
	char		base[64] = "/tmp/homelab-unit.XXXXXX", path[128];

	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(path, sizeof(path), "%s/x/y/file", base);
	/* The parent of what is kept must exist. */
	ck_assert_int_eq(durable_begin(&d, path, &e), ERR_NOT_FOUND);
	ck_assert_int_eq(durable_mkdirs(path, strlen(base), &e), 0);
	ck_assert_int_eq(durable_mkdirs(path, strlen(base), &e), 0);
	ck_assert_int_eq(durable_begin(&d, path, &e), 0);
	ck_assert_int_eq(durable_write(&d, "abc", 3, &e), 0);
	/* Not before the commit. */
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_int_eq(durable_commit(&d, &e), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 3);
	ck_assert_int_eq(st.st_mode & 0777, 0640 & ~(int)umask(0));
	ck_assert_int_ne(access(d.tmp, F_OK), 0);
	/* Never a second time. */
	ck_assert_int_eq(durable_begin(&d, path, &e), 0);
	ck_assert_int_eq(durable_commit(&d, &e), ERR_EXISTS);
	ck_assert_int_ne(access(d.tmp, F_OK), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 3);
	ck_assert_int_eq(durable_begin(&d, path, &e), 0);
	durable_abort(&d);
	durable_abort(&d);
	ck_assert_int_ne(access(d.tmp, F_OK), 0);
	ck_assert_int_eq(unlink(path), 0);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(rmdir(path), 0);
	*strrchr(path, '/') = '\0';
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(rmdir(base), 0);
}
END_TEST

START_TEST(device_full)
{
	struct durable	d;
	struct err	e = { 0 };

	/* A file on a device that is always full. */
	d.fd = 1;
	snprintf(d.path, sizeof(d.path), "/dev/full");
	ck_assert_ptr_nonnull(freopen("/dev/full", "w", stdout));
	d.fd = fileno(stdout);
	ck_assert_int_eq(durable_write(&d, "abc", 3, &e), ERR_NOSPACE);
	ck_assert_str_eq(e.msg,
	    "cannot write /dev/full: No space left on device");
}
END_TEST

UNIT_MAIN("durable", life, device_full)
