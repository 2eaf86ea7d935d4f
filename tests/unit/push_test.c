/* SPDX-License-Identifier: MIT */
/* push_file() and fetch_file() against directories. */
#include "common/base.h"
#include "archiver/push.h"
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archiver/fetch.h"
#include "common/buf.h"
#include "common/err.h"

#define SEG	((size_t)1 << 20)

static char	base[64];
static struct repo repos[2];
static struct buf warnings;
static struct err e;
static struct push_result result;
static struct fetch_result fetched;
static int	next_fd;
static int64_t	patience;		/* of fetch(), microseconds */

static void
setup(void)
{
	char	path[96];
	int	i;

	patience = 60000000;
	snprintf(base, sizeof(base), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/r%d", base, i + 1);
		repos[i] = (struct repo){ .number = i + 1,
		    .required = true, .io_timeout = 200000000 };
		ck_assert_int_eq(store_dir_open(&repos[i].store, path, &e), 0);
		ck_assert_int_eq(store_put(repos[i].store, "main/id/77-15",
		    "", 0, NULL, &e), 0);
	}
}

static void
teardown(void)
{
	char cmd[96];

	store_close(repos[0].store);
	store_close(repos[1].store);
	buf_release(&warnings);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	ck_assert_int_eq(system(cmd), 0);
}

/* A file that looks like a segment of `size`, of cluster `id`. */
static int
segment(uint64_t id, uint32_t size, char fill)
{
	unsigned char	h[40] = { 0x10, 0xD1, 2 };
	char		path[96];
	int		fd;

	memcpy(h + 24, &id, 8);
	memcpy(h + 32, &size, 4);
	snprintf(path, sizeof(path), "%s/seg%d", base, next_fd++);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_eq(ftruncate(fd, size), 0);
	ck_assert_int_eq(pwrite(fd, h, 40, 0), 40);
	ck_assert_int_eq(pwrite(fd, &fill, 1, 9000), 1);
	return fd;
}

static int
push(int fd, size_t n)
{
	struct push_request req = { .repos = repos, .repo_n = n,
	    .stanza = "main", .fd = fd, .header_check = true,
	    .path = "/x/pg_wal/000000010000000000000000",
	    .filter = FILTER_LZ4, .tmp_dir = base,
	    .limits = { 200000000, NULL, NULL } };

	buf_clear(&warnings);
	memset(&e, 0, sizeof(e));
	return push_file(&req, &result, &warnings, &e);
}

static int
fetch(int fd, size_t n, const char *name)
{
	struct fetch_request req = { .repos = repos, .repo_n = n,
	    .stanza = "main", .system_id = 77, .name = name, .fd = fd,
	    .limits = { patience, NULL, NULL } };

	buf_clear(&warnings);
	memset(&e, 0, sizeof(e));
	return fetch_file(&req, &fetched, &warnings, &e);
}

static bool
same(int a, int b, size_t n)
{
	char	*p = malloc(2 * n);
	bool	 equal;

	equal = pread(a, p, n, 0) == (ssize_t)n &&
	    pread(b, p + n, n, 0) == (ssize_t)n && memcmp(p, p + n, n) == 0 &&
	    pread(b, p, 1, (off_t)n) == 0;
	free(p);
	return equal;
}

#define NAME	"000000010000000000000000"

START_TEST(there_and_back)
{
	int a = segment(77, SEG, 'a'), out = segment(0, 100, 'x');

	ck_assert_int_eq(push(a, 2), 0);
	ck_assert_uint_eq(result.plain, SEG);
	ck_assert_uint_lt(result.stored, SEG / 10);
	ck_assert_int_eq(result.found, 0);
	ck_assert_int_eq(push(a, 2), 0);
	ck_assert_int_eq(result.found, 2);
	ck_assert_int_eq(fetch(out, 2, NAME), 0);
	ck_assert(same(a, out, SEG));
	ck_assert_int_eq(fetch(out, 2, "000000010000000000000001"),
	    ERR_ABSENT);
	ck_assert_int_eq(fetch(out, 2, "00000002.history"), ERR_ABSENT);
	ck_assert_int_eq(fetch(out, 2, "nonsense"), ERR_USAGE);
	close(a);
	close(out);
}
END_TEST

/* Above PUSH_MEMORY_MAX it goes through a temporary file. */
START_TEST(large)
{
	int a = segment(77, 128u << 20, 'a'), out = segment(0, 100, 'x');

	ck_assert_int_eq(push(a, 1), 0);
	ck_assert_int_eq(fetch(out, 1, NAME), 0);
	ck_assert(same(a, out, 128u << 20));
	close(a);
	close(out);
}
END_TEST

START_TEST(refused)
{
	int a = segment(77, SEG, 'a'), b = segment(77, SEG, 'b');
	int other = segment(78, SEG, 'a');

	ck_assert_int_eq(push(other, 1), ERR_MISMATCH);
	ck_assert_ptr_nonnull(strstr(e.msg, "belongs to another cluster"));
	ck_assert_int_eq(push(a, 1), 0);
	ck_assert_int_eq(push(b, 1), ERR_DUPLICATE);
	ck_assert_ptr_nonnull(strstr(e.msg, "is in repo1 already with other "
	    "content: digest "));
	ck_assert_int_eq(ftruncate(a, 5000), 0);
	ck_assert_int_eq(push(a, 1), ERR_FORMAT);
	ck_assert_int_eq(ftruncate(a, 0), 0);
	ck_assert_int_eq(push(a, 1), ERR_FORMAT);
	close(a);
	close(b);
	close(other);
}
END_TEST

