/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/states.h"

#include <stdio.h>
#include <string.h>

#include "pooler/client.h"
#include "pooler/server.h"
#include "tests/unit/unit.h"

#define DOORS(X) \
	X(OPEN,		"open",		"somebody") \
	X(SHUT,		"shut",		"a hand") \
	X(LOCKED,	"shut",		"the key") \
	X(GONE,		"gone",		"nothing")
enum { OPEN, SHUT, LOCKED, GONE };

static const struct state_text texts[] = { DOORS(STATE_TEXT) };
static const unsigned moves[] = {
	[OPEN] = 1u << SHUT,
	[SHUT] = 1u << OPEN | 1u << LOCKED,
	[LOCKED] = 1u << SHUT,
	[GONE] = 0,
};
static const struct states doors = STATES(texts, moves);

START_TEST(moves_are_as_the_table_says)
{
	static const char *const allowed[] = { "OPEN SHUT", "OPEN GONE",
	    "SHUT OPEN", "SHUT LOCKED", "SHUT GONE", "LOCKED SHUT",
	    "LOCKED GONE" };
	unsigned from, to;
	size_t	 i, found = 0;

	for (from = OPEN; from <= GONE; from++) {
		for (to = OPEN; to <= GONE; to++) {
			char	move[32];

			if (!states_may_move(&doors, from, to))
				continue;
			snprintf(move, sizeof(move), "%s %s",
			    texts[from].name, texts[to].name);
			for (i = 0; i < ARRAY_LEN(allowed); i++)
				found += strcmp(move, allowed[i]) == 0;
		}
	}
	ck_assert_uint_eq(found, ARRAY_LEN(allowed));
	ck_assert(!states_may_move(&doors, GONE, GONE));
	ck_assert(!states_may_move(&doors, OPEN, OPEN));
}
END_TEST

START_TEST(what_is_told)
{
	char	out[STATES_TELL_MAX];

	ck_assert_str_eq(states_tell(&doors, SHUT, LOCKED, out),
	    "SHUT -> LOCKED, waits for the key");
	ck_assert_str_eq(states_tell(&doors, LOCKED, GONE, out),
	    "LOCKED -> GONE, waits for nothing");
}
END_TEST

/* The end comes last in both lists, and a bit is there for each state. */
START_TEST(lists_of_the_pooler)
{
	ck_assert_int_eq(CLIENT_CLOSED + 1, CLIENT_STATES_);
	ck_assert_int_eq(SERVER_CLOSED + 1, SERVER_STATES_);
	ck_assert_int_le(CLIENT_STATES_, 32);
	ck_assert_int_le(SERVER_STATES_, 32);
	ck_assert_str_eq(client_state_show(CLIENT_CLOSED), "closed");
}
END_TEST

UNIT_MAIN("states", moves_are_as_the_table_says, what_is_told,
    lists_of_the_pooler)
