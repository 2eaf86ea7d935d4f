/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/states.h"

#include <stdio.h>

char *
states_tell(const struct states *s, unsigned from, unsigned to,
    char out[STATES_TELL_MAX])
{
	snprintf(out, STATES_TELL_MAX, "%s -> %s, waits for %s",
	    s->text[from].name, s->text[to].name, s->text[to].waits_for);
	return out;
}
