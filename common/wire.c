/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/wire.h"

#include <string.h>

#include "common/err.h"

static uint32_t
load_be32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 |
	    (uint32_t)u[2] << 8 | (uint32_t)u[3];
}

/*
 * Headers
 */

int
wire_header_get(const char *bytes, size_t n, uint32_t max,
    struct wire_header *h)
{
	uint32_t len;

	if (n < WIRE_HEADER_LEN)
		return WIRE_MORE;
	len = load_be32(bytes + 1);
	/* The length is signed on the wire; it counts itself. */
	if (len < 4 || len > INT32_MAX)
		return ERR_FORMAT;
	if (len - 4 > max)
		return ERR_LIMIT;
	h->type = (uint8_t)bytes[0];
	h->body = len - 4;
	return 0;
}

static enum wire_first_kind
kind_of_code(uint32_t code)
{
	if (code == WIRE_CODE_CANCEL)
		return WIRE_FIRST_CANCEL;
	if (code == WIRE_CODE_SSL)
		return WIRE_FIRST_SSL;
	if (code == WIRE_CODE_GSSENC)
		return WIRE_FIRST_GSSENC;
	if (code >> 16 == 3)
		return WIRE_FIRST_STARTUP;
	if (code >> 16 == 2)
		return WIRE_FIRST_STARTUP_V2;
	return WIRE_FIRST_UNKNOWN;
}

int
wire_first_get(const char *bytes, size_t n, uint32_t max,
    struct wire_first *first)
{
	enum wire_first_kind kind;
	uint32_t len, body;

	if (n < 4)
		return WIRE_MORE;
	len = load_be32(bytes);
	if (len < WIRE_FIRST_LEN || len > INT32_MAX)
		return ERR_FORMAT;
	if (n < WIRE_FIRST_LEN)
		return WIRE_MORE;
	body = len - WIRE_FIRST_LEN;
	kind = kind_of_code(load_be32(bytes + 4));
	if ((kind == WIRE_FIRST_SSL || kind == WIRE_FIRST_GSSENC) && body != 0)
		return ERR_FORMAT;
	if (kind == WIRE_FIRST_CANCEL &&
	    (body < 4 + WIRE_KEY_MIN || body > 4 + WIRE_KEY_MAX))
		return ERR_FORMAT;
	if (body > max)
		return ERR_LIMIT;
	first->kind = kind;
	first->code = load_be32(bytes + 4);
	first->body = body;
	return 0;
}

/*
 * The reader
 */

void
wire_in_init(struct wire_in *in, const char *bytes, size_t n)
{
	in->p = bytes;
	in->left = n;
	in->failed = false;
}

const char *
wire_get_bytes(struct wire_in *in, size_t n)
{
	const char *p = in->p;

	if (in->failed || n > in->left) {
		in->failed = true;
		return NULL;
	}
	/* An empty body may come without an address: no NULL + 0. */
	if (n > 0)
		in->p += n;
	in->left -= n;
	return p;
}

uint8_t
wire_get_u8(struct wire_in *in)
{
	const char *p = wire_get_bytes(in, 1);

	return p == NULL ? 0 : (uint8_t)*p;
}

uint16_t
wire_get_u16(struct wire_in *in)
{
	const char *p = wire_get_bytes(in, 2);

	if (p == NULL)
		return 0;
	return (uint16_t)((uint8_t)p[0] << 8 | (uint8_t)p[1]);
}

int32_t
wire_get_i32(struct wire_in *in)
{
	const char *p = wire_get_bytes(in, 4);

	return p == NULL ? 0 : (int32_t)load_be32(p);
}

const char *
wire_get_cstr(struct wire_in *in)
{
	const char *nul = NULL;

	if (!in->failed && in->left > 0)
		nul = memchr(in->p, '\0', in->left);
	if (nul == NULL) {
		in->failed = true;
		return "";
	}
	return wire_get_bytes(in, (size_t)(nul - in->p) + 1);
}

bool
wire_in_done(const struct wire_in *in)
{
	return !in->failed && in->left == 0;
}

/*
 * Parsers
 */

int
wire_startup_next(struct wire_in *in, const char **name, const char **value)
{
	const char *k, *v;

	k = wire_get_cstr(in);
	if (in->failed)
		return ERR_FORMAT;
	if (*k == '\0')
		return in->left == 0 ? 0 : ERR_FORMAT;
	v = wire_get_cstr(in);
	if (in->failed)
		return ERR_FORMAT;
	*name = k;
	*value = v;
	return 1;
}

int
wire_parse_key(const char *body, size_t n, struct wire_key *key)
{
	if (n < 4 + WIRE_KEY_MIN || n > 4 + WIRE_KEY_MAX)
		return ERR_FORMAT;
	key->pid = load_be32(body);
	key->key = body + 4;
	key->len = n - 4;
	return 0;
}

int
wire_parse_error(const char *body, size_t n, struct wire_error *e)
{
	struct wire_error got = { "", "", "", "", "", "" };
	struct wire_in	in;
	const char	*value;
	uint8_t		 field;

	wire_in_init(&in, body, n);
	while ((field = wire_get_u8(&in)) != 0) {
		value = wire_get_cstr(&in);
		switch (field) {
		case 'S': got.severity = value; break;
		case 'V': got.level = value; break;
		case 'C': got.sqlstate = value; break;
		case 'M': got.message = value; break;
		case 'D': got.detail = value; break;
		case 'H': got.hint = value; break;
		default: break;
		}
	}
	if (!wire_in_done(&in) || *got.severity == '\0' ||
	    *got.sqlstate == '\0' || *got.message == '\0')
		return ERR_FORMAT;
	*e = got;
	return 0;
}

