/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void
addr_from_sockaddr(struct addr *a, const struct sockaddr *sa,
    uint16_t unix_port)
{
	memset(a, 0, sizeof(*a));
	a->family = sa->sa_family;
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		a->port = ntohs(in.sin_port);
		a->ip.v4 = in.sin_addr;
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		a->port = ntohs(in6.sin6_port);
		a->ip.v6 = in6.sin6_addr;
	} else if (sa->sa_family == AF_UNIX) {
		a->port = unix_port;
	}
}

char *
addr_ip(const struct addr *a, char *out, size_t size)
{
	if (a->family == AF_UNIX)
		snprintf(out, size, "unix");
	else if (a->family != AF_INET && a->family != AF_INET6)
		snprintf(out, size, "?");
	else if (inet_ntop(a->family, &a->ip, out, (socklen_t)size) == NULL)
		snprintf(out, size, "?");
	return out;
}

char *
addr_print(const struct addr *a, char *out, size_t size)
{
	char ip[ADDR_TEXT_MAX];

	addr_ip(a, ip, sizeof(ip));
	if (a->family == AF_INET6)
		snprintf(out, size, "[%s]:%u", ip, a->port);
	else if (a->family == AF_UNIX && a->pid != 0)
		snprintf(out, size, "unix(%d):%u", a->pid, a->port);
	else
		snprintf(out, size, "%s:%u", ip, a->port);
	return out;
}
