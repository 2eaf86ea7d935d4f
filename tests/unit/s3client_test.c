/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/s3client.h"
#include "tests/unit/s3server.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"

#define ERROR_BODY(code) "<?xml version=\"1.0\"?>\n<Error><Code>" code \
	"</Code><Message>said so</Message></Error>"
#define XML	"Content-Type: application/xml\r\n"

static struct s3server	server;
static struct s3client	client;
static const struct store_op no_limit = { INT64_MAX, NULL, NULL };

static void
start(const struct s3answer *answers, size_t n)
{
	struct store_s3_config	config = { 2, NULL, "bucket", "/", "user",
	    "secret", false };
	struct err		e = { 0 };

	s3server_start(&server, answers, n);
	config.endpoint = server.endpoint;
	ck_assert_int_eq(s3client_init(&client, &config, &e), 0);
}

static void
stop(unsigned connections)
{
	s3client_release(&client);
	s3server_stop(&server);
	ck_assert_uint_eq(server.asked, server.n);
	ck_assert_uint_eq(server.connections, connections);
}

static int
into(void *arg, const void *bytes, size_t n, struct err *e)
{
	(void)e;
	buf_append(arg, bytes, n);
	return 0;
}

/* GETs the object a. */
static int
get(struct buf *out, const struct store_op *op, struct err *e)
{
	struct s3request r = { .verb = S3VERB_GET, .key = "a", .sink = into,
	    .arg = out };

	buf_clear(out);
	return s3client_perform(&client, &r, op, e);
}

START_TEST(configs)
{
	static const struct {
		struct store_s3_config config;
		const char *message;
	} bad[] = {
		{ { 1, "https://h", "bucket", "/", "k", "s", false },
		    "repo1-s3-endpoint \"https://h\" is not of the form "
		    "http://host:port" },
		{ { 1, "h:9000", "bucket", "/", "k", "s", false },
		    "repo1-s3-endpoint \"h:9000\" is not of the form "
		    "http://host:port" },
		{ { 2, "http://h", "b", "/", "k", "s", true },
		    "repo2-s3-bucket \"b\" cannot be the name of a bucket" },
		{ { 3, "http://h", "bucket", "/", "", "s", false },
		    "repo3-s3-key or repo3-s3-key-secret is empty" },
		{ { 3, "http://h", "bucket", "/", "k", "", false },
		    "repo3-s3-key or repo3-s3-key-secret is empty" },
	};
	struct store_s3_config	good = { 1, "http://h:1/x", "bucket", "/",
	    "k", "s", false };
	struct s3client		c;
	struct err		e;
	size_t			i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		e = (struct err){ 0 };
		ck_assert_int_eq(s3client_init(&c, &bad[i].config, &e),
		    ERR_CONFIG);
		ck_assert_str_eq(e.msg, bad[i].message);
	}
	ck_assert_int_eq(s3client_init(&c, &good, &e), 0);
	ck_assert_str_eq(c.host, "h:1");
	s3client_release(&c);
}
END_TEST

