/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/conf.h"
#include "tests/unit/tempfile.h"
#include "tests/unit/unit.h"

#include <sys/stat.h>

#include "common/buf.h"
#include "common/err.h"

static struct err err;

/* Writes what it is told as text: "2 [section]" and "3 key=<value>". */
static int
record(void *arg, const struct conf_line *l, struct err *e)
{
	struct buf	*out = arg;

	if (l->key == NULL) {
		ck_assert_ptr_null(l->value);
		buf_printf(out, "%d [%s]\n", l->line, l->section);
		return 0;
	}
	if (strcmp(l->key, "stop") == 0)
		return err_set(e, ERR_CONFIG, "told to stop");
	buf_printf(out, "%d %s.%s=<%s>\n", l->line, l->section, l->key,
	    l->value);
	return 0;
}

static int
parse_bytes(const void *bytes, size_t n, struct buf *out)
{
	char	path[TEMP_PATH_MAX];
	int	rc;

	temp_write(path, bytes, n);
	memset(&err, 0, sizeof(err));
	rc = conf_parse(path, record, out, &err);
	temp_hide(err.msg, path, "F");
	unlink(path);
	return rc;
}

static void
expect(const char *text, const char *events)
{
	struct buf	out = { 0 };

	if (parse_bytes(text, strlen(text), &out) != 0)
		ck_abort_msg("%s", err.msg);
	ck_assert_str_eq(buf_cstr(&out), events);
	buf_release(&out);
}

/* The events up to the error, and its message. */
static void
expect_error(const char *text, const char *events, const char *msg)
{
	struct buf	out = { 0 };

	ck_assert_int_eq(parse_bytes(text, strlen(text), &out), ERR_CONFIG);
	ck_assert_str_eq(buf_cstr(&out), events);
	ck_assert_str_eq(err.msg, msg);
	buf_release(&out);
}

START_TEST(plain_lines)
{
	expect("", "");
	expect("\n\n  \n", "");
	expect("[a]", "1 [a]\n");
	expect("[a]\nk=v", "1 [a]\n2 a.k=<v>\n");
	expect("k = v\n[a]\n", "1 .k=<v>\n2 [a]\n");
	expect("[a]\nk = v \t\r\n", "1 [a]\n2 a.k=<v>\n");
	expect("[a]\nk=\nl =  \n", "1 [a]\n2 a.k=<>\n3 a.l=<>\n");
	expect("[a]\n[b]\n[a]\nx=1\n", "1 [a]\n2 [b]\n3 [a]\n4 a.x=<1>\n");
	expect("[a] ; why\n[b]\t# why\n", "1 [a]\n2 [b]\n");
	expect("[]\n", "1 []\n");
	expect("\xEF\xBB\xBF[a]\nk=v\n", "1 [a]\n2 a.k=<v>\n");
	expect("[a]\nA-Z_a.z*09 = x\n* = y\n",
	    "1 [a]\n2 a.A-Z_a.z*09=<x>\n3 a.*=<y>\n");
}
END_TEST

/* What Debian's inih alone gets wrong, see design section 9. */
START_TEST(what_inih_would_damage)
{
	expect("[a]\n   k = v\n\tl = w\n  [b]\n",
	    "1 [a]\n2 a.k=<v>\n3 a.l=<w>\n4 [b]\n");
	expect("[a]\nk = 'x ; y' ; z # q\n",
	    "1 [a]\n2 a.k=<'x ; y' ; z # q>\n");
	expect("[a]\nk = v;w\nl=;\nm = #\n",
	    "1 [a]\n2 a.k=<v;w>\n3 a.l=<;>\n4 a.m=<#>\n");
	expect("[a]\nk = x:y=z\nl==\n", "1 [a]\n2 a.k=<x:y=z>\n3 a.l=<=>\n");
	expect("[a]\nk = \"v\"\nl = 'v'\n",
	    "1 [a]\n2 a.k=<\"v\">\n3 a.l=<'v'>\n");
	expect("[a]\nk = \xC3\xA4\x01\n", "1 [a]\n2 a.k=<\xC3\xA4\x01>\n");
	expect("[a section with a name that is longer than the fifty bytes "
	    "that inih keeps]\nk=v\n", "1 [a section with a name that is "
	    "longer than the fifty bytes that inih keeps]\n2 a section with "
	    "a name that is longer than the fifty bytes that inih keeps.k="
	    "<v>\n");
}
END_TEST

