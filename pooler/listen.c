/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE		/* accept4 */
#include "common/base.h"
#include "pooler/listen.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/peer.h"
#include "common/poller.h"
#include "pooler/addr.h"
#include "pooler/options.h"
#include "pooler/worker.h"

/* Connections accepted in one turn, so that signals have theirs. */
#define ACCEPT_BATCH	64
#define PAUSE_US	5000000

struct listener {
	struct poller_watch watch;	/* watch.fd -1: closed */
	struct listeners *all;
	struct listener	*next;
	sa_family_t	 family;
	bool		 watched;
};

struct listeners {
	struct listen_owner *owner;
	struct listener	*first;
	struct deadline	 resume;	/* after a pause */
	char		*unix_path;	/* of the file; NULL: none, abstract */
};

/* ---- making them ---- */

static void
set_int(int fd, int level, int name, int value)
{
	/* What a kernel does not know it does without. */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static int
add(struct listeners *ls, int fd, sa_family_t family)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_NOMEM;
	l->watch.fd = fd;
	l->all = ls;
	l->family = family;
	l->next = ls->first;
	ls->first = l;
	return 0;
}

/* One address. On failure *step is the call that failed. */
static int
open_tcp(const struct addrinfo *ai, const struct options *o, const char **step)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0);
	int saved;

	*step = "socket";
	if (fd < 0)
		return -errno;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (o->so_reuseport)
		set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (ai->ai_family == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (o->tcp_defer_accept)
		set_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
	*step = "bind";
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0) {
		*step = "listen";
		if (listen(fd, o->listen_backlog) == 0)
			return fd;
	}
	saved = errno;
	close(fd);
	return -saved;
}

/* All addresses of one item of listen_addr. Returns how many listen. */
static int
listen_on(struct listeners *ls, const struct options *o, const char *host,
    struct err *e)
{
	struct addrinfo  hints = { .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE };
	struct addrinfo *list, *ai;
	struct addr	 addr;
	const char	*step;
	char		 port[16], at[ADDR_TEXT_MAX];
	int		 r, fd, n = 0;

	if (strcmp(host, "*") == 0)
		host = NULL;
	snprintf(port, sizeof(port), "%d", o->listen_port);
	r = getaddrinfo(host, port, &hints, &list);
	if (r != 0)
		return err_set(e, ERR_CONFIG, "getaddrinfo('%s', '%s') = %s "
		    "[%d]", host == NULL ? "*" : host, port, gai_strerror(r),
		    r);
	for (ai = list; ai != NULL; ai = ai->ai_next) {
		addr_from_sockaddr(&addr, ai->ai_addr, 0);
		addr_print(&addr, at, sizeof(at));
		fd = open_tcp(ai, o, &step);
		if (fd < 0) {
			log_warning("cannot listen on %s: %s(): %s", at, step,
			    err_text(fd));
			continue;
		}
		if (add(ls, fd, (sa_family_t)ai->ai_family) != 0) {
			close(fd);
			continue;
		}
		log_info("listening on %s", at);
		n++;
	}
	freeaddrinfo(list);
	return n;
}

/* False: there is none. A path that is too long has the length 0. */
static bool
unix_address(const struct options *o, struct sockaddr_un *un, socklen_t *len)
{
	const char *dir = o->unix_socket_dir;
	int	n;

	if (dir == NULL || dir[0] == '\0')
		return false;
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	n = snprintf(un->sun_path, sizeof(un->sun_path), "%s/.s.PGSQL.%d", dir,
	    o->listen_port);
	if (n < 0 || (size_t)n >= sizeof(un->sun_path)) {
		*len = 0;
		return true;
	}
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n);
	if (dir[0] == '@')
		un->sun_path[0] = '\0';
	else
		(*len)++;
	return true;
}

bool
listen_unix_in_use(const struct options *o)
{
	struct sockaddr_un un;
	socklen_t len;
	bool	used;
	int	fd;

	if (!unix_address(o, &un, &len) || len == 0)
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	/* EAGAIN: its backlog is full, so somebody is there. */
	used = connect(fd, (struct sockaddr *)&un, len) == 0 ||
	    errno == EAGAIN;
	close(fd);
	return used;
}

