/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/buf.h"
#include "tests/unit/unit.h"

#include <string.h>

static void
expect(struct buf *b, const char *want)
{
	ck_assert(!buf_failed(b));
	ck_assert_uint_eq(buf_len(b), strlen(want));
	ck_assert_str_eq(buf_cstr(b), want);
}

START_TEST(appends)
{
	struct buf		b = { 0 };
	static const char	want[] = "ab" "cd\0" "\x01" "\x02\x03"
	    "\x04\x05\x06\x07" "-7 x";

	ck_assert_ptr_null(buf_bytes(&b));
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_append(&b, "ab", 2);
	buf_append(&b, NULL, 0);
	buf_append_str(&b, "");
	buf_append_cstr(&b, "cd");
	buf_append_u8(&b, 1);
	buf_append_be16(&b, 0x0203);
	buf_append_be32(&b, 0x04050607);
	buf_printf(&b, "%d %s", -7, "x");
	ck_assert_uint_eq(buf_len(&b), sizeof(want) - 1);
	ck_assert_mem_eq(buf_bytes(&b), want, sizeof(want) - 1);
	buf_put_be32_at(&b, 1, 0xfffefdfc);
	ck_assert_mem_eq(buf_bytes(&b), "a\xff\xfe\xfd\xfc", 5);
	buf_put_be32_at(&b, sizeof(want) - 5, 0x41424344);
	ck_assert_mem_eq(buf_bytes(&b) + sizeof(want) - 5, "ABCD", 4);
	buf_release(&b);
	ck_assert_ptr_null(buf_bytes(&b));
	buf_release(&b);
}
END_TEST

START_TEST(consume_and_truncate)
{
	struct buf	b = { 0 };
	size_t		i;

	buf_append_str(&b, "hello world");
	buf_consume(&b, 6);
	expect(&b, "world");
	buf_truncate(&b, 3);
	expect(&b, "wor");
	buf_consume(&b, 3);
	ck_assert_uint_eq(b.off, 0);
	expect(&b, "");
	/* A stream through it: memory stays bounded. */
	for (i = 0; i < 10000; i++) {
		buf_append(&b, "0123456789", 10);
		buf_consume(&b, i % 2 == 0 ? 7 : 13);
	}
	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert_uint_le(b.cap, 128);
	buf_clear(&b);
	expect(&b, "");
	buf_release(&b);
}
END_TEST

START_TEST(reserve_and_commit)
{
	struct buf	b = { 0 };
	char		*p = buf_reserve(&b, 1000);

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(buf_len(&b), 0);
	memcpy(p, "abc", 3);
	buf_commit(&b, 3);
	expect(&b, "abc");
	ck_assert_ptr_nonnull(buf_reserve(&b, 0));
	buf_release(&b);
	ck_assert_ptr_nonnull(buf_reserve(&b, 0));
	buf_release(&b);
}
END_TEST

START_TEST(maximum)
{
	struct buf	b;

	buf_init(&b, 10);
	buf_append(&b, "0123456789", 10);
	/* Just full is no failure, and still a string. */
	expect(&b, "0123456789");
	buf_append(&b, "", 0);
	ck_assert(!buf_failed(&b));
	buf_append_u8(&b, 'x');
	ck_assert(buf_failed(&b));
	ck_assert_uint_eq(buf_len(&b), 10);
	/* The failure stays until it is cleared, the content is kept. */
	buf_consume(&b, 5);
	buf_append_u8(&b, 'x');
	ck_assert(buf_failed(&b));
	ck_assert_ptr_null(buf_reserve(&b, 0));
	ck_assert_str_eq(buf_cstr(&b), "56789");
	ck_assert(buf_failed(&b));
	buf_put_be32_at(&b, 0, 0);
	ck_assert_str_eq(buf_cstr(&b), "56789");
	buf_clear(&b);
	buf_printf(&b, "%s", "0123456789");
	expect(&b, "0123456789");
	buf_clear(&b);
	buf_printf(&b, "%s", "01234567890");
	ck_assert(buf_failed(&b));
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_clear(&b);
	ck_assert_ptr_null(buf_reserve(&b, 11));
	buf_clear(&b);
	ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX));
	buf_release(&b);
	ck_assert_uint_eq(b.max, 10);
	ck_assert(!buf_failed(&b));
}
END_TEST

START_TEST(maximum_after_consume)
{
	struct buf	b;
	int		i;

	buf_init(&b, 100);
	for (i = 0; i < 50; i++) {
		buf_append(&b, "0123456789012345678901234567890123456789", 40);
		buf_append(&b, "0123456789012345678901234567890123456789", 40);
		buf_consume(&b, 80);
	}
	ck_assert(!buf_failed(&b));
	buf_release(&b);
}
END_TEST

/* What was consumed makes room before the allocator is asked. */
START_TEST(room_is_reclaimed)
{
	struct buf	b = { 0 };
	size_t		cap;

	buf_append(&b, "0123456789012345678901234567890123456789012345678901",
	    52);
	cap = b.cap;
	buf_consume(&b, 50);
	buf_append(&b, "abcdefghijklmnopqrstuvwxyz", 26);
	ck_assert_uint_eq(b.cap, cap);
	expect(&b, "01abcdefghijklmnopqrstuvwxyz");
	buf_release(&b);
}
END_TEST

START_TEST(no_memory)
{
	struct buf	b;

	/*
	 * More than any machine has: the allocator says no, we say so. Not
	 * under the address sanitizer, which ends the program instead.
	 */
	buf_init(&b, SIZE_MAX);
	buf_append_str(&b, "kept");
#ifndef __SANITIZE_ADDRESS__
	ck_assert_ptr_null(buf_reserve(&b, SIZE_MAX / 2 + 2));
	ck_assert(buf_failed(&b));
#endif
	ck_assert_str_eq(buf_cstr(&b), "kept");
	buf_release(&b);
}
END_TEST

START_TEST(secrets)
{
	struct buf	b = { 0 };

	buf_append_str(&b, "secret");
	buf_release_secret(&b);
	ck_assert_ptr_null(b.data);
	buf_release_secret(&b);
}
END_TEST

UNIT_MAIN("buf", appends, consume_and_truncate, reserve_and_commit, maximum,
    maximum_after_consume, room_is_reclaimed, no_memory, secrets)
