/* SPDX-License-Identifier: MIT */
/*
 * listen - the sockets that clients connect to.
 *
 * TCP sockets for listen_addr, and one Unix socket, `.s.PGSQL.<port>` in
 * unix_socket_dir ("@..." is an abstract one). One TCP address that cannot
 * be had is a warning, all of them, or the Unix socket, an error. Accepted
 * sockets are non-blocking, tuned as the tcp_* options say, and handed to the
 * owner. When descriptors or memory run out accepting pauses for
 * five seconds instead of spinning.
 *
 * The first worker accepts: it is the one that gets clients first (deal.h),
 * and a login that has to wake another thread costs a fifth more.
 * Calling sequence: listeners_new() (binds), listeners_start() before the
 * workers' threads are started; while they run, listeners_close_tcp() and
 * listeners_free() in the first worker's thread only.
 */
#ifndef POOLER_LISTEN_H
#define POOLER_LISTEN_H

#include "common/base.h"

struct err;
struct listeners;
struct options;
struct addr;
struct worker;

/* Whose sockets they are; outlives them. */
struct listen_owner {
	struct worker	*worker;	/* the first one: who accepts */
	/* A connection was accepted; owns the socket. */
	void	       (*deal)(struct listen_owner *, int fd,
			    const struct addr *remote);
};

/* True if somebody accepts connections on our Unix socket already. */
bool	listen_unix_in_use(const struct options *);

/* Binds and listens; logs a line for each. Texts: contract, 16.6. */
int	listeners_new(struct listen_owner *, const struct options *,
	    struct listeners **out, struct err *e) MUST_CHECK;

/* Accepts from now on, in the first worker's loop. */
int	listeners_start(struct listeners *, struct err *e) MUST_CHECK;

/* New TCP clients are refused from now on. */
void	listeners_close_tcp(struct listeners *);

/* Closes all and removes the Unix socket's file. NULL is legal. */
void	listeners_free(struct listeners *);

#endif /* POOLER_LISTEN_H */
