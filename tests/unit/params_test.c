/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/params.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "tests/unit/unit.h"

static struct params_names *
some_names(void)
{
	struct params_names *p = params_names_new();

	ck_assert_int_eq(params_names_add(p, "client_encoding"), 0);
	ck_assert_int_eq(params_names_add(p, "application_name"), 0);
	ck_assert_int_eq(params_names_add(p, "search_path"), 0);
	return p;
}

static void
set(struct params_names *p, struct params *s, const char *name,
    const char *value)
{
	int i = params_index(p, name);

	ck_assert_int_ge(i, 0);
	ck_assert_int_eq(params_set(p, s, (size_t)i, value), 0);
}

START_TEST(names)
{
	struct params_names *p = some_names();
	char	name[20];
	int	i;

	ck_assert_int_eq(params_index(p, "CLIENT_Encoding"), 0);
	ck_assert_int_eq(params_index(p, "client"), -1);
	ck_assert_int_eq(params_names_add(p, "Search_Path"), 0);
	ck_assert_uint_eq(params_count(p), 3);
	ck_assert_str_eq(params_name(p, 2), "search_path");
	for (i = 3; i < PARAMS_MAX; i++) {
		snprintf(name, sizeof(name), "x%d", i);
		ck_assert_int_eq(params_names_add(p, name), 0);
	}
	ck_assert_int_eq(params_names_add(p, "more"), ERR_LIMIT);
	ck_assert_int_eq(params_names_add(p, "x5"), 0);
	params_names_free(p);
	params_names_free(NULL);
}
END_TEST

START_TEST(sets_share_values)
{
	struct params_names *p = some_names();
	struct params a = { { 0 } }, b = { { 0 } };

	set(p, &a, "application_name", "app");
	set(p, &b, "application_name", "app");
	ck_assert_ptr_eq(a.value[1], b.value[1]);
	ck_assert(params_match(p, &a, &b));
	set(p, &b, "application_name", "App");
	ck_assert(!params_match(p, &a, &b));
	/* PostgreSQL spells it as it likes, and means the same. */
	set(p, &a, "client_encoding", "utf8");
	set(p, &b, "client_encoding", "UTF8");
	set(p, &b, "application_name", "app");
	ck_assert(params_match(p, &a, &b));
	/* Unknown wishes are met by anything, unknown values meet none. */
	set(p, &b, "search_path", "public");
	ck_assert(params_match(p, &a, &b));
	ck_assert(!params_match(p, &b, &a));
	params_copy(p, &a, &b);
	params_copy(p, &a, &a);
	ck_assert(params_match(p, &b, &a));
	params_release(p, &b);
	ck_assert_str_eq(a.value[2], "public");
	params_release(p, &a);
	params_names_free(p);		/* asserts that no value is left */
}
END_TEST

static void
expect_sql(const char *name, const char *value, const char *sql)
{
	struct params_names *p = some_names();
	struct params client = { { 0 } }, server = { { 0 } };
	struct buf b = { 0 };

	set(p, &client, name, value);
	set(p, &server, name, "other");
	params_diff_sql(p, &client, &server, &b);
	ck_assert_str_eq(buf_cstr(&b), sql);
	buf_clear(&b);
	params_copy(p, &server, &client);
	params_diff_sql(p, &client, &server, &b);
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_release(&b);
	params_release(p, &client);
	params_release(p, &server);
	params_names_free(p);
}

START_TEST(sql)
{
	expect_sql("application_name", "x", "SET application_name='x';");
	expect_sql("application_name", "", "SET application_name='';");
	expect_sql("application_name", "a'b\\c",
	    "SET application_name=E'a''b\\\\c';");
	expect_sql("application_name", "'; DROP TABLE t; --",
	    "SET application_name='''; DROP TABLE t; --';");
	expect_sql("search_path", "\"$user\", public",
	    "SELECT pg_catalog.set_config('search_path',"
	    "'\"$user\", public',false);");
}
END_TEST

static struct params_names *shared_names;

static void *
thread(void *arg)
{
	unsigned seed = *(unsigned *)arg;
	struct params s = { { 0 } }, t = { { 0 } };
	char	value[8];
	int	i;

	for (i = 0; i < 20000; i++) {
		seed = seed * 1103515245u + 12345u;
		snprintf(value, sizeof(value), "v%u", (seed >> 16) % 5);
		set(shared_names, &s, "application_name", value);
		params_copy(shared_names, &t, &s);
		ck_assert_str_eq(t.value[1], value);
		if (i % 7 == 0)
			params_release(shared_names, &s);
	}
	params_release(shared_names, &s);
	params_release(shared_names, &t);
	return NULL;
}

START_TEST(threads)
{
	pthread_t id[4];
	unsigned  seed[4], i;

	shared_names = some_names();
	for (i = 0; i < 4; i++) {
		seed[i] = i;
		ck_assert_int_eq(pthread_create(&id[i], NULL, thread,
		    &seed[i]), 0);
	}
	for (i = 0; i < 4; i++)
		pthread_join(id[i], NULL);
	params_names_free(shared_names);
}
END_TEST

START_TEST(what_a_parse_reads)
{
	struct params_names *p = some_names();
	struct params a = { { 0 } }, b = { { 0 } }, none = { { 0 } };
	uint64_t was;

	ck_assert(params_is_read_by_parse(p, 0));
	ck_assert(!params_is_read_by_parse(p, 1));
	set(p, &a, "client_encoding", "UTF8");
	set(p, &a, "search_path", "public");
	set(p, &a, "application_name", "one");
	set(p, &b, "search_path", "public");
	set(p, &b, "application_name", "another");
	was = params_of_parse(p, &a, &none);
	ck_assert_uint_ne(was, params_of_parse(p, &b, &none));
	/* Where a client has none the server's counts, but not before its. */
	ck_assert_uint_eq(was, params_of_parse(p, &b, &a));
	ck_assert_uint_eq(was, params_of_parse(p, &none, &a));
	set(p, &b, "client_encoding", "LATIN1");
	ck_assert_uint_ne(was, params_of_parse(p, &b, &a));
	ck_assert_uint_eq(was, params_of_parse(p, &a, &b));
	/* It matters whose value it is. */
	set(p, &b, "client_encoding", "public");
	set(p, &b, "search_path", "UTF8");
	ck_assert_uint_ne(was, params_of_parse(p, &b, &none));
	params_release(p, &a);
	params_release(p, &b);
	params_names_free(p);
}
END_TEST

UNIT_MAIN("params", names, sets_share_values, sql, what_a_parse_reads, threads)
