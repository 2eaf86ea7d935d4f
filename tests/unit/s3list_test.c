/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/s3list.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "tests/unit/unit.h"

/* As MinIO sends it, but for what it says of the owner. */
#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" \
	"<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" \
	"<Name>homelab</Name><Prefix>pg/</Prefix><Marker></Marker>" \
	"<MaxKeys>1000</MaxKeys>"
#define ENTRY(key) "<Contents><Key>" key "</Key>" \
	"<LastModified>2026-11-21T07:08:24.008Z</LastModified>" \
	"<ETag>&#34;5d41402abc4b2a76b9719d911017c592&#34;</ETag>" \
	"<Size>5</Size><Owner><ID>1</ID><DisplayName>m&#xE9;&amp;</DisplayName>" \
	"</Owner><StorageClass>STANDARD</StorageClass></Contents>"
#define MORE(text) "<IsTruncated>" text "</IsTruncated>"
#define TAIL "</ListBucketResult>"

static const char whole[] = HEAD MORE("false") ENTRY("pg/a/1") ENTRY("pg/b")
    TAIL;

struct seen {
	char	keys[2000];
	size_t	n;
	int64_t	mtime;
	uint64_t size;
};

static int
see(void *arg, const struct s3list_entry *e)
{
	struct seen	*s = arg;
	size_t		 n = strlen(s->keys);

	snprintf(s->keys + n, sizeof(s->keys) - n, "%s%s ", e->key,
	    e->is_prefix ? "*" : "");
	s->n++;
	s->mtime = e->mtime;
	s->size = e->size;
	return 0;
}

static struct seen	seen;
static bool		truncated;
static char		next[S3LIST_KEY_MAX + 1];
static struct err	e;

static int
parse(const char *bytes, size_t n, const char *prefix, const char *marker,
    bool delimited)
{
	struct s3list_query q = { prefix, marker, delimited };

	memset(&seen, 0, sizeof(seen));
	memset(&e, 0, sizeof(e));
	return s3list_parse(bytes, n, &q, see, &seen, &truncated, next, &e);
}

static int
parse_text(const char *text)
{
	return parse(text, strlen(text), "pg/", "", false);
}

START_TEST(an_answer)
{
	ck_assert_int_eq(parse_text(whole), 0);
	ck_assert_str_eq(seen.keys, "pg/a/1 pg/b ");
	ck_assert_uint_eq(seen.size, 5);
	ck_assert_int_eq(seen.mtime, 1795244904);
	ck_assert(!truncated);
	ck_assert_int_eq(parse_text(HEAD MORE("false") TAIL "\n"), 0);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_int_eq(parse_text(HEAD "<Delimiter/>" MORE("true")
	    ENTRY("pg/a&amp;b") TAIL), 0);
	ck_assert(truncated);
	ck_assert_str_eq(next, "pg/a&b");
}
END_TEST

START_TEST(prefixes)
{
	static const char text[] = HEAD "<Delimiter>/</Delimiter>"
	    MORE("true") ENTRY("pg/a")
	    "<CommonPrefixes><Prefix>pg/b/</Prefix></CommonPrefixes>\n"
	    "<CommonPrefixes> <Prefix>pg/c/</Prefix> </CommonPrefixes>" TAIL;

	ck_assert_int_eq(parse(text, strlen(text), "pg/", "", true), 0);
	ck_assert_str_eq(seen.keys, "pg/a pg/b/* pg/c/* ");
	ck_assert_str_eq(next, "pg/c/");
	ck_assert_int_eq(parse_text(text), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "the listing is damaged: "
	    "it is that of another delimiter");
}
END_TEST

/* Wherever a transfer breaks off, it is no listing. */
START_TEST(each_truncation_is_seen)
{
	size_t	n;

	for (n = 0; n < strlen(whole); n++)
		ck_assert_msg(parse(whole, n, "pg/", "", false) == ERR_FORMAT,
		    "cut at %zu", n);
	parse(whole, strlen(whole) - 1, "pg/", "", false);
	ck_assert_str_eq(e.msg, "the listing is damaged: "
	    "it ends within a tag");
	parse(whole, 200, "pg/", "", false);
	ck_assert_str_eq(e.msg, "the listing is damaged: it ends too early");
}
END_TEST

/* No single byte that was changed makes a key disappear. */
START_TEST(no_changed_byte_hides_a_key)
{
	char	text[sizeof(whole)];
	size_t	i;
	int	bit;

	for (i = 0; i < strlen(whole); i++) {
		for (bit = 0; bit < 8; bit++) {
			memcpy(text, whole, sizeof(whole));
			text[i] = (char)(text[i] ^ 1 << bit);
			if (parse(text, strlen(whole), "pg/", "", false) == 0)
				ck_assert_msg(seen.n == 2 && !truncated,
				    "byte %zu, bit %d: %s", i, bit, seen.keys);
		}
	}
}
END_TEST

