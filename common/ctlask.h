/* SPDX-License-Identifier: MIT */
/*
 * ctlask - has the archiver's daemon run a verb, and hands on what it says.
 *
 * The exchange of frame.h from the client's side, in one call: connect, one
 * REQUEST, then everything up to the VERDICT. Who asks decides what to do
 * when there is none; for that the result says how far the daemon came.
 * libc only.
 */
#ifndef COMMON_CTLASK_H
#define COMMON_CTLASK_H

#include "common/base.h"

struct err;

/* How long a daemon may take to say that it has the request. */
#define CTLASK_ACCEPT_US	INT64_C(5000000)

struct ctlask {
	const char	*socket;
	const char	*verb;
	const char	*config;	/* the file the daemon must have */
	const char	*path;		/* NULL: none */
	const char	*const *argv;
	int		 argc;
	int		 fd;		/* to be passed; -1: none */
	int64_t		 grace_us;	/* beyond the time the verb takes */
	/* Results, messages for a person, and how far it is. */
	void		(*output)(void *arg, const char *text);
	void		(*warn)(void *arg, const char *text);
	void		(*progress)(void *arg, const char *what, int64_t done,
			    int64_t total);
	/* Asked five times a second whether to give up; NULL: never. */
	bool		(*cancelled)(void *arg);
	void		*arg;
};

enum ctlask_result {
	CTLASK_DONE,	/* *code, and *e if it is not 0, are the verdict */
	CTLASK_NOT,	/* nobody listens, or it leaves the work to us */
	/* It was asked and did not say that it has the request. It will not
	   begin now: a daemon drops a request whose client is gone. */
	CTLASK_SILENT,
	CTLASK_LOST	/* it had begun, or was not waited for any more
			   (ERR_CANCELLED); *code and *e say what happened */
};

enum ctlask_result ctlask(const struct ctlask *, int *code, struct err *e);

#endif /* COMMON_CTLASK_H */
