/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/authfile.h"
#include "tests/unit/tempfile.h"
#include "tests/unit/unit.h"

#include "common/buf.h"
#include "common/err.h"

static struct err err;

static void
release(struct authfile_secret *s, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++)
		authfile_release(&s[i]);
	free(s);
}

static int
parse(const char *text, size_t len, struct authfile_secret **s, size_t *n)
{
	struct buf	b = { 0 };
	int		rc;

	*s = NULL;
	*n = 0;
	memset(&err, 0, sizeof(err));
	buf_append(&b, text, len);
	rc = authfile_parse("F", &b, s, n, &err);
	buf_release(&b);
	return rc;
}

/* The users as "user<secret>". */
static void
expect(const char *text, const char *want)
{
	struct authfile_secret	*s;
	struct buf		 out = { 0 };
	size_t			 n, i;

	ck_assert_int_eq(parse(text, strlen(text), &s, &n), 0);
	for (i = 0; i < n; i++)
		buf_printf(&out, "%s<%s>", s[i].user, s[i].secret);
	ck_assert_str_eq(buf_cstr(&out), want);
	buf_release(&out);
	release(s, n);
}

static void
expect_error(const char *text, size_t users, const char *msg)
{
	struct authfile_secret	*s;
	size_t			 n;

	ck_assert_int_eq(parse(text, strlen(text), &s, &n), ERR_CONFIG);
	ck_assert_str_eq(err.msg, msg);
	ck_assert_str_eq(err.hint,
	    "each line is \"user\" \"secret\", in double quotes");
	ck_assert_uint_eq(n, users);
	release(s, n);
}

START_TEST(good)
{
	expect("", "");
	expect("\n  \n; none\n  ; none\n", "");
	expect("\"a\" \"b\"", "a<b>");
	expect("\"a\" \"b\"\r\n\"c\"\t\"d\" junk \"e\"\n", "a<b>c<d>");
	expect("\"a\"\"b\" \"c\"\"\"\n", "a\"b<c\">");
	expect("\"\" \"\"\n\"x y\" \" ; \"\n", "<>x y< ; >");
	expect("\"a\" \"b\"\n\"a\" \"c\"\n", "a<b>a<c>");
}
END_TEST

START_TEST(bad)
{
	expect_error("a b\n", 0, "broken auth file (F:1)");
	expect_error("\"a\" \"b\"\n\n\"a\" b\n", 1, "broken auth file (F:3)");
	expect_error("\"a\"\n\"b\"\n", 0, "broken auth file (F:1)");
	expect_error("\"a", 0, "broken auth file (F:1)");
	expect_error("\"a\" \"b", 0, "broken auth file (F:1)");
	expect_error("\"a\" \"b\n\"\n", 0, "broken auth file (F:1)");
	expect_error("\"a\"x\"b\"\n", 0, "broken auth file (F:1)");
	expect_error("# no comment\n", 0, "broken auth file (F:1)");
}
END_TEST

START_TEST(limits)
{
	struct authfile_secret	*s;
	struct buf		 b = { 0 };
	size_t			 n, user, secret;
	int			 rc;

	for (user = 126; user <= 128; user++) {
		for (secret = 65529; secret <= 65531; secret++) {
			buf_clear(&b);
			buf_append_u8(&b, '"');
			for (n = 0; n < user; n++)
				buf_append_u8(&b, 'u');
			buf_append_str(&b, "\" \"");
			for (n = 0; n < secret; n++)
				buf_append_str(&b, n == 0 ? "\"\"" : "s");
			buf_append_str(&b, "\"\n");
			rc = parse(buf_bytes(&b), buf_len(&b), &s, &n);
			ck_assert_int_eq(rc, user <= 127 && secret <= 65530 ?
			    0 : ERR_CONFIG);
			if (rc == 0)
				ck_assert_uint_eq(strlen(s[0].secret), secret);
			else
				ck_assert_str_eq(err.msg, user > 127 ?
				    "username too long in auth file (F:1)" :
				    "password too long in auth file (F:1)");
			release(s, n);
		}
	}
	buf_release(&b);
}
END_TEST

