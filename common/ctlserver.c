/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/ctlserver.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/frame.h"
#include "common/list.h"
#include "common/log.h"

#define CLIENTS_MAX	256
#define CHUNK		((size_t)16 << 10)

/* As SO_PEERCRED fills it; the C library hides it without GNU extensions. */
struct peer {
	pid_t	pid;
	uid_t	uid;
	gid_t	gid;
};

struct ctlserver {
	uv_loop_t	loop;
	uv_poll_t	listener;
	uv_async_t	wake;
	uv_signal_t	term, interrupt, hangup;
	void		(*on_hangup)(void *arg);
	int		fd;
	char		path[108];
	bool		bound;		/* path is ours */
	gid_t		gid;
	bool		has_group;
	ctl_handler	*handler;
	void		*arg;
	struct list	clients;
	pthread_mutex_t	lock;		/* clients' out and finished */
	atomic_bool	stop;
	atomic_uint	pending;
};

/* A connection, and the request that came by it. */
struct ctlrequest {
	struct list_node node;
	struct ctlserver *server;
	uv_poll_t	poll;
	int		sock;
	int		fd;		/* passed; -1 */
	bool		closing;	/* uv_close() was called */
	bool		closed;		/* its callback came */
	bool		accepted;	/* the handler has it */
	bool		finished;	/* verdict is in `out` */
	atomic_bool	gone;		/* the client hung up */
	struct buf	in;
	struct frame	frame;
	struct buf	out;		/* under the server's lock */
};

static void	client_poll(struct ctlrequest *c);

static bool
in_group(const struct ctlserver *s, const struct peer *peer)
{
	struct passwd	 pw, *found = NULL;
	char		 text[4096];
	gid_t		 groups[256];
	int		 i, n = ARRAY_LEN(groups);

	if (!s->has_group)
		return false;
	if (peer->gid == s->gid)
		return true;
	if (getpwuid_r(peer->uid, &pw, text, sizeof(text), &found) != 0 ||
	    found == NULL || getgrouplist(pw.pw_name, peer->gid, groups,
	    &n) < 0)
		return false;
	for (i = 0; i < n; i++) {
		if (groups[i] == s->gid)
			return true;
	}
	return false;
}

static bool
may_command(const struct ctlserver *s, int sock)
{
	struct peer	peer;
	socklen_t	len = sizeof(peer);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    len != sizeof(peer))
		return false;
	if (peer.uid == 0 || peer.uid == geteuid() || in_group(s, &peer))
		return true;
	log_warning("process %ld of user %ld may not command this daemon",
	    (long)peer.pid, (long)peer.uid);
	return false;
}

/* Frees a client whose socket is closed and whose request is finished. */
static void
client_reap(struct ctlrequest *c)
{
	bool finished;

	pthread_mutex_lock(&c->server->lock);
	finished = c->finished;
	pthread_mutex_unlock(&c->server->lock);
	if (!c->closed || (c->accepted && !finished))
		return;
	list_remove(&c->server->clients, &c->node);
	if (c->accepted)
		atomic_fetch_sub(&c->server->pending, 1);
	if (c->fd >= 0)
		close(c->fd);
	buf_release(&c->in);
	buf_release(&c->out);
	free(c);
}

static void
on_closed(uv_handle_t *h)
{
	struct ctlrequest *c = h->data;

	close(c->sock);
	c->closed = true;
	client_reap(c);
}

static void
client_close(struct ctlrequest *c)
{
	atomic_store(&c->gone, true);
	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->poll, on_closed);
}

/* Under the lock. */
static void
add_verdict(struct buf *out, const struct err *e, bool declined)
{
	size_t start = frame_begin(out, FRAME_VERDICT);

	frame_add_int(out, "code", e->code);
	frame_add(out, "msg", e->msg);
	frame_add(out, "hint", e->hint);
	if (declined)
		frame_add(out, "declined", "1");
	frame_end(out, start);
}

/* What came is no request of ours: says so, and waits for nothing else. */
static void
client_refuse(struct ctlrequest *c, int code, const char *why)
{
	struct err e = { 0 };

	err_set(&e, code, "%s", why);
	pthread_mutex_lock(&c->server->lock);
	add_verdict(&c->out, &e, false);
	c->finished = true;
	pthread_mutex_unlock(&c->server->lock);
	client_poll(c);
}

