/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/unit.h"
#include "tests/unit/opt_sample.h"

static const struct opt_table indexed = OPT_TABLE("repo", "repo", rows,
    struct sample, OPT_PGBACKREST);

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

UNIT_MAIN("opt", defaults_and_unset, names, values_of_both_dialects,
    error_texts, lists, copies_share_nothing)
