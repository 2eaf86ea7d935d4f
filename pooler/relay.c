/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/relay.h"

#include <string.h>

#include "common/wire.h"

void
relay_init(struct relay *r, const struct relay_ops *ops, uint32_t max)
{
	memset(r, 0, sizeof(*r));
	r->ops = ops;
	r->max = max;
	r->held.max = (size_t)max + WIRE_HEADER_LEN;
}

void
relay_release(struct relay *r)
{
	buf_release(&r->held);
}

bool
relay_in_message(const struct relay *r)
{
	return r->remain > 0;
}

bool
relay_at_boundary(const struct relay *r)
{
	return r->remain == 0 && r->held_need == 0;
}

int
relay_sync(struct relay *r)
{
	size_t n = r->run_n;

	r->run_n = 0;
	return n == 0 ? 0 : r->ops->emit(r, r->run_lent, r->run_start, n);
}

/* The message's last byte has passed: its owner hears it behind that byte. */
static enum relay_result
end_message(struct relay *r)
{
	if (!r->notify)
		return RELAY_OK;
	r->notify = false;
	if (relay_sync(r) != 0)
		return RELAY_BAD;
	return r->ops->done(r, r->type) ? RELAY_OK : RELAY_CLOSED;
}

/* Lets n bytes of the message under way pass or disappear. */
static enum relay_result
pass(struct relay *r, const char *bytes, size_t n)
{
	if (r->dropping) {
		/* What passed before is no longer adjacent to what will. */
		if (relay_sync(r) != 0)
			return RELAY_BAD;
	} else {
		if (r->run_n == 0)
			r->run_start = bytes;
		r->run_n += n;
	}
	r->remain -= (uint32_t)n;
	return r->remain == 0 ? end_message(r) : RELAY_OK;
}

static void
begin_message(struct relay *r, const struct relay_msg *m, bool dropping)
{
	r->type = m->type;
	r->notify = m->notify;
	r->remain = m->len;
	r->dropping = dropping;
}

/*
 * Tries the message that begins at `bytes`. RELAY_OK with *used == 0 means
 * that held_need bytes must be gathered first; else *used were dealt with.
 */
static enum relay_result
try_message(struct relay *r, const char *bytes, size_t n, size_t *used)
{
	struct relay_msg   m = { .bytes = bytes };
	struct wire_header h;
	enum relay_result  res;

	*used = 0;
	if (n < WIRE_HEADER_LEN) {
		r->held_need = WIRE_HEADER_LEN;
		return RELAY_OK;
	}
	if (wire_header_get(bytes, n, r->max, &h) != 0)
		return RELAY_BAD;
	m.type = h.type;
	m.len = h.body + WIRE_HEADER_LEN;
	m.have = MIN(n, (size_t)m.len);
	switch (r->ops->judge(r, &m)) {
	case FATE_FORWARD:
		begin_message(r, &m, false);
		break;
	case FATE_DROP:
		begin_message(r, &m, true);
		break;
	case FATE_REWRITTEN:
		assert(m.skip >= WIRE_HEADER_LEN && m.skip <= m.have);
		begin_message(r, &m, true);
		*used = m.skip;
		res = pass(r, bytes, m.skip);
		if (res != RELAY_OK || r->remain == 0)
			return res;
		r->dropping = false;
		break;
	case FATE_NEED:
		assert(m.need > m.have && m.need <= m.len);
		r->held_need = m.need;
		return RELAY_OK;
	case FATE_LATER:
		return relay_sync(r) != 0 ? RELAY_BAD : RELAY_LATER;
	case FATE_BAD:
		return RELAY_BAD;
	case FATE_CLOSED:
		return RELAY_CLOSED;
	}
	bytes += *used;
	n = MIN(n - *used, (size_t)r->remain);
	*used += n;
	return n == 0 ? RELAY_OK : pass(r, bytes, n);
}

/*
 * Goes on with the beginning that is held. *used counts bytes taken from
 * the fed ones. RELAY_OK with held_need > 0 means that they did not suffice.
 */
static enum relay_result
feed_held(struct relay *r, const char *bytes, size_t n, size_t *used)
{
	enum relay_result res;
	size_t	done;

	*used = 0;
	for (;;) {
		size_t have = buf_len(&r->held);

		if (have < r->held_need) {
			size_t part = MIN(n - *used, r->held_need - have);

			buf_append(&r->held, bytes + *used, part);
			if (buf_failed(&r->held))
				return RELAY_BAD;
			*used += part;
			if (have + part < r->held_need)
				return RELAY_OK;
		}
		res = try_message(r, buf_bytes(&r->held), buf_len(&r->held),
		    &done);
		if (res == RELAY_CLOSED)
			return res;
		if (done == 0) {
			if (res != RELAY_OK)
				return res;
			continue;
		}
		/* Never more than one message is held. */
		assert(res != RELAY_OK || done == buf_len(&r->held));
		if (res == RELAY_OK && relay_sync(r) != 0)
			res = RELAY_BAD;
		buf_release(&r->held);
		r->held_need = 0;
		return res;
	}
}

/* Fed bytes that begin a message. */
static enum relay_result
feed_fresh(struct relay *r, const char *bytes, size_t n, size_t *used)
{
	enum relay_result res = try_message(r, bytes, n, used);

	if (res != RELAY_OK || *used > 0)
		return res;
	/* What passed before stays in front of what is now copied. */
	if (relay_sync(r) != 0)
		return RELAY_BAD;
	buf_append(&r->held, bytes, n);
	*used = n;
	return buf_failed(&r->held) ? RELAY_BAD : RELAY_OK;
}

enum relay_result
relay_feed(struct relay *r, struct lent *lent, const char *bytes, size_t n,
    size_t *consumed)
{
	enum relay_result res = RELAY_OK;
	size_t	pos = 0, used;

	if (r->held_need > 0) {
		r->run_lent = NULL;
		res = feed_held(r, bytes, n, &used);
		pos = used;
		if (res == RELAY_OK && r->held_need > 0) {
			*consumed = pos;
			return RELAY_OK;
		}
	}
	if (res != RELAY_CLOSED)
		r->run_lent = lent;
	while (res == RELAY_OK && pos < n) {
		if (r->remain > 0) {
			used = MIN(n - pos, (size_t)r->remain);
			res = pass(r, bytes + pos, used);
		} else {
			res = feed_fresh(r, bytes + pos, n - pos, &used);
		}
		pos += used;
	}
	if (res == RELAY_CLOSED || res == RELAY_BAD)
		return res;
	if (relay_sync(r) != 0)
		return RELAY_BAD;
	*consumed = pos;
	return res;
}