/*
 * True if the client went away before its request was looked at: this daemon
 * was stopped, or too busy, and whoever asked does the work without it now.
 */
static bool
has_hung_up(const struct ctlrequest *c)
{
	char byte;

	return recv(c->sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void
client_parse(struct ctlrequest *c)
{
	size_t	used;
	int	rc;

	rc = buf_len(&c->in) == 0 ? 0 : frame_parse(buf_bytes(&c->in),
	    buf_len(&c->in), &c->frame, &used);
	if (rc == 0)
		return;
	if (rc == 1 && c->frame.type != FRAME_REQUEST)
		rc = ERR_PROTOCOL;
	if (rc != 1) {
		client_refuse(c, rc, "not a request of this version");
		return;
	}
	if (has_hung_up(c)) {
		client_close(c);
		return;
	}
	c->accepted = true;
	atomic_fetch_add(&c->server->pending, 1);
	c->server->handler(c->server->arg, c);
}

/* The first descriptor is kept, any other closed. */
static void
take_descriptors(struct ctlrequest *c, struct msghdr *msg)
{
	struct cmsghdr	*cm;
	size_t		 i, n;
	int		 fd;

	for (cm = CMSG_FIRSTHDR(msg); cm != NULL; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int),
			    sizeof(int));
			if (c->fd < 0)
				c->fd = fd;
			else
				close(fd);
		}
	}
}

/* Returns false if the client is gone. */
static bool
client_read(struct ctlrequest *c)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec	iov = { NULL, CHUNK };
	struct msghdr	msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes) };
	ssize_t		n;

	/* Nothing may follow a request: reserving here may move its frame. */
	if (c->accepted || c->finished) {
		char byte;

		n = recv(c->sock, &byte, 1, MSG_DONTWAIT);
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	}
	iov.iov_base = buf_reserve(&c->in, CHUNK);
	if (iov.iov_base == NULL)
		return false;
	n = recvmsg(c->sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	take_descriptors(c, &msg);
	if (n == 0)
		return false;
	buf_commit(&c->in, (size_t)n);
	client_parse(c);
	return true;
}

/* Sends what is waiting. Returns false if the connection is to be closed. */
static bool
client_write(struct ctlrequest *c)
{
	ssize_t	n;
	bool	open = true;

	pthread_mutex_lock(&c->server->lock);
	while (buf_len(&c->out) > 0) {
		n = send(c->sock, buf_bytes(&c->out), buf_len(&c->out),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			open = errno == EAGAIN;
			break;
		}
		buf_consume(&c->out, (size_t)n);
	}
	if (c->finished && buf_len(&c->out) == 0)
		open = false;
	if (buf_failed(&c->out))
		open = false;
	pthread_mutex_unlock(&c->server->lock);
	return open;
}

static void
on_client(uv_poll_t *h, int status, int events)
{
	struct ctlrequest *c = h->data;
	bool		   open = status == 0;

	if (open && (events & UV_READABLE) != 0)
		open = client_read(c);
	if (open)
		open = client_write(c);
	if (!open)
		client_close(c);
	else
		client_poll(c);
}

static void
client_poll(struct ctlrequest *c)
{
	bool waiting;

	if (c->closing)
		return;
	pthread_mutex_lock(&c->server->lock);
	waiting = buf_len(&c->out) > 0 || c->finished;
	pthread_mutex_unlock(&c->server->lock);
	if (uv_poll_start(&c->poll, UV_READABLE | (waiting ? UV_WRITABLE : 0),
	    on_client) != 0)
		client_close(c);
}

static void
on_connection(uv_poll_t *h, int status, int events)
{
	struct ctlserver  *s = h->data;
	struct ctlrequest *c;
	int		   sock;

	(void)events;
	if (status != 0)
		return;
	sock = accept(s->fd, NULL, NULL);
	if (sock < 0)
		return;
	if (list_count(&s->clients) >= CLIENTS_MAX || !may_command(s, sock) ||
	    fcntl(sock, F_SETFL, O_NONBLOCK) != 0 ||
	    fcntl(sock, F_SETFD, FD_CLOEXEC) != 0) {
		close(sock);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL || uv_poll_init(&s->loop, &c->poll, sock) != 0) {
		free(c);
		close(sock);
		return;
	}
	c->server = s;
	c->sock = sock;
	c->fd = -1;
	c->poll.data = c;
	buf_init(&c->in, FRAME_BODY_MAX + FRAME_HEADER + CHUNK);
	buf_init(&c->out, 16 * FRAME_BODY_MAX);
	list_append(&s->clients, &c->node);
	client_poll(c);
}

