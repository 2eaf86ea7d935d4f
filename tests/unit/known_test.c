/* SPDX-License-Identifier: MIT */
/* What is remembered of listings, over a directory whose calls are counted. */
#include "common/base.h"
#include "archiver/known.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/push.h"
#include "archiver/segment.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"

#define HOUR	INT64_C(3600000000)

/* --- A store that counts. --- */

struct counting {
	struct store	 base;
	struct store	*inner;
	int		 lists, puts;
	int		 fail;		/* what a PUT returns; 0: nothing */
};

static struct counting counting;

static int
count_put(struct store *s, const char *key, const struct store_part *parts,
    size_t n, const struct store_op *op, struct err *e)
{
	struct counting *c = (struct counting *)s;

	c->puts++;
	if (c->fail != 0)
		return err_set(e, c->fail, "no");
	return c->inner->ops->put(c->inner, key, parts, n, op, e);
}

static int
count_list(struct store *s, const char *prefix, bool delimited,
    int (*each)(void *, const struct store_entry *), void *arg,
    const struct store_op *op, struct err *e)
{
	struct counting *c = (struct counting *)s;

	c->lists++;
	return c->inner->ops->list(c->inner, prefix, delimited, each, arg, op,
	    e);
}

static const struct store_ops count_ops = {
	.put = count_put, .list = count_list
};

/* --- The rest of the world. --- */

static char	base[64];
static struct repo repo;
static struct known *known;
static struct err e;

static void
setup(int64_t age)
{
	char	path[96];

	snprintf(base, sizeof(base), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(path, sizeof(path), "%s/repo", base);
	memset(&counting, 0, sizeof(counting));
	counting.base.ops = &count_ops;
	ck_assert_int_eq(store_dir_open(&counting.inner, path, &e), 0);
	ck_assert_int_eq(store_put(counting.inner, "main/id/77-15", "", 0,
	    NULL, &e), 0);
	repo = (struct repo){ .number = 1, .required = true,
	    .io_timeout = 1000000, .store = &counting.base };
	ck_assert_int_eq(known_new(&known, age, &e), 0);
}

static void
teardown(void)
{
	char cmd[96];

	known_free(known);
	store_close(counting.inner);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	ck_assert_int_eq(system(cmd), 0);
}

/* Pushes segment `lo` of prefix `hi`, filled with a byte. */
static int
push(uint32_t hi, uint32_t lo, char fill)
{
	unsigned char	h[40] = { 0x10, 0xD1, 2 };
	uint64_t	id = 77, addr = ((uint64_t)hi << 32) +
	    ((uint64_t)lo << 20);
	uint32_t	size = 1u << 20;
	char		path[160], name[32];
	struct push_request req = { .repos = &repo, .repo_n = 1,
	    .stanza = "main", .path = path, .header_check = true,
	    .filter = FILTER_LZ4, .known = known };
	struct push_result result;
	struct buf	warnings = { 0 };
	int		rc;

	memcpy(h + 8, &addr, 8);
	memcpy(h + 24, &id, 8);
	memcpy(h + 32, &size, 4);
	snprintf(name, sizeof(name), "00000001%08X%08X", (unsigned)hi,
	    (unsigned)lo);
	snprintf(path, sizeof(path), "%s/%s", base, name);
	req.fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_eq(ftruncate(req.fd, size), 0);
	ck_assert_int_eq(pwrite(req.fd, h, 40, 0), 40);
	ck_assert_int_eq(pwrite(req.fd, &fill, 1, 9000), 1);
	memset(&e, 0, sizeof(e));
	counting.lists = counting.puts = 0;
	rc = push_file(&req, &result, &warnings, &e);
	close(req.fd);
	unlink(path);
	buf_release(&warnings);
	return rc;
}

/* As somebody else does: past our memory. */
static void
push_elsewhere(uint32_t hi, uint32_t lo, char fill)
{
	struct known *ours = known;

	known = NULL;
	ck_assert_int_eq(push(hi, lo, fill), 0);
	known = ours;
}

#define ck_calls(l, p) do { \
	ck_assert_int_eq(counting.lists, l); \
	ck_assert_int_eq(counting.puts, p); \
} while (0)

START_TEST(steady)
{
	uint32_t i;

	setup(HOUR);
	push_elsewhere(0, 1, 'a');
	ck_calls(2, 1);
	/* The claim and the prefix, once. */
	ck_assert_int_eq(push(0, 2, 'a'), 0);
	ck_calls(2, 1);
	for (i = 3; i < 20; i++) {
		ck_assert_int_eq(push(0, i, 'a'), 0);
		ck_calls(0, 1);
	}
	ck_assert_int_eq(push(1, 0, 'a'), 0);
	ck_calls(1, 1);
	/* What is known of is asked for: success is not taken from memory. */
	ck_assert_int_eq(push(0, 1, 'a'), 0);
	ck_calls(1, 0);
	ck_assert_int_eq(push(0, 5, 'a'), 0);
	ck_calls(1, 0);
	ck_assert_int_eq(push(0, 5, 'b'), ERR_DUPLICATE);
	ck_calls(1, 0);
	ck_assert_ptr_nonnull(strstr(e.msg, "already with other content"));
	/* A refusal makes it look anew. */
	ck_assert_int_eq(push(0, 30, 'a'), 0);
	ck_calls(2, 1);
	teardown();
}
END_TEST

START_TEST(old_memory)
{
	setup(0);
	ck_assert_int_eq(push(0, 2, 'a'), 0);
	ck_calls(2, 1);
	ck_assert_int_eq(push(0, 3, 'a'), 0);
	ck_calls(2, 1);
	/* Emptied behind our back. */
	ck_assert_int_eq(store_remove(counting.inner, "main/id/77-15", NULL,
	    &e), 0);
	ck_assert_int_eq(push(0, 4, 'a'), ERR_MISMATCH);
	ck_calls(1, 0);
	teardown();
}
END_TEST

