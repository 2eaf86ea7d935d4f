/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/requests.h"

#include <string.h>

#include "common/err.h"
#include "common/wire.h"

#define FIRST_CAP	16

void
requests_init(struct requests *q)
{
	memset(q, 0, sizeof(*q));
}

void
requests_release(struct requests *q)
{
	assert(q->count == 0);
	free(q->ring);
	requests_init(q);
}

struct request *
requests_at(const struct requests *q, size_t i)
{
	assert(i < q->count);
	return &q->ring[(q->head + i) & (q->cap - 1)];
}

static int
grow(struct requests *q)
{
	size_t	cap = q->cap == 0 ? FIRST_CAP : 2 * q->cap;
	struct request *ring = malloc(cap * sizeof(*ring));
	size_t	i;

	if (ring == NULL)
		return ERR_NOMEM;
	for (i = 0; i < q->count; i++)
		ring[i] = *requests_at(q, i);
	free(q->ring);
	q->ring = ring;
	q->cap = cap;
	q->head = 0;
	return 0;
}

static bool
is_extended(uint8_t type)
{
	return type != WIRE_FE_QUERY && type != WIRE_FE_FUNCTION_CALL &&
	    type != WIRE_FE_SYNC;
}

int
requests_push(struct requests *q, const struct request *r)
{
	if (q->count == q->cap && grow(q) != 0)
		return ERR_NOMEM;
	if (q->count == 0)
		q->data_ahead = q->sync_ahead = false;
	q->count++;
	*requests_at(q, q->count - 1) = *r;
	if (r->type == WIRE_FE_SYNC) {
		q->sync_ahead = q->sync_ahead || q->data_ahead;
		q->syncs++;
		q->ignoring = false;
	}
	if (!is_extended(r->type))
		q->open = false;
	else if (r->kind != REQUEST_FAKE)
		q->open = true;
	return 0;
}

bool
requests_ignoring(const struct requests *q)
{
	return q->ignoring;
}

static void
take_head(struct requests *q, struct request *out)
{
	*out = *requests_at(q, 0);
	q->head = (q->head + 1) & (q->cap - 1);
	q->count--;
	q->answered = false;
	if (out->type == WIRE_FE_SYNC)
		q->syncs--;
}

static void
take_newest(struct requests *q, struct request *out)
{
	*out = *requests_at(q, q->count - 1);
	q->count--;
	if (out->type == WIRE_FE_SYNC)
		q->syncs--;
}

/* Does a reply of this type end a request of that type? */
static bool
ends(uint8_t request, uint8_t reply)
{
	switch (request) {
	case WIRE_FE_QUERY:
	case WIRE_FE_FUNCTION_CALL:
	case WIRE_FE_SYNC:
		return reply == WIRE_BE_READY;
	case WIRE_FE_PARSE:
		return reply == WIRE_BE_PARSE_COMPLETE;
	case WIRE_FE_BIND:
		return reply == WIRE_BE_BIND_COMPLETE;
	case WIRE_FE_CLOSE:
		return reply == WIRE_BE_CLOSE_COMPLETE;
	case WIRE_FE_DESCRIBE:
		return reply == WIRE_BE_ROW_DESCRIPTION ||
		    reply == WIRE_BE_NO_DATA;
	case WIRE_FE_EXECUTE:
		return reply == WIRE_BE_COMMAND_COMPLETE ||
		    reply == WIRE_BE_EMPTY_QUERY ||
		    reply == WIRE_BE_PORTAL_SUSPENDED;
	default:
		return false;
	}
}

/* How many entries lie in front of the first Sync. */
static size_t
before_sync(const struct requests *q)
{
	size_t	i = 0;

	if (q->syncs == 0)
		return q->count;
	while (requests_at(q, i)->type != WIRE_FE_SYNC)
		i++;
	return i;
}

/* A reply to something that was sent behind the strays, or their COPY's
 * success: no more of them will be answered. */
static void
end_strays(struct requests *q)
{
	q->strays = 0;
	q->in_doubt = false;
	q->ignoring = q->ignoring || q->was_ignoring;
	q->was_ignoring = false;
}

static void
on_error(struct requests *q, struct reply *out)
{
	struct request *head = requests_at(q, 0);

	q->answered = true;
	out->done = *head;
	/* Not their COPY's error but of something behind it. */
	if (q->in_doubt)
		end_strays(q);
	/* What follows was dropped, or a stray before it was answered. */
	out->lost = q->strays > 0 && is_extended(head->type) &&
	    before_sync(q) > 1;
	if (out->lost)
		return;
	/* Where more follows, those were most likely read: who is wrong about
	 * that sees replies that nothing has asked for, and closes. */
	q->strays += q->passed;
	q->passed = 0;
	q->in_doubt = q->strays > 0;
	if (head->kind == REQUEST_DOOMED) {
		/* The replacement text leaves with the reply. */
		out->doomed = true;
		head->text = NULL;
	}
	if (head->kind == REQUEST_SKIP && head->internal)
		out->swallow = true;
	if (is_extended(head->type)) {
		out->failed = true;
		q->failing = before_sync(q);
		if (q->syncs == 0)
			q->ignoring = true;
	}
}

/*
 * Ready: is it a stray's? Of Syncs it does not matter which one is meant, all
 * are answered alike, so it is taken for the answer of a Sync where one is
 * next.
 */
static bool
is_strays(const struct requests *q)
{
	uint8_t	type;

	if (q->strays == 0)
		return false;
	if (q->count == 0)
		return true;
	type = requests_at(q, 0)->type;
	return type != WIRE_FE_SYNC && (is_extended(type) || !q->answered);
}

