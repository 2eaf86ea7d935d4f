/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/ring_plan.h"

#include <string.h>

bool
ring_key_equal(const struct ring_key *a, const struct ring_key *b)
{
	return a->system_id == b->system_id && a->number == b->number &&
	    a->tli == b->tli;
}

static struct ring_stream *
find(struct ring_plan *p, const struct digest *reader)
{
	unsigned i;

	for (i = 0; i < p->count; i++) {
		if (digest_equal(&p->stream[i].reader, reader))
			return &p->stream[i];
	}
	return NULL;
}

static struct ring_stream *
add(struct ring_plan *p, const struct digest *reader)
{
	struct ring_stream *s = &p->stream[0];
	unsigned i;

	if (p->count < RING_PLAN_STREAMS) {
		s = &p->stream[p->count++];
	} else {
		for (i = 1; i < p->count; i++) {
			if (p->stream[i].used < s->used)
				s = &p->stream[i];
		}
	}
	memset(s, 0, sizeof(*s));
	s->reader = *reader;
	s->depth = RING_PLAN_FIRST;
	s->end = UINT64_MAX;
	return s;
}

/* The depth after a step from s->last to this segment. */
static unsigned
depth_after(const struct ring_plan *p, const struct ring_stream *s,
    const struct ring_key *key)
{
	if (key->system_id != s->last.system_id)
		return RING_PLAN_FIRST;
	if (key->number == s->last.number)
		return s->depth;
	if (key->number < s->last.number)
		return 0;
	if (key->number > s->last.number + 1)
		return RING_PLAN_FIRST;
	return MIN(MAX(2 * s->depth, RING_PLAN_FIRST), MAX(p->slots, 1));
}

const struct ring_stream *
ring_plan_follow(struct ring_plan *p, const char *reader,
    const struct ring_key *key, int64_t now)
{
	struct ring_stream *s;
	struct digest	id;

	digest_of(NULL, reader, strlen(reader), &id);
	s = find(p, &id);
	if (s == NULL)
		s = add(p, &id);
	else
		s->depth = depth_after(p, s, key);
	if (key->tli != s->last.tli || key->system_id != s->last.system_id ||
	    key->number >= s->end)
		s->end = UINT64_MAX;
	s->last = *key;
	s->used = now;
	return s;
}

uint64_t
ring_plan_window_end(const struct ring_plan *p, const struct ring_stream *s)
{
	unsigned share = p->slots / MAX(p->count, 1);

	return MIN(s->last.number + 1 + MIN(s->depth, share), s->end);
}

bool
ring_plan_covers(const struct ring_plan *p, const struct ring_key *key)
{
	const struct ring_stream *s;
	unsigned i;

	for (i = 0; i < p->count; i++) {
		s = &p->stream[i];
		if (s->last.system_id == key->system_id &&
		    s->last.tli == key->tli && key->number > s->last.number &&
		    key->number < ring_plan_window_end(p, s))
			return true;
	}
	return false;
}

void
ring_plan_missing(struct ring_plan *p, const struct ring_key *key)
{
	struct ring_stream *s;
	unsigned i;

	for (i = 0; i < p->count; i++) {
		s = &p->stream[i];
		if (s->last.system_id == key->system_id &&
		    s->last.tli == key->tli && key->number > s->last.number)
			s->end = MIN(s->end, key->number);
	}
}

void
ring_plan_forget(struct ring_plan *p, int64_t since)
{
	unsigned i;

	for (i = p->count; i-- > 0;) {
		if (p->stream[i].used < since)
			p->stream[i] = p->stream[--p->count];
	}
}
