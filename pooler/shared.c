/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/shared.h"

uint64_t
shared_next_id(struct shared *sh)
{
	return atomic_fetch_add(&sh->next_id, 1) + 1;
}

void
shared_kick(struct shared *sh)
{
	sh->kick(sh->kick_arg);
}