START_TEST(answers_to_other_questions)
{
	static const struct {
		const char	*text, *what;
	} bad[] = {
		{ "", "it ends too early" },
		{ "<html></html>", "it is no listing" },
		{ "<Error><Code>SlowDown</Code></Error>", "it is no listing" },
		{ "nothing", "bytes outside of it" },
		{ HEAD MORE("false") TAIL "x", "bytes outside of it" },
		{ HEAD MORE("false") TAIL "<a/>",
		    "an element where none belongs" },
		{ HEAD TAIL, "Prefix or IsTruncated is missing" },
		{ HEAD MORE("yes") TAIL, "IsTruncated" },
		{ HEAD MORE("false") MORE("true") TAIL, "IsTruncated" },
		{ HEAD MORE("true") TAIL,
		    "it says that there is more, and does not go on" },
		{ HEAD MORE("false") ENTRY("pq/a") TAIL,
		    "a key has another prefix" },
		{ HEAD MORE("false") ENTRY("pg/b") ENTRY("pg/a") TAIL,
		    "keys are not in order" },
		{ HEAD MORE("false") ENTRY("pg/b") ENTRY("pg/b") TAIL,
		    "keys are not in order" },
		{ HEAD MORE("false") "<Contents><Size>1</Size></Contents>" TAIL,
		    "an entry without key or size" },
		{ HEAD MORE("false") "<Contents><Key>pg/a</Key>"
		    "<Size>1x</Size></Contents>" TAIL, "a size" },
		{ HEAD MORE("false") "<Contents><Key>pg/a</Key><Key>pg/b</Key>"
		    "<Size>1</Size></Contents>" TAIL,
		    "two keys in an entry, or an empty one" },
		{ HEAD MORE("false") "<Contents><Key>pg/<b/>a</Key>"
		    "<Size>1</Size></Contents>" TAIL,
		    "an element where none belongs" },
		{ HEAD MORE("false") "<Contents><Key>&nope;</Key>"
		    "<Size>1</Size></Contents>" TAIL, "an entity" },
		{ HEAD MORE("false") "<Contents><LastModified>then"
		    "</LastModified></Contents>" TAIL, "a time" },
		{ HEAD MORE("false") "<a></b>" TAIL, "tags do not match" },
		{ HEAD MORE("false") "<!-- -->" TAIL, "a tag" },
		{ HEAD MORE("false") "<a><?x?></a>" TAIL,
		    "a declaration inside" },
	};
	char	wanted[200];
	size_t	i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(parse_text(bad[i].text), ERR_FORMAT);
		snprintf(wanted, sizeof(wanted), "the listing is damaged: %s",
		    bad[i].what);
		ck_assert_str_eq(e.msg, wanted);
	}
	ck_assert_int_eq(parse(whole, strlen(whole), "pg/a", "", false),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg, "the listing is damaged: "
	    "it is that of another prefix");
	ck_assert_int_eq(parse(whole, strlen(whole), "pg/", "pg/a/0", false),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg, "the listing is damaged: "
	    "it is that of another marker");
}
END_TEST

START_TEST(it_bounds_what_it_keeps)
{
	char	text[6000];
	size_t	n;

	n = (size_t)snprintf(text, sizeof(text), HEAD MORE("false")
	    "<Contents><Key>pg/");
	memset(text + n, 'a', S3LIST_KEY_MAX);
	snprintf(text + n + S3LIST_KEY_MAX, sizeof(text) - n - S3LIST_KEY_MAX,
	    "</Key><Size>1</Size></Contents>" TAIL);
	ck_assert_int_eq(parse_text(text), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "the listing is damaged: a text is too long");
	memcpy(text, HEAD, sizeof(HEAD));
	for (n = 0; n < 20; n++)
		memcpy(text + strlen(text), "<a>", 4);
	ck_assert_int_eq(parse_text(text), ERR_FORMAT);
	memcpy(text + strlen(HEAD), "<", 2);
	memset(text + strlen(HEAD) + 1, 'a', 100);
	memcpy(text + strlen(HEAD) + 101, "/>", 3);
	ck_assert_int_eq(parse_text(text), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "the listing is damaged: a tag");
}
END_TEST

static int
stop(void *arg, const struct s3list_entry *entry)
{
	(void)arg;
	(void)entry;
	return 42;
}

START_TEST(the_caller_can_end_it)
{
	struct s3list_query q = { "pg/", "", false };

	ck_assert_int_eq(s3list_parse(whole, strlen(whole), &q, stop, NULL,
	    &truncated, next, &e), 42);
}
END_TEST

UNIT_MAIN("s3list", an_answer, prefixes, each_truncation_is_seen,
    no_changed_byte_hides_a_key, answers_to_other_questions,
    it_bounds_what_it_keeps, the_caller_can_end_it)
