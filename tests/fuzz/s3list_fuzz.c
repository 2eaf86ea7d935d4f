/* SPDX-License-Identifier: MIT */
/*
 * A store's answer to a listing. What is accepted is in order, belongs to the
 * question, and is refused when its last byte has not come. The first byte of
 * the input chooses the question, and whether the answer begins as a right
 * one does.
 */
#include "common/base.h"

#include <string.h>

#include "archiver/s3list.h"
#include "common/buf.h"
#include "common/err.h"
#include "tests/fuzz/fuzz.h"

struct seen {
	const struct s3list_query *query;
	char	last[S3LIST_KEY_MAX + 1];
	size_t	count;
};

static int
each(void *arg, const struct s3list_entry *e)
{
	struct seen *s = arg;
	size_t prefix = strlen(s->query->prefix);

	FUZZ_CHECK(strlen(e->key) <= S3LIST_KEY_MAX);
	FUZZ_CHECK(strncmp(e->key, s->query->prefix, prefix) == 0);
	FUZZ_CHECK(strcmp(e->key, s->query->marker) > 0);
	FUZZ_CHECK(s->query->delimited || !e->is_prefix);
	s->count++;
	snprintf(s->last, sizeof(s->last), "%s", e->key);
	return 0;
}

static int
parse(const struct buf *b, size_t n, const struct s3list_query *q)
{
	struct seen	s = { .query = q };
	struct err	e = { 0 };
	char		following[S3LIST_KEY_MAX + 1];
	bool		truncated = false;
	int		rc;

	rc = s3list_parse(buf_bytes(b), n, q, each, &s, &truncated, following,
	    &e);
	FUZZ_CHECK(rc == 0 || (rc == e.code && e.msg[0] != '\0'));
	if (rc == 0 && truncated)
		FUZZ_CHECK(strcmp(following, q->marker) > 0);
	return rc;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static const struct s3list_query questions[] = {
		{ "", "", false }, { "a/", "", true }, { "a/", "a/b", true },
		{ "wal/0001/", "wal/0001/7", false },
	};
	const struct s3list_query *q;
	struct buf	b = { 0 };

	if (n == 0)
		return 0;
	q = &questions[bytes[0] % ARRAY_LEN(questions)];
	if (bytes[0] & 0x80) {
		buf_append_str(&b, "<ListBucketResult><Name>b</Name><Prefix>");
		buf_append_str(&b, q->prefix);
		buf_append_str(&b, "</Prefix><Marker>");
		buf_append_str(&b, q->marker);
		buf_append_str(&b, "</Marker>");
		if (q->delimited)
			buf_append_str(&b, "<Delimiter>/</Delimiter>");
	}
	buf_append(&b, bytes + 1, n - 1);
	if (bytes[0] & 0x40)
		buf_append_str(&b, "<IsTruncated>false</IsTruncated>"
		    "</ListBucketResult>");
	FUZZ_CHECK(!buf_failed(&b));
	if (parse(&b, buf_len(&b), q) == 0) {
		size_t end = buf_len(&b);

		/* White space behind the end is no part of it. */
		while (end > 0 && strchr(" \t\r\n", buf_bytes(&b)[end - 1]))
			end--;
		FUZZ_CHECK(parse(&b, end - 1, q) < 0);
		FUZZ_CHECK(parse(&b, end / 2, q) < 0);
	}
	buf_release(&b);
	return 0;
}
