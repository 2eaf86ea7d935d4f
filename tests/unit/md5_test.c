/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/md5.h"
#include "tests/unit/unit.h"

#include "common/err.h"

START_TEST(vectors)
{
	struct md5	*m = md5_new();
	char		 out[MD5_TEXT_MAX];

	/* RFC 1321: d41d8cd98f00b204e9800998ecf8427e, and "abc". */
	ck_assert_int_eq(md5_text(m, out), 0);
	ck_assert_str_eq(out, "1B2M2Y8AsgTpgAmY7PhCfg==");
	m = md5_new();
	md5_add(m, "a", 1);
	md5_add(m, "bc", 2);
	ck_assert_int_eq(md5_text(m, out), 0);
	ck_assert_str_eq(out, "kAFQmDzST7DWlj99KOF/cg==");
	ck_assert_int_eq(md5_text(NULL, out), ERR_NOMEM);
}
END_TEST

START_TEST(etags)
{
	char	out[MD5_TEXT_MAX];

	ck_assert(md5_of_etag("\"900150983cd24fb0d6963f7d28e17f72\"", out));
	ck_assert_str_eq(out, "kAFQmDzST7DWlj99KOF/cg==");
	ck_assert(md5_of_etag("D41D8CD98F00B204E9800998ECF8427E", out));
	ck_assert_str_eq(out, "1B2M2Y8AsgTpgAmY7PhCfg==");
	ck_assert(!md5_of_etag("", out));
	ck_assert(!md5_of_etag("\"900150983cd24fb0d6963f7d28e17f72-2\"", out));
	ck_assert(!md5_of_etag("\"900150983cd24fb0d6963f7d28e17f72", out));
	ck_assert(!md5_of_etag("900150983cd24fb0d6963f7d28e17f7g", out));
}
END_TEST

UNIT_MAIN("md5", vectors, etags)