/* A connection on which all went well serves the next request. */
START_TEST(kept)
{
	static const struct s3answer answers[] = {
		{ "GET /bucket/a", NULL, "200 OK", NULL, "one", 0 },
		{ "GET /bucket/a", NULL, "404 Not Found", XML,
		    ERROR_BODY("NoSuchKey"), 0 },
		{ "GET /bucket/a", NULL, "200 OK", NULL, "three", 0 },
	};
	struct buf	out = { .max = 100 };
	struct err	e = { 0 };

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(get(&out, &no_limit, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "one");
	ck_assert_int_eq(get(&out, &no_limit, &e), ERR_NOT_FOUND);
	ck_assert_int_eq(get(&out, &no_limit, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "three");
	buf_release(&out);
	stop(1);
}
END_TEST

/* What may pass is asked again, on another connection; what may not is not. */
START_TEST(tries)
{
	static const struct s3answer answers[] = {
		{ "GET /bucket/a", NULL, "503 Slow Down", XML,
		    ERROR_BODY("SlowDown"), 0 },
		{ "GET /bucket/a", NULL, "500 Internal Server Error", XML,
		    ERROR_BODY("InternalError"), 0 },
		{ "GET /bucket/a", NULL, "200 OK", NULL, "one", 0 },
		{ "GET /bucket/a", NULL, "403 Forbidden", XML,
		    ERROR_BODY("AccessDenied"), 0 },
		{ "GET /bucket/a", NULL, "404 Not Found", XML,
		    ERROR_BODY("NoSuchBucket"), 0 },
	};
	struct buf	out = { .max = 100 };
	struct err	e = { 0 };

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(get(&out, &no_limit, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "one");
	ck_assert_int_eq(get(&out, &no_limit, &e), ERR_AUTH);
	ck_assert_int_eq(get(&out, &no_limit, &e), ERR_STORE);
	ck_assert_ptr_nonnull(strstr(e.msg, "bucket"));
	buf_release(&out);
	stop(4);
}
END_TEST

static bool
yes(void *arg)
{
	++*(int *)arg;
	return true;
}

/* A server that says nothing holds nobody longer than the limit. */
START_TEST(limits)
{
	static const struct s3answer answers[] = {
		{ "GET /bucket/a", NULL, NULL, NULL, NULL, S3SERVER_NEVER },
		{ "GET /bucket/a", NULL, NULL, NULL, NULL, S3SERVER_NEVER },
	};
	struct store_op	op = { .due = clock_us() + 300000 };
	struct buf	out = { .max = 100 };
	struct err	e = { 0 };
	int		asked = 0;

	start(answers, ARRAY_LEN(answers));
	client.name = "the store";
	ck_assert_int_eq(get(&out, &op, &e), ERR_TIMEOUT);
	ck_assert_str_eq(e.msg, "the store: no result in time");
	op = (struct store_op){ INT64_MAX, yes, &asked };
	ck_assert_int_eq(get(&out, &op, &e), ERR_CANCELLED);
	ck_assert_int_eq(asked, 1);
	buf_release(&out);
	s3client_release(&client);
	s3server_stop(&server);
}
END_TEST

/* An answer too many is not taken for that to the next request. */
START_TEST(stray)
{
	static const struct s3answer answers[] = {
		{ "GET /bucket/a", NULL, "200 OK", NULL, "one", 0 },
		{ "GET /bucket/a", NULL, "200 OK", NULL, "two", 0 },
	};
	struct buf	out = { .max = 100 };
	struct err	e = { 0 };

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(get(&out, &no_limit, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "one");
	s3server_stray(&server);
	ck_assert_int_eq(get(&out, &no_limit, &e), 0);
	ck_assert_str_eq(buf_cstr(&out), "two");
	buf_release(&out);
	stop(2);
}
END_TEST

static int
refuse(struct s3request *r, struct err *e)
{
	++*(int *)r->arg;
	return err_set(e, ERR_FORMAT, "%llu is not enough",
	    (unsigned long long)r->length);
}

/* A success that is none is asked again, so often and no more. */
START_TEST(refused)
{
	static const struct s3answer answers[] = {
		{ "HEAD /bucket/a", NULL, "200 OK",
		    "Content-Length: 7\r\nETag: \"x\"\r\n", NULL, 0 },
		{ "HEAD /bucket/a", NULL, "200 OK",
		    "Content-Length: 8\r\nETag: \"y\"\r\n", NULL, 0 },
	};
	int		 asked = 0;
	struct s3request r = { .verb = S3VERB_HEAD, .key = "a",
	    .accept = refuse, .refusals = 2, .arg = &asked };
	struct err	 e = { 0 };

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(s3client_perform(&client, &r, &no_limit, &e),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg, "8 is not enough");
	ck_assert_int_eq(asked, 2);
	ck_assert_uint_eq(r.refused, 2);
	ck_assert_str_eq(r.etag, "\"y\"");
	stop(2);
}
END_TEST

/* Each try sends the whole source, a part of a file too. */
START_TEST(put)
{
	static const struct s3answer answers[] = {
		{ "PUT /bucket/d/b", "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==",
		    "500 Internal Server Error", XML,
		    ERROR_BODY("InternalError"), 0 },
		{ "PUT /bucket/d/b", "\r\n\r\none2345three", "200 OK",
		    "ETag: \"x\"\r\n", "", 0 },
		{ "DELETE /bucket/d/b", NULL, "204 No Content", NULL, NULL, 0 },
	};
	FILE		*f = tmpfile();
	struct store_part parts[] = {
		{ "one", -1, 0, 3 },
		{ NULL, -1, 2, 4 },
		{ "three", -1, 0, 5 }
	};
	struct s3request r = { .verb = S3VERB_PUT, .key = "d/b",
	    .source = { .parts = parts, .n = ARRAY_LEN(parts) }, .len = 12,
	    .md5 = "1B2M2Y8AsgTpgAmY7PhCfg==" };
	struct err	 e = { 0 };

	ck_assert_ptr_nonnull(f);
	fputs("012345", f);
	ck_assert_int_eq(fflush(f), 0);
	parts[1].fd = fileno(f);
	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(s3client_perform(&client, &r, &no_limit, &e), 0);
	ck_assert(!r.unsure);
	r = (struct s3request){ .verb = S3VERB_DELETE, .key = "d/b" };
	ck_assert_int_eq(s3client_perform(&client, &r, &no_limit, &e), 0);
	/* A file that is shorter than its part ends it: no second try. */
	parts[1].len = 5;
	r = (struct s3request){ .verb = S3VERB_PUT, .key = "d/b",
	    .source = { .parts = parts, .n = ARRAY_LEN(parts) }, .len = 13,
	    .md5 = "1B2M2Y8AsgTpgAmY7PhCfg==" };
	ck_assert_int_eq(s3client_perform(&client, &r, &no_limit, &e),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg, "the source file shrank");
	fclose(f);
	stop(2);
}
END_TEST

/* A server that takes the body and was late to ask for it has it, or not. */
START_TEST(unsure)
{
	static const struct s3answer answers[] = {
		{ "PUT /bucket/b", NULL, "200 OK", NULL, "", S3SERVER_LATE },
	};
	const struct store_part part = { "one", -1, 0, 3 };
	struct s3request r = { .verb = S3VERB_PUT, .key = "b",
	    .source = { .parts = &part, .n = 1 }, .len = 3,
	    .md5 = "1B2M2Y8AsgTpgAmY7PhCfg==" };
	struct err	 e = { 0 };

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(s3client_perform(&client, &r, &no_limit, &e), 0);
	ck_assert(r.unsure);
	ck_assert_int_eq(s3client_explain(&client, &r, &e), ERR_STORE);
	stop(1);
}
END_TEST

/* The whole page, whatever it holds; and only this page. */
START_TEST(list)
{
	static const struct s3answer answers[] = {
		{ "GET /bucket?prefix=a/b%2B&marker=&delimiter=/&max-keys=9"
		    "&homelab=/bucket", NULL, "200 OK", NULL, "one", 0 },
		{ "GET /bucket?prefix=&marker=a%20b&max-keys=9"
		    "&homelab=/bucket", NULL, "200 OK", NULL, "two", 0 },
	};
	struct s3request r = { .verb = S3VERB_LIST,
	    .query = { "a/b+", "", true }, .page_keys = 9,
	    .page = { .max = 3 } };
	struct err	 e = { 0 };

	start(answers, ARRAY_LEN(answers));
	ck_assert_int_eq(s3client_perform(&client, &r, &no_limit, &e), 0);
	ck_assert_str_eq(buf_cstr(&r.page), "one");
	r.query = (struct s3list_query){ "", "a b", false };
	ck_assert_int_eq(s3client_perform(&client, &r, &no_limit, &e), 0);
	ck_assert_str_eq(buf_cstr(&r.page), "two");
	buf_release(&r.page);
	stop(1);
}
END_TEST

START_TEST(nobody_there)
{
	struct buf	out = { .max = 100 };
	struct err	e = { 0 };

	start(NULL, 0);
	s3server_stop(&server);
	ck_assert_int_eq(get(&out, &no_limit, &e), ERR_CONNECT);
	buf_release(&out);
	s3client_release(&client);
}
END_TEST

UNIT_MAIN("s3client", configs, kept, tries, limits, stray, refused,
    put, unsure, list, nobody_there)
