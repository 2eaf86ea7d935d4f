/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"

START_TEST(reading)
{
	static const char text[] = "{\"a\": [1, \"two\", true, {\"b\": -3}],"
	    " \"n\": null}";
	const struct json *a;
	struct json *j;
	struct err e = { 0 };

	ck_assert_int_eq(json_parse(text, strlen(text), &j, &e), 0);
	a = json_get(j, "a");
	ck_assert_uint_eq(json_count(a), 4);
	ck_assert_int_eq(json_int(json_at(a, 0)), 1);
	ck_assert_str_eq(json_text(json_at(a, 1)), "two");
	ck_assert(json_yes(json_at(a, 2)));
	ck_assert_int_eq(json_int(json_get(json_at(a, 3), "b")), -3);
	json_free(j);
}
END_TEST

START_TEST(what_is_not_there)
{
	static const char text[] = "{\"a\": 1}";
	struct json *j;
	struct err e = { 0 };

	ck_assert_int_eq(json_parse(text, strlen(text), &j, &e), 0);
	ck_assert_ptr_null(json_get(json_get(j, "x"), "y"));
	ck_assert_ptr_null(json_at(j, 0));
	ck_assert_uint_eq(json_count(j), 0);
	ck_assert_ptr_null(json_text(json_get(j, "a")));
	ck_assert(!json_yes(json_get(j, "a")));
	ck_assert_int_eq(json_int(j), 0);
	json_free(j);
	json_free(NULL);
}
END_TEST

START_TEST(no_json)
{
	static const char *const texts[] = { "", "{", "[1,]", "{\"a\":1,"
	    "\"a\":2}", "nonsense", "[1] 2" };
	struct json *j = NULL;
	struct err e;
	size_t	i;

	for (i = 0; i < ARRAY_LEN(texts); i++) {
		e = (struct err){ 0 };
		ck_assert_int_eq(json_parse(texts[i], strlen(texts[i]), &j,
		    &e), ERR_FORMAT);
		ck_assert_ptr_nonnull(strstr(e.msg, "not JSON: "));
		ck_assert_ptr_null(j);
	}
}
END_TEST

START_TEST(writing)
{
	struct json_build b = { .root = NULL };
	struct buf out = { 0 };
	struct err e = { 0 };

	json_open(&b, NULL, false);
	json_put_int(&b, "n", 7);
	json_open(&b, "list", true);
	json_put_string(&b, NULL, "a \"quoted\" text");
	json_put_string(&b, NULL, NULL);
	json_close(&b);
	json_put_bool(&b, "yes", true);
	json_close(&b);
	ck_assert_int_eq(json_build_print(&b, &out, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "{\n  \"n\": 7,\n  \"list\": [\n"
	    "    \"a \\\"quoted\\\" text\",\n    null\n  ],\n"
	    "  \"yes\": true\n}\n");
	json_build_release(&b);
	buf_release(&out);
}
END_TEST

START_TEST(bad_text_is_told)
{
	struct json_build b = { .root = NULL };
	struct buf out = { 0 };
	struct err e = { 0 };

	json_open(&b, NULL, false);
	json_put_string(&b, "x", "\xff\xfe");
	json_open(&b, "o", false);
	json_put_int(&b, "n", 1);
	json_close(&b);
	json_close(&b);
	ck_assert_int_eq(json_build_print(&b, &out, &e), ERR_NOMEM);
	json_build_release(&b);
	buf_release(&out);
}
END_TEST

UNIT_MAIN("json", reading, what_is_not_there, no_json, writing,
    bad_text_is_told)
