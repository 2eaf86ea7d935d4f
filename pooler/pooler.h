/* SPDX-License-Identifier: MIT */
/*
 * pooler - the process: the control thread, the workers, their beginning and
 * their end.
 *
 * The main thread is the control thread. What it does has files of its own,
 * which share control.h; clients and servers belong to the workers, of which
 * the first one accepts connections and deals them out. Here all of it is put
 * together.
 * Calling sequence: pooler_new() with a loaded configuration, pooler_run(),
 * pooler_free().
 */
#ifndef POOLER_POOLER_H
#define POOLER_POOLER_H

#include "common/base.h"
#include "pooler/control.h"
#include "pooler/listen.h"

struct admin;
struct err;
struct maintain;
struct signals;

struct pooler {
	struct control	 control;
	struct listen_owner listen_owner;
	struct admin	*admin;
	struct maintain	*maintain;
	struct signals	*signals;
	bool		 registry_ready;
};

/*
 * Makes the process out of a configuration, which it owns from then on, also
 * on failure: registry, workers (not started), sockets to listen on. The
 * strings of `source` must outlive it. Returns 0 or a code with everything
 * undone; texts are those of the contract, section 16.6.
 */
int	pooler_new(struct config *, const struct config_source *source,
	    struct pooler **out, struct err *e) MUST_CHECK;

/* Starts the threads and serves until shut down. Returns the exit status. */
int	pooler_run(struct pooler *);
/* After pooler_run() or instead of it. NULL is legal. */
void	pooler_free(struct pooler *);

#endif /* POOLER_POOLER_H */
