/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE		/* struct ucred */
#include "common/base.h"
#include "common/peer.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int
peer_of_socket(int fd, struct peer *p)
{
	struct ucred cred;
	socklen_t    len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return -errno;
	/* The kernel answers for other sockets too, with nobody. */
	if (cred.pid <= 0)
		return -ENOTCONN;
	p->pid = cred.pid;
	p->uid = cred.uid;
	p->gid = cred.gid;
	return 0;
}

static bool
is_member(const struct peer *p, const char *name)
{
	char	buf[16384], user_buf[4096];
	struct group	group, *g = NULL;
	struct passwd	user, *u = NULL;
	char  **m;

	if (getgrnam_r(name, &group, buf, sizeof(buf), &g) != 0 || g == NULL)
		return false;
	if (p->gid == g->gr_gid)
		return true;
	if (getpwuid_r(p->uid, &user, user_buf, sizeof(user_buf), &u) != 0 ||
	    u == NULL)
		return false;
	for (m = g->gr_mem; *m != NULL; m++) {
		if (strcmp(*m, u->pw_name) == 0)
			return true;
	}
	return false;
}

bool
peer_is_administrator(const struct peer *p, const char *group)
{
	if (p->uid == 0 || p->uid == geteuid())
		return true;
	return group != NULL && group[0] != '\0' && is_member(p, group);
}
