/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/unit.h"
#include "tests/unit/opt_sample.h"

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

START_TEST(nearest)
{
	static const struct {
		const char	*key, *name;
	} v[] = {
		{ "wait_tme", "wait_time" }, { "wait_itme", "wait_time" },
		{ "wait-time", "wait_time" }, { "max_sise", "max_size" },
		{ "max_sizes_", "max_size" }, { "max_sizes_x", NULL },
		{ "falg", "flag" }, { "flaggs", NULL }, { "", NULL },
		{ "xyz", NULL }, { "Group", NULL },
		{ "bare_number", "bare_number" },
		{ "a key that is so long that nobody compares it with any other "
		    "one, whatever it is like", NULL },
	};
	const struct opt	*o;
	size_t			 i;

	for (i = 0; i < ARRAY_LEN(v); i++) {
		o = opt_nearest(&bouncer, v[i].key);
		ck_assert_msg((o == NULL) == (v[i].name == NULL), "%s",
		    v[i].key);
		if (o != NULL)
			ck_assert_str_eq(o->name, v[i].name);
	}
}
END_TEST

UNIT_MAIN("opt_show", nearest, secrets_are_not_shown, equality, reload,
    no_effect_yet, broken_tables)
