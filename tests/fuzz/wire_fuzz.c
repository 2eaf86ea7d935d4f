/* SPDX-License-Identifier: MIT */
/* Every parser of wire.h; the first byte of the input says which. */
#include "common/base.h"
#include "common/wire.h"

#include <string.h>

#include "tests/fuzz/fuzz.h"

static void
inside(const char *at, size_t len, const char *bytes, size_t n)
{
	FUZZ_CHECK(at >= bytes && at + len <= bytes + n);
}

/* A built message must hold the body that it was parsed from. */
static void
same_body(struct buf *b, const char *bytes, size_t n)
{
	FUZZ_CHECK(!buf_failed(b));
	FUZZ_CHECK(buf_len(b) == WIRE_HEADER_LEN + n);
	FUZZ_CHECK(memcmp(buf_bytes(b) + WIRE_HEADER_LEN, bytes, n) == 0);
	buf_release(b);
}

static void
headers(const char *p, size_t n)
{
	struct wire_header h;
	struct wire_first f;
	int	rc = wire_header_get(p, n, 10000, &h);

	FUZZ_CHECK((rc == WIRE_MORE) == (n < WIRE_HEADER_LEN));
	FUZZ_CHECK(rc != 0 || h.body <= 10000);
	rc = wire_first_get(p, n, 10000, &f);
	FUZZ_CHECK(rc != WIRE_MORE || n < WIRE_FIRST_LEN);
	FUZZ_CHECK(rc == WIRE_MORE || n >= 4);
	FUZZ_CHECK(rc != 0 || (n >= WIRE_FIRST_LEN && f.body <= 10000));
}

static void
startup(const char *p, size_t n)
{
	struct wire_in	in;
	const char	*k, *v;
	struct buf	b = { 0 };
	size_t		at = wire_startup_begin(&b, WIRE_VERSION(3, 0));
	int		rc;

	wire_in_init(&in, p, n);
	while ((rc = wire_startup_next(&in, &k, &v)) == 1)
		wire_startup_param(&b, k, v);
	wire_startup_end(&b, at);
	if (rc == 0) {
		FUZZ_CHECK(buf_len(&b) == WIRE_FIRST_LEN + n);
		FUZZ_CHECK(memcmp(buf_bytes(&b) + WIRE_FIRST_LEN, p, n) == 0);
	}
	buf_release(&b);
}

static void
server_messages(const char *p, size_t n)
{
	struct wire_error e;
	struct wire_key	key;
	struct wire_in	in;
	struct buf	b = { 0 };
	const char	*k, *v;
	int32_t		code;
	char		tx;

	if (wire_parse_error(p, n, &e) == 0)
		wire_put_error(&b, WIRE_BE_ERROR, &e);
	buf_release(&b);
	if (wire_parse_parameter_status(p, n, &k, &v) == 0) {
		wire_put_parameter_status(&b, k, v);
		same_body(&b, p, n);
	}
	if (wire_parse_key(p, n, &key) == 0) {
		wire_put_backend_key(&b, &key);
		same_body(&b, p, n);
	}
	if (wire_parse_ready(p, n, &tx) == 0) {
		wire_put_ready(&b, (enum wire_tx)tx);
		same_body(&b, p, n);
	}
	if (wire_parse_auth(p, n, &code, &in) == 0) {
		wire_put_auth(&b, (enum wire_auth)code, in.p, in.left);
		same_body(&b, p, n);
	}
}

static void
client_messages(const char *p, size_t n)
{
	struct wire_parse parse;
	struct buf	b = { 0 };
	const char	*s, *data;
	int32_t		rows;
	size_t		len;
	char		kind;

	if (wire_parse_parse(p, n, &parse) == 0) {
		inside(parse.text, parse.text_len, p, n);
		wire_put_parse(&b, parse.name, parse.query, parse.types,
		    parse.ntypes);
		same_body(&b, p, n);
	}
	if (wire_parse_target(p, n, &kind, &s) == 0) {
		wire_put_target(&b, WIRE_FE_DESCRIBE, kind, s);
		same_body(&b, p, n);
	}
	if (wire_parse_execute(p, n, &s, &rows) == 0) {
		wire_put_execute(&b, s, rows);
		same_body(&b, p, n);
	}
	if (wire_parse_string(p, n, &s) == 0) {
		wire_put_string(&b, WIRE_FE_QUERY, s);
		same_body(&b, p, n);
	}
	if (wire_parse_sasl_initial(p, n, &s, &data, &len) == 0 &&
	    data != NULL) {
		wire_put_sasl_initial(&b, s, data, len);
		same_body(&b, p, n);
	}
}

/* However much of it has arrived, the answers agree. */
static void
bind(const char *p, size_t n)
{
	struct wire_bind all, some;
	int	rc = wire_parse_bind(p, n, n, &all), part;
	size_t	have;

	for (have = 0; have <= n; have++) {
		part = wire_parse_bind(p, have, n, &some);
		if (part == 0)
			FUZZ_CHECK(rc == 0 && some.rest == all.rest &&
			    some.statement == all.statement);
		else if (part < 0)
			FUZZ_CHECK(rc == part);
	}
	FUZZ_CHECK(rc != WIRE_MORE);
	FUZZ_CHECK(rc != 0 || all.rest + 6 <= n);
}

static void
rows(const char *p, size_t n)
{
	struct wire_in	in;
	const char	*v;
	uint16_t	columns, i;
	size_t		len;

	if (wire_parse_row_description(p, n, &columns) == 0)
		FUZZ_CHECK((size_t)columns * 19 + 2 <= n);
	if (wire_row_begin(p, n, &in, &columns) != 0)
		return;
	for (i = 0; i < columns; i++) {
		if (wire_row_next(&in, &v, &len) != 0)
			return;
		if (v != NULL)
			inside(v, len, p, n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static void (*const parts[])(const char *, size_t) = { headers,
	    startup, server_messages, client_messages, bind, rows };

	if (n > 0)
		parts[bytes[0] % ARRAY_LEN(parts)]((const char *)bytes + 1,
		    n - 1);
	return 0;
}
