/* SPDX-License-Identifier: MIT */
/*
 * control - what the files of the control thread share.
 *
 * The control thread handles signals, runs the commands of the admin console,
 * reloads the configuration, and three times a second looks after pools.
 * Nobody else touches this; the other threads know of `shared` and of their
 * `workers` only. pooler.h makes it and ends it.
 */
#ifndef POOLER_CONTROL_H
#define POOLER_CONTROL_H

#include "common/base.h"
#include "common/loop.h"
#include "pooler/config.h"
#include "pooler/readings.h"
#include "pooler/shared.h"
#include "pooler/worker.h"

struct listeners;

/* HOLD: see pause.h. Times are loop_clock()'s. */
struct hold {
	uint64_t	 since;
	uint64_t	 end_xacts_at;	/* transactions are ended; 0 = done */
	uint64_t	 fail_at;	/* waiting clients are failed; 0 = never */
	bool		 failing;	/* since then */
};

struct control {
	struct shared	 shared;
	struct workers	 workers;
	struct loop	 loop;
	struct config_source source;	/* its strings belong to main() */
	bool		 log_stderr;	/* set by main(): neither -q nor -d */
	struct dbpool	*console_pool;	/* a reference: it always exists */
	struct listeners *listeners;	/* the first worker's while it runs */
	atomic_uint	*dealt;		/* clients lately, see deal.h */
	struct hold	 hold;
	struct readings	 readings;
};

#endif /* POOLER_CONTROL_H */
