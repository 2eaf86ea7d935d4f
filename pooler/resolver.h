/* SPDX-License-Identifier: MIT */
/*
 * resolver - where the servers of a database are.
 *
 * One object answers that question for the whole pooler, so that other
 * sources (DNS zones, a check by SQL, Patroni) can be put in one place.
 * Now: the static host list of the entry, names through getaddrinfo() in
 * the thread pool. Invariant: `done` is called exactly once, never inside
 * resolver_start().
 */
#ifndef POOLER_RESOLVER_H
#define POOLER_RESOLVER_H

#include <sys/socket.h>

#include "common/base.h"
#include "common/loop.h"

struct database;
struct options;

/* One address to connect to. */
struct resolver_address {
	struct sockaddr_storage	sa;
	socklen_t		len;
	char			host[256];	/* as configured, for TLS */
};

struct resolver;
typedef void resolver_fn(struct resolver *);

/* One question; embedded in the asker, which must live until `done`. */
struct resolver {
	struct loop_work work;
	struct loop_task task;
	resolver_fn	*done;
	int		 result;	/* 0, or a getaddrinfo() code */
	char		 error[256];	/* in words, when result != 0 */
	uint16_t	 port;
	struct resolver_address addresses[8];
	size_t		 n;
};

/*
 * Picks the next host of the entry (round robin, or the same one until a
 * failure) and finds its addresses. Returns 0 or a negative code, and then
 * `done` is not called.
 */
int	resolver_start(struct resolver *, struct loop *, struct database *,
	    const struct options *, resolver_fn *done) MUST_CHECK;

/* The host it picked could not be used: the next question gets another. */
void	resolver_failed(struct database *);

#endif /* POOLER_RESOLVER_H */