/* What a server may say at any time. */
static bool
unasked(uint8_t type)
{
	return type == WIRE_BE_ERROR || type == WIRE_BE_NOTICE ||
	    type == WIRE_BE_PARAMETER_STATUS || type == WIRE_BE_NOTIFICATION;
}

int
requests_reply(struct requests *q, uint8_t type, struct reply *out)
{
	struct request *head;

	memset(out, 0, sizeof(*out));
	assert(q->failing == 0);
	if (type == WIRE_BE_READY && is_strays(q)) {
		q->strays--;
		q->in_doubt = q->strays > 0;
		q->was_ignoring = false;
		if (q->count == 0)
			q->ignoring = q->open = false;
		return 0;
	}
	if (q->count == 0)
		return unasked(type) ? 0 : ERR_PROTOCOL;
	head = requests_at(q, 0);
	switch (type) {
	case WIRE_BE_ERROR:
		on_error(q, out);
		return 0;
	case WIRE_BE_PARAMETER_STATUS:
	case WIRE_BE_NOTIFICATION:
		return 0;
	case WIRE_BE_NOTICE:
	case WIRE_BE_READY:
		break;
	case WIRE_BE_COPY_IN:
		q->answered = true;
		break;
	default:
		q->answered = true;
		q->passed = 0;
		if (q->strays > 0)
			end_strays(q);
		break;
	}
	out->swallow = head->kind == REQUEST_SKIP;
	if (!ends(head->type, type)) {
		/* Ready ends a Query, a function call or a Sync, nothing else. */
		return type == WIRE_BE_READY ? ERR_PROTOCOL : 0;
	}
	/* Nor without another answer before; that one would be somebody
	 * else's. */
	if (type == WIRE_BE_READY && head->type != WIRE_FE_SYNC &&
	    !q->answered)
		return ERR_PROTOCOL;
	if (head->kind == REQUEST_FAKE || head->kind == REQUEST_DOOMED)
		return ERR_PROTOCOL;
	out->completes = true;
	take_head(q, &out->done);
	return 0;
}

bool
requests_drop(struct requests *q, struct request *out)
{
	if (q->failing == 0)
		return false;
	/*
	 * Newest first, but they leave at the head: only when the last was
	 * handed out is the head moved, so nothing behind is touched.
	 */
	*out = *requests_at(q, --q->failing);
	q->dropped++;
	if (q->failing == 0) {
		q->head = (q->head + q->dropped) & (q->cap - 1);
		q->count -= q->dropped;
		q->dropped = 0;
		q->answered = false;
	}
	return true;
}

enum requests_place
requests_find(const struct requests *q,
    bool (*match)(const struct request *, const void *arg), const void *arg)
{
	enum requests_place here = REQUESTS_SAME_BATCH;
	size_t	i, n = q->count;

	for (i = 0; i < n; i++) {
		const struct request *r = requests_at(q, n - 1 - i);

		if (r->type == WIRE_FE_SYNC)
			here = REQUESTS_EARLIER_BATCH;
		if (i == REQUESTS_LOOK)
			return q->syncs > 0 ? REQUESTS_EARLIER_BATCH : here;
		if (match(r, arg))
			return here;
	}
	return REQUESTS_NOWHERE;
}

bool
requests_fake(struct requests *q, struct request *out)
{
	if (q->count == 0 || requests_at(q, 0)->kind != REQUEST_FAKE)
		return false;
	take_head(q, out);
	return true;
}

bool
requests_pop_newest(struct requests *q, struct request *out)
{
	if (q->count == 0)
		return false;
	take_newest(q, out);
	return true;
}

bool
requests_need_sync(const struct requests *q)
{
	return q->ignoring || q->open;
}

/* Was anything sent to the server from the i-th entry on? */
static bool
sent_from(const struct requests *q, size_t i)
{
	for (; i < q->count; i++) {
		if (requests_at(q, i)->kind != REQUEST_FAKE)
			return true;
	}
	return false;
}

bool
requests_copy_in(struct requests *q)
{
	struct request copies, sync;
	bool	data, ended;

	if (q->count == 0)
		return false;
	take_head(q, &copies);
	data = copies.copy_data;
	while (copies.copy_ends == 0 && q->count > 0 &&
	    requests_at(q, 0)->type == WIRE_FE_SYNC) {
		take_head(q, &sync);
		if (data)
			q->strays++;
		else
			q->passed++;
		data = data || sync.copy_data;
		copies.copy_ends = sync.copy_ends;
	}
	/* What is left is for the Query's next COPY. */
	ended = copies.copy_ends > 0;
	copies.copy_ends -= ended;
	/* The slot in front of the head is free: it goes back. */
	q->head = (q->head - 1) & (q->cap - 1);
	q->count++;
	*requests_at(q, 0) = copies;
	if (q->count == 1 && is_extended(copies.type))
		q->open = true;
	return !ended && !sent_from(q, 1);
}

void
requests_end_ignoring(struct requests *q)
{
	q->was_ignoring = q->ignoring;
}

void
requests_copy_data(struct requests *q)
{
	if (q->count == 0)
		return;
	requests_at(q, q->count - 1)->copy_data = true;
	q->data_ahead = true;
}

void
requests_copy_end(struct requests *q)
{
	q->data_ahead = false;
	if (q->count > 0)
		requests_at(q, q->count - 1)->copy_ends++;
}
