/* SPDX-License-Identifier: MIT */
/*
 * peer - who is at the other end of a Unix socket.
 *
 * The kernel knows the process that connected; that is what the programs'
 * sockets trust instead of a password. Stateless; any thread.
 */
#ifndef COMMON_PEER_H
#define COMMON_PEER_H

#include "common/base.h"

struct peer {
	pid_t	pid;
	uid_t	uid;
	gid_t	gid;
};

/* Returns 0, or a negated errno for what is not a Unix socket. */
int	peer_of_socket(int fd, struct peer *) MUST_CHECK;

/*
 * True for uid 0, for this process's own effective uid, and for members of
 * `group` (its name; NULL or "" for none).
 */
bool	peer_is_administrator(const struct peer *, const char *group);

#endif /* COMMON_PEER_H */
