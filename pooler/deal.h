/* SPDX-License-Identifier: MIT */
/*
 * deal - which worker gets a new client.
 *
 * Clients are packed onto few workers: a worker that is awake anyway serves
 * one more client for less than a sleeping one would, and a pool whose
 * clients sit together hands its servers over without a word to another
 * thread. Only when a worker is DEAL_BUSY permille busy the next one gets
 * clients. The first one accepts, so what is dealt to it needs no hand-over.
 * The load is measured, and late; so each client dealt lately counts as
 * DEAL_EXPECTED permille until the measurement has caught up, or a burst of
 * logins would all sit on the first worker for ever. Pure.
 */
#ifndef POOLER_DEAL_H
#define POOLER_DEAL_H

#include <stdatomic.h>

#include "common/base.h"

#define DEAL_BUSY	700
#define DEAL_EXPECTED	25

struct deal_load {
	unsigned	busy;		/* permille, measured */
	unsigned	fresh;		/* clients dealt lately */
	unsigned	clients;
};

/*
 * The index of the worker to take: the first one below DEAL_BUSY; if there
 * is none the least busy one, at equal load the one with fewer clients.
 * n > 0.
 */
uint32_t deal_choose(const struct deal_load *, uint32_t n);

/* The clients dealt lately are in the measured load by now, by and by: called
 * each maintenance with the `fresh` counts of all n workers. Any thread. */
void	deal_forget(atomic_uint *fresh, uint32_t n);

#endif /* POOLER_DEAL_H */
