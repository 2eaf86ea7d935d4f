/* SPDX-License-Identifier: MIT */
/*
 * addr - where a peer is, in few bytes, and how logs and SHOW print it.
 *
 * A value; owns nothing. A zeroed one is "unknown".
 */
#ifndef POOLER_ADDR_H
#define POOLER_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "common/base.h"

struct buf;

struct addr {
	sa_family_t	family;		/* AF_INET, AF_INET6, AF_UNIX, 0 */
	uint16_t	port;		/* host order; of a Unix socket too */
	int32_t		pid;		/* of a Unix peer, 0 = unknown */
	union {
		struct in_addr	v4;
		struct in6_addr	v6;
	} ip;
};

/* From a kernel address; a Unix one gets the given port. */
void	addr_from_sockaddr(struct addr *, const struct sockaddr *,
	    uint16_t unix_port);

/* "10.0.0.5", "::1", "unix", "?": without the port. Returns out. */
char	*addr_ip(const struct addr *, char *out, size_t size);

/* "10.0.0.5:51234", "[::1]:5432", "unix(<pid>):6432", "unix:6432". */
char	*addr_print(const struct addr *, char *out, size_t size);

#define ADDR_TEXT_MAX	64

#endif /* POOLER_ADDR_H */
