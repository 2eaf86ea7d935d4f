/* SPDX-License-Identifier: MIT */
/*
 * opt_sample - a table with an option of every kind, for the tests of opt.
 */
#ifndef TESTS_UNIT_OPT_SAMPLE_H
#define TESTS_UNIT_OPT_SAMPLE_H

#include "common/base.h"

#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/opt.h"

enum { FRUIT_APPLE, FRUIT_PEAR, FRUIT_FIG };

static const struct opt_choice fruits[] = {
	{ "apple", FRUIT_APPLE, false },
	{ "pear", FRUIT_PEAR, false },
	{ "williams", FRUIT_PEAR, false },
	{ "fig", FRUIT_FIG, true },
	{ NULL, 0, false }
};

struct sample {
	bool		flag;
	int		number;
	int		bare_number;
	unsigned	mask;
	int64_t		wait_time;
	int64_t		max_size;
	char		*path;
	char		*bare_path;
	char		*pass_word;
	int		fruit;
	int		bare_fruit;
	struct opt_list	names;
	struct opt_list	bare_names;
	int		later;
};

#define ROW(kind, name, def, min, max, flags) \
	OPT_ROW(struct sample, kind, name, def, min, max, flags, "Help.")
#define ROWS \
	OPT_GROUP_ROW("Group") \
	ROW(BOOL, flag, "1", 0, 0, OPT_RELOAD) \
	ROW(INT, number, "010", 0, 100, OPT_RELOAD) \
	ROW(INT, bare_number, NULL, -5, INT_MAX, 0) \
	ROW(UINT, mask, "7", 0, UINT_MAX, 0) \
	ROW(TIME, wait_time, "1.5", 0, OPT_TIME_MAX, OPT_RELOAD) \
	ROW(SIZE, max_size, "1MiB", 1024, 1 << 30, 0) \
	ROW(STR, path, "/x", 0, 0, 0) \
	ROW(STR, bare_path, NULL, 0, 0, OPT_RELOAD) \
	ROW(STR, pass_word, NULL, 0, 0, OPT_RELOAD | OPT_SECRET) \
	OPT_ENUM_ROW(struct sample, fruit, "Pear", fruits, 0, "Help.") \
	OPT_ENUM_ROW(struct sample, bare_fruit, NULL, fruits, OPT_RELOAD, \
	    "Help.") \
	OPT_GROUP_ROW("Other group") \
	ROW(LIST, names, "a, b", 0, 0, OPT_RELOAD) \
	ROW(LIST, bare_names, NULL, 0, 0, 0) \
	ROW(INT, later, "3", 0, 9, OPT_NOT_YET)

static const struct opt rows[] = { ROWS };

static const struct opt_table bouncer = OPT_TABLE("main", NULL, rows,
    struct sample, OPT_PGBOUNCER);
static const struct opt_table backrest = OPT_TABLE("global", NULL, rows,
    struct sample, OPT_PGBACKREST);

static struct err err;

static inline const struct opt *
find(const char *name)
{
	const struct opt *o = opt_find(&bouncer, name, NULL);

	ck_assert_ptr_nonnull(o);
	return o;
}

static inline void
set(const struct opt_table *t, struct sample *s, const char *name,
    const char *text)
{
	memset(&err, 0, sizeof(err));
	if (opt_set(t, find(name), s, text, &err) != 0)
		ck_abort_msg("%s", err.msg);
}

/* What opt_print() says, "-" if nothing. */
static inline void
expect_print(const struct opt_table *t, const struct sample *s,
    const char *name, const char *want)
{
	struct buf	b = { 0 };

	opt_print(t, find(name), s, &b);
	ck_assert_str_eq(buf_len(&b) == 0 ? "-" : buf_cstr(&b), want);
	buf_release(&b);
}

#endif /* TESTS_UNIT_OPT_SAMPLE_H */
