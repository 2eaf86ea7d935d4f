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

int
requests_push(struct requests *q, const struct request *r)
{
	if (q->count == q->cap && grow(q) != 0)
		return ERR_NOMEM;
	q->count++;
	*requests_at(q, q->count - 1) = *r;
	if (r->type == WIRE_FE_SYNC) {
		q->syncs++;
		q->ignoring = false;
	}
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

static bool
is_extended(uint8_t type)
{
	return type != WIRE_FE_QUERY && type != WIRE_FE_FUNCTION_CALL &&
	    type != WIRE_FE_SYNC;
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

static void
on_error(struct requests *q, struct reply *out)
{
	struct request *head = requests_at(q, 0);

	out->done = *head;
	if (head->kind == REQUEST_DOOMED) {
		/* The replacement text leaves with the reply. */
		out->replaced = true;
		out->swallow = true;
		head->text = NULL;
	}
	if (head->kind == REQUEST_SKIP && head->internal)
		out->swallow = true;
	if (is_extended(head->type)) {
		out->failed = true;
		if (q->syncs == 0)
			q->ignoring = true;
	}
}

int
requests_reply(struct requests *q, uint8_t type, struct reply *out)
{
	struct request *head;

	memset(out, 0, sizeof(*out));
	if (q->count == 0)
		return type == WIRE_BE_READY ? ERR_PROTOCOL : 0;
	head = requests_at(q, 0);
	switch (type) {
	case WIRE_BE_ERROR:
		on_error(q, out);
		return 0;
	case WIRE_BE_PARAMETER_STATUS:
	case WIRE_BE_NOTIFICATION:
		return 0;
	default:
		break;
	}
	out->swallow = head->kind == REQUEST_SKIP;
	if (!ends(head->type, type)) {
		/* Ready ends a Query, a function call or a Sync, nothing else. */
		return type == WIRE_BE_READY ? ERR_PROTOCOL : 0;
	}
	if (head->kind == REQUEST_FAKE || head->kind == REQUEST_DOOMED)
		return ERR_PROTOCOL;
	out->completes = true;
	take_head(q, &out->done);
	return 0;
}

bool
requests_drop(struct requests *q, struct request *out)
{
	size_t	i, end = q->count;
	size_t	j;

	/* The dropped ones lie in front of the first Sync. */
	for (i = 0; i < q->count; i++) {
		if (requests_at(q, i)->type == WIRE_FE_SYNC) {
			end = i;
			break;
		}
	}
	if (end == 0)
		return false;
	*out = *requests_at(q, end - 1);
	for (j = end - 1; j + 1 < q->count; j++)
		*requests_at(q, j) = *requests_at(q, j + 1);
	q->count--;
	return true;
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
	if (q->ignoring)
		return true;
	return q->count > 0 && is_extended(requests_at(q, q->count - 1)->type);
}
