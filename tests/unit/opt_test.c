/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/opt.h"
#include "tests/unit/unit.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"

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
static const struct opt_table indexed = OPT_TABLE("repo", "repo", rows,
    struct sample, OPT_PGBACKREST);

static struct err err;

static const struct opt *
find(const char *name)
{
	const struct opt *o = opt_find(&bouncer, name, NULL);

	ck_assert_ptr_nonnull(o);
	return o;
}

static void
set(const struct opt_table *t, struct sample *s, const char *name,
    const char *text)
{
	memset(&err, 0, sizeof(err));
	if (opt_set(t, find(name), s, text, &err) != 0)
		ck_abort_msg("%s", err.msg);
}

/* What opt_print() says, "-" if nothing. */
static void
expect_print(const struct opt_table *t, const struct sample *s,
    const char *name, const char *want)
{
	struct buf	b = { 0 };

	opt_print(t, find(name), s, &b);
	ck_assert_str_eq(buf_len(&b) == 0 ? "-" : buf_cstr(&b), want);
	buf_release(&b);
}

START_TEST(defaults_and_unset)
{
	static const char *const bare[] = { "bare_number", "bare_path",
	    "pass_word", "bare_fruit", "bare_names" };
	static const char *const set_ones[] = { "flag", "number", "mask",
	    "wait_time", "max_size", "path", "fruit", "names", "later" };
	struct sample	s;
	size_t		i;

	ck_assert_int_eq(opt_check(&bouncer, &err), 0);
	memset(&s, 0xa5, sizeof(s));
	ck_assert_int_eq(opt_init(&bouncer, &s, &err), 0);
	ck_assert(s.flag);
	ck_assert_int_eq(s.number, 8);
	ck_assert_int_eq(s.bare_number, OPT_UNSET);
	ck_assert_uint_eq(s.mask, 7);
	ck_assert_int_eq(s.wait_time, 1500000);
	ck_assert_int_eq(s.max_size, 1 << 20);
	ck_assert_str_eq(s.path, "/x");
	ck_assert_ptr_null(s.bare_path);
	ck_assert_int_eq(s.fruit, FRUIT_PEAR);
	ck_assert_int_eq(s.bare_fruit, OPT_UNSET);
	ck_assert_uint_eq(s.names.n, 2);
	ck_assert_ptr_null(s.bare_names.text);
	for (i = 0; i < ARRAY_LEN(bare); i++) {
		ck_assert(!opt_is_set(find(bare[i]), &s));
		expect_print(&bouncer, &s, bare[i], "-");
	}
	for (i = 0; i < ARRAY_LEN(set_ones); i++)
		ck_assert(opt_is_set(find(set_ones[i]), &s));
	opt_release(&bouncer, &s);
	ck_assert_ptr_null(s.path);
	opt_release(&bouncer, &s);
	/* The other dialect has no octal numbers. */
	ck_assert_int_eq(opt_init(&backrest, &s, &err), 0);
	ck_assert_int_eq(s.number, 10);
	opt_release(&backrest, &s);
}
END_TEST

START_TEST(names)
{
	char	key[64];
	int	n = -1;

	ck_assert_ptr_null(opt_find(&bouncer, "Group", NULL));
	ck_assert_ptr_null(opt_find(&bouncer, "wait-time", NULL));
	ck_assert_ptr_null(opt_find(&bouncer, "Wait_time", NULL));
	ck_assert_ptr_null(opt_find(&bouncer, "", NULL));
	ck_assert_ptr_eq(opt_find(&backrest, "wait-time", &n),
	    find("wait_time"));
	ck_assert_int_eq(n, 0);
	ck_assert_ptr_null(opt_find(&backrest, "wait_time", NULL));
	ck_assert_ptr_eq(opt_find(&indexed, "repo1-wait-time", &n),
	    find("wait_time"));
	ck_assert_int_eq(n, 1);
	ck_assert_ptr_eq(opt_find(&indexed, "repo256-path", &n), find("path"));
	ck_assert_int_eq(n, 256);
	ck_assert_ptr_null(opt_find(&indexed, "repo257-path", &n));
	ck_assert_ptr_null(opt_find(&indexed, "repo0-path", &n));
	ck_assert_ptr_null(opt_find(&indexed, "repo01-path", &n));
	ck_assert_ptr_null(opt_find(&indexed, "repo99999999999-path", &n));
	ck_assert_ptr_null(opt_find(&indexed, "repo-path", &n));
	ck_assert_ptr_null(opt_find(&indexed, "repo1path", &n));
	ck_assert_ptr_null(opt_find(&indexed, "repo1-", &n));
	ck_assert_ptr_null(opt_find(&indexed, "path", &n));
	ck_assert_ptr_null(opt_find(&indexed, "rep", &n));
	ck_assert_int_eq(n, 256);
	ck_assert_str_eq(opt_key(&indexed, find("wait_time"), 12, key,
	    sizeof(key)), "repo12-wait-time");
	ck_assert_str_eq(opt_key(&indexed, find("wait_time"), 0, key,
	    sizeof(key)), "repo-wait-time");
	ck_assert_str_eq(opt_key(&bouncer, find("wait_time"), 0, key, 6),
	    "wait_");
}
END_TEST

