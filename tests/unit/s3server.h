/* SPDX-License-Identifier: MIT */
/*
 * s3server - an S3 server for a unit test: a port of 127.0.0.1 at which a
 * thread gives the answers of a list, one for each request.
 *
 * Calling sequence: s3server_start(), requests to .endpoint, s3server_stop(),
 * which asserts that each request was the one its answer was for. Then .asked
 * says how many there were. What S3 means by its answers stands in the tests.
 */
#ifndef TESTS_UNIT_S3SERVER_H
#define TESTS_UNIT_S3SERVER_H

#include "common/base.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"

#define S3SERVER_CONNS	8
#define S3SERVER_MAX	((size_t)1 << 20)

enum s3server_way {
	S3SERVER_WHOLE,		/* with its Content-Length */
	S3SERVER_CUT,		/* announces 5 bytes more, and closes */
	S3SERVER_LATE,		/* whole, but no "100 Continue" before */
	S3SERVER_NEVER		/* nothing, as long as the client waits */
};

struct s3answer {
	const char	*line;		/* the request's, up to HTTP/1.1 */
	const char	*holds;		/* and what it has to hold; or NULL */
	const char	*status;	/* "200 OK" */
	const char	*headers;	/* each with its CR LF; or NULL */
	const char	*body;		/* NULL: the headers name the length */
	enum s3server_way way;
};

struct s3server {
	char		 endpoint[64];
	const struct s3answer *answers;
	size_t		 n;
	size_t		 asked;		/* requests, each with its answer */
	unsigned	 connections;	/* that there were */
	char		 wrong[512];	/* the first request out of order */
	/* its own */
	int		 listener;
	int		 order[2], done[2];	/* pipes to the thread and back */
	int		 fd[S3SERVER_CONNS];
	struct buf	 in[S3SERVER_CONNS];
	bool		 told[S3SERVER_CONNS];	/* to send the body */
	pthread_t	 thread;
};

static inline void
s3server_send(int fd, const struct s3answer *a)
{
	struct buf	out = { .max = S3SERVER_MAX };

	buf_printf(&out, "HTTP/1.1 %s\r\n%s", a->status,
	    a->headers == NULL ? "" : a->headers);
	if (a->body != NULL)
		buf_printf(&out, "Content-Length: %zu\r\n", strlen(a->body) +
		    (a->way == S3SERVER_CUT ? 5 : 0));
	buf_printf(&out, "\r\n%s", a->body == NULL ? "" : a->body);
	(void)!send(fd, buf_bytes(&out), buf_len(&out), MSG_NOSIGNAL);
	buf_release(&out);
}

static inline void
s3server_close(struct s3server *s, size_t i)
{
	close(s->fd[i]);
	s->fd[i] = -1;
	buf_clear(&s->in[i]);
	s->told[i] = false;
}

static inline void
s3server_answer(struct s3server *s, size_t i, const char *head)
{
	const struct s3answer *a = &s->answers[s->asked];

	if (s->asked == s->n || strncmp(head, a->line, strlen(a->line)) != 0 ||
	    strncmp(head + strlen(a->line), " HTTP/1.1", 9) != 0 ||
	    (a->holds != NULL && strstr(head, a->holds) == NULL)) {
		if (s->wrong[0] == '\0')
			snprintf(s->wrong, sizeof(s->wrong), "%zu: %.400s",
			    s->asked, head);
		s3server_close(s, i);
		return;
	}
	s->asked++;
	if (a->way == S3SERVER_NEVER)
		return;
	s3server_send(s->fd[i], a);
	if (a->way == S3SERVER_CUT)
		s3server_close(s, i);
}

/* The client waits for this before it sends a body. */
static inline void
s3server_go_on(struct s3server *s, size_t i)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (s->told[i] || (s->asked < s->n &&
	    s->answers[s->asked].way == S3SERVER_LATE))
		return;
	s->told[i] = true;
	(void)!send(s->fd[i], interim, strlen(interim), MSG_NOSIGNAL);
}

