/* SPDX-License-Identifier: MIT */
/*
 * server_cancel - stopping a query that runs on a server.
 *
 * PostgreSQL takes a cancel request on a connection of its own. While one is
 * under way its server is counted (server.cancels) and not given to the next
 * client: a late cancel must never hit somebody else's query. PostgreSQL
 * has sent its signal when it closes that connection; if it does not within
 * cancel_wait_timeout the server is not used any more.
 * Nor must it hit a query of ours that goes ahead of the client's (its
 * parameters): until that is answered the request waits, unconnected.
 * However many ask, one connection carries their requests at a time: those who
 * come before it has been sent ride along, who come later wait for its end.
 * A request from outside keeps its socket open until all is over, as
 * PostgreSQL itself does: clients wait for that. Contract, section 11.
 */
#ifndef POOLER_SERVER_CANCEL_H
#define POOLER_SERVER_CANCEL_H

#include "common/base.h"
#include "common/deadline.h"
#include "common/list.h"
#include "common/loop.h"
#include "common/stream.h"

struct server;
struct worker;

/* A connection to a server that carries one cancel request. */
struct cancel {
	struct list_node node;		/* worker.cancels */
	struct stream	 stream;
	struct deadline	 deadline;
	struct loop_corpse corpse;
	struct worker	*worker;
	struct server	*server;	/* NULL: it was closed meanwhile */
	struct list	 riders;	/* that this one does for, too */
	uint64_t	 id;
	int		 requester;	/* a client's socket, or -1 */
	bool		 tls;		/* SSLRequest first */
	bool		 sent;
	bool		 waiting;	/* for a query of ours, or another
					 * request, to end */
};

/* Cancels what the server runs. `fd` is the socket that the request came in
 * on, which is closed when all is over; -1 for none. */
void	cancel_server(struct server *, int fd);

/* A query of ours has ended, or another request: what waited sets off, or
 * ends if there is nothing to cancel any more. */
void	cancel_go_on(struct server *);

/* The server is closed: its cancels go on without it. */
void	cancel_forget_server(struct server *);

/* Ends a cancel connection at once. */
void	cancel_end(struct cancel *);

#endif /* POOLER_SERVER_CANCEL_H */
