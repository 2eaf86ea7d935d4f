/* SPDX-License-Identifier: MIT */
/*
 * conn - the connections of a script, by their names.
 *
 * libpq logs in; from then on the socket is ours and libpq is only asked for
 * the backend's process id and for cancel requests. A call that goes wrong
 * fails the test (talk.h), and says so by its result only where the caller
 * has to know.
 */
#ifndef TESTS_PGTALK_CONN_H
#define TESTS_PGTALK_CONN_H

#include "common/base.h"

#include <libpq-fe.h>

struct conn {
	char		 name[32];
	PGconn		*pg;		/* NULL for a raw socket */
	int		 fd;		/* -1: free */
	unsigned char	*in;
	size_t		 len, cap;
	char		*last;		/* text of the last matched message */
};

/* Before anything else. */
void	conn_init(void);

/* An open connection, NULL if there is none of that name. */
struct conn *conn_find(const char *name);

/* Logs in / opens a socket to PGHOST and PGPORT without a login. */
void	conn_open(const char *name, const char *conninfo);
void	conn_open_raw(const char *name);

/* By FIN or by RST; frees what it has. */
void	conn_close(struct conn *, bool rst);
void	conn_close_all(void);

void	conn_send(struct conn *, const void *data, size_t len);

/* Reads something into c->in: 1, 0 at the end, -1 after `until`. */
int	conn_fill(struct conn *, long until);

/* Takes the first n bytes out of c->in. */
void	conn_consume(struct conn *, size_t n);

#endif /* TESTS_PGTALK_CONN_H */
