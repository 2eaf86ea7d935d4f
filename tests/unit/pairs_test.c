/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/pairs.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"

/* All pairs as "key<value>", then "!" after an error. */
static void
expect(const char *text, const char *want)
{
	struct buf	out = { 0 };
	char		copy[256], *rest = copy, *key, *value;
	int		rc;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((rc = pairs_next(&rest, &key, &value)) == 1)
		buf_printf(&out, "%s<%s>", key, value);
	if (rc != 0) {
		ck_assert_int_eq(rc, ERR_FORMAT);
		buf_append_u8(&out, '!');
	}
	ck_assert_str_eq(buf_cstr(&out), want);
	buf_release(&out);
}

START_TEST(good)
{
	expect("", "");
	expect(" \t\r\n", "");
	expect("a=1", "a<1>");
	expect("  a=1 \tb = 2  c= 3 d =4 ", "a<1>b<2>c<3>d<4>");
	expect("a='x y' b=''''", "a<x y>b<'>");
	expect("a='it''s' b='''q'''", "a<it's>b<'q'>");
	expect("a=x'y b=\"z w=1", "a<x'y>b<\"z>w<1>");
	expect("a==b=c", "a<=b=c>");
	expect("a='=' b=1", "a<=>b<1>");
	expect("host=a,b,::1 q='select 1; -- x'",
	    "host<a,b,::1>q<select 1; -- x>");
}
END_TEST

START_TEST(bad)
{
	expect("a", "!");
	expect("=1", "!");
	expect(" = 1", "!");
	expect("a b=1", "!");
	expect("a=", "!");
	expect("a=''", "!");
	expect("a= ", "!");
	expect("a='x", "!");
	expect("a='x''", "!");
	expect("a='x'y", "!");
	expect("a='x'b=1", "!");
	expect("a=1 b", "a<1>!");
	expect("a=1 b= c=2", "a<1>b<c=2>");
	expect("a=1 ;c", "a<1>!");
}
END_TEST

/* Random text: it ends, and stays within its bytes (sanitizers look). */
START_TEST(random_text)
{
	static const char	pieces[] = "a='' =\t\"b";
	uint32_t		seed = 7;
	int			round;
	size_t			i, n;

	for (round = 0; round < 50000; round++) {
		char	text[24], *copy, *rest, *key, *value;
		int	pairs = 0;

		n = (seed = seed * 1664525u + 1013904223u) >> 16;
		n %= sizeof(text);
		for (i = 0; i < n; i++) {
			seed = seed * 1664525u + 1013904223u;
			text[i] = pieces[(seed >> 16) % (sizeof(pieces) - 1)];
		}
		/* Of its exact size, so that a read behind it shows. */
		rest = copy = strndup(text, n);
		ck_assert_ptr_nonnull(copy);
		while (pairs_next(&rest, &key, &value) == 1) {
			ck_assert(*key != '\0' && *value != '\0');
			pairs++;
		}
		ck_assert_int_le(pairs, (int)n / 3 + 1);
		free(copy);
	}
}
END_TEST

UNIT_MAIN("pairs", good, bad, random_text)
