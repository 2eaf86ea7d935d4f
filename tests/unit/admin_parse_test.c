/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/admin_parse.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "tests/unit/unit.h"

/* "word|arg" or "set|key|value" of what is parsed, or the error's name. */
static const char *
parsed(const char *sql)
{
	static char	   out[512];
	struct admin_words w;
	int	rc = admin_parse(sql, &w);

	if (rc != 0)
		return err_name(rc);
	if (w.is_set)
		snprintf(out, sizeof(out), "set|%s|%s", w.arg, w.value);
	else
		snprintf(out, sizeof(out), "%s|%s", w.word, w.arg);
	return out;
}

START_TEST(commands)
{
	ck_assert_str_eq(parsed("SHOW POOLS"), "SHOW|POOLS");
	ck_assert_str_eq(parsed(" \t\r\nshow\n pools ; \n"), "show|pools");
	ck_assert_str_eq(parsed("reload"), "reload|");
	ck_assert_str_eq(parsed("reload;"), "reload|");
	ck_assert_str_eq(parsed("kill_client 12"), "kill_client|12");
	ck_assert_str_eq(parsed("pause \"My-db\""), "pause|My-db");
	ck_assert_str_eq(parsed("pause \"a\"\"b\""), "pause|a\"b");
	ck_assert_str_eq(parsed("\"show\" \"pools\";"), "show|pools");
	/* A word of that name is no SET without the rest of it. */
	ck_assert_str_eq(parsed("set x"), "set|x");
	ck_assert_str_eq(parsed("set"), "set|");
}
END_TEST

START_TEST(sets)
{
	ck_assert_str_eq(parsed("SET a=b"), "set|a|b");
	ck_assert_str_eq(parsed("set a = 'b c' ;"), "set|a|b c");
	ck_assert_str_eq(parsed("set a TO 5"), "set|a|5");
	ck_assert_str_eq(parsed("set a to'5'"), "set|a|5");
	ck_assert_str_eq(parsed("set\ta\t=\t\"b-c\""), "set|a|b-c");
	ck_assert_str_eq(parsed("set a='it''s'"), "set|a|it's");
	ck_assert_str_eq(parsed("set a=''"), "set|a|");
	ck_assert_str_eq(parsed("set a='b;c'"), "set|a|b;c");
}
END_TEST

START_TEST(refused)
{
	static const char *const bad[] = { "", " ", ";", ";;", "show pools;;",
	    "show pools; show stats", "show pools stats", "show -- pools",
	    "/* x */ show pools", "show po-ols", "pause \"a", "set a b",
	    "set a=", "set a = b c", "set a='b", "set = b", "set a = b-c",
	    "set a == b", "seta=b", "set\"a\"=b", "\"set\" a=b",
	    "show caf\xc3\xa9" };
	size_t	i;

	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(strcmp(parsed(bad[i]), "ERR_FORMAT") == 0,
		    "'%s' gave %s", bad[i], parsed(bad[i]));
}
END_TEST

/* Limits are of the text without quotes and doubled quotes. */
START_TEST(limits)
{
	char	sql[512], fill[300];

	memset(fill, 'x', sizeof(fill));
	snprintf(sql, sizeof(sql), "%.15s", fill);
	ck_assert_uint_eq(strlen(parsed(sql)), 16);
	snprintf(sql, sizeof(sql), "%.16s", fill);
	ck_assert_str_eq(parsed(sql), "ERR_LIMIT");
	snprintf(sql, sizeof(sql), "pause %.63s", fill);
	ck_assert_uint_eq(strlen(parsed(sql)), 6 + 63);
	snprintf(sql, sizeof(sql), "pause \"\"\"%.62s\"", fill);
	ck_assert_uint_eq(strlen(parsed(sql)), 6 + 63);
	snprintf(sql, sizeof(sql), "pause %.64s", fill);
	ck_assert_str_eq(parsed(sql), "ERR_LIMIT");
	snprintf(sql, sizeof(sql), "set %.63s='%.255s'", fill, fill);
	ck_assert_uint_eq(strlen(parsed(sql)), 4 + 63 + 1 + 255);
	snprintf(sql, sizeof(sql), "set a='%.256s'", fill);
	ck_assert_str_eq(parsed(sql), "ERR_LIMIT");
	snprintf(sql, sizeof(sql), "set %.64s=1", fill);
	ck_assert_str_eq(parsed(sql), "ERR_LIMIT");
}
END_TEST

UNIT_MAIN("admin_parse", commands, sets, refused, limits)