START_TEST(after_an_error)
{
	setup(HOUR);
	ck_assert_int_eq(push(0, 2, 'a'), 0);
	counting.fail = ERR_STORE;
	ck_assert_int_eq(push(0, 3, 'a'), ERR_STORE);
	ck_calls(0, 1);
	counting.fail = 0;
	ck_assert_int_eq(push(0, 3, 'a'), 0);
	ck_calls(2, 1);
	/* A removed claim counts once it is asked for. */
	ck_assert_int_eq(store_remove(counting.inner, "main/id/77-15", NULL,
	    &e), 0);
	ck_assert_int_eq(push(0, 4, 'a'), 0);
	known_forget(known, &repo);
	ck_assert_int_eq(push(0, 5, 'a'), ERR_MISMATCH);
	ck_assert_int_eq(push(0, 5, 'a'), ERR_MISMATCH);
	ck_calls(1, 0);
	teardown();
}
END_TEST

/* Removes the object of segment `lo` whose digest begins so. */
static void
remove_other(uint32_t lo, const char *text)
{
	char cmd[300];

	snprintf(cmd, sizeof(cmd), "rm $(find %s/repo -name '*%08X-%s*')",
	    base, (unsigned)lo, text);
	ck_assert_int_eq(system(cmd), 0);
}

START_TEST(somebody_else)
{
	char	theirs[40];

	setup(HOUR);
	ck_assert_int_eq(push(0, 2, 'a'), 0);
	/* Theirs comes first: the push of that name would be the one to
	   fail, but for our memory. */
	push_elsewhere(0, 3, 'b');
	ck_assert_int_eq(push(0, 3, 'a'), 0);
	ck_assert_int_eq(push(0, 4, 'a'), 0);
	known_forget(known, &repo);
	ck_assert_int_eq(push(0, 5, 'a'), ERR_DUPLICATE);
	ck_assert_ptr_nonnull(strstr(e.msg,
	    "segment 000000010000000000000003 is in repo1 twice: digest "));
	snprintf(theirs, sizeof(theirs), "%.32s", strstr(e.msg, "here, ") + 6);
	/* Until it is mended. */
	ck_assert_int_eq(push(0, 5, 'a'), ERR_DUPLICATE);
	ck_calls(2, 0);
	remove_other(3, theirs);
	ck_assert_int_eq(push(0, 5, 'a'), 0);
	ck_assert_int_eq(push(0, 6, 'a'), 0);
	ck_calls(0, 1);
	/* Two that were there before we came are not ours to judge. */
	push_elsewhere(1, 1, 'x');
	push_elsewhere(1, 2, 'x');
	ck_assert_int_eq(store_put(counting.inner,
	    "main/wal/77/00000001/00000001/000000010000000100000001-"
	    "0123456789abcdef0123456789abcdef", "", 0, NULL, &e), 0);
	ck_assert_int_eq(push(1, 3, 'x'), 0);
	teardown();
}
END_TEST

/* Expire removes what we put: no harm, and the name is free again. */
START_TEST(expired)
{
	setup(0);
	ck_assert_int_eq(push(0, 2, 'a'), 0);
	ck_assert_int_eq(push(0, 3, 'a'), 0);
	remove_other(2, "");
	ck_assert_int_eq(push(0, 4, 'a'), 0);
	ck_assert_int_eq(push(0, 2, 'b'), 0);
	teardown();
}
END_TEST

/* A directory is looked at each time: it may be unmounted any moment. */
START_TEST(directory)
{
	setup(HOUR);
	repo.local = true;
	ck_assert_int_eq(push(0, 2, 'a'), 0);
	ck_calls(2, 1);
	ck_assert_int_eq(push(0, 3, 'a'), 0);
	ck_calls(2, 1);
	teardown();
}
END_TEST

/* For fetching ahead. */
START_TEST(digests)
{
	struct segment_name name;
	struct store_limits limits = { 1000000, NULL, NULL };
	struct known_place p = { &repo, "main", 77, &name, &limits };
	struct digest d[4];
	char	text[32];
	int	i;

	setup(HOUR);
	for (i = 1; i < 10; i++)
		push_elsewhere(0, (uint32_t)i, 'a');
	counting.lists = 0;
	for (i = 1; i < 10; i++) {
		snprintf(text, sizeof(text), "%024X", (unsigned)i);
		text[7] = '1';
		ck_assert_int_eq(segment_parse(text, &name), 0);
		ck_assert_int_eq(known_digests(known, &p, d, 4, &e), 1);
	}
	ck_assert_int_eq(counting.lists, 1);
	/* Not there: as of a moment ago. */
	ck_assert_int_eq(segment_parse("00000001000000000000000B", &name), 0);
	ck_assert_int_eq(known_digests(known, &p, d, 4, &e), 0);
	ck_assert_int_eq(counting.lists, 1);
	push_elsewhere(0, 11, 'a');
	usleep(KNOWN_MISS_US);
	ck_assert_int_eq(known_digests(known, &p, d, 4, &e), 1);
	ck_assert_int_eq(counting.lists, 3);
	/* More prefixes than it remembers. */
	for (i = 0; i < 40; i++) {
		name.hi = (uint32_t)i + 10;
		ck_assert_int_eq(known_digests(known, &p, d, 4, &e), 0);
	}
	teardown();
}
END_TEST

UNIT_MAIN("known", steady, old_memory, after_an_error, somebody_else, expired,
    directory, digests)
