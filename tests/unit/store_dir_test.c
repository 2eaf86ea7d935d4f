/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/store.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archiver/durable.h"
#include "common/buf.h"
#include "common/err.h"

static char	 root[64], base[48];
static struct store *s;
static struct err e;

static void
open_store(void)
{
	snprintf(base, sizeof(base), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(root, sizeof(root), "%s/repo", base);
	ck_assert_int_eq(store_dir_open(&s, root, &e), 0);
}

static void
close_store(void)
{
	char cmd[128];

	store_close(s);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	ck_assert_int_eq(system(cmd), 0);
}

static int
note(void *arg, const struct store_entry *entry)
{
	buf_printf(arg, "%s:%d;", entry->key, (int)entry->size);
	return 0;
}

static int
stop(void *arg, const struct store_entry *entry)
{
	(void)entry;
	++*(int *)arg;
	return 7;
}

static bool
yes(void *arg)
{
	(void)arg;
	return true;
}

START_TEST(put_and_get)
{
	struct buf	out = { 0 };
	uint64_t	size;

	open_store();
	ck_assert_int_eq(store_put(s, "a/b/c", "0123456789", 10, NULL, &e), 0);
	ck_assert_int_eq(store_head(s, "a/b/c", &size, NULL, &e), 0);
	ck_assert_uint_eq(size, 10);
	ck_assert_int_eq(store_get(s, "a/b/c", 0, 0, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "0123456789");
	buf_clear(&out);
	ck_assert_int_eq(store_get(s, "a/b/c", 3, 4, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "3456");
	ck_assert_int_eq(store_get(s, "a/b/c", 8, 4, &out, NULL, &e),
	    ERR_STORE);
	/* Nothing is overwritten. */
	ck_assert_int_eq(store_put(s, "a/b/c", "x", 1, NULL, &e), ERR_EXISTS);
	ck_assert_int_eq(store_head(s, "a/b/c", &size, NULL, &e), 0);
	ck_assert_uint_eq(size, 10);
	ck_assert_int_eq(store_remove(s, "a/b/c", NULL, &e), 0);
	ck_assert_int_eq(store_remove(s, "a/b/c", NULL, &e), ERR_NOT_FOUND);
	buf_release(&out);
	close_store();
}
END_TEST

START_TEST(parts)
{
	struct store_part p[2] = { { "head", -1, 0, 4 }, { NULL, -1, 2, 3 } };
	struct buf	out = { 0 };
	char		path[80];

	open_store();
	snprintf(path, sizeof(path), "%s/src", base);
	p[1].fd = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(write(p[1].fd, "abcdef", 6), 6);
	ck_assert_int_eq(store_put_parts(s, "k", p, 2, NULL, &e), 0);
	ck_assert_int_eq(store_get(s, "k", 0, 0, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "headcde");
	p[1].len = 9;
	ck_assert_int_eq(store_put_parts(s, "l", p, 2, NULL, &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "the source file shrank");
	/* No trace of it is left. */
	buf_clear(&out);
	ck_assert_int_eq(store_list(s, "", false, note, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "k:7;");
	close(p[1].fd);
	buf_release(&out);
	close_store();
}
END_TEST

START_TEST(listing)
{
	struct buf	out = { 0 };
	int		seen = 0;

	open_store();
	ck_assert_int_eq(store_put(s, "a/x/1", "1", 1, NULL, &e), 0);
	ck_assert_int_eq(store_list(s, "a/", true, note, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "a/x/:0;");
	buf_clear(&out);
	ck_assert_int_eq(store_list(s, "a/x", true, note, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "a/x/:0;");
	buf_clear(&out);
	ck_assert_int_eq(store_list(s, "a", false, note, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "a/x/1:1;");
	buf_clear(&out);
	ck_assert_int_eq(store_list(s, "b/c/d", false, note, &out, NULL, &e),
	    0);
	ck_assert_int_eq(store_list(s, "a/xy", false, note, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "");
	ck_assert_int_eq(store_put(s, "a/x/2", "1", 1, NULL, &e), 0);
	ck_assert_int_eq(store_list(s, "", false, stop, &seen, NULL, &e), 7);
	ck_assert_int_eq(seen, 1);
	buf_release(&out);
	close_store();
}
END_TEST

/* What is not there, and what cannot be known. */
START_TEST(not_found)
{
	struct buf	out = { 0 };
	uint64_t	size;
	char		cmd[128];

	open_store();
	ck_assert_int_eq(store_put(s, "a", "1", 1, NULL, &e), 0);
	ck_assert_int_eq(store_get(s, "b", 0, 0, &out, NULL, &e),
	    ERR_NOT_FOUND);
	ck_assert_int_eq(store_check(s, 0, NULL, &e), 0);
	/* Room for one byte, and for 2^62. */
	ck_assert_int_eq(store_check(s, 1, NULL, &e), 0);
	ck_assert_int_eq(store_check(s, UINT64_C(1) << 62, NULL, &e),
	    ERR_NOSPACE);
	ck_assert_ptr_nonnull(strstr(e.msg, " are needed"));
	ck_assert_ptr_nonnull(strstr(e.hint, "expire removes"));
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	ck_assert_int_eq(system(cmd), 0);
	ck_assert_int_eq(store_get(s, "b", 0, 0, &out, NULL, &e), ERR_STORE);
	ck_assert_int_eq(store_head(s, "b", &size, NULL, &e), ERR_STORE);
	ck_assert_int_eq(store_list(s, "", false, note, &out, NULL, &e),
	    ERR_STORE);
	ck_assert_int_eq(store_check(s, 0, NULL, &e), ERR_STORE);
	ck_assert_ptr_nonnull(strstr(e.msg, "is not there"));
	ck_assert_str_ne(e.hint, "");
	buf_release(&out);
	close_store();
}
END_TEST

START_TEST(keys_and_limits)
{
	static const char *const bad[] = { "", "/a", "a/", "a//b", ".a",
	    "a/.b", "a/../b", "a b", "a+b", "a\xc3\xa4" };
	struct store_limits now = { 0, yes, NULL };
	struct buf	out = { 0 };
	size_t		i;

	open_store();
	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_int_eq(store_put(s, bad[i], "1", 1, NULL, &e),
		    ERR_USAGE);
	ck_assert_int_eq(store_put(s, "a", "1", 1, NULL, &e), 0);
	ck_assert_int_eq(store_get(s, "a", 0, 0, &out, &now, &e),
	    ERR_CANCELLED);
	ck_assert_int_eq(store_list(s, "", false, note, &out, &now, &e),
	    ERR_CANCELLED);
	buf_release(&out);
	close_store();
	ck_assert_int_eq(store_dir_open(&s, "relative", &e), ERR_CONFIG);
}
END_TEST

/* What a killed writer left goes, what one is writing stays. */
START_TEST(leftovers)
{
	struct buf	out = { 0 };
	struct store_sweep sweep = { "a/", INT64_MAX, false, note, &out };
	struct durable	d;
	char		path[128];
	int		fd;

	open_store();
	ck_assert_int_eq(store_put(s, "a/b/c", "1", 1, NULL, &e), 0);
	ck_assert_int_eq(store_put(s, "a/x/y", "1", 1, NULL, &e), 0);
	ck_assert_int_eq(store_remove(s, "a/x/y", NULL, &e), 0);
	snprintf(path, sizeof(path), "%s/a/x", root);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/a/x/.tmp-1", root);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, "12345", 5), 5);
	close(fd);
	snprintf(path, sizeof(path), "%s/a/b/.other", root);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	snprintf(path, sizeof(path), "%s/a/b/new", root);
	ck_assert_int_eq(durable_begin(&d, path, &e), 0);
	ck_assert(durable_has_writer(open(d.tmp, O_RDONLY)));

	ck_assert_int_eq(store_sweep(s, &sweep, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "a/x/.tmp-1:5;");
	buf_clear(&out);
	sweep.remove = true;
	sweep.before = 1;	/* too young */
	ck_assert_int_eq(store_sweep(s, &sweep, NULL, &e), 0);
	sweep.before = INT64_MAX;
	sweep.prefix = "z/";
	ck_assert_int_eq(store_sweep(s, &sweep, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "");
	sweep.prefix = "a/";
	ck_assert_int_eq(store_sweep(s, &sweep, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "a/x/.tmp-1:5;");
	snprintf(path, sizeof(path), "%s/a/x", root);
	ck_assert_int_ne(access(path, F_OK), 0);
	buf_clear(&out);
	/* The writer goes on as if nothing had been. */
	ck_assert_int_eq(durable_commit(&d, &e), 0);
	ck_assert_int_eq(store_sweep(s, &sweep, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "");
	ck_assert_int_eq(store_list(s, "", false, note, &out, NULL, &e), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "a/b/c:1;"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&out), "a/b/new:0;"));
	buf_release(&out);
	close_store();
}
END_TEST

UNIT_MAIN("store_dir", put_and_get, parts, listing, not_found,
    keys_and_limits, leftovers)
