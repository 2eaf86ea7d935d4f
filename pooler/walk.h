/* SPDX-License-Identifier: MIT */
/*
 * walk - what the control thread has done to many connections at once.
 *
 * Each function runs in the worker that owns the connections: use with
 * workers_call(). Closing one connection may close others; so those that
 * match are collected first, and a closed one, whose memory lives until the
 * end of the turn, is passed over.
 */
#ifndef POOLER_WALK_H
#define POOLER_WALK_H

#include "common/base.h"

struct client;
struct server;
struct worker;

/* Does it to each client (server) for which `match` is true. */
struct walk_clients {
	bool	(*match)(const struct client *, void *arg);
	void	(*act)(struct client *, void *arg);
	void	 *arg;
	size_t	  n;		/* out: how many, of all workers */
};
struct walk_servers {
	bool	(*match)(const struct server *, void *arg);
	void	(*act)(struct server *, void *arg);
	void	 *arg;
	size_t	  n;
};

/* For workers_call(); arg is the struct above. With act NULL they count. */
void	walk_clients(struct worker *, void *);
void	walk_servers(struct worker *, void *);

#endif /* POOLER_WALK_H */