START_TEST(values_of_both_dialects)
{
	static const struct {
		const char	*name, *text, *bouncer, *backrest;
	} v[] = {
		{ "flag", "0", "0", "n" }, { "flag", "1", "1", "y" },
		{ "flag", "0x1", "1", NULL }, { "flag", "y", NULL, "y" },
		{ "flag", "No", NULL, "n" }, { "flag", "2", "1", NULL },
		{ "flag", "-1", "1", NULL }, { "flag", "", NULL, NULL },
		{ "number", "100", "100", "100" },
		{ "number", "0100", "64", "100" },
		{ "number", "0x1f", "31", NULL },
		{ "number", "101", NULL, NULL },
		{ "number", "-1", NULL, NULL },
		{ "number", "1 ", NULL, NULL }, { "number", "", NULL, NULL },
		{ "bare_number", "-5", "-5", "-5" },
		{ "bare_number", "-6", NULL, NULL },
		{ "bare_number", "2147483648", NULL, NULL },
		{ "mask", "4294967295", "4294967295", "4294967295" },
		{ "mask", "4294967296", NULL, NULL },
		{ "wait_time", "90", "90", "90s" },
		{ "wait_time", "0.25", "0.25", "250ms" },
		{ "wait_time", "2m", "120", "2m" },
		{ "wait_time", "1e6", "1e+06", "1000000s" },
		{ "wait_time", "-1", NULL, NULL },
		{ "wait_time", "1e12", NULL, NULL },
		{ "max_size", "1KB", "1KiB", "1KiB" },
		{ "max_size", "1023", NULL, NULL },
		{ "max_size", "2GiB", NULL, NULL },
		{ "path", "", "-", "-" }, { "path", " a b ", " a b ", " a b " },
		{ "fruit", "APPLE", "apple", "apple" },
		{ "fruit", "williams", "pear", "pear" },
		{ "fruit", "plum", NULL, NULL }, { "fruit", "", NULL, NULL },
		{ "fruit", "fig", NULL, NULL },
		{ "names", "x ,y", "x ,y", "x ,y" },
	};
	const struct opt_table	*t;
	const char		*want;
	struct sample		 s;
	size_t			 i;
	int			 round;

	for (round = 0; round < 2; round++) {
		t = round == 0 ? &bouncer : &backrest;
		ck_assert_int_eq(opt_init(t, &s, &err), 0);
		for (i = 0; i < ARRAY_LEN(v); i++) {
			struct buf before = { 0 }, after = { 0 };

			want = round == 0 ? v[i].bouncer : v[i].backrest;
			opt_print(t, find(v[i].name), &s, &before);
			if (want != NULL) {
				set(t, &s, v[i].name, v[i].text);
				expect_print(t, &s, v[i].name, want);
			} else {
				ck_assert_msg(opt_set(t, find(v[i].name), &s,
				    v[i].text, &err) != 0, "%s = %s",
				    v[i].name, v[i].text);
				/* And nothing changed. */
				opt_print(t, find(v[i].name), &s, &after);
				ck_assert_str_eq(buf_cstr(&before),
				    buf_cstr(&after));
			}
			buf_release(&before);
			buf_release(&after);
		}
		opt_release(t, &s);
	}
}
END_TEST

static void
refuse(const struct opt_table *t, const char *name, const char *text,
    const char *msg, const char *hint)
{
	struct sample	s;

	ck_assert_int_eq(opt_init(t, &s, &err), 0);
	ck_assert_int_eq(opt_set(t, find(name), &s, text, &err),
	    strstr(msg, "not supported yet") != NULL ? ERR_NOT_YET :
	    ERR_CONFIG);
	ck_assert_str_eq(err.msg, msg);
	ck_assert_str_eq(err.hint, hint);
	opt_release(t, &s);
}