START_TEST(comments)
{
	expect("; one\n  # two\n;[a]\n[b]\n;k=v\n#k=v\nl=1\n",
	    "4 [b]\n7 b.l=<1>\n");
}
END_TEST

START_TEST(quoted_keys)
{
	expect("[a]\n'x y' = 1\n\"x\"=2\n'it''s'=3\n\"a\"\"b\" = 4\n",
	    "1 [a]\n2 a.x y=<1>\n3 a.x=<2>\n4 a.it's=<3>\n5 a.a\"b=<4>\n");
	expect("[a]\n'x=y'=1\n';'=2\n'[b]'=3\n\"'\"=4\n",
	    "1 [a]\n2 a.x=y=<1>\n3 a.;=<2>\n4 a.[b]=<3>\n5 a.'=<4>\n");
}
END_TEST

START_TEST(long_lines)
{
	static const size_t lengths[] = { 140, 148, 149, 150, 151, 197, 199,
	    200, 201, 511, 512, 513, 4096, 70000, CONF_LINE_MAX - 4 };
	size_t	i, n;

	for (i = 0; i < ARRAY_LEN(lengths); i++) {
		struct buf text = { 0 }, out = { 0 }, want = { 0 };

		buf_append_str(&text, "[a]\nk = ");
		for (n = 0; n < lengths[i]; n++)
			buf_append(&text, &"xyz"[n % 3], 1);
		buf_append_str(&text, "\nl=2\n");
		buf_append_str(&want, "1 [a]\n2 a.k=<");
		buf_append(&want, buf_bytes(&text) + 8, lengths[i]);
		buf_append_str(&want, ">\n3 a.l=<2>\n");
		ck_assert_int_eq(parse_bytes(buf_bytes(&text), buf_len(&text),
		    &out), 0);
		ck_assert_str_eq(buf_cstr(&out), buf_cstr(&want));
		buf_release(&text);
		buf_release(&out);
		buf_release(&want);
	}
}
END_TEST

START_TEST(syntax_errors)
{
	static const char *const wrong[] = {
		"foo", "= v", "k v", "[a", "[a]x", "k;l = 1", "'a = 1",
		"'a' 1", "'' = 1", "%include", "%includefile", "%", "k", "?",
		"\"\"=", "k:v", "\xC3\xA4 = 1", "'a''= 1", "!=1", "k v = 1",
	};
	char	text[64];
	size_t	i;

	for (i = 0; i < ARRAY_LEN(wrong); i++) {
		snprintf(text, sizeof(text), "\n[s]\n%s\nk=v\n", wrong[i]);
		expect_error(text, "2 [s]\n", "syntax error in configuration "
		    "(F:3), stopping loading");
		/* The same as the last line, without a newline. */
		snprintf(text, sizeof(text), "\n[s]\n%s", wrong[i]);
		expect_error(text, "2 [s]\n", "syntax error in configuration "
		    "(F:3), stopping loading");
	}
}
END_TEST

START_TEST(bytes_that_are_no_text)
{
	struct buf	out = { 0 }, text = { 0 };

	ck_assert_int_eq(parse_bytes("[a]\nk=v\0w\n", 10, &out), ERR_CONFIG);
	ck_assert_str_eq(err.msg,
	    "syntax error in configuration (F:2), stopping loading");
	memset(buf_reserve(&text, CONF_LINE_MAX + 1), 'x', CONF_LINE_MAX + 1);
	buf_commit(&text, CONF_LINE_MAX + 1);
	ck_assert_int_eq(parse_bytes(buf_bytes(&text), buf_len(&text), &out),
	    ERR_CONFIG);
	ck_assert_str_eq(err.msg,
	    "syntax error in configuration (F:1), stopping loading");
	buf_release(&text);
	buf_release(&out);
}
END_TEST