START_TEST(kinds)
{
	static const struct {
		const char		*secret;
		enum authfile_kind	 kind;
	} v[] = {
		{ "", AUTHFILE_PLAIN },
		{ "md5", AUTHFILE_PLAIN },
		{ "md50123456789abcdef0123456789abcdef", AUTHFILE_MD5 },
		{ "md50123456789abcdef0123456789abcdeF", AUTHFILE_PLAIN },
		{ "md50123456789abcdef0123456789abcde", AUTHFILE_PLAIN },
		{ "md50123456789abcdef0123456789abcdef0",
		    AUTHFILE_PLAIN },
		{ "SCRAM-SHA-256$4096:c2FsdA==$a2V5:a2V5",
		    AUTHFILE_SCRAM },
		{ "SCRAM-SHA-256$:c2FsdA==$a2V5:a2V5", AUTHFILE_PLAIN },
		{ "SCRAM-SHA-256$4096:$a2V5:a2V5", AUTHFILE_PLAIN },
		{ "SCRAM-SHA-256$4096:c2FsdA==$:a2V5", AUTHFILE_PLAIN },
		{ "SCRAM-SHA-256$4096:c2FsdA==$a2V5:", AUTHFILE_PLAIN },
		{ "SCRAM-SHA-256$4096:c2FsdA==$a2V5", AUTHFILE_PLAIN },
		{ "SCRAM-SHA-256$4096:c2FsdA==$a2V5:a:b",
		    AUTHFILE_PLAIN },
		{ "SCRAM-SHA-256$4096", AUTHFILE_PLAIN },
		{ "SCRAM-SHA-256$", AUTHFILE_PLAIN },
		{ "scram-sha-256$4096:c2FsdA==$a2V5:a2V5",
		    AUTHFILE_PLAIN },
	};
	size_t	i;

	for (i = 0; i < ARRAY_LEN(v); i++)
		ck_assert_msg(authfile_kind(v[i].secret) == v[i].kind,
		    "%s", v[i].secret);
}
END_TEST

START_TEST(files)
{
	char			 path[TEMP_PATH_MAX];
	struct authfile_secret	*s = NULL;
	struct buf		 b = { 0 };
	size_t			 n = 0, i;

	/* More than one read(2) long. */
	for (i = 0; i < 20000; i++)
		buf_printf(&b, "\"user%zu\" \"secret%zu\"\n", i, i);
	temp_write(path, buf_bytes(&b), buf_len(&b));
	ck_assert_int_eq(authfile_load(path, &s, &n, &err), 0);
	ck_assert_uint_eq(n, 20000);
	ck_assert_str_eq(s[19999].secret, "secret19999");
	release(s, n);
	buf_release(&b);
	unlink(path);
	s = NULL;
	n = 0;
	ck_assert_int_eq(authfile_load(path, &s, &n, &err), ERR_NOT_FOUND);
	temp_hide(err.msg, path, "F");
	ck_assert_str_eq(err.msg,
	    "could not open auth_file F: No such file or directory");
	ck_assert_int_eq(authfile_load("/", &s, &n, &err), ERR_SYS);
	ck_assert_str_eq(err.msg,
	    "could not read auth_file /: Is a directory");
	ck_assert_ptr_null(s);
}
END_TEST

START_TEST(random_bytes)
{
	static const char	 pieces[] = "\"\"\" a\n;\t\0\xff\"a\" \"b\"\n";
	struct authfile_secret	*s;
	uint32_t		 seed = 99;
	size_t			 n, i, users = 0;
	int			 round;
	char			 text[80];

	for (round = 0; round < 30000; round++) {
		seed = seed * 1664525u + 1013904223u;
		n = (seed >> 16) % sizeof(text);
		for (i = 0; i < n; i++) {
			seed = seed * 1664525u + 1013904223u;
			text[i] = pieces[((seed >> 16) % 3 == 0 ? seed >> 18 :
			    i) % (sizeof(pieces) - 1)];
		}
		if (parse(text, n, &s, &i) != 0)
			ck_assert_str_ne(err.msg, "");
		users += i;
		release(s, i);
	}
	ck_assert_uint_gt(users, 100);
}
END_TEST

UNIT_MAIN("authfile", good, bad, limits, kinds, files, random_bytes)
