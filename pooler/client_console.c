/* SPDX-License-Identifier: MIT */
/*
 * A client of the admin console: simple queries, one at a time, that the
 * control thread runs (admin.h). Contract, section 13.1.
 */
#include "common/base.h"
#include "pooler/client.h"

#include "common/buf.h"
#include "common/wire.h"
#include "pooler/admin.h"
#include "pooler/pooler.h"

void
client_console_data(struct client *c, const char *bytes, size_t n)
{
	struct wire_header h;
	const char *sql;

	if (c->console == NULL) {
		c->console = calloc(1, sizeof(*c->console));
		if (c->console == NULL) {
			client_fail(c, "out of memory");
			return;
		}
		buf_init(c->console, 1 << 20);
	}
	buf_append(c->console, bytes, n);
	if (buf_failed(c->console)) {
		client_fail(c, "incomplete pkt");
		return;
	}
	if (wire_header_get(buf_bytes(c->console), buf_len(c->console),
	    1 << 20, &h) != 0) {
		if (buf_len(c->console) >= WIRE_HEADER_LEN)
			client_fail(c, "bad packet");
		return;
	}
	if (h.type == WIRE_FE_TERMINATE) {
		client_close(c, "client close request");
		return;
	}
	if (h.type != WIRE_FE_QUERY) {
		struct wire_error e = { .severity = "ERROR",
		    .sqlstate = "08P01", .message =
		    "extended query protocol not supported by admin console" };
		struct buf b = { 0 };

		wire_put_error(&b, WIRE_BE_ERROR, &e);
		client_send(c, &b);
		buf_release(&b);
		client_fail(c, "bad packet");
		return;
	}
	if (buf_len(c->console) < WIRE_HEADER_LEN + h.body)
		return;
	if (wire_parse_string(buf_bytes(c->console) + WIRE_HEADER_LEN, h.body,
	    &sql) != 0) {
		client_fail(c, "incomplete query");
		return;
	}
	c->request_time = pooler_wall_clock();
	stream_recv_stop(&c->stream);
	client_enter(c, CLIENT_COMMAND);
	if (admin_submit(c, sql) != 0) {
		client_fail(c, "out of memory");
		return;
	}
	buf_consume(c->console, WIRE_HEADER_LEN + h.body);
}

void
client_console_answer(struct client *c, const struct buf *b, bool done,
    bool close)
{
	assert(c->state == CLIENT_COMMAND);
	client_send(c, b);
	if (!done)
		return;
	client_enter(c, CLIENT_CONSOLE);
	if (close) {
		client_close(c, "close req");
		return;
	}
	/* A driver may have sent its next command already. */
	if (buf_len(c->console) > 0)
		client_console_data(c, "", 0);
	if (c->state == CLIENT_CONSOLE)
		stream_recv_start(&c->stream);
}
