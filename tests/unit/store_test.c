/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/store.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"

/* A back end that notes what reaches it and answers from here. */
static struct {
	char		key[STORE_KEY_MAX + 1];
	int		calls, closed;
	struct store_op	op;
	uint64_t	len;
} seen;

static void
fake_close(struct store *s)
{
	(void)s;
	seen.closed++;
}

static void
reached(const char *key, const struct store_op *op)
{
	seen.calls++;
	snprintf(seen.key, sizeof(seen.key), "%s", key);
	seen.op = *op;
}

static int
fake_put(struct store *s, const char *key, const struct store_part *parts,
    size_t n, const struct store_op *op, struct err *e)
{
	size_t i;

	(void)s;
	(void)e;
	reached(key, op);
	seen.len = 0;
	for (i = 0; i < n; i++) {
		ck_assert_ptr_nonnull(parts[i].bytes);
		seen.len += parts[i].len;
	}
	return 0;
}

static int
fake_read(struct store *s, const char *key, uint64_t offset, size_t n,
    store_sink *sink, void *arg, const struct store_op *op, struct err *e)
{
	(void)s;
	(void)offset;
	(void)n;
	reached(key, op);
	return sink(arg, "bytes", 5, e);
}

static int
fake_head(struct store *s, const char *key, uint64_t *size,
    const struct store_op *op, struct err *e)
{
	(void)s;
	(void)e;
	reached(key, op);
	*size = 5;
	return 0;
}

static int
fake_list(struct store *s, const char *prefix, bool delimited,
    int (*each)(void *, const struct store_entry *), void *arg,
    const struct store_op *op, struct err *e)
{
	struct store_entry entry = { prefix, 5, 0, delimited };

	(void)s;
	(void)e;
	reached(prefix, op);
	return each(arg, &entry);
}

static int
fake_remove(struct store *s, const char *key, const struct store_op *op,
    struct err *e)
{
	(void)s;
	(void)e;
	reached(key, op);
	return 0;
}

static int
fake_check(struct store *s, uint64_t room, const struct store_op *op,
    struct err *e)
{
	(void)s;
	(void)room;
	return store_op_check(op, "checking", e);
}

static const struct store_ops ops = { fake_close, fake_put, fake_read,
	fake_head, fake_list, fake_remove, fake_check, NULL };
static struct store fake = { &ops, "fake" };

static bool
answer(void *arg)
{
	return *(bool *)arg;
}

static int
each(void *arg, const struct store_entry *entry)
{
	*(bool *)arg = entry->is_prefix;
	return 3;
}

START_TEST(keys)
{
	static const char *const bad[] = { "", "/a", "a/", "a//b", "../a",
		"a/.hidden", ".", "a b", "a\nb", "a%2e", "caf\xc3\xa9" };
	static const char *const good[] = { "a", "A-z_0.9", "a/b/c", "a..b" };
	char		long_key[STORE_KEY_MAX + 2];
	struct err	e = { 0 };
	uint64_t	size;
	size_t		i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(store_put(&fake, bad[i], "x", 1, NULL, &e),
		    ERR_USAGE);
		ck_assert_int_eq(store_head(&fake, bad[i], &size, NULL, &e),
		    ERR_USAGE);
		ck_assert_int_eq(store_remove(&fake, bad[i], NULL, &e),
		    ERR_USAGE);
	}
	ck_assert_ptr_nonnull(strstr(e.hint, "do not begin with a dot"));
	memset(long_key, 'k', sizeof(long_key));
	long_key[STORE_KEY_MAX + 1] = '\0';
	ck_assert_int_eq(store_head(&fake, long_key, &size, NULL, &e),
	    ERR_USAGE);
	ck_assert_int_eq(seen.calls, 0);
	long_key[STORE_KEY_MAX] = '\0';
	ck_assert_int_eq(store_head(&fake, long_key, &size, NULL, &e), 0);
	for (i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_int_eq(store_head(&fake, good[i], &size, NULL, &e),
		    0);
		ck_assert_str_eq(seen.key, good[i]);
	}
}
END_TEST

/* A prefix may be empty, end in a slash, or end within a name. */
START_TEST(prefixes)
{
	static const char *const good[] = { "", "a", "a/", "a/b" };
	static const char *const bad[] = { "/", "a//", "../", "a/.h", "a b" };
	struct err	e = { 0 };
	bool		is_prefix;
	size_t		i;

	for (i = 0; i < ARRAY_LEN(good); i++) {
		is_prefix = false;
		ck_assert_int_eq(store_list(&fake, good[i], true, each,
		    &is_prefix, NULL, &e), 3);
		ck_assert(is_prefix);
	}
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(store_list(&fake, bad[i], false, each,
		    &is_prefix, NULL, &e), ERR_USAGE);
	}
}
END_TEST

