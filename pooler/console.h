/* SPDX-License-Identifier: MIT */
/*
 * console - how a command of the admin console travels.
 *
 * A console client lives in a worker; its commands are run by the control
 * thread (admin.h), which may take its time. A command and its answer travel
 * as one `struct console_request`, which always comes back to the client's
 * worker and is freed there. Whoever wants to stop a command sends the
 * client's id, never a pointer, because the two may cross. Neither end knows
 * the other: the control thread says where commands go, the client where
 * the answer goes.
 */
#ifndef POOLER_CONSOLE_H
#define POOLER_CONSOLE_H

#include "common/base.h"
#include "common/buf.h"
#include "common/loop.h"

/* The longest description of a client in a log line. */
#define CLIENT_PREFIX_MAX	320

struct console_request {
	struct loop_task task;		/* to the control thread, and back */
	struct console	*console;
	struct loop	*home;		/* the client's */
	void	       (*answered)(struct loop_task *);
	void		*client;	/* home's thread only; NULL: gone */
	uint64_t	 client_id;
	bool		 full_access;
	char		 prefix[CLIENT_PREFIX_MAX];	/* for log lines */
	char		*sql;
	struct buf	 answer;
	bool		 close;		/* ... and the connection ends */
};

/* Says that a command is to end; who receives it frees it. */
struct console_stop {
	struct loop_task task;
	struct console	*console;
	uint64_t	 client_id;
	bool		 gone;		/* the client is; else: Ctrl-C */
};

/* The control thread's end. A request is allocated with `size` bytes, zeroed;
 * what follows the first member is the control thread's. */
struct console {
	struct loop	*loop;
	size_t		 size;
	void	       (*run)(struct loop_task *);
	void	       (*stop)(struct loop_task *);
	void		*arg;		/* of the control thread */
};

#endif /* POOLER_CONSOLE_H */