START_TEST(handler_stops)
{
	expect_error("[a]\nk=v\nstop=1\nl=w\n", "1 [a]\n2 a.k=<v>\n",
	    "told to stop");
	expect_error("[a]\nstop = ;\nl=w\n", "1 [a]\n", "told to stop");
	/* Nobody to tell it to. */
	ck_assert_int_eq(conf_parse("/nonexistent", record, NULL, NULL),
	    ERR_NOT_FOUND);
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
	memset(&err, 0, sizeof(err));
	ck_assert_int_eq(conf_parse("/nonexistent/x.ini", record, NULL, &err),
	    ERR_NOT_FOUND);
	ck_assert_str_eq(err.msg, "could not load file "
	    "\"/nonexistent/x.ini\": No such file or directory");
	ck_assert_int_eq(conf_parse("/", record, NULL, &err), ERR_SYS);
	ck_assert_str_eq(err.msg,
	    "could not load file \"/\": Is a directory");
}
END_TEST

START_TEST(include)
{
	char		inner[TEMP_PATH_MAX], text[512];
	const char	in[] = "x=1\n[b]\ny=2";

	temp_write(inner, in, sizeof(in) - 1);
	snprintf(text, sizeof(text), "[a]\n  %%include \t%s  \nz=3\n", inner);
	/* The section goes on behind the end of the included file. */
	expect(text, "1 [a]\n1 a.x=<1>\n2 [b]\n3 b.y=<2>\n3 b.z=<3>\n");
	snprintf(text, sizeof(text), "[a]\n%%include %s", inner);
	expect(text, "1 [a]\n1 a.x=<1>\n2 [b]\n3 b.y=<2>\n");
	unlink(inner);
}
END_TEST

START_TEST(include_errors)
{
	char		inner[TEMP_PATH_MAX], text[512];
	struct buf	out = { 0 };

	temp_write(inner, "k=v\nfoo\n", 8);
	snprintf(text, sizeof(text), "[a]\n\n%%include %s\n", inner);
	ck_assert_int_eq(parse_bytes(text, strlen(text), &out), ERR_CONFIG);
	temp_hide(err.msg, inner, "I");
	ck_assert_str_eq(err.msg, "error processing include file in "
	    "configuration (F:3), stopping loading: syntax error in "
	    "configuration (I:2), stopping loading");
	temp_rewrite(inner, "stop=1\n", 7);
	ck_assert_int_eq(parse_bytes(text, strlen(text), &out), ERR_CONFIG);
	ck_assert_str_eq(err.msg, "error processing include file in "
	    "configuration (F:3), stopping loading: told to stop");
	unlink(inner);
	ck_assert_int_eq(parse_bytes(text, strlen(text), &out), ERR_NOT_FOUND);
	temp_hide(err.msg, inner, "I");
	ck_assert_str_eq(err.msg, "error processing include file in "
	    "configuration (F:3), stopping loading: could not load file "
	    "\"I\": No such file or directory");
	buf_release(&out);
}
END_TEST

/* Ten files within one another are read, an eleventh is an error. */
START_TEST(include_depth)
{
	char		dir[] = "/tmp/homelab-conf.XXXXXX", path[64], text[128];
	struct buf	out = { 0 };
	int		i, depth;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	for (depth = 10; depth <= 11; depth++) {
		for (i = 1; i <= depth; i++) {
			snprintf(path, sizeof(path), "%s/%d", dir, i);
			if (i < depth)
				snprintf(text, sizeof(text),
				    "%%include %s/%d\n", dir, i + 1);
			else
				snprintf(text, sizeof(text), "k=%d\n", i);
			temp_rewrite(path, text, strlen(text));
		}
		snprintf(path, sizeof(path), "%s/1", dir);
		memset(&err, 0, sizeof(err));
		ck_assert_int_eq(conf_parse(path, record, &out, &err),
		    depth == 10 ? 0 : ERR_CONFIG);
	}
	ck_assert_str_eq(buf_cstr(&out), "1 .k=<10>\n");
	ck_assert_ptr_nonnull(strstr(err.msg,
	    "include nesting level too deep ("));
	ck_assert_ptr_nonnull(strstr(err.msg, "/10:1), stopping loading"));
	/* A file that includes itself is no different. */
	temp_rewrite(path, text, 0);
	snprintf(text, sizeof(text), "%%include %s\n", path);
	temp_rewrite(path, text, strlen(text));
	ck_assert_int_eq(conf_parse(path, record, &out, &err), ERR_CONFIG);
	for (i = 1; i <= 11; i++) {
		snprintf(path, sizeof(path), "%s/%d", dir, i);
		unlink(path);
	}
	rmdir(dir);
	buf_release(&out);
}
END_TEST

