/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/store.h"
#include "tests/unit/s3server.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/err.h"

#define ERROR_BODY(code) "<?xml version=\"1.0\"?>\n<Error><Code>" code \
	"</Code><Message>said so</Message></Error>"
#define XML	"Content-Type: application/xml\r\n"
#define LIST(prefix, marker, more, entries) \
	"<?xml version=\"1.0\"?>\n<ListBucketResult><Name>bucket</Name>" \
	"<Prefix>" prefix "</Prefix><Marker>" marker "</Marker>" \
	"<MaxKeys>1000</MaxKeys><IsTruncated>" more "</IsTruncated>" entries \
	"</ListBucketResult>"
#define ENTRY(key, size) "<Contents><Key>" key "</Key><LastModified>" \
	"2026-11-21T05:54:00.000Z</LastModified><ETag>\"x\"</ETag><Size>" size \
	"</Size></Contents>"
/* Of "hello". */
#define MD5_HEX		"5d41402abc4b2a76b9719d911017c592"
#define HEAD_OF(etag, len) "Content-Length: " len "\r\nETag: \"" etag "\"\r\n"
#define PUT_A { "PUT /bucket/repo/a", "Content-MD5: XUFAKrxLKna5cZ2REBfFkg==", \
	"200 OK", "ETag: \"\"\r\n", "", 0 }
#define HEAD_A(status, headers) { "HEAD /bucket/repo/a", NULL, status, \
	headers, NULL, 0 }

static struct s3server	server;
static struct store	*store;

static void
start(const struct s3answer *answers, size_t n)
{
	struct store_s3_config	config = { 2, NULL, "bucket", "//repo/",
	    "user", "secret", false };
	struct err		e = { 0 };

	s3server_start(&server, answers, n);
	config.endpoint = server.endpoint;
	ck_assert_int_eq(store_s3_open(&store, &config, &e), 0);
}

static void
stop(void)
{
	store_close(store);
	s3server_stop(&server);
	ck_assert_uint_eq(server.asked, server.n);
}

START_TEST(names)
{
	struct store_s3_config	config = { 2, "http://h:9/x", "bucket", "/",
	    "user", "secret", false };
	struct err		e = { 0 };

	ck_assert_int_eq(store_s3_open(&store, &config, &e), 0);
	ck_assert_str_eq(store_name(store), "s3://bucket/ at h:9");
	store_close(store);
	config.path = "//a/b//";
	ck_assert_int_eq(store_s3_open(&store, &config, &e), 0);
	ck_assert_str_eq(store_name(store), "s3://bucket/a/b/ at h:9");
	store_close(store);
	config.endpoint = "https://h";
	ck_assert_int_eq(store_s3_open(&store, &config, &e), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.hint, "verifies no certificate"));
}
END_TEST

/* Done is what the store says that it has. */
START_TEST(put)
{
	static const struct s3answer answers[] = {
		PUT_A, HEAD_A("200 OK", HEAD_OF(MD5_HEX, "5")),
		/* It lost it. */
		PUT_A, HEAD_A("404 Not Found", NULL),
		PUT_A, HEAD_A("200 OK", HEAD_OF(MD5_HEX, "5")),
		/* What another request was answered. */
		PUT_A, HEAD_A("200 OK", HEAD_OF(MD5_HEX, "6")),
		HEAD_A("200 OK", HEAD_OF(MD5_HEX, "5")),
		/* ETags of its own: the bytes decide. */
		PUT_A, HEAD_A("200 OK", HEAD_OF("encrypted", "5")),
		{ "GET /bucket/repo/a", NULL, "200 OK", NULL, "hello", 0 },
	};
	struct err	e = { 0 };
	int		i;

	start(answers, ARRAY_LEN(answers));
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(store_put(store, "a", "hello", 5, NULL, &e),
		    0);
	stop();
}
END_TEST

START_TEST(put_in_vain)
{
	static const struct s3answer answers[] = {
		PUT_A, HEAD_A("404 Not Found", NULL),
		PUT_A, HEAD_A("404 Not Found", NULL),
		PUT_A, HEAD_A("404 Not Found", NULL),
		PUT_A, HEAD_A("403 Forbidden", NULL),
	};
	struct err	e = { 0 };

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(store_put(store, "a", "hello", 5, NULL, &e),
	    ERR_STORE);
	ck_assert_ptr_nonnull(strstr(e.msg, " took a and does not have it"));
	ck_assert_int_eq(store_put(store, "a", "hello", 5, NULL, &e),
	    ERR_AUTH);
	stop();
}
END_TEST

