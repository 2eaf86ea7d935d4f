/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/relay.h"

#include <string.h>

#include "common/buf.h"
#include "common/wire.h"
#include "tests/unit/unit.h"

#define MAX_BODY	4000
#define MESSAGES	40

/* What the owner of the model means to do with one message. */
struct plan {
	size_t		 start, len;	/* in the stream */
	size_t		 need;		/* judge by so many bytes */
	size_t		 skip;
	unsigned	 later;		/* times FATE_LATER comes first */
	enum relay_fate	 fate;
	bool		 notify;
};

struct model {
	struct relay	 relay;
	struct buf	 stream, out, want;
	struct plan	 plan[MESSAGES];
	size_t		 n, at;		/* messages; judged so far */
	size_t		 done;		/* notifications heard */
	const char	*chunk;		/* what is being fed, and its length */
	size_t		 chunk_n;
	unsigned	 seed;
};

static unsigned
rnd(unsigned *seed, unsigned n)
{
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 16) % n;
}

static enum relay_fate
judge(struct relay *r, struct relay_msg *m)
{
	struct model *md = container_of(r, struct model, relay);
	struct plan  *p = &md->plan[md->at];

	ck_assert_uint_lt(md->at, md->n);
	ck_assert_uint_eq(m->len, p->len);
	ck_assert_uint_ge(m->have, WIRE_HEADER_LEN);
	ck_assert_uint_le(m->have, m->len);
	ck_assert_mem_eq(m->bytes, buf_bytes(&md->stream) + p->start, m->have);
	if (m->have < p->need) {
		m->need = p->need;
		return FATE_NEED;
	}
	if (p->later > 0) {
		p->later--;
		return FATE_LATER;
	}
	md->at++;
	m->notify = p->notify;
	m->skip = p->skip;
	if (p->fate == FATE_REWRITTEN) {
		/* What the owner sends itself goes behind what passed. */
		ck_assert_int_eq(relay_sync(r), 0);
		buf_append_str(&md->out, "<own>");
	}
	return p->fate;
}

static int
emit(struct relay *r, struct lent *lent, const char *bytes, size_t n)
{
	struct model *md = container_of(r, struct model, relay);

	ck_assert_uint_gt(n, 0);
	/* Only bytes of the fed piece may be passed without a copy. */
	if (lent != NULL)
		ck_assert(bytes >= md->chunk &&
		    bytes + n <= md->chunk + md->chunk_n);
	buf_append(&md->out, bytes, n);
	return 0;
}

static bool
done(struct relay *r, uint8_t type)
{
	struct model *md = container_of(r, struct model, relay);

	buf_printf(&md->out, "<done %c>", type);
	md->done++;
	return true;
}

static const struct relay_ops ops = {
	.judge = judge, .emit = emit, .done = done
};

static void
make_message(struct model *m, struct plan *p)
{
	static const enum relay_fate fates[] = {
		FATE_FORWARD, FATE_FORWARD, FATE_DROP, FATE_REWRITTEN
	};
	size_t	body = rnd(&m->seed, 4) == 0 ? rnd(&m->seed, MAX_BODY + 1) :
	    rnd(&m->seed, 30);
	char	type = (char)('a' + rnd(&m->seed, 26));
	size_t	i;

	p->start = buf_len(&m->stream);
	p->len = WIRE_HEADER_LEN + body;
	p->fate = fates[rnd(&m->seed, ARRAY_LEN(fates))];
	p->need = rnd(&m->seed, 2) == 0 ? WIRE_HEADER_LEN :
	    WIRE_HEADER_LEN + rnd(&m->seed, (unsigned)body + 1);
	p->skip = WIRE_HEADER_LEN +
	    rnd(&m->seed, (unsigned)(p->need - WIRE_HEADER_LEN) + 1);
	p->later = rnd(&m->seed, 3) == 0 ? 1 + rnd(&m->seed, 2) : 0;
	p->notify = rnd(&m->seed, 3) == 0;
	buf_append_u8(&m->stream, (uint8_t)type);
	buf_append_be32(&m->stream, (uint32_t)body + 4);
	for (i = 0; i < body; i++)
		buf_append_u8(&m->stream, (uint8_t)rnd(&m->seed, 256));
	/* The reference: each message for itself, in order. */
	if (p->fate == FATE_FORWARD)
		buf_append(&m->want, buf_bytes(&m->stream) + p->start, p->len);
	if (p->fate == FATE_REWRITTEN) {
		buf_append_str(&m->want, "<own>");
		buf_append(&m->want, buf_bytes(&m->stream) + p->start + p->skip,
		    p->len - p->skip);
	}
	if (p->notify)
		buf_printf(&m->want, "<done %c>", type);
}