static void
on_wake(uv_async_t *h)
{
	struct ctlserver *s = h->data;
	struct list_node *n, *tmp;

	LIST_FOREACH(n, tmp, &s->clients) {
		struct ctlrequest *c = container_of(n, struct ctlrequest, node);

		if (c->closed)
			client_reap(c);
		else if (!c->closing && !client_write(c))
			client_close(c);
		else
			client_poll(c);
	}
	if (atomic_load(&s->stop))
		uv_stop(&s->loop);
}

static void
on_signal(uv_signal_t *h, int sig)
{
	log_info("got signal %d, shutting down", sig);
	ctlserver_stop(h->data);
}

static void
on_hangup(uv_signal_t *h, int sig)
{
	struct ctlserver *s = h->data;

	(void)sig;
	s->on_hangup(s->arg);
}

int
ctlserver_on_hangup(struct ctlserver *s, void (*fn)(void *arg),
    struct err *e)
{
	int rc;

	s->on_hangup = fn;
	rc = uv_signal_start(&s->hangup, on_hangup, SIGHUP);
	return rc == 0 ? 0 : err_set(e, rc, "cannot wait for SIGHUP: %s",
	    uv_strerror(rc));
}

/* --- The socket. --- */

static int
find_group(struct ctlserver *s, const char *name, struct err *e)
{
	struct group	*gr;

	if (name == NULL)
		return 0;
	gr = getgrnam(name);
	if (gr == NULL)
		return err_set(e, ERR_CONFIG, "there is no group \"%s\"", name);
	s->gid = gr->gr_gid;
	s->has_group = true;
	return 0;
}