static int
set_owner(const struct options *o, const char *path, struct err *e)
{
	struct group *gr;

	if (chmod(path, (mode_t)o->unix_socket_mode) != 0)
		return err_sys(e, errno, "failure to chmod(%s, 0%o)", path,
		    (unsigned)o->unix_socket_mode);
	if (o->unix_socket_group == NULL || o->unix_socket_group[0] == '\0')
		return 0;
	gr = getgrnam(o->unix_socket_group);
	if (gr == NULL)
		return err_set(e, ERR_NOT_FOUND, "could not find group '%s': "
		    "no such group", o->unix_socket_group);
	if (chown(path, (uid_t)-1, gr->gr_gid) != 0)
		return err_sys(e, errno, "chown(%s, %d, %u) failed", path, -1,
		    (unsigned)gr->gr_gid);
	return 0;
}

/* A file that nobody listens on any more is a leftover. */
static int
make_way(const struct options *o, const char *path, struct err *e)
{
	char	lock[sizeof(((struct sockaddr_un *)0)->sun_path) + 8];

	snprintf(lock, sizeof(lock), "%s.lock", path);
	if (access(lock, F_OK) == 0) {
		err_set(e, ERR_EXISTS, "unix port %d is in use",
		    o->listen_port);
		return err_hint(e, "%s exists: a PostgreSQL server may use "
		    "this port; choose another listen_port", lock);
	}
	if (unlink(path) != 0 && errno != ENOENT)
		return err_sys(e, errno, "failed to create unix socket: "
		    "cannot remove %s", path);
	return 0;
}

static int
listen_unix(struct listeners *ls, const struct options *o, struct err *e)
{
	struct sockaddr_un un;
	socklen_t len;
	const char *path = un.sun_path;
	bool	abstract;
	int	fd, r;

	if (!unix_address(o, &un, &len))
		return 0;
	abstract = o->unix_socket_dir[0] == '@';
	if (len == 0)
		return err_set(e, ERR_CONFIG, "failed to create unix socket: "
		    "unix_socket_dir is too long");
	if (!abstract && (r = make_way(o, path, e)) != 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "failed to create unix socket");
	if (bind(fd, (struct sockaddr *)&un, len) != 0) {
		r = err_sys(e, errno, "failed to create unix socket: "
		    "cannot bind to %s/.s.PGSQL.%d", o->unix_socket_dir,
		    o->listen_port);
		goto out;
	}
	if (!abstract) {
		ls->unix_path = strdup(path);
		r = set_owner(o, path, e);
		if (r != 0)
			goto out;
	}
	if (listen(fd, o->listen_backlog) != 0) {
		r = err_sys(e, errno, "failed to create unix socket");
		goto out;
	}
	r = add(ls, fd, AF_UNIX);
	if (r != 0) {
		err_set(e, r, "out of memory");
		goto out;
	}
	fd = -1;
	log_info("listening on unix:%s/.s.PGSQL.%d", o->unix_socket_dir,
	    o->listen_port);
out:
	if (fd >= 0)
		close(fd);
	return r;
}

static void on_resume(struct deadline *);

int
listeners_new(struct listen_owner *owner, const struct options *o,
    struct listeners **out, struct err *e)
{
	struct listeners *ls = calloc(1, sizeof(*ls));
	size_t	i;
	int	n = 0, r = 0;

	if (ls == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	ls->owner = owner;
	ls->resume.fn = on_resume;
	for (i = 0; i < o->listen_addr.n && r >= 0; i++) {
		r = listen_on(ls, o, o->listen_addr.item[i], e);
		if (r > 0)
			n += r;
	}
	if (r >= 0 && o->listen_addr.n > 0 && n == 0) {
		r = err_set(e, ERR_SYS, "failed to listen on any address in "
		    "listen_addr list: %s", o->listen_addr.text);
		err_hint(e, "the warnings above say why; is another process "
		    "listening on port %d?", o->listen_port);
	}
	if (r >= 0)
		r = listen_unix(ls, o, e);
	if (r >= 0 && ls->first == NULL) {
		r = err_set(e, ERR_CONFIG, "nowhere to listen on");
		err_hint(e, "set listen_addr or unix_socket_dir");
	}
	if (r < 0) {
		listeners_free(ls);
		return r;
	}
	*out = ls;
	return 0;
}

/* ---- accepting ---- */

static void
tune(int fd, sa_family_t family, const struct options *o)
{
	if (family == AF_UNIX)
		return;
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (o->tcp_keepalive) {
		set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
		if (o->tcp_keepidle > 0)
			set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE,
			    o->tcp_keepidle);
		if (o->tcp_keepintvl > 0)
			set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL,
			    o->tcp_keepintvl);
		if (o->tcp_keepcnt > 0)
			set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, o->tcp_keepcnt);
	}
	if (o->tcp_user_timeout > 0)
		set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
		    o->tcp_user_timeout);
	if (o->tcp_socket_buffer > 0) {
		set_int(fd, SOL_SOCKET, SO_SNDBUF, o->tcp_socket_buffer);
		set_int(fd, SOL_SOCKET, SO_RCVBUF, o->tcp_socket_buffer);
	}
}