START_TEST(error_texts)
{
	refuse(&bouncer, "flag", "maybe",
	    "invalid value \"maybe\" for parameter flag", "flag takes 0 or 1");
	refuse(&backrest, "flag", "2",
	    "invalid value \"2\" for parameter flag", "flag takes y or n");
	refuse(&bouncer, "number", "101",
	    "invalid value \"101\" for parameter number",
	    "number takes a whole number, 0 to 100");
	refuse(&backrest, "bare_number", "x",
	    "invalid value \"x\" for parameter bare-number",
	    "bare-number takes a whole number, -5 or more");
	refuse(&bouncer, "wait_time", "soon",
	    "invalid value \"soon\" for parameter wait_time", "wait_time takes "
	    "a time in seconds, or with a unit (us, ms, s, m, h, d, w)");
	refuse(&bouncer, "max_size", "big",
	    "invalid value \"big\" for parameter max_size", "max_size takes a "
	    "size such as 16MiB, 1KiB to 1GiB");
	refuse(&bouncer, "fruit", "plum",
	    "invalid value \"plum\" for parameter fruit",
	    "fruit takes one of apple, pear, williams");
	refuse(&bouncer, "fruit", "fig", "fruit \"fig\" is not supported yet",
	    "fruit takes one of apple, pear, williams");
}
END_TEST

START_TEST(lists)
{
	struct sample	s;

	ck_assert_int_eq(opt_init(&bouncer, &s, &err), 0);
	set(&bouncer, &s, "names", " one,, two three ,\t,four");
	ck_assert_uint_eq(s.names.n, 3);
	ck_assert_str_eq(s.names.item[0], "one");
	ck_assert_str_eq(s.names.item[1], "two three");
	ck_assert_str_eq(s.names.item[2], "four");
	ck_assert(opt_list_has(&s.names, "two three"));
	ck_assert(!opt_list_has(&s.names, "two"));
	ck_assert_int_eq(opt_add(&bouncer, find("names"), &s, "five", &err), 0);
	ck_assert_uint_eq(s.names.n, 4);
	set(&bouncer, &s, "names", "");
	ck_assert_uint_eq(s.names.n, 0);
	ck_assert(opt_is_set(find("names"), &s));
	ck_assert_int_eq(opt_reset(&bouncer, find("names"), &s, &err), 0);
	ck_assert_uint_eq(s.names.n, 2);
	ck_assert_int_eq(opt_reset(&bouncer, find("bare_names"), &s, &err), 0);
	ck_assert(!opt_is_set(find("bare_names"), &s));
	opt_release(&bouncer, &s);

	ck_assert_int_eq(opt_init(&backrest, &s, &err), 0);
	ck_assert_int_eq(opt_add(&backrest, find("bare_names"), &s, "a,b",
	    &err), 0);
	ck_assert_int_eq(opt_add(&backrest, find("bare_names"), &s, "c", &err),
	    0);
	ck_assert_uint_eq(s.bare_names.n, 2);
	ck_assert_str_eq(s.bare_names.item[0], "a,b");
	expect_print(&backrest, &s, "bare_names", "a,b, c");
	/* Of another kind the last value wins. */
	ck_assert_int_eq(opt_add(&backrest, find("number"), &s, "1", &err), 0);
	ck_assert_int_eq(opt_add(&backrest, find("number"), &s, "2", &err), 0);
	ck_assert_int_eq(s.number, 2);
	opt_release(&backrest, &s);
}
END_TEST

START_TEST(secrets_are_not_shown)
{
	struct sample	s;
	struct buf	b = { 0 };

	ck_assert_int_eq(opt_init(&bouncer, &s, &err), 0);
	opt_show(&bouncer, find("pass_word"), &s, &b);
	ck_assert_uint_eq(buf_len(&b), 0);
	set(&bouncer, &s, "pass_word", "hush");
	opt_show(&bouncer, find("pass_word"), &s, &b);
	opt_show(&bouncer, find("path"), &s, &b);
	ck_assert_str_eq(buf_cstr(&b), "****/x");
	expect_print(&bouncer, &s, "pass_word", "hush");
	buf_release(&b);
	opt_release(&bouncer, &s);
}
END_TEST