static inline void
s3server_read(struct s3server *s, size_t i)
{
	char	 chunk[4096];
	ssize_t	 n = recv(s->fd[i], chunk, sizeof(chunk), 0);
	char	*request;
	const char *end, *at;
	size_t	 len = 0;

	if (n <= 0) {
		s3server_close(s, i);
		return;
	}
	buf_append(&s->in[i], chunk, (size_t)n);
	request = strndup(buf_bytes(&s->in[i]), buf_len(&s->in[i]));
	end = strstr(request, "\r\n\r\n");
	at = strstr(request, "\r\nContent-Length:");
	if (end != NULL && at != NULL && at < end)
		len = strtoul(at + strlen("\r\nContent-Length:"), NULL, 10);
	if (end != NULL && buf_len(&s->in[i]) >=
	    (size_t)(end + 4 - request) + len) {
		buf_clear(&s->in[i]);
		s->told[i] = false;
		s3server_answer(s, i, request);
	} else if (end != NULL && strstr(request, "\r\nExpect:") != NULL) {
		s3server_go_on(s, i);
	}
	free(request);
}

/* True: it is to end. */
static inline bool
s3server_obey(struct s3server *s)
{
	const struct s3answer	stray = { NULL, NULL, "200 OK", NULL, "stray", 0 };
	char			order;

	if (read(s->order[0], &order, 1) != 1 || order == 'q')
		return true;
	s3server_send(s->fd[0], &stray);
	return write(s->done[1], "", 1) != 1;
}

/* When it returns, an answer to nothing has arrived on the connection. */
static inline void
s3server_stray(struct s3server *s)
{
	char done;

	ck_assert_int_eq(write(s->order[1], "s", 1), 1);
	ck_assert_int_eq(read(s->done[0], &done, 1), 1);
}

static inline void *
s3server_run(void *arg)
{
	struct s3server *s = arg;
	struct pollfd	 p[2 + S3SERVER_CONNS];
	size_t		 i;

	for (;;) {
		p[0] = (struct pollfd){ s->order[0], POLLIN, 0 };
		p[1] = (struct pollfd){ s->listener, POLLIN, 0 };
		for (i = 0; i < S3SERVER_CONNS; i++)
			p[2 + i] = (struct pollfd){ s->fd[i], POLLIN, 0 };
		if (poll(p, 2 + S3SERVER_CONNS, -1) < 0)
			return NULL;
		if (p[0].revents != 0 && s3server_obey(s))
			return NULL;
		for (i = 0; i < S3SERVER_CONNS; i++)
			if (p[2 + i].revents != 0)
				s3server_read(s, i);
		for (i = 0; p[1].revents != 0 && i < S3SERVER_CONNS; i++) {
			if (s->fd[i] >= 0)
				continue;
			s->fd[i] = accept(s->listener, NULL, NULL);
			s->connections++;
			break;
		}
	}
}

static inline void
s3server_start(struct s3server *s, const struct s3answer *answers, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t	   len = sizeof(a);
	size_t		   i;

	memset(s, 0, sizeof(*s));
	s->answers = answers;
	s->n = n;
	for (i = 0; i < S3SERVER_CONNS; i++) {
		s->fd[i] = -1;
		s->in[i].max = S3SERVER_MAX;
	}
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(s->listener, 0);
	ck_assert_int_eq(bind(s->listener, (struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(listen(s->listener, S3SERVER_CONNS), 0);
	ck_assert_int_eq(getsockname(s->listener, (struct sockaddr *)&a, &len),
	    0);
	ck_assert_int_eq(pipe(s->order), 0);
	ck_assert_int_eq(pipe(s->done), 0);
	snprintf(s->endpoint, sizeof(s->endpoint), "http://127.0.0.1:%u",
	    ntohs(a.sin_port));
	ck_assert_int_eq(pthread_create(&s->thread, NULL, s3server_run, s), 0);
}

static inline void
s3server_stop(struct s3server *s)
{
	size_t i;

	ck_assert_int_eq(write(s->order[1], "q", 1), 1);
	ck_assert_int_eq(pthread_join(s->thread, NULL), 0);
	for (i = 0; i < S3SERVER_CONNS; i++) {
		if (s->fd[i] >= 0)
			close(s->fd[i]);
		buf_release(&s->in[i]);
	}
	close(s->listener);
	for (i = 0; i < 2; i++) {
		close(s->order[i]);
		close(s->done[i]);
	}
	ck_assert_str_eq(s->wrong, "");
}

#endif /* TESTS_UNIT_S3SERVER_H */