/* Feeds a copy of exactly n bytes, again and again while it is "later". */
static void
feed(struct model *m, const char *bytes, size_t n)
{
	char	*copy = malloc(n == 0 ? 1 : n);
	size_t	 pos = 0, used;
	enum relay_result res;

	memcpy(copy, bytes, n);
	m->chunk = copy;
	m->chunk_n = n;
	do {
		res = relay_feed(&m->relay, (struct lent *)(void *)copy,
		    copy + pos, n - pos, &used);
		ck_assert(res == RELAY_OK || res == RELAY_LATER);
		pos += used;
		ck_assert_uint_le(pos, n);
	} while (res == RELAY_LATER);
	ck_assert_uint_eq(pos, n);
	free(copy);
}

static void
run_model(unsigned seed, size_t piece)
{
	struct model *m = calloc(1, sizeof(*m));
	size_t	i, n, total;

	m->seed = seed;
	m->n = MESSAGES;
	relay_init(&m->relay, &ops, MAX_BODY);
	for (i = 0; i < m->n; i++)
		make_message(m, &m->plan[i]);
	total = buf_len(&m->stream);
	for (i = 0; i < total; i += n) {
		n = piece != 0 ? piece : 1 + (rnd(&m->seed, 3) == 0 ?
		    rnd(&m->seed, 8) : rnd(&m->seed, 6000));
		n = MIN(n, total - i);
		feed(m, buf_bytes(&m->stream) + i, n);
	}
	ck_assert_uint_eq(m->at, m->n);
	ck_assert(relay_at_boundary(&m->relay));
	ck_assert(!relay_in_message(&m->relay));
	ck_assert_ptr_null(m->relay.held.data);
	ck_assert_uint_eq(buf_len(&m->out), buf_len(&m->want));
	ck_assert_mem_eq(buf_bytes(&m->out), buf_bytes(&m->want),
	    buf_len(&m->want));
	relay_release(&m->relay);
	buf_release(&m->stream);
	buf_release(&m->out);
	buf_release(&m->want);
	free(m);
}

START_TEST(random_cuts)
{
	unsigned seed;

	for (seed = 1; seed <= 1500; seed++)
		run_model(seed, 0);
}
END_TEST

START_TEST(byte_by_byte)
{
	unsigned seed;

	for (seed = 1; seed <= 60; seed++)
		run_model(seed, 1);
}
END_TEST

START_TEST(whole_at_once)
{
	unsigned seed;

	for (seed = 1; seed <= 200; seed++)
		run_model(seed, SIZE_MAX);
}
END_TEST

/* ---- single cases ---- */

static enum relay_fate answer;
static int emit_result;
static size_t emitted, need_next;
static bool done_result;

static enum relay_fate
judge_fixed(struct relay *r UNUSED, struct relay_msg *m)
{
	if (need_next > m->have) {
		m->need = need_next;
		return FATE_NEED;
	}
	m->notify = true;
	m->skip = m->have;
	return answer;
}

static int
emit_fixed(struct relay *r UNUSED, struct lent *l UNUSED,
    const char *bytes UNUSED, size_t n)
{
	emitted += n;
	return emit_result;
}

static bool
done_fixed(struct relay *r UNUSED, uint8_t type UNUSED)
{
	return done_result;
}

static const struct relay_ops fixed_ops = {
	.judge = judge_fixed, .emit = emit_fixed, .done = done_fixed
};

static enum relay_result
feed_fixed(const char *bytes, size_t n, size_t *used)
{
	struct relay	  r;
	enum relay_result res;

	emitted = 0;
	relay_init(&r, &fixed_ops, 10);
	res = relay_feed(&r, NULL, bytes, n, used);
	relay_release(&r);
	return res;
}