/* A back end whose puts leave no traces has nothing to sweep. */
START_TEST(no_leftovers)
{
	bool		is_prefix = false;
	struct store_sweep sweep = { "main/", INT64_MAX, true, each,
	    &is_prefix };
	struct err	e = { 0 };

	ck_assert_int_eq(store_sweep(&fake, &sweep, NULL, &e), 0);
	sweep.prefix = "../";
	ck_assert_int_eq(store_sweep(&fake, &sweep, NULL, &e), ERR_USAGE);
}
END_TEST

START_TEST(limits)
{
	bool		stop = false;
	struct store_limits l = { 0, answer, &stop };
	struct err	e = { 0 };
	int64_t		before;

	ck_assert_int_eq(store_check(&fake, 0, NULL, &e), 0);
	ck_assert_int_eq(store_check(&fake, 0, &l, &e), 0);
	stop = true;
	ck_assert_int_eq(store_check(&fake, 0, &l, &e), ERR_CANCELLED);
	ck_assert_str_eq(e.msg, "checking: cancelled");
	/* The deadline counts from the call; none without a limit. */
	l = (struct store_limits){ .timeout_us = 3600000000 };
	before = clock_us();
	ck_assert_int_eq(store_remove(&fake, "a", &l, &e), 0);
	ck_assert_int_ge(seen.op.due, before + 3600000000);
	ck_assert_int_le(seen.op.due, clock_us() + 3600000000);
	ck_assert_int_eq(store_remove(&fake, "a", NULL, &e), 0);
	ck_assert_int_eq(seen.op.due, INT64_MAX);
	seen.op.due = before;
	ck_assert_int_eq(store_op_check(&seen.op, "reading", &e),
	    ERR_TIMEOUT);
	ck_assert_str_eq(e.msg, "reading: no result in time");
}
END_TEST

START_TEST(bytes)
{
	struct buf	out = { 0 };
	struct err	e = { 0 };

	/* An empty object is memory too, not a file. */
	ck_assert_int_eq(store_put(&fake, "a", NULL, 0, NULL, &e), 0);
	ck_assert_uint_eq(seen.len, 0);
	ck_assert_int_eq(store_put(&fake, "a", "12345", 5, NULL, &e), 0);
	ck_assert_uint_eq(seen.len, 5);
	buf_append(&out, "before ", 7);
	ck_assert_int_eq(store_get(&fake, "a", 0, 0, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "before bytes");
	buf_release(&out);
	/* What does not fit is an error, not a shorter object. */
	buf_init(&out, 4);
	ck_assert_int_eq(store_get(&fake, "a", 0, 0, &out, NULL, &e),
	    ERR_NOMEM);
	buf_release(&out);
	ck_assert_str_eq(store_name(&fake), "fake");
	store_close(NULL);
	store_close(&fake);
	ck_assert_int_eq(seen.closed, 1);
}
END_TEST

/* Memory and parts of files in their order, in whatever pieces. */
START_TEST(sources)
{
	FILE		*f = tmpfile();
	struct store_part parts[] = {
		{ "", -1, 0, 0 }, { "one", -1, 0, 3 }, { NULL, -1, 2, 4 },
		{ "", -1, 0, 0 }, { "six", -1, 0, 3 }
	};
	struct store_source s = { .parts = parts, .n = ARRAY_LEN(parts) };
	struct err	e = { 0 };
	struct buf	out = { .max = 100 };
	char		piece[3];
	size_t		n;

	ck_assert_ptr_nonnull(f);
	fputs("012345", f);
	ck_assert_int_eq(fflush(f), 0);
	parts[2].fd = fileno(f);
	do {
		ck_assert_int_eq(store_source_read(&s, piece, sizeof(piece),
		    &n, &e), 0);
		buf_append(&out, piece, n);
	} while (n > 0);
	ck_assert_str_eq(buf_cstr(&out), "one2345six");
	buf_release(&out);
	/* Behind the end there is nothing, and before it no gap. */
	ck_assert_int_eq(store_source_read(&s, piece, sizeof(piece), &n, &e),
	    0);
	ck_assert_uint_eq(n, 0);
	s = (struct store_source){ .parts = parts + 2, .n = 1 };
	parts[2].offset = 6;
	ck_assert_int_eq(store_source_read(&s, piece, sizeof(piece), &n, &e),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg, "the source file shrank");
	fclose(f);
	parts[2].fd = -1;
	ck_assert_int_eq(store_source_read(&s, piece, sizeof(piece), &n, &e),
	    ERR_SYS);
}
END_TEST

UNIT_MAIN("store", keys, prefixes, no_leftovers, limits, bytes, sources)
