/* SPDX-License-Identifier: MIT */
/*
 * client_login - what the files of a client's login share, and nobody else.
 *
 *	client_login.c		packets: start-up, TLS, cancel, password
 *	client_auth.c		who it is: the auth file, auth_query
 *	client_welcome.c	what it gets: the console, or a pool's welcome
 *
 * The order of checks is the contract's (section 8.2): who may not log in
 * learns nothing about databases. Nothing of the registry is held while the
 * client is not authenticated. The struct lives until the client is welcome,
 * or until a thread that works on it has come back.
 */
#ifndef POOLER_CLIENT_LOGIN_H
#define POOLER_CLIENT_LOGIN_H

#include "common/base.h"
#include "common/buf.h"
#include "common/loop.h"
#include "pooler/auth.h"
#include "pooler/client.h"
#include "pooler/startup.h"

/* A start-up packet or a password message, with some room. */
#define LOGIN_MAX	(128 * 1024)

struct login {
	struct buf	 in;		/* received, not yet understood */
	uint64_t	 since;
	struct startup	 startup;
	struct client_auth auth;
	bool		 direct_tls;	/* TLS began without an SSLRequest */
	bool		 auth_begun;
	struct loop_work work;
	int		 work_result;
	struct client	*client;	/* NULL: it closed during the work */
	/* auth_query */
	char		*found_secret;	/* NULL: none found */
	bool		 found_user;
	bool		 query_failed;
	bool		 queried;
};

/* Sends what was built, and wipes it. */
void	login_send(struct client *, struct buf *);

/* Frees the struct; client_login_free() is what a client calls. */
void	login_free(struct login *);

/* Looks at what has been received; after the thread pool was waited for. */
void	login_continue(struct client *, struct lent *);

/* Runs auth_query if the user's secret must come from there. True if it was
 * begun, or the client failed. */
bool	login_begin_auth_query(struct client *) MUST_CHECK;
/* Asks the client for its password, or lets it in. */
void	login_begin_auth(struct client *);
/* A password message may be complete in login->in. */
void	login_password(struct client *);

/* The client is who it says it is: on to its pool or the console. */
void	login_authenticated(struct client *);
/* To the console; `trusted` by the kernel's word for who it is. */
void	login_console(struct client *, bool trusted);

#endif /* POOLER_CLIENT_LOGIN_H */
