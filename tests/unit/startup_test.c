/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/startup.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/err.h"

static struct params_names *names;
static struct options	    opts;
static struct startup	    s;
static struct err	    e;

static void
begin(void)
{
	names = params_names_new();
	ck_assert_ptr_nonnull(names);
	ck_assert_int_eq(params_names_add(names, "application_name"), 0);
	ck_assert_int_eq(params_names_add(names, "search_path"), 0);
	ck_assert_int_eq(params_names_add(names, "TimeZone"), 0);
	memset(&e, 0, sizeof(e));
	ck_assert_int_eq(opt_init(&pooler_option_table, &opts, &e), 0);
	memset(&s, 0, sizeof(s));
}

static void
end(void)
{
	startup_release(&s);
	opt_release(&pooler_option_table, &opts);
	/* Asserts that every value came back. */
	params_names_free(names);
}

static void
set_option(const char *key, const char *value)
{
	const struct opt *o = opt_find(&pooler_option_table, key, NULL);

	ck_assert_ptr_nonnull(o);
	ck_assert_int_eq(opt_set(&pooler_option_table, o, &opts, value, &e), 0);
}

/* Parses name, value, name, value, ..., NULL. */
static int
parse(uint32_t version, ...)
{
	struct wire_first first = { .kind = WIRE_FIRST_STARTUP,
	    .code = version };
	struct buf	  b = { 0 };
	const char	 *text;
	va_list		  ap;
	int		  r;

	va_start(ap, version);
	while ((text = va_arg(ap, const char *)) != NULL)
		buf_append_cstr(&b, text);
	va_end(ap);
	buf_append_u8(&b, 0);
	first.body = (uint32_t)buf_len(&b);
	memset(&e, 0, sizeof(e));
	r = startup_parse(&s, &first, buf_bytes(&b), &opts, names, &e);
	buf_release(&b);
	return r;
}

#define V3	WIRE_VERSION(3, 0)

static const char *
param(const char *name)
{
	return s.params.value[params_index(names, name)];
}

START_TEST(names_and_tracked_parameters)
{
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", "database", "shop",
	    "application_name", "till 1", "timezone", "UTC", NULL), 0);
	ck_assert_str_eq(s.user, "ann");
	ck_assert_str_eq(s.database, "shop");
	ck_assert_str_eq(param("application_name"), "till 1");
	ck_assert_str_eq(param("TimeZone"), "UTC");
	ck_assert_ptr_null(param("search_path"));
	end();
}
END_TEST

START_TEST(the_database_is_the_users_by_default)
{
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", NULL), 0);
	ck_assert_str_eq(s.database, "ann");
	end();
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", "database", "", NULL), 0);
	ck_assert_str_eq(s.database, "ann");
	end();
}
END_TEST

START_TEST(a_name_given_twice_counts_last)
{
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", "user", "bob",
	    "TimeZone", "UTC", "TimeZone", "CET", NULL), 0);
	ck_assert_str_eq(s.user, "bob");
	ck_assert_str_eq(param("TimeZone"), "CET");
	end();
}
END_TEST

START_TEST(what_is_missing_or_too_long)
{
	char	name[200];

	begin();
	ck_assert_int_ne(parse(V3, "database", "shop", NULL), 0);
	ck_assert_str_eq(e.msg, "no username supplied");
	end();
	memset(name, 'x', sizeof(name));
	name[127] = '\0';
	begin();
	ck_assert_int_eq(parse(V3, "user", name, NULL), 0);
	end();
	name[127] = 'x';
	name[128] = '\0';
	begin();
	ck_assert_int_ne(parse(V3, "user", name, NULL), 0);
	ck_assert_str_eq(e.msg, "username too long");
	end();
}
END_TEST

START_TEST(a_packet_without_its_end)
{
	struct wire_first first = { .kind = WIRE_FIRST_STARTUP, .code = V3 };
	static const char *const bad[] = { "user\0ann", "user\0ann\0",
	    "user\0ann\0\0x" };
	static const size_t len[] = { 8, 9, 11 };
	size_t	i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		begin();
		first.body = (uint32_t)len[i];
		ck_assert_int_ne(startup_parse(&s, &first, bad[i], &opts,
		    names, &e), 0);
		ck_assert_str_eq(e.msg, "invalid startup packet layout: "
		    "expected terminator as last byte");
		end();
	}
}
END_TEST

