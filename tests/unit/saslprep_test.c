/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/saslprep.h"

#include <string.h>

#include "tests/unit/unit.h"

static void
expect(const char *password, const char *prepared)
{
	struct buf b = { 0 };

	saslprep(password, &b);
	ck_assert_str_eq(buf_cstr(&b), prepared);
	buf_release_secret(&b);
}

START_TEST(normalises)
{
	/* RFC 4013, section 3. */
	expect("user", "user");
	expect("USER", "USER");
	expect("I\xc2\xadX", "IX");
	expect("\xc2\xaa", "a");
	expect("\xe2\x85\xa8", "IX");
	/* A combining accent, a space that does not break. */
	expect("o\xcc\x88", "\xc3\xb6");
	expect("a\xc2\xa0" "b", "a b");
	/* The character that grows most. */
	expect("\xef\xb7\xba\xef\xb7\xba",
	    "\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
	    "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 \xd9\x88\xd8\xb3\xd9\x84\xd9\x85"
	    "\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
	    "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 "
	    "\xd9\x88\xd8\xb3\xd9\x84\xd9\x85");
}
END_TEST

START_TEST(falls_back_to_the_bytes)
{
	expect("", "");
	expect("\a", "\a");		/* ASCII is never looked at */
	expect("\xff\xfe", "\xff\xfe");	/* not UTF-8 */
	expect("caf\xe9", "caf\xe9");
	expect("\xc3", "\xc3");		/* cut */
	expect("\xc0\xaf", "\xc0\xaf");	/* overlong */
	expect("\xed\xa0\x80", "\xed\xa0\x80");	/* surrogate */
	expect("bad\a\xc3\xa9", "bad\a\xc3\xa9"); /* prohibited */
	expect("\xd8\xa7" "1", "\xd8\xa7" "1");	/* both directions */
	expect("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"); /* later than 3.2 */
	expect("\xc2\xad", "\xc2\xad");	/* would be nothing */
}
END_TEST

START_TEST(long_ones)
{
	static char	text[65531];
	struct buf	b = { 0 };

	memset(text, 'x', sizeof(text) - 1);
	saslprep(text, &b);
	ck_assert_uint_eq(buf_len(&b), 65530);
	buf_clear(&b);
	memcpy(text, "\xc2\xaa", 2);
	saslprep(text, &b);
	ck_assert_uint_eq(buf_len(&b), 65529);
	buf_release(&b);
	/* Out of memory stays in the buffer. */
	buf_init(&b, 10);
	saslprep(text, &b);
	ck_assert(buf_failed(&b));
	buf_release(&b);
}
END_TEST

UNIT_MAIN("saslprep", normalises, falls_back_to_the_bytes, long_ones)
