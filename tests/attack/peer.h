/* SPDX-License-Identifier: MIT */
/*
 * peer - one connection to a PostgreSQL server or a pooler, message by
 * message and without a client library, so that nothing is tidied up on the
 * way.
 *
 * Reading goes on while writing waits, as a peer that does not read must
 * never be the reason why a pipeline stands still. Blocking, single-threaded,
 * for tests only: what cannot go wrong there ends the program.
 * Calling sequence: peer_open(), peer_send() and peer_next(), peer_close().
 */
#ifndef TESTS_ATTACK_PEER_H
#define TESTS_ATTACK_PEER_H

#include "common/base.h"
#include "common/buf.h"

struct peer_address {
	const char	*dir;		/* of the Unix socket */
	int		 port;
	const char	*user;
	const char	*database;
};

struct peer {
	const struct peer_address *address;
	int		 fd;		/* -1: closed */
	struct buf	 in;		/* received, not yet handed out */
	size_t		 handed;	/* bytes of `in` to forget first */
	bool		 eof;
	uint32_t	 pid, key;	/* from BackendKeyData */
};

struct peer_message {
	char		 type;		/* 0: end of the connection */
	const char	*body;		/* until the next call */
	size_t		 n;
};

/* Connects and logs in by trust. Returns false, with the reason on stderr. */
bool	peer_open(struct peer *, const struct peer_address *) MUST_CHECK;

/* Legal when it is closed. */
void	peer_close(struct peer *);

/*
 * Sends n bytes, in writes of up to `piece` (0: all at once), sizes drawn
 * from *lot; now and then a larger one in the middle of many. What comes
 * meanwhile is kept. Silent about a connection that is gone: peer_next()
 * will tell.
 */
void	peer_send(struct peer *, const char *bytes, size_t n, size_t piece,
	    uint64_t *lot);

/*
 * The next message. False if none came within so many milliseconds. At the
 * end of the connection it is true, with type 0, each time.
 */
bool	peer_next(struct peer *, int ms, struct peer_message *) MUST_CHECK;

/* A simple query; the first column of the first row into `value` (cut; may
 * be NULL). False if an error or nothing came. */
bool	peer_query(struct peer *, const char *sql, char *value, size_t size);

/* A cancel request with this peer's key; returns when it has been served. */
void	peer_cancel(const struct peer *);

/* xorshift64*: 0 <= result < below; the same numbers on every machine. */
unsigned peer_draw(uint64_t *lot, unsigned below);

#endif /* TESTS_ATTACK_PEER_H */