/* A socket that a dead daemon left is removed, and nothing else. */
static int
remove_stale(const struct sockaddr_un *addr, struct err *e)
{
	struct stat st;
	int	    fd, rc;

	if (lstat(addr->sun_path, &st) != 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		err_set(e, ERR_EXISTS, "%s is there and is no socket",
		    addr->sun_path);
		return err_hint(e, "set another socket-path");
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
	close(fd);
	if (rc == 0) {
		err_set(e, ERR_LOCKED, "another daemon listens on %s",
		    addr->sun_path);
		err_hint(e, "stop it first, or set another socket-path");
		return ERR_LOCKED;
	}
	unlink(addr->sun_path);
	return 0;
}

static int
open_socket(struct ctlserver *s, const char *path, struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t	old;
	int	rc, errnum;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(e, ERR_CONFIG,
		    "the socket's path %s is too long", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	memcpy(s->path, path, strlen(path) + 1);
	rc = remove_stale(&addr, e);
	if (rc != 0)
		return rc;
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	old = umask(s->has_group ? 0117 : 0177);
	rc = bind(s->fd, (struct sockaddr *)&addr, sizeof(addr));
	errnum = errno;
	umask(old);
	s->bound = rc == 0;
	if (rc == 0 && s->has_group &&
	    chown(path, (uid_t)-1, s->gid) != 0) {
		errnum = errno;
		rc = -1;
	}
	if (rc == 0 && listen(s->fd, 128) != 0) {
		errnum = errno;
		rc = -1;
	}
	if (rc == 0)
		return 0;
	rc = err_sys(e, errnum, "cannot listen on %s", path);
	if (rc == ERR_NOT_FOUND)
		err_hint(e, "make its directory (systemd: RuntimeDirectory=), "
		    "or set another socket-path");
	return rc;
}

static int
start_loop(struct ctlserver *s, struct err *e)
{
	int rc = uv_loop_init(&s->loop);

	if (rc == 0)
		rc = uv_poll_init(&s->loop, &s->listener, s->fd);
	if (rc == 0)
		rc = uv_async_init(&s->loop, &s->wake, on_wake);
	if (rc == 0)
		rc = uv_signal_init(&s->loop, &s->term);
	if (rc == 0)
		rc = uv_signal_init(&s->loop, &s->interrupt);
	if (rc == 0)
		rc = uv_signal_init(&s->loop, &s->hangup);
	s->listener.data = s->wake.data = s->term.data = s->interrupt.data = s;
	s->hangup.data = s;
	if (rc == 0)
		rc = uv_poll_start(&s->listener, UV_READABLE, on_connection);
	if (rc == 0)
		rc = uv_signal_start(&s->term, on_signal, SIGTERM);
	if (rc == 0)
		rc = uv_signal_start(&s->interrupt, on_signal, SIGINT);
	return rc == 0 ? 0 : err_set(e, rc, "cannot start a loop: %s",
	    uv_strerror(rc));
}

int
ctlserver_open(struct ctlserver **out, const char *path, const char *group,
    ctl_handler *handler, void *arg, struct err *e)
{
	struct ctlserver *s = calloc(1, sizeof(*s));
	int		  rc;

	if (s == NULL)
		return err_set(e, ERR_NOMEM, "no memory");
	s->fd = -1;
	s->handler = handler;
	s->arg = arg;
	list_init(&s->clients);
	pthread_mutex_init(&s->lock, NULL);
	rc = find_group(s, group, e);
	if (rc == 0)
		rc = open_socket(s, path, e);
	if (rc == 0)
		rc = start_loop(s, e);
	if (rc != 0) {
		if (s->fd >= 0)
			close(s->fd);
		if (s->bound)
			unlink(s->path);
		pthread_mutex_destroy(&s->lock);
		free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void
ctlserver_run(struct ctlserver *s)
{
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_poll_stop(&s->listener);
	unlink(s->path);
	/* What is under way is cancelled now, and says so to its client. */
	while (atomic_load(&s->pending) > 0)
		uv_run(&s->loop, UV_RUN_ONCE);
}

void
ctlserver_stop(struct ctlserver *s)
{
	atomic_store(&s->stop, true);
	uv_async_send(&s->wake);
}

void
ctlserver_close(struct ctlserver *s)
{
	struct list_node *n, *tmp;

	/* The last thread that finished a request has left it. */
	pthread_mutex_lock(&s->lock);
	pthread_mutex_unlock(&s->lock);
	on_wake(&s->wake);
	LIST_FOREACH(n, tmp, &s->clients)
		client_close(container_of(n, struct ctlrequest, node));
	uv_close((uv_handle_t *)&s->listener, NULL);
	uv_close((uv_handle_t *)&s->wake, NULL);
	uv_close((uv_handle_t *)&s->term, NULL);
	uv_close((uv_handle_t *)&s->interrupt, NULL);
	uv_close((uv_handle_t *)&s->hangup, NULL);
	/* A stop that is still noted ends a run before the callbacks. */
	while (uv_loop_close(&s->loop) == UV_EBUSY)
		uv_run(&s->loop, UV_RUN_DEFAULT);
	close(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- Requests, from any thread. --- */

const struct frame *
ctlrequest_frame(const struct ctlrequest *c)
{
	return &c->frame;
}

int
ctlrequest_fd(const struct ctlrequest *c)
{
	return c->fd;
}

bool
ctlrequest_cancelled(const struct ctlrequest *c)
{
	return atomic_load(&c->gone) || atomic_load(&c->server->stop);
}

void
ctlrequest_send(struct ctlrequest *c, int type, const char *key, ...)
{
	va_list	ap;
	size_t	start;

	pthread_mutex_lock(&c->server->lock);
	start = frame_begin(&c->out, (enum frame_type)type);
	va_start(ap, key);
	for (; key != NULL; key = va_arg(ap, const char *))
		frame_add(&c->out, key, va_arg(ap, const char *));
	va_end(ap);
	frame_end(&c->out, start);
	pthread_mutex_unlock(&c->server->lock);
	uv_async_send(&c->server->wake);
}

static void
finish(struct ctlrequest *c, const struct err *e, bool declined)
{
	struct ctlserver *s = c->server;

	/* When the lock is free again the loop may free it. */
	pthread_mutex_lock(&s->lock);
	add_verdict(&c->out, e, declined);
	c->finished = true;
	uv_async_send(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void
ctlrequest_finish(struct ctlrequest *c, const struct err *e)
{
	finish(c, e, false);
}

void
ctlrequest_decline(struct ctlrequest *c)
{
	struct err e = { 0 };

	finish(c, &e, true);
}