static void
stop_watching(struct listener *l)
{
	if (l->watched)
		poller_watch_remove(l->all->owner->worker->loop.poller,
		    &l->watch);
	l->watched = false;
}

static void
pause_accepting(struct listeners *ls)
{
	struct loop *loop = &ls->owner->worker->loop;
	struct listener *l;

	/* Without a deadline it would never accept again: keep spinning. */
	if (deadline_set(&loop->deadlines, &ls->resume,
	    loop_now(loop) + PAUSE_US) != 0)
		return;
	for (l = ls->first; l != NULL; l = l->next)
		stop_watching(l);
}

/* A connection that was reset before we came, or a mere interruption. */
static bool
is_passing(int errnum)
{
	return errnum == ECONNABORTED || errnum == EINTR || errnum == EPROTO;
}

/* False: nothing more to accept now. */
static bool
accept_one(struct listener *l)
{
	struct listen_owner *owner = l->all->owner;
	struct sockaddr_storage ss = { 0 };
	socklen_t	len = sizeof(ss);
	struct addr	addr;
	struct peer	peer;
	int fd = accept4(l->watch.fd, (struct sockaddr *)&ss, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return false;
		if (is_passing(errno))
			return true;
		log_error("accept() failed: %s", strerror(errno));
		pause_accepting(l->all);
		return false;
	}
	/* The kernel names no family for an unnamed Unix peer. */
	ss.ss_family = l->family;
	addr_from_sockaddr(&addr, (struct sockaddr *)&ss,
	    owner->worker->shared->port);
	if (l->family == AF_UNIX && peer_of_socket(fd, &peer) == 0)
		addr.pid = peer.pid;
	tune(fd, l->family, worker_options(owner->worker));
	owner->deal(owner, fd, &addr);
	return true;
}

static void
on_readable(struct poller_watch *w)
{
	struct listener *l = container_of(w, struct listener, watch);
	int	i;

	for (i = 0; i < ACCEPT_BATCH && l->watched; i++) {
		if (!accept_one(l))
			return;
	}
}

static int
watch_all(struct listeners *ls)
{
	struct listener *l;
	int	r;

	for (l = ls->first; l != NULL; l = l->next) {
		if (l->watch.fd < 0 || l->watched)
			continue;
		l->watch.fn = on_readable;
		r = poller_watch_add(ls->owner->worker->loop.poller,
		    &l->watch);
		if (r != 0)
			return r;
		l->watched = true;
	}
	return 0;
}

static void
on_resume(struct deadline *d)
{
	struct listeners *ls = container_of(d, struct listeners, resume);

	if (watch_all(ls) != 0)
		pause_accepting(ls);
}

int
listeners_start(struct listeners *ls, struct err *e)
{
	int	r = watch_all(ls);

	return r == 0 ? 0 : err_sys(e, -r, "cannot watch a socket");
}

/* ---- the end ---- */

static void
close_one(struct listener *l)
{
	if (l->watch.fd < 0)
		return;
	stop_watching(l);
	close(l->watch.fd);
	l->watch.fd = -1;
}

void
listeners_close_tcp(struct listeners *ls)
{
	struct listener *l;

	for (l = ls->first; l != NULL; l = l->next) {
		if (l->family != AF_UNIX)
			close_one(l);
	}
}

void
listeners_free(struct listeners *ls)
{
	struct listener *l;

	if (ls == NULL)
		return;
	while ((l = ls->first) != NULL) {
		ls->first = l->next;
		close_one(l);
		free(l);
	}
	if (ls->unix_path != NULL)
		unlink(ls->unix_path);
	free(ls->unix_path);
	deadline_remove(&ls->owner->worker->loop.deadlines, &ls->resume);
	free(ls);
}