START_TEST(limits)
{
	size_t	used;

	answer = FATE_FORWARD;
	done_result = true;
	/* A body of 10 passes, one of 11 does not, nor a length below 4. */
	ck_assert_int_eq(feed_fixed("D\0\0\0\x0e" "0123456789", 15, &used),
	    RELAY_OK);
	ck_assert_uint_eq(emitted, 15);
	ck_assert_int_eq(feed_fixed("D\0\0\0\x0f", 5, &used), RELAY_BAD);
	ck_assert_int_eq(feed_fixed("D\0\0\0\x03", 5, &used), RELAY_BAD);
	ck_assert_int_eq(feed_fixed("D\xff\xff\xff\xff", 5, &used), RELAY_BAD);
	ck_assert_int_eq(feed_fixed("", 0, &used), RELAY_OK);
	ck_assert_uint_eq(used, 0);
}
END_TEST

START_TEST(answers)
{
	size_t	used;

	done_result = true;
	answer = FATE_BAD;
	ck_assert_int_eq(feed_fixed("D\0\0\0\x04", 5, &used), RELAY_BAD);
	answer = FATE_CLOSED;
	ck_assert_int_eq(feed_fixed("D\0\0\0\x04", 5, &used), RELAY_CLOSED);
	answer = FATE_LATER;
	ck_assert_int_eq(feed_fixed("D\0\0\0\x04", 5, &used), RELAY_LATER);
	ck_assert_uint_eq(used, 0);
	answer = FATE_FORWARD;
	done_result = false;
	ck_assert_int_eq(feed_fixed("D\0\0\0\x04", 5, &used), RELAY_CLOSED);
	done_result = true;
	emit_result = -1;
	ck_assert_int_eq(feed_fixed("D\0\0\0\x04", 5, &used), RELAY_BAD);
	emit_result = 0;
	answer = FATE_REWRITTEN;
	ck_assert_int_eq(feed_fixed("D\0\0\0\x04", 5, &used), RELAY_OK);
	ck_assert_uint_eq(emitted, 0);
}
END_TEST

/* The owner goes away while a beginning is held: nothing leaks (ASan). */
START_TEST(closed_while_held)
{
	struct relay r;
	size_t	used;

	relay_init(&r, &fixed_ops, 100);
	need_next = 8;
	answer = FATE_CLOSED;
	ck_assert_int_eq(relay_feed(&r, NULL, "D\0\0\0\x0c" "01", 7, &used),
	    RELAY_OK);
	ck_assert(!relay_at_boundary(&r));
	ck_assert(!relay_in_message(&r));
	ck_assert_int_eq(relay_feed(&r, NULL, "2", 1, &used), RELAY_CLOSED);
	relay_release(&r);
	ck_assert_ptr_null(r.held.data);
}
END_TEST

/* "Later" for a held beginning: n == 0 judges again, bytes are not lost. */
START_TEST(later_while_held)
{
	struct relay r;
	size_t	used;

	relay_init(&r, &fixed_ops, 100);
	need_next = 8;
	answer = FATE_LATER;
	emitted = 0;
	ck_assert_int_eq(relay_feed(&r, NULL, "D\0\0\0\x0c" "01", 7, &used),
	    RELAY_OK);
	ck_assert_int_eq(relay_feed(&r, NULL, "23", 2, &used), RELAY_LATER);
	ck_assert_uint_eq(used, 1);
	ck_assert_int_eq(relay_feed(&r, NULL, NULL, 0, &used), RELAY_LATER);
	ck_assert_uint_eq(used, 0);
	answer = FATE_FORWARD;
	done_result = true;
	ck_assert_int_eq(relay_feed(&r, NULL, NULL, 0, &used), RELAY_OK);
	ck_assert_uint_eq(emitted, 8);
	ck_assert(relay_in_message(&r));
	ck_assert_ptr_null(r.held.data);
	ck_assert_int_eq(relay_feed(&r, NULL, "34567", 5, &used), RELAY_OK);
	ck_assert_uint_eq(emitted, 13);
	ck_assert(relay_at_boundary(&r));
	relay_release(&r);
}
END_TEST

UNIT_MAIN("relay", random_cuts, byte_by_byte, whole_at_once, limits, answers,
    closed_while_held, later_while_held)
