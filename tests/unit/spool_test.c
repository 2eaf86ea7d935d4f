/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/spool.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/err.h"

#define SIZE	((size_t)3 << 19)

static void
run(const char *fmt, const char *dir)
{
	char cmd[200];

	snprintf(cmd, sizeof(cmd), fmt, dir);
	ck_assert_int_eq(system(cmd), 0);
}

START_TEST(life)
{
	char		base[] = "/tmp/homelab-unit.XXXXXX", dir[64], path[96];
	struct digest	digest;
	struct err	e = { 0 };
	struct stat	st;
	char		*p = malloc(SIZE), *q = malloc(SIZE);
	int		fd, out;

	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/spool/main", base);
	fd = spool_open(dir, &e);
	ck_assert_int_ge(fd, 0);
	run("test -z \"$(ls -A %s)\"", dir);
	memset(p, 'x', SIZE);
	digest_of(NULL, p, SIZE, &digest);
	ck_assert_int_eq(pwrite(fd, p, SIZE, 5000), (ssize_t)SIZE);
	snprintf(path, sizeof(path), "%s/out", base);
	out = open(path, O_RDWR | O_CREAT, 0600);
	/* What was there before, and is longer, is gone. */
	ck_assert_int_eq(ftruncate(out, 2 * SIZE), 0);
	ck_assert_int_eq(spool_copy(fd, 5000, SIZE, &digest, out, &e), 0);
	ck_assert_int_eq(fstat(out, &st), 0);
	ck_assert_int_eq(st.st_size, (off_t)SIZE);
	ck_assert_int_eq(pread(out, q, SIZE, 0), (ssize_t)SIZE);
	ck_assert_int_eq(memcmp(p, q, SIZE), 0);

	ck_assert_int_eq(pwrite(fd, "y", 1, 5000 + SIZE - 1), 1);
	ck_assert_int_eq(spool_copy(fd, 5000, SIZE, &digest, out, &e),
	    ERR_CHECKSUM);
	ck_assert_str_eq(e.msg, "the spool file is damaged");
	ck_assert_int_eq(ftruncate(fd, 6000), 0);
	ck_assert_int_eq(spool_copy(fd, 5000, SIZE, &digest, out, &e),
	    ERR_CHECKSUM);
	ck_assert_str_eq(e.msg, "the spool file is cut");
	close(fd);

	/* What a killed one left goes, what is not ours stays. */
	run("touch %s/ring-abcdef", dir);
	run("touch %s/other", dir);
	fd = spool_open(dir, &e);
	ck_assert_int_ge(fd, 0);
	run("test \"$(ls -A %s)\" = other", dir);
	close(fd);
	/* A file is in the way. */
	snprintf(dir, sizeof(dir), "%s/out/main", base);
	ck_assert_int_lt(spool_open(dir, &e), 0);
	ck_assert_ptr_nonnull(strstr(e.msg, "cannot make the directory"));
	close(out);
	free(p);
	free(q);
	run("rm -rf %s", base);
}
END_TEST

UNIT_MAIN("spool", life)