/* The first of two repositories is away. */
START_TEST(away)
{
	int	a = segment(77, SEG, 'a'), out = segment(0, 100, 'x');
	char	from[96], to[96];

	snprintf(from, sizeof(from), "%s/r1", base);
	snprintf(to, sizeof(to), "%s/away", base);
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(push(a, 2), ERR_STORE);
	/* The other has it nevertheless, and gives it. */
	ck_assert_int_eq(fetch(out, 2, NAME), 0);
	ck_assert(same(a, out, SEG));
	/* But its no is not everybody's. */
	patience = 2000000;
	ck_assert_int_eq(fetch(out, 2, "000000010000000000000001"),
	    ERR_STORE);
	repos[0].required = false;
	ck_assert_int_eq(push(a, 2), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&warnings),
	    NAME " was not stored in repo1: "));
	/* Where none is required, one must have it. */
	ck_assert_int_eq(push(a, 1), ERR_STORE);
	close(a);
	close(out);
}
END_TEST

START_TEST(damaged)
{
	int	a = segment(77, SEG, 'a'), out = segment(0, 100, 'x');
	char	cmd[300];

	ck_assert_int_eq(push(a, 2), 0);
	snprintf(cmd, sizeof(cmd), "f=$(find %s/r1 -name '" NAME "-*'); "
	    "chmod u+w $f; printf Z | dd of=$f bs=1 seek=100 conv=notrunc "
	    "2>/dev/null", base);
	ck_assert_int_eq(system(cmd), 0);
	ck_assert_int_eq(fetch(out, 2, NAME), 0);
	ck_assert(same(a, out, SEG));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&warnings),
	    " in repo1 is damaged: "));
	patience = 2000000;
	ck_assert_int_ne(fetch(out, 1, NAME), 0);
	ck_assert_int_ne(e.code, ERR_ABSENT);
	close(a);
	close(out);
}
END_TEST

/* Renames an object of the first repository. */
static void
rename_object(const char *from, const char *to)
{
	char cmd[400];

	snprintf(cmd, sizeof(cmd), "f=$(find %s/r1 -name '%s') && "
	    "mv $f ${f%%/*}/%s", base, from, to);
	ck_assert_int_eq(system(cmd), 0);
}

/* A store that answers with another object than it was asked for. */
START_TEST(swapped)
{
	int	a = segment(77, SEG, 'a'), out = segment(0, 100, 'x');

	ck_assert_int_eq(push(a, 2), 0);
	rename_object(NAME "-*", NAME "-0123456789abcdef0123456789abcdef");
	ck_assert_int_eq(fetch(out, 2, NAME), 0);
	ck_assert(same(a, out, SEG));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&warnings),
	    " in repo1 is damaged: the store gave another object: "));
	patience = 2000000;
	ck_assert_int_eq(fetch(out, 1, NAME), ERR_CHECKSUM);
	rename_object(NAME "-*", NAME "-short");
	ck_assert_int_eq(fetch(out, 1, NAME), ERR_CHECKSUM);
	close(a);
	close(out);
}
END_TEST

/* Into a part of a file, whose other bytes stay. */
START_TEST(part)
{
	struct fetch_request req = { .repos = repos, .repo_n = 1,
	    .stanza = "main", .system_id = 77, .name = NAME,
	    .offset = 100, .room = SEG, .once = true };
	int	a = segment(77, SEG, 'a'), out = segment(78, SEG, 'x');
	unsigned char byte = 0;
	char	*p = malloc(2 * SEG);

	ck_assert_int_eq(push(a, 1), 0);
	req.fd = out;
	ck_assert_int_eq(fetch_file(&req, &fetched, &warnings, &e), 0);
	ck_assert_uint_eq(fetched.size, SEG);
	ck_assert_int_eq(pread(a, p, SEG, 0), SEG);
	ck_assert_int_eq(pread(out, p + SEG, SEG, 100), SEG);
	ck_assert_int_eq(memcmp(p, p + SEG, SEG), 0);
	ck_assert_int_eq(pread(out, &byte, 1, 0), 1);
	ck_assert_uint_eq(byte, 0x10);
	req.room = SEG - 1;
	ck_assert_int_eq(fetch_file(&req, &fetched, &warnings, &e), ERR_LIMIT);
	free(p);
	close(a);
	close(out);
}
END_TEST

int
main(void)
{
	Suite	*suite = suite_create("push");
	TCase	*tc = tcase_create("push");
	SRunner	*runner = srunner_create(suite);
	int	 failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 1200);
	tcase_add_test(tc, there_and_back);
	tcase_add_test(tc, large);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, away);
	tcase_add_test(tc, damaged);
	tcase_add_test(tc, swapped);
	tcase_add_test(tc, part);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
