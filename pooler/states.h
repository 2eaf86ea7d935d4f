/* SPDX-License-Identifier: MIT */
/*
 * states - the frame of a connection's state machine.
 *
 * A list of states is an X-macro, X(STATE, "what SHOW prints", "what it waits
 * for"), from which the owner makes its enum and, by STATE_TEXT, the table of
 * texts; beside that stands a table of moves: for each state the bits of
 * those that may follow. The last state of the list is the end: it follows
 * any, and nothing follows it. Each owner has one function that changes the
 * state (client_enter(), server_enter()), which asserts states_may_move().
 * At most 32 states. Pure.
 */
#ifndef POOLER_STATES_H
#define POOLER_STATES_H

#include "common/base.h"

struct state_text {
	const char	*name, *show, *waits_for;
};

#define STATE_TEXT(state, show, waits_for)	{ #state, show, waits_for },

struct states {
	const struct state_text	*text;
	const unsigned		*moves;
	unsigned		 n;
};

#define STATES(texts, moves)	{ texts, moves, ARRAY_LEN(texts) }

/* May `to` follow `from`? */
static inline bool
states_may_move(const struct states *s, unsigned from, unsigned to)
{
	return from + 1 < s->n &&
	    (to + 1 == s->n || (s->moves[from] & (1u << to)) != 0);
}

/* Longest text of states_tell(), with its NUL. */
#define STATES_TELL_MAX	128

/* "OLD -> NEW, waits for its next query", for the log. Returns out. */
char	*states_tell(const struct states *, unsigned from, unsigned to,
	    char out[STATES_TELL_MAX]);

#endif /* POOLER_STATES_H */
