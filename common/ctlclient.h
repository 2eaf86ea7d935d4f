/* SPDX-License-Identifier: MIT */
/*
 * ctlclient - asks a daemon on its Unix socket; blocking, libc only.
 *
 * Calling sequence: ctlclient_connect(), ctlclient_send() once,
 * ctlclient_receive() until it gives a VERDICT, ctlclient_close().
 * Deadlines are moments of clock_us(), 0 = none.
 */
#ifndef COMMON_CTLCLIENT_H
#define COMMON_CTLCLIENT_H

#include "common/base.h"

#include "common/buf.h"

struct err;
struct frame;

struct ctlclient {
	int		fd;		/* -1 = not connected */
	struct buf	in;
	size_t		used;		/* of the frame given out last */
};

/* ERR_CONNECT: nobody listens there; ERR_TIMEOUT; err_sys()'s. */
int	ctlclient_connect(struct ctlclient *, const char *path,
	    int64_t deadline, struct err *e) MUST_CHECK;

/* Sends frames, and with the first byte a descriptor, if fd >= 0. */
int	ctlclient_send(struct ctlclient *, const struct buf *frames, int fd,
	    int64_t deadline, struct err *e) MUST_CHECK;

/*
 * Waits for the next frame, which is valid until the next call.
 * ERR_TIMEOUT, ERR_CLOSED (the daemon is gone), ERR_PROTOCOL, ERR_NOT_YET.
 */
int	ctlclient_receive(struct ctlclient *, struct frame *out,
	    int64_t deadline, struct err *e) MUST_CHECK;

void	ctlclient_close(struct ctlclient *);

#endif /* COMMON_CTLCLIENT_H */