START_TEST(unknown_parameters)
{
	begin();
	ck_assert_int_ne(parse(V3, "user", "ann", "extra_float_digits", "3",
	    NULL), 0);
	ck_assert_str_eq(e.msg,
	    "unsupported startup parameter: extra_float_digits");
	ck_assert_str_eq(e.hint,
	    "unsupported startup parameter: extra_float_digits=3");
	end();
	begin();
	set_option("ignore_startup_parameters", "extra_float_digits, TimeZone");
	ck_assert_int_eq(parse(V3, "user", "ann", "extra_float_digits", "3",
	    "TimeZone", "UTC", NULL), 0);
	/* Ignoring beats tracking. */
	ck_assert_ptr_null(param("TimeZone"));
	end();
}
END_TEST

START_TEST(options_in_all_their_forms)
{
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", "options",
	    " -c application_name=a\\ b  -csearch_path=x,y --time-zone=CET",
	    NULL), ERR_PROTOCOL);
	/* Dashes become underscores: time_zone is not tracked. */
	ck_assert_str_eq(e.msg,
	    "unsupported startup parameter in options: time_zone");
	end();
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", "options",
	    " -c application_name=a\\ b  -csearch_path=x,y --TimeZone=CET",
	    NULL), 0);
	ck_assert_str_eq(param("application_name"), "a b");
	ck_assert_str_eq(param("search_path"), "x,y");
	ck_assert_str_eq(param("TimeZone"), "CET");
	end();
	begin();
	set_option("ignore_startup_parameters", "options");
	ck_assert_int_eq(parse(V3, "user", "ann", "options",
	    "-c geqo=off -c TimeZone=CET", NULL), 0);
	ck_assert_str_eq(param("TimeZone"), "CET");
	end();
}
END_TEST

/* -c= once made PgBouncer spin (CVE-2026-107349). */
START_TEST(options_that_are_rubbish)
{
	static const char *const bad[] = { "-c", "-c=", "-c =x", "--", "--=x",
	    "-c TimeZone", "-x", "foo", "-c \\", "-" };
	size_t	i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		begin();
		ck_assert_int_ne(parse(V3, "user", "ann", "options", bad[i],
		    NULL), 0);
		ck_assert_str_eq(e.msg, "unsupported options startup "
		    "parameter: only '-c config=val' and '--config=val' are "
		    "allowed");
		end();
	}
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", "options", "  \t ", NULL), 0);
	end();
}
END_TEST

START_TEST(replication_is_refused)
{
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", "replication", "database",
	    NULL), ERR_NOT_YET);
	end();
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", "replication", "off", NULL),
	    0);
	end();
}
END_TEST

START_TEST(negotiation)
{
	struct wire_first first = { .kind = WIRE_FIRST_STARTUP, .code = V3 };
	struct buf	  b = { 0 };

	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", NULL), 0);
	startup_negotiate(&s, &first, &b);
	ck_assert_uint_eq(buf_len(&b), 0);
	end();
	begin();
	first.code = WIRE_VERSION(3, 2);
	ck_assert_int_eq(parse(first.code, "user", "ann", "_pq_.x", "1",
	    "_pq_.yy", "2", NULL), 0);
	startup_negotiate(&s, &first, &b);
	/* 'v', length, 3.0, two names. */
	ck_assert_uint_eq(buf_len(&b), 1 + 4 + 4 + 4 + 7 + 8);
	ck_assert_int_eq(buf_bytes(&b)[0], 'v');
	ck_assert_int_eq(memcmp(buf_bytes(&b) + 13, "_pq_.x\0_pq_.yy", 15), 0);
	buf_release(&b);
	end();
}
END_TEST

START_TEST(the_host_joins_the_application_name)
{
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", NULL), 0);
	ck_assert_int_eq(startup_add_host(&s, names, "10.0.0.1:5"), 0);
	ck_assert_str_eq(param("application_name"), "app - 10.0.0.1:5");
	end();
	begin();
	ck_assert_int_eq(parse(V3, "user", "ann", "application_name", "till",
	    NULL), 0);
	ck_assert_int_eq(startup_add_host(&s, names, "unix:6432"), 0);
	ck_assert_str_eq(param("application_name"), "till - unix:6432");
	end();
}
END_TEST

UNIT_MAIN("startup", names_and_tracked_parameters,
    the_database_is_the_users_by_default, a_name_given_twice_counts_last,
    what_is_missing_or_too_long, a_packet_without_its_end, unknown_parameters,
    options_in_all_their_forms, options_that_are_rubbish,
    replication_is_refused, negotiation, the_host_joins_the_application_name)