START_TEST(copies_share_nothing)
{
	struct sample		 a, b;
	const struct opt	*o;

	ck_assert_int_eq(opt_init(&bouncer, &a, &err), 0);
	set(&bouncer, &a, "pass_word", "hush");
	set(&bouncer, &a, "bare_names", "x,y");
	ck_assert_int_eq(opt_copy(&bouncer, &b, &a, &err), 0);
	OPT_FOREACH(o, &bouncer)
		ck_assert(opt_equal(o, &a, &b));
	ck_assert_ptr_ne(a.path, b.path);
	ck_assert_ptr_ne(a.names.item[0], b.names.item[0]);
	opt_release(&bouncer, &a);
	ck_assert_str_eq(b.pass_word, "hush");
	ck_assert_str_eq(b.bare_names.item[1], "y");
	opt_release(&bouncer, &b);
}
END_TEST

START_TEST(equality)
{
	static const struct {
		const char	*name, *other;
	} v[] = {
		{ "flag", "0" }, { "number", "9" }, { "bare_number", "1" },
		{ "mask", "1" }, { "wait_time", "2" }, { "max_size", "2KB" },
		{ "path", "/y" }, { "bare_path", "" }, { "fruit", "apple" },
		{ "bare_fruit", "apple" }, { "names", "a,b" },
		{ "bare_names", "" },
	};
	struct sample	a, b;
	size_t		i;

	ck_assert_int_eq(opt_init(&bouncer, &a, &err), 0);
	ck_assert_int_eq(opt_init(&bouncer, &b, &err), 0);
	for (i = 0; i < ARRAY_LEN(v); i++) {
		ck_assert(opt_equal(find(v[i].name), &a, &b));
		set(&bouncer, &b, v[i].name, v[i].other);
		ck_assert(!opt_equal(find(v[i].name), &a, &b));
		ck_assert(!opt_equal(find(v[i].name), &b, &a));
	}
	ck_assert(opt_equal(&rows[0], &a, &b));
	opt_release(&bouncer, &a);
	opt_release(&bouncer, &b);
}
END_TEST

START_TEST(reload)
{
	struct sample	a, b;
	struct buf	kept = { 0 }, changed = { 0 };

	ck_assert_int_eq(opt_init(&bouncer, &a, &err), 0);
	ck_assert_int_eq(opt_init(&bouncer, &b, &err), 0);
	ck_assert_int_eq(opt_keep_fixed(&bouncer, &a, &b, &kept, &err), 0);
	opt_changes(&bouncer, &a, &b, &changed);
	ck_assert_uint_eq(buf_len(&kept) + buf_len(&changed), 0);
	set(&bouncer, &b, "number", "9");
	set(&bouncer, &b, "pass_word", "hush");
	set(&bouncer, &b, "mask", "1");
	set(&bouncer, &b, "path", "/y");
	set(&bouncer, &b, "fruit", "apple");
	set(&bouncer, &b, "max_size", "2MiB");
	set(&bouncer, &b, "bare_names", "q");
	ck_assert_int_eq(opt_keep_fixed(&bouncer, &a, &b, &kept, &err), 0);
	ck_assert_str_eq(buf_cstr(&kept),
	    "mask: 7 -> 1 has to wait for a restart\n"
	    "max_size: 1MiB -> 2MiB has to wait for a restart\n"
	    "path: /x -> /y has to wait for a restart\n"
	    "fruit: pear -> apple has to wait for a restart\n"
	    "bare_names: (unset) -> q has to wait for a restart\n");
	opt_changes(&bouncer, &a, &b, &changed);
	ck_assert_str_eq(buf_cstr(&changed),
	    "number: 8 -> 9\npass_word: (unset) -> ****\n");
	ck_assert_uint_eq(b.mask, 7);
	ck_assert_str_eq(b.path, "/x");
	ck_assert_ptr_ne(b.path, a.path);
	ck_assert_int_eq(b.fruit, FRUIT_PEAR);
	ck_assert_ptr_null(b.bare_names.text);
	ck_assert_int_eq(b.number, 9);
	ck_assert_int_eq(opt_keep_fixed(&bouncer, &a, &b, NULL, &err), 0);
	buf_release(&kept);
	buf_release(&changed);
	opt_release(&bouncer, &a);
	opt_release(&bouncer, &b);
}
END_TEST