/* A transfer that broke off goes on where it was. */
START_TEST(read_on)
{
	static const struct s3answer answers[] = {
		{ "GET /bucket/repo/a", NULL, "200 OK", NULL, "hello",
		    S3SERVER_CUT },
		{ "GET /bucket/repo/a", "Range: bytes=5-", "206 Partial Content",
		    NULL, " you!", 0 },
		{ "GET /bucket/repo/a", "Range: bytes=2-8",
		    "206 Partial Content", NULL, "llo", S3SERVER_CUT },
		{ "GET /bucket/repo/a", "Range: bytes=5-8",
		    "206 Partial Content", NULL, " you", 0 },
		{ "GET /bucket/repo/a", "Range: bytes=2-8",
		    "206 Partial Content", NULL, "llo", 0 },
	};
	struct buf	out = { .max = 100 };
	struct err	e = { 0 };

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(store_get(store, "a", 0, 0, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "hello you!");
	buf_clear(&out);
	ck_assert_int_eq(store_get(store, "a", 2, 7, &out, NULL, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "llo you");
	ck_assert_int_eq(store_get(store, "a", 2, 7, &out, NULL, &e),
	    ERR_STORE);
	ck_assert_ptr_nonnull(strstr(e.msg, ": a ends too early"));
	buf_release(&out);
	stop();
}
END_TEST

/* Only where the bucket answers is an object not there. */
START_TEST(head)
{
	static const struct s3answer answers[] = {
		HEAD_A("200 OK", HEAD_OF("x", "7")),
		HEAD_A("404 Not Found", NULL),
		{ "GET /bucket?prefix=repo/&marker=&max-keys=1&homelab=/bucket",
		    NULL, "200 OK", XML, LIST("repo/", "", "false", ""), 0 },
		HEAD_A("404 Not Found", NULL),
		{ "GET /bucket?prefix=repo/&marker=&max-keys=1&homelab=/bucket",
		    NULL, "404 Not Found", XML, ERROR_BODY("NoSuchBucket"), 0 },
		{ "DELETE /bucket/repo/a", NULL, "204 No Content", NULL, NULL,
		    0 },
	};
	struct err	e = { 0 };
	uint64_t	size = 0;

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(store_head(store, "a", &size, NULL, &e), 0);
	ck_assert_uint_eq(size, 7);
	ck_assert_int_eq(store_head(store, "a", &size, NULL, &e),
	    ERR_NOT_FOUND);
	ck_assert_int_eq(store_head(store, "a", &size, NULL, &e), ERR_STORE);
	ck_assert_int_eq(store_remove(store, "a", NULL, &e), 0);
	stop();
}
END_TEST

static int
note(void *arg, const struct store_entry *entry)
{
	buf_printf(arg, "%s %llu%s\n", entry->key,
	    (unsigned long long)entry->size, entry->is_prefix ? " below" : "");
	return 0;
}

/* Page by page; a page that is none is asked for again, and not heard of. */
START_TEST(list)
{
	static const struct s3answer answers[] = {
		{ "GET /bucket?prefix=repo/w&marker=&max-keys=1000"
		    "&homelab=/bucket", NULL, "200 OK", XML,
		    LIST("repo/w", "", "true", ENTRY("repo/w1", "7")
		    ENTRY("repo/w2", "8")), 0 },
		{ "GET /bucket?prefix=repo/w&marker=repo/w2&max-keys=1000"
		    "&homelab=/bucket", NULL, "200 OK", XML,
		    "<ListBucketResult><Prefix>repo/w</Prefix>", 0 },
		{ "GET /bucket?prefix=repo/w&marker=repo/w2&max-keys=1000"
		    "&homelab=/bucket", NULL, "200 OK", XML,
		    LIST("repo/w", "repo/w2", "false", ENTRY("repo/w3", "9")),
		    0 },
	};
	struct buf	out = { .max = 1000 };
	struct err	e = { 0 };

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(store_list(store, "w", false, note, &out, NULL, &e),
	    0);
	ck_assert_str_eq(buf_cstr(&out), "w1 7\nw2 8\nw3 9\n");
	buf_release(&out);
	stop();
}
END_TEST

START_TEST(check)
{
	static const struct s3answer answers[] = {
		{ "GET /bucket?prefix=repo/&marker=&max-keys=1&homelab=/bucket",
		    NULL, "200 OK", XML, LIST("repo/", "", "false", ""), 0 },
		{ "GET /bucket?prefix=repo/&marker=&max-keys=1&homelab=/bucket",
		    NULL, "404 Not Found", XML, ERROR_BODY("NoSuchKey"), 0 },
	};
	struct err	e = { 0 };

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(store_check(store, 1, NULL, &e), 0);
	/* Not "not found": that is said of objects. */
	ck_assert_int_eq(store_check(store, 1, NULL, &e), ERR_STORE);
	ck_assert_ptr_nonnull(strstr(e.msg, " cannot be listed"));
	stop();
}
END_TEST

UNIT_MAIN("store_s3", names, put, put_in_vain, read_on, head, list, check)
