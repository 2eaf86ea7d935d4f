/* SPDX-License-Identifier: MIT */
/*
 * client_relay - what the files of a client's relaying share, and nobody else.
 *
 *	client_relay.c		verdicts about messages as relay.h asks for
 *	client_statements.c	... of those that concern statements
 *
 * A verdict enters the message into the request queue of the client's server
 * and says what becomes of its bytes. All but FATE_NEED and FATE_LATER are
 * given once: a message that has to wait is judged again from the start, so
 * nothing is counted or queued before it is clear that it need not.
 */
#ifndef POOLER_CLIENT_RELAY_H
#define POOLER_CLIENT_RELAY_H

#include "common/base.h"
#include "pooler/client.h"
#include "pooler/worker.h"

/* Counted for the client's pool, by its worker. */
static inline struct pool_stats *
client_stats(const struct client *c)
{
	return &c->pool->stats[c->worker->id];
}

/* The message is passed as it is. FATE_FORWARD, or FATE_BAD: no memory. */
enum relay_fate client_forward(struct client *, uint8_t type);

/* Sends something of ours behind what the client's relay has passed so far,
 * and releases it. Returns `fate`, or FATE_BAD: no memory. */
enum relay_fate client_send_ours(struct client *, struct buf *,
	    enum relay_fate fate);

/*
 * Before a client is told that it is wrong about a statement, all that it
 * sent before must be answered: an error may have undone a Parse or Close.
 * An extended batch is answered only if the server is asked for it. Returns
 * FATE_LATER, or FATE_BAD: no memory.
 */
enum relay_fate client_wait_for_answers(struct client *);

/*
 * Messages about statements; the client has a server. Describe and Close of
 * portals are passed, a simple Query too: it takes the unnamed statement
 * away, and maybe all others.
 */
enum relay_fate statements_parse(struct client *, struct relay_msg *);
enum relay_fate statements_bind(struct client *, struct relay_msg *);
enum relay_fate statements_target(struct client *, struct relay_msg *);
enum relay_fate statements_query(struct client *, struct relay_msg *);

#endif /* POOLER_CLIENT_RELAY_H */