START_TEST(no_effect_yet)
{
	struct sample	s;

	ck_assert_int_eq(opt_init(&bouncer, &s, &err), 0);
	ck_assert(!opt_has_no_effect(&bouncer, find("later"), &s));
	set(&bouncer, &s, "number", "3");
	ck_assert(!opt_has_no_effect(&bouncer, find("number"), &s));
	set(&bouncer, &s, "later", "4");
	ck_assert(opt_has_no_effect(&bouncer, find("later"), &s));
	set(&bouncer, &s, "later", "3");
	ck_assert(!opt_has_no_effect(&bouncer, find("later"), &s));
	opt_release(&bouncer, &s);
}
END_TEST

START_TEST(printed_defaults)
{
	static const char *const want[] = { "flag=1", "number=8",
	    "bare_number=", "mask=7", "wait_time=1.5", "max_size=1MiB",
	    "path=/x", "bare_path=", "pass_word=", "fruit=pear",
	    "bare_fruit=", "names=a, b", "bare_names=", "later=3" };
	const struct opt	*o;
	struct buf		 b = { 0 };
	size_t			 i = 0;

	OPT_FOREACH(o, &bouncer) {
		buf_clear(&b);
		buf_printf(&b, "%s=", o->name);
		opt_print_default(&bouncer, o, &b);
		ck_assert_str_eq(buf_cstr(&b), want[i]);
		i++;
	}
	ck_assert_uint_eq(i, ARRAY_LEN(want));
	buf_release(&b);
}
END_TEST

/* Each flaw that opt_check() is there to find. */
START_TEST(broken_tables)
{
#define FLAW(kind, def, min, max, choices, help) \
	{ "x", def, help, choices, 0, min, max, OPT_KIND_##kind, 0 }
	static const struct opt flaws[] = {
		FLAW(INT, "1", 0, 9, NULL, "No full stop"),
		FLAW(INT, "1", 0, 9, NULL, ""),
		FLAW(INT, "1", 0, 9, NULL, NULL),
		FLAW(ENUM, "a", 0, 0, NULL, "Help."),
		FLAW(ENUM, "plum", 0, 0, fruits, "Help."),
		FLAW(ENUM, "fig", 0, 0, fruits, "Help."),
		FLAW(BOOL, NULL, 0, 0, NULL, "Help."),
		FLAW(UINT, NULL, 0, 9, NULL, "Help."),
		FLAW(INT, "1", INT_MIN, 9, NULL, "Help."),
		FLAW(INT, "1", 0, INT64_C(1) << 31, NULL, "Help."),
		FLAW(UINT, "1", -1, 9, NULL, "Help."),
		FLAW(TIME, "1", -1, 9, NULL, "Help."),
		FLAW(INT, "10", 0, 9, NULL, "Help."),
		FLAW(INT, "5", 9, 0, NULL, "Help."),
		FLAW(TIME, "1h", 0, 60, NULL, "Help."),
	};
	static const char *const texts[] = {
		"help must be sentences", "help must be sentences",
		"help must be sentences", "no choices",
		"broken default \"plum\"", "broken default \"fig\"",
		"needs a default", "needs a default", "bounds do not fit",
		"bounds do not fit", "bounds do not fit", "bounds do not fit",
		"broken default \"10\"", "bounds do not fit",
		"broken default \"1h\"",
	};
	const struct opt twice[] = {
		FLAW(STR, NULL, 0, 0, NULL, "Help."),
		FLAW(STR, NULL, 0, 0, NULL, "Help."),
	};
	struct opt_table t = { "t", NULL, NULL, 1, sizeof(struct sample),
	    OPT_PGBOUNCER };
	char		 want[128];
	size_t		 i;

	for (i = 0; i < ARRAY_LEN(flaws); i++) {
		t.opts = &flaws[i];
		ck_assert_int_eq(opt_check(&t, &err), ERR_CONFIG);
		snprintf(want, sizeof(want), "t: x: %s", texts[i]);
		ck_assert_str_eq(err.msg, want);
	}
	t.opts = twice;
	t.n = 2;
	ck_assert_int_eq(opt_check(&t, &err), ERR_CONFIG);
	ck_assert_str_eq(err.msg, "t: x: listed twice");
}
END_TEST

UNIT_MAIN("opt", defaults_and_unset, names, values_of_both_dialects,
    error_texts, lists, secrets_are_not_shown, copies_share_nothing,
    equality, reload, no_effect_yet, printed_defaults, broken_tables)
