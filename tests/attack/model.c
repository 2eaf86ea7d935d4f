/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/attack/model.h"

#include <string.h>

#include "common/wire.h"

static void
drop(struct model *m, size_t at)
{
	memmove(m->queue + at, m->queue + at + 1, m->n - at - 1);
	m->n--;
}

static bool
is_copy(char type)
{
	return type == WIRE_FE_COPY_DATA || type == WIRE_FE_COPY_DONE ||
	    type == WIRE_FE_COPY_FAIL || type == MODEL_BAD_DATA;
}

/* Drops what will have no answer. */
static void
advance(struct model *m)
{
	char	type;

	/* Behind the head, that copies: what the server reads as data. */
	while (m->copying && m->n > 1) {
		type = m->queue[1];
		if (is_copy(type) || type == WIRE_FE_FLUSH ||
		    type == WIRE_FE_SYNC)
			drop(m, 1);
		if (type == WIRE_FE_COPY_DONE || type == WIRE_FE_COPY_FAIL ||
		    type == MODEL_BAD_DATA || (!is_copy(type) && type != WIRE_FE_FLUSH &&
		    type != WIRE_FE_SYNC))
			m->copying = false;
	}
	while (m->n > 0 && !m->copying) {
		type = m->queue[0];
		if (type == WIRE_FE_SYNC && m->ignoring) {
			m->ignoring = false;
			return;
		}
		if (!m->ignoring && !is_copy(type) && type != WIRE_FE_FLUSH)
			return;
		drop(m, 0);
	}
}

void
model_sent(struct model *m, char type)
{
	assert(m->n < MODEL_MAX);
	m->queue[m->n++] = type;
	advance(m);
}

/* Is the reply the last one to a message of this type? */
static bool
ends(char asked, char reply)
{
	switch (asked) {
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
		return reply == WIRE_BE_READY;
	}
}

static bool
is_extended(char type)
{
	return type != WIRE_FE_QUERY && type != WIRE_FE_FUNCTION_CALL &&
	    type != WIRE_FE_SYNC;
}

void
model_got(struct model *m, char type)
{
	if (type == 0) {
		m->ended = true;
		return;
	}
	if (m->n == 0)
		return;
	if (type == WIRE_BE_COPY_IN) {
		m->copying = true;
	} else if (type == WIRE_BE_ERROR) {
		m->copying = false;
		if (is_extended(m->queue[0])) {
			m->ignoring = true;
		}
	} else if (ends(m->queue[0], type)) {
		m->copying = false;
		drop(m, 0);
	}
	advance(m);
}

bool
model_done(const struct model *m)
{
	size_t	i;

	if (m->ended)
		return true;
	if (m->copying)
		return m->n == 1;
	/* Without a Flush or Sync behind it nothing has to come. */
	for (i = 0; i < m->n; i++)
		if (!is_extended(m->queue[i]) ||
		    m->queue[i] == WIRE_FE_FLUSH ||
		    m->queue[i] == WIRE_FE_TERMINATE)
			return false;
	return true;
}