START_TEST(kept_lines)
{
	static const char	 text[] = "[g]\na=1\n[g:x]\na=2\n[empty]\n[g]\n"
	    "b=3\na=4\n";
	char			 path[TEMP_PATH_MAX];
	struct conf		 c = { 0 };
	const struct conf_entry *en;

	temp_write(path, text, strlen(text));
	ck_assert_int_eq(conf_load(path, &c, &err), 0);
	ck_assert(conf_has_section(&c, "g"));
	ck_assert(conf_has_section(&c, "empty"));
	ck_assert(!conf_has_section(&c, "none"));
	en = conf_next(&c, "g", NULL);
	ck_assert_str_eq(en->key, "a");
	ck_assert_str_eq(en->value, "1");
	ck_assert_str_eq(en->file, path);
	ck_assert_int_eq(en->line, 2);
	en = conf_next(&c, "g", en);
	ck_assert_str_eq(en->value, "3");
	en = conf_next(&c, "g", en);
	ck_assert_str_eq(en->value, "4");
	ck_assert_int_eq(en->line, 8);
	ck_assert_ptr_null(conf_next(&c, "g", en));
	ck_assert_ptr_null(conf_next(&c, "empty", NULL));
	conf_release(&c);
	conf_release(&c);
	ck_assert_uint_eq(c.n, 0);
	temp_rewrite(path, "a\n", 2);
	ck_assert_int_eq(conf_load(path, &c, &err), ERR_CONFIG);
	ck_assert_ptr_null(c.entry);
	unlink(path);
}
END_TEST

/*
 * Random files: whatever comes, a code or an end, every event is sound and
 * lines never go backwards.
 */
struct sound {
	int	line;
	size_t	events;
};

static int
check_sound(void *arg, const struct conf_line *l, struct err *e UNUSED)
{
	struct sound	*s = arg;

	ck_assert(l->line > s->line);
	s->line = l->line;
	s->events++;
	if (l->key != NULL) {
		ck_assert_ptr_nonnull(l->value);
		ck_assert(l->key[0] != '\0');
		ck_assert_ptr_null(strpbrk(l->value, "\n"));
		ck_assert_ptr_null(strpbrk(l->key, "\n"));
	}
	return 0;
}

static uint32_t
next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

START_TEST(random_files)
{
	static const char	 pieces[] =
	    "\nk=v\nk=v\nk = v\n;\n#\n[a]\n'a'=1\n\"b\"=2\n\n\n\n\n"
	    "aZ09_.-*k=v'\"[];#: \t\r\n%include \0\xEF\xBB\xBF\xFF";
	char			 path[TEMP_PATH_MAX], bytes[3000];
	struct sound		 s;
	uint32_t		 seed = 20261121;
	size_t			 i, n, at = 0, events = 0;
	int			 round;

	temp_write(path, "", 0);
	for (round = 0; round < 4000; round++) {
		n = next_random(&seed) % (round % 10 == 0 ? sizeof(bytes) : 60);
		/* Runs of one to four bytes, so that some lines make sense. */
		for (i = 0; i < n; i++) {
			at = next_random(&seed) % 4 != 0 && i > 0 ? at + 1 :
			    next_random(&seed);
			bytes[i] = pieces[at % (sizeof(pieces) - 1)];
		}
		/* Half of them without NUL, which ends the reading early. */
		for (i = 0; i < n && round % 2 == 0; i++)
			bytes[i] = bytes[i] == '\0' ? '=' : bytes[i];
		temp_rewrite(path, bytes, n);
		memset(&s, 0, sizeof(s));
		if (conf_parse(path, check_sound, &s, &err) != 0)
			ck_assert_str_ne(err.msg, "");
		events += s.events;
	}
	ck_assert_uint_gt(events, 500);
	unlink(path);
}
END_TEST

UNIT_MAIN("conf", plain_lines, what_inih_would_damage, comments, quoted_keys,
    long_lines, syntax_errors, bytes_that_are_no_text, handler_stops,
    files_that_cannot_be_read, include, include_errors, include_depth,
    kept_lines, random_files)
