/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/base64.h"

#include <string.h>

#include "common/err.h"
#include "tests/unit/unit.h"

static int
decode(const char *text, size_t cap)
{
	unsigned char	out[64];
	size_t		len;

	return base64_decode(text, strlen(text), out, cap, &len);
}

START_TEST(rfc4648_vectors)
{
	static const char *const v[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xff\xef\xbe", "/+++" }
	};
	struct buf	b = { 0 };
	char		out[16];
	size_t		i, n;

	for (i = 0; i < ARRAY_LEN(v); i++) {
		n = strlen(v[i][0]);
		buf_clear(&b);
		base64_encode(&b, v[i][0], n);
		ck_assert_uint_eq(buf_len(&b), BASE64_LEN(n));
		ck_assert_str_eq(buf_cstr(&b), v[i][1]);
		ck_assert_int_eq(base64_decode(v[i][1], strlen(v[i][1]), out,
		    n, &n), 0);
		ck_assert_uint_eq(n, strlen(v[i][0]));
		ck_assert_mem_eq(out, v[i][0], n);
	}
	buf_release(&b);
}
END_TEST

START_TEST(every_byte_survives)
{
	unsigned char	in[256], out[256];
	struct buf	b = { 0 };
	size_t		i, n;

	for (i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)i;
	for (i = 0; i <= sizeof(in); i++) {
		buf_clear(&b);
		base64_encode(&b, in, i);
		ck_assert_int_eq(base64_decode(buf_bytes(&b), buf_len(&b),
		    out, i, &n), 0);
		ck_assert_uint_eq(n, i);
		ck_assert_mem_eq(out, in, n);
	}
	buf_release(&b);
}
END_TEST

START_TEST(refuses_what_is_not_exact)
{
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg= ", " Zg==",
	    "Zg==\n", "Z===", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm9v=",
	    "Zm-v", "Z=9v", "Zm9\xff" };
	size_t	i;

	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(decode(bad[i], 64) == ERR_FORMAT, "%s", bad[i]);
	ck_assert_int_eq(decode("Zm9v", 2), ERR_LIMIT);
	ck_assert_int_eq(decode("Zg==", 0), ERR_LIMIT);
}
END_TEST

UNIT_MAIN("base64", rfc4648_vectors, every_byte_survives,
    refuses_what_is_not_exact)
