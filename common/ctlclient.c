/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/ctlclient.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/frame.h"

#define CHUNK	((size_t)16 << 10)

/* Waits for the socket; 0 or ERR_TIMEOUT. */
static int
wait_for(const struct ctlclient *c, short events, int64_t deadline,
    struct err *e)
{
	struct pollfd	p = { c->fd, events, 0 };
	int64_t		left = -1;
	int		n;

	for (;;) {
		if (deadline != 0) {
			left = (deadline - clock_us() + 999) / 1000;
			left = MIN(MAX(left, 0), 1 << 30);
		}
		n = poll(&p, 1, (int)left);
		if (n > 0)
			return 0;
		if (n == 0)
			return err_set(e, ERR_TIMEOUT,
			    "the daemon did not answer in time");
		if (errno != EINTR)
			return err_sys(e, errno, "cannot wait for the daemon");
	}
}

int
ctlclient_connect(struct ctlclient *c, const char *path, int64_t deadline,
    struct err *e)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int		   rc;

	memset(c, 0, sizeof(*c));
	c->fd = -1;
	buf_init(&c->in, 2 * (FRAME_BODY_MAX + FRAME_HEADER));
	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(e, ERR_CONFIG,
		    "the socket's path %s is too long", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return err_sys(e, errno, "cannot make a socket");
	/* A Unix socket connects at once, or its queue is full: EAGAIN. */
	while (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		if (errno == EAGAIN && clock_us() < deadline) {
			struct timespec t = { 0, 10000000 };

			nanosleep(&t, NULL);
			continue;
		}
		rc = errno == EAGAIN ? ERR_TIMEOUT : ERR_CONNECT;
		err_set(e, rc, "no daemon at %s: %s", path, strerror(errno));
		ctlclient_close(c);
		return rc;
	}
	return 0;
}

int
ctlclient_send(struct ctlclient *c, const struct buf *frames, int fd,
    int64_t deadline, struct err *e)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr	 msg = { 0 };
	struct cmsghdr	*cm;
	struct iovec	 iov;
	size_t		 at = 0;
	ssize_t		 n;
	int		 rc;

	if (buf_failed(frames))
		return err_set(e, ERR_LIMIT, "the request is too long");
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(int));
	}
	while (at < buf_len(frames)) {
		iov.iov_base = frames->data + frames->off + at;
		iov.iov_len = buf_len(frames) - at;
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (n > 0) {
			at += (size_t)n;
			msg.msg_control = NULL;
			msg.msg_controllen = 0;
		} else if (errno == EAGAIN) {
			rc = wait_for(c, POLLOUT, deadline, e);
			if (rc != 0)
				return rc;
		} else if (errno != EINTR) {
			return err_set(e, ERR_CLOSED,
			    "the daemon is gone: %s", strerror(errno));
		}
	}
	return 0;
}

int
ctlclient_receive(struct ctlclient *c, struct frame *out, int64_t deadline,
    struct err *e)
{
	ssize_t	n;
	char	*p;
	int	rc;

	buf_consume(&c->in, c->used);
	c->used = 0;
	for (;;) {
		rc = buf_len(&c->in) == 0 ? 0 : frame_parse(buf_bytes(&c->in),
		    buf_len(&c->in), out, &c->used);
		if (rc == 1)
			return 0;
		if (rc != 0)
			return err_set(e, rc, "the daemon does not speak our "
			    "protocol");
		rc = wait_for(c, POLLIN, deadline, e);
		if (rc != 0)
			return rc;
		p = buf_reserve(&c->in, CHUNK);
		if (p == NULL)
			return err_set(e, ERR_PROTOCOL,
			    "the daemon's answer is too long");
		n = recv(c->fd, p, CHUNK, 0);
		if (n > 0)
			buf_commit(&c->in, (size_t)n);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return err_set(e, ERR_CLOSED,
			    "the daemon ended the connection");
	}
}

void
ctlclient_close(struct ctlclient *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_release(&c->in);
}
