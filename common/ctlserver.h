/* SPDX-License-Identifier: MIT */
/*
 * ctlserver - a daemon's control socket: who asks, what, with which file.
 *
 * Listens on a Unix socket, reads one REQUEST frame a connection, with at
 * most one descriptor, and hands it to the daemon. Who may: uid 0, the
 * daemon's own uid, and members of a group, by what the kernel says of the
 * peer (SO_PEERCRED). The loop never blocks: the handler gives the request
 * to a thread, which answers from there.
 *
 * Calling sequence: ctlserver_open(), ctlserver_run() until a signal or
 * ctlserver_stop(), then ctlserver_close().
 * Functions of a ctlrequest may be called from any thread.
 */
#ifndef COMMON_CTLSERVER_H
#define COMMON_CTLSERVER_H

#include "common/base.h"

struct ctlrequest;
struct ctlserver;
struct err;
struct frame;

/*
 * A request has come, and its client is still there. Called in the loop's
 * thread; must not block. The request is the handler's until
 * ctlrequest_finish(), which must come.
 */
typedef void ctl_handler(void *arg, struct ctlrequest *);

/*
 * Makes the socket: a stale one is replaced, one that somebody listens on
 * is ERR_LOCKED, anything else of that name ERR_EXISTS. group: a name, or
 * NULL for none. ERR_CONFIG: no such group, or a path that is too long;
 * err_sys()'s. When it fails, no socket of ours is left.
 */
int	ctlserver_open(struct ctlserver **out, const char *path,
	    const char *group, ctl_handler *handler, void *arg,
	    struct err *e) MUST_CHECK;

/* Has fn(arg) called in the loop's thread at each SIGHUP. libuv's errors. */
int	ctlserver_on_hangup(struct ctlserver *, void (*fn)(void *arg),
	    struct err *e) MUST_CHECK;

/*
 * Serves until SIGTERM, SIGINT or ctlserver_stop(); then nobody listens,
 * requests under way are cancelled, and it waits until they are finished.
 */
void	ctlserver_run(struct ctlserver *);
void	ctlserver_stop(struct ctlserver *);		/* any thread */

/* Sends what is left, closes everything, removes the socket. */
void	ctlserver_close(struct ctlserver *);

/* The request's frame; valid until it is finished. */
const struct frame *ctlrequest_frame(const struct ctlrequest *);

/* Its descriptor, -1 if it has none. The request closes it. */
int	ctlrequest_fd(const struct ctlrequest *);

/* True once the client has gone or the server stops. */
bool	ctlrequest_cancelled(const struct ctlrequest *);

/* Sends a frame without an answer's end: type, then pairs up to NULL. */
void	ctlrequest_send(struct ctlrequest *, int type, const char *key, ...);

/* Sends the verdict, e->code 0 or not, and gives the request back. */
void	ctlrequest_finish(struct ctlrequest *, const struct err *e);

/* The verdict "do it yourself". */
void	ctlrequest_decline(struct ctlrequest *);

#endif /* COMMON_CTLSERVER_H */
