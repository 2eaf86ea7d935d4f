/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/wire.h"

#include <arpa/inet.h>
#include <string.h>

/* Where the length goes: behind the type byte, if there is one. */
#define NO_TYPE	((size_t)1 << (sizeof(size_t) * 8 - 1))

/* A message by hand: begin(), any appends, wire_end() with what begin()
 * returned. Type 0 begins a packet without a type byte. */
static size_t
begin(struct buf *b, uint8_t type)
{
	size_t at = buf_len(b);

	if (type != 0)
		buf_append_u8(b, type);
	buf_append_be32(b, 0);
	return type != 0 ? at : at | NO_TYPE;
}

void
wire_end(struct buf *b, size_t opened)
{
	size_t	at = opened & ~NO_TYPE;
	size_t	skip = (opened & NO_TYPE) != 0 ? 0 : 1;

	if (buf_failed(b)) {
		buf_truncate(b, MIN(at, buf_len(b)));
		return;
	}
	/* A buffer never holds more than a length can say. */
	assert(buf_len(b) - at - skip <= INT32_MAX);
	buf_put_be32_at(b, at + skip, (uint32_t)(buf_len(b) - at - skip));
}

void
wire_put_empty(struct buf *b, uint8_t type)
{
	wire_end(b, begin(b, type));
}

void
wire_put_string(struct buf *b, uint8_t type, const char *s)
{
	size_t at = begin(b, type);

	buf_append_cstr(b, s);
	wire_end(b, at);
}

static void
put_field(struct buf *b, char field, const char *value)
{
	if (value == NULL || *value == '\0')
		return;
	buf_append_u8(b, (uint8_t)field);
	buf_append_cstr(b, value);
}

void
wire_put_error(struct buf *b, uint8_t type, const struct wire_error *e)
{
	size_t at = begin(b, type);

	put_field(b, 'S', e->severity);
	put_field(b, 'V', e->severity);
	put_field(b, 'C', e->sqlstate);
	put_field(b, 'M', e->message);
	put_field(b, 'D', e->detail);
	put_field(b, 'H', e->hint);
	buf_append_u8(b, 0);
	wire_end(b, at);
}

void
wire_put_auth(struct buf *b, enum wire_auth code, const void *data, size_t n)
{
	size_t at = begin(b, WIRE_BE_AUTH);

	buf_append_be32(b, (uint32_t)code);
	buf_append(b, data, n);
	wire_end(b, at);
}

void
wire_put_auth_sasl(struct buf *b, const char *mechanism)
{
	size_t at = begin(b, WIRE_BE_AUTH);

	buf_append_be32(b, WIRE_AUTH_SASL);
	buf_append_cstr(b, mechanism);
	buf_append_u8(b, 0);
	wire_end(b, at);
}

/* In one piece: a login has a dozen of them. */
void
wire_put_parameter_status(struct buf *b, const char *name, const char *value)
{
	size_t	n = strlen(name) + 1, m = strlen(value) + 1;
	size_t	total = WIRE_HEADER_LEN + n + m;
	uint32_t length = htonl((uint32_t)(total - 1));
	char	*p = buf_reserve(b, total);

	if (p == NULL)
		return;
	p[0] = (char)WIRE_BE_PARAMETER_STATUS;
	memcpy(p + 1, &length, sizeof(length));
	memcpy(p + WIRE_HEADER_LEN, name, n);
	memcpy(p + WIRE_HEADER_LEN + n, value, m);
	buf_commit(b, total);
}

void
wire_put_backend_key(struct buf *b, const struct wire_key *key)
{
	size_t at = begin(b, WIRE_BE_BACKEND_KEY);

	buf_append_be32(b, key->pid);
	buf_append(b, key->key, key->len);
	wire_end(b, at);
}

void
wire_put_ready(struct buf *b, enum wire_tx tx)
{
	size_t at = begin(b, WIRE_BE_READY);

	buf_append_u8(b, (uint8_t)tx);
	wire_end(b, at);
}

void
wire_put_negotiate(struct buf *b, uint32_t version,
    const char *const *options, size_t n)
{
	size_t	at = begin(b, WIRE_BE_NEGOTIATE);
	size_t	i;

	buf_append_be32(b, version);
	buf_append_be32(b, (uint32_t)n);
	for (i = 0; i < n; i++)
		buf_append_cstr(b, options[i]);
	wire_end(b, at);
}