int
wire_parse_parameter_status(const char *body, size_t n, const char **name,
    const char **value)
{
	struct wire_in	in;
	const char	*k, *v;

	wire_in_init(&in, body, n);
	k = wire_get_cstr(&in);
	v = wire_get_cstr(&in);
	if (!wire_in_done(&in))
		return ERR_FORMAT;
	*name = k;
	*value = v;
	return 0;
}

int
wire_parse_ready(const char *body, size_t n, char *tx)
{
	if (n != 1 || (*body != WIRE_TX_IDLE && *body != WIRE_TX_OPEN &&
	    *body != WIRE_TX_FAILED))
		return ERR_FORMAT;
	*tx = *body;
	return 0;
}

int
wire_parse_auth(const char *body, size_t n, int32_t *code,
    struct wire_in *rest)
{
	struct wire_in	in;
	int32_t		value;

	wire_in_init(&in, body, n);
	value = wire_get_i32(&in);
	if (in.failed)
		return ERR_FORMAT;
	*code = value;
	*rest = in;
	return 0;
}

int
wire_parse_string(const char *body, size_t n, const char **s)
{
	struct wire_in	in;
	const char	*value;

	wire_in_init(&in, body, n);
	value = wire_get_cstr(&in);
	if (!wire_in_done(&in))
		return ERR_FORMAT;
	*s = value;
	return 0;
}

int
wire_parse_sasl_initial(const char *body, size_t n, const char **mechanism,
    const char **data, size_t *len)
{
	struct wire_in	in;
	const char	*mech, *bytes = NULL;
	int32_t		size;

	wire_in_init(&in, body, n);
	mech = wire_get_cstr(&in);
	size = wire_get_i32(&in);
	if (size < -1)
		return ERR_FORMAT;
	if (size >= 0)
		bytes = wire_get_bytes(&in, (size_t)size);
	if (!wire_in_done(&in))
		return ERR_FORMAT;
	*mechanism = mech;
	*data = bytes;
	*len = size < 0 ? 0 : (size_t)size;
	return 0;
}

int
wire_parse_parse(const char *body, size_t n, struct wire_parse *msg)
{
	struct wire_parse m;
	struct wire_in	in;

	wire_in_init(&in, body, n);
	m.name = wire_get_cstr(&in);
	m.text = in.p;
	m.text_len = in.left;
	m.query = wire_get_cstr(&in);
	m.ntypes = wire_get_u16(&in);
	m.types = wire_get_bytes(&in, (size_t)m.ntypes * 4);
	if (!wire_in_done(&in))
		return ERR_FORMAT;
	*msg = m;
	return 0;
}

int
wire_parse_bind(const char *body, size_t have, size_t total,
    struct wire_bind *msg)
{
	struct wire_bind m;
	struct wire_in	in;

	wire_in_init(&in, body, have);
	m.portal = wire_get_cstr(&in);
	m.statement = wire_get_cstr(&in);
	if (in.failed)
		return have < total ? WIRE_MORE : ERR_FORMAT;
	m.rest = have - in.left;
	/* Three counts of two bytes follow at least. */
	if (total < m.rest + 6)
		return ERR_FORMAT;
	*msg = m;
	return 0;
}

int
wire_parse_target(const char *body, size_t n, char *kind, const char **name)
{
	struct wire_in	in;
	const char	*s;
	char		 k;

	wire_in_init(&in, body, n);
	k = (char)wire_get_u8(&in);
	s = wire_get_cstr(&in);
	if (!wire_in_done(&in) || (k != 'S' && k != 'P'))
		return ERR_FORMAT;
	*kind = k;
	*name = s;
	return 0;
}

int
wire_parse_execute(const char *body, size_t n, const char **portal,
    int32_t *max_rows)
{
	struct wire_in	in;
	const char	*s;
	int32_t		rows;

	wire_in_init(&in, body, n);
	s = wire_get_cstr(&in);
	rows = wire_get_i32(&in);
	if (!wire_in_done(&in))
		return ERR_FORMAT;
	*portal = s;
	*max_rows = rows;
	return 0;
}

int
wire_parse_row_description(const char *body, size_t n, uint16_t *columns)
{
	struct wire_in	in;
	uint16_t	i, count;

	wire_in_init(&in, body, n);
	count = wire_get_u16(&in);
	for (i = 0; i < count && !in.failed; i++) {
		wire_get_cstr(&in);
		/* table, attribute, type, size, modifier, format */
		wire_get_bytes(&in, 4 + 2 + 4 + 2 + 4 + 2);
	}
	if (!wire_in_done(&in))
		return ERR_FORMAT;
	*columns = count;
	return 0;
}

int
wire_row_begin(const char *body, size_t n, struct wire_in *in,
    uint16_t *columns)
{
	uint16_t count;

	wire_in_init(in, body, n);
	count = wire_get_u16(in);
	/* Each column needs its length at least. */
	if (in->failed || in->left / 4 < count)
		return ERR_FORMAT;
	*columns = count;
	return 0;
}

int
wire_row_next(struct wire_in *in, const char **value, size_t *len)
{
	const char	*bytes = NULL;
	int32_t		size;

	size = wire_get_i32(in);
	if (in->failed || size < -1)
		return ERR_FORMAT;
	if (size >= 0) {
		bytes = wire_get_bytes(in, (size_t)size);
		if (bytes == NULL)
			return ERR_FORMAT;
	}
	*value = bytes;
	*len = size < 0 ? 0 : (size_t)size;
	return 0;
}
