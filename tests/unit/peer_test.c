/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/peer.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(our_own_socket)
{
	struct peer p;
	int	    fds[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(peer_of_socket(fds[0], &p), 0);
	ck_assert_int_eq(p.pid, getpid());
	ck_assert_uint_eq(p.uid, geteuid());
	ck_assert_uint_eq(p.gid, getegid());
	ck_assert(peer_is_administrator(&p, NULL));
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(what_is_no_unix_socket)
{
	struct peer p;
	int	    fds[2], s = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_ge(s, 0);
	ck_assert_int_eq(peer_of_socket(s, &p), -ENOTCONN);
	close(s);
	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(peer_of_socket(fds[0], &p), -ENOTSOCK);
	close(fds[0]);
	close(fds[1]);
	ck_assert_int_eq(peer_of_socket(-1, &p), -EBADF);
}
END_TEST

START_TEST(who_administers)
{
	struct peer   stranger = { .pid = 1, .uid = geteuid() + 12345,
	    .gid = 54321 };
	struct peer   root = { .pid = 1, .uid = 0, .gid = 54321 };
	struct group *g;

	ck_assert(peer_is_administrator(&root, NULL));
	ck_assert(!peer_is_administrator(&stranger, NULL));
	ck_assert(!peer_is_administrator(&stranger, ""));
	ck_assert(!peer_is_administrator(&stranger, "no such group, surely"));
	g = getgrgid(0);
	ck_assert_ptr_nonnull(g);
	ck_assert(!peer_is_administrator(&stranger, g->gr_name));
	stranger.gid = 0;
	ck_assert(peer_is_administrator(&stranger, g->gr_name));
}
END_TEST

UNIT_MAIN("peer", our_own_socket, what_is_no_unix_socket, who_administers)