static uint16_t
size_of_type(uint32_t oid)
{
	if (oid == WIRE_OID_INT8)
		return 8;
	if (oid == WIRE_OID_INT4)
		return 4;
	return UINT16_MAX;		/* -1: of variable length */
}

void
wire_put_row_description(struct buf *b, const struct wire_column *columns,
    size_t n)
{
	size_t	at = begin(b, WIRE_BE_ROW_DESCRIPTION);
	size_t	i;

	assert(n <= INT16_MAX);
	buf_append_be16(b, (uint16_t)n);
	for (i = 0; i < n; i++) {
		buf_append_cstr(b, columns[i].name);
		buf_append_be32(b, 0);		/* no table */
		buf_append_be16(b, 0);		/* no column of it */
		buf_append_be32(b, columns[i].type);
		buf_append_be16(b, size_of_type(columns[i].type));
		buf_append_be32(b, UINT32_MAX);	/* no type modifier */
		buf_append_be16(b, 0);		/* text */
	}
	wire_end(b, at);
}

size_t
wire_row_open(struct buf *b, size_t n)
{
	size_t at = begin(b, WIRE_BE_DATA_ROW);

	assert(n <= INT16_MAX);
	buf_append_be16(b, (uint16_t)n);
	return at;
}

void
wire_row_text(struct buf *b, const char *value)
{
	size_t n;

	if (value == NULL) {
		buf_append_be32(b, UINT32_MAX);
		return;
	}
	n = strlen(value);
	if (n > INT32_MAX)		/* the append below fails */
		n = SIZE_MAX;
	buf_append_be32(b, (uint32_t)n);
	buf_append(b, value, n);
}

size_t
wire_startup_begin(struct buf *b, uint32_t version)
{
	size_t at = begin(b, 0);

	buf_append_be32(b, version);
	return at;
}

void
wire_startup_param(struct buf *b, const char *name, const char *value)
{
	assert(*name != '\0');
	buf_append_cstr(b, name);
	buf_append_cstr(b, value);
}

void
wire_startup_end(struct buf *b, size_t begin)
{
	buf_append_u8(b, 0);
	wire_end(b, begin);
}

void
wire_put_ssl_request(struct buf *b)
{
	wire_end(b, wire_startup_begin(b, WIRE_CODE_SSL));
}

void
wire_put_cancel_request(struct buf *b, const struct wire_key *key)
{
	size_t at = wire_startup_begin(b, WIRE_CODE_CANCEL);

	buf_append_be32(b, key->pid);
	buf_append(b, key->key, key->len);
	wire_end(b, at);
}

void
wire_put_sasl_initial(struct buf *b, const char *mechanism, const void *data,
    size_t n)
{
	size_t at = begin(b, WIRE_FE_PASSWORD);

	buf_append_cstr(b, mechanism);
	buf_append_be32(b, (uint32_t)n);
	buf_append(b, data, n);
	wire_end(b, at);
}

void
wire_put_sasl_response(struct buf *b, const void *data, size_t n)
{
	size_t at = begin(b, WIRE_FE_PASSWORD);

	buf_append(b, data, n);
	wire_end(b, at);
}

void
wire_put_parse(struct buf *b, const char *name, const char *query,
    const char *types, uint16_t ntypes)
{
	size_t at = begin(b, WIRE_FE_PARSE);

	buf_append_cstr(b, name);
	buf_append_cstr(b, query);
	buf_append_be16(b, ntypes);
	buf_append(b, types, (size_t)ntypes * 4);
	wire_end(b, at);
}

void
wire_put_bind(struct buf *b, const char *portal, const char *statement,
    const char *const *params, uint16_t n)
{
	size_t		at = begin(b, WIRE_FE_BIND);
	uint16_t	i;

	buf_append_cstr(b, portal);
	buf_append_cstr(b, statement);
	buf_append_be16(b, 0);		/* all parameters are text */
	buf_append_be16(b, n);
	for (i = 0; i < n; i++)
		wire_row_text(b, params[i]);
	buf_append_be16(b, 0);		/* all results too */
	wire_end(b, at);
}

void
wire_put_target(struct buf *b, uint8_t type, char kind, const char *name)
{
	size_t at = begin(b, type);

	buf_append_u8(b, (uint8_t)kind);
	buf_append_cstr(b, name);
	wire_end(b, at);
}

void
wire_put_execute(struct buf *b, const char *portal, int32_t max_rows)
{
	size_t at = begin(b, WIRE_FE_EXECUTE);

	buf_append_cstr(b, portal);
	buf_append_be32(b, (uint32_t)max_rows);
	wire_end(b, at);
}
