/* SPDX-License-Identifier: MIT */
/*
 * auth - who is this client, and who are we to this server.
 *
 * Two pure state machines over the bodies of protocol messages: client_auth
 * checks a client, server_auth answers a server. They read no file, ask no
 * clock, send nothing: answers are appended to a buffer of the caller, and
 * the one expensive step (PBKDF2) is handed out as AUTH_WORK.
 *
 * Each call returns one enum auth_result:
 *	AUTH_MORE	send what is in the buffer, wait for the next message
 *	AUTH_OK		done. Client: send the buffer, then go on with the
 *			welcome (AuthenticationOk is in the buffer already)
 *	AUTH_FAIL	done. `reason` and `sqlstate` are for the client,
 *			err.msg, unless empty, is a line for the log (ERROR)
 *	AUTH_WORK	send the buffer, stop reading from that peer, run
 *			scram_work_run(&x->work) on any thread, then call
 *			..._worked(). Nobody touches x in between, but it may
 *			be given up: wait for the thread, then release.
 *
 * Secrets have the forms of PgBouncer's auth file: "md5" and 32 digits, a
 * SCRAM secret, or a password in clear. Copies are wiped on release.
 */
#ifndef POOLER_AUTH_H
#define POOLER_AUTH_H

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/scram.h"

enum auth_result {
	AUTH_MORE,
	AUTH_OK,
	AUTH_FAIL,
	AUTH_WORK
};

/* The longest password a client may send, in bytes. */
#define AUTH_PASSWORD_MAX	65530

/*
 * Credentials: what the pooler can show to a server.
 */

enum auth_kind {
	AUTH_KIND_NONE,		/* nothing known: as an empty password */
	AUTH_KIND_PLAIN,
	AUTH_KIND_MD5,
	AUTH_KIND_SCRAM		/* useless without `has_keys` */
};

/* Zero-initialise; release when done. Belongs to one thread at a time. */
struct auth_credentials {
	enum auth_kind	 kind;
	struct buf	 text;		/* the secret as stored or typed */
	bool		 has_keys;	/* SCRAM: a client logged in with it */
	struct scram_keys keys;
};

/* What form a secret has; NULL and "" are AUTH_KIND_NONE. */
enum auth_kind auth_kind_of(const char *secret);

/* Replaces what was there. 0 or ERR_NOMEM (then it is empty). */
int	auth_credentials_set(struct auth_credentials *, const char *secret)
	    MUST_CHECK;
int	auth_credentials_copy(struct auth_credentials *to,
	    const struct auth_credentials *from) MUST_CHECK;

/* Wipes and empties it. */
void	auth_credentials_release(struct auth_credentials *);

/*
 * Checking a client
 */

enum auth_method {
	AUTH_METHOD_ANY,	/* let in; whether that is legal (forced users
				 * only) was checked before */
	AUTH_METHOD_TRUST,	/* let in if known */
	AUTH_METHOD_PLAIN,	/* clear-text password */
	AUTH_METHOD_MD5,	/* md5, or SCRAM if the secret is SCRAM */
	AUTH_METHOD_SCRAM
};

/* Fresh random bytes for one login (random_fill()). */
struct auth_random {
	unsigned char	 md5_salt[4];
	unsigned char	 nonce[SCRAM_NONCE_LEN];
	unsigned char	 salt[SCRAM_SALT_LEN];
};

struct client_auth_params {
	enum auth_method method;
	const char	*user;
	bool		 known;		/* the user exists */
	const char	*secret;	/* NULL or "": never matches */
	/* A secret made earlier out of the same plain password: see
	 * client_auth_fresh_secret(). NULL: none. */
	const struct scram_secret *cached;
	uint32_t	 iterations;	/* scram_iterations */
	/* What users without a secret are asked for under md5: as most
	 * others are, or the difference tells who exists. */
	bool		 mock_scram;
	const unsigned char *mock_key;	/* 32 secret bytes of the process */
	struct auth_random random;
};

struct client_auth {
	/* With AUTH_FAIL: */
	const char	*reason;	/* contract 16.1; static */
	const char	*sqlstate;
	/* With AUTH_WORK: */
	struct scram_work work;

	/* The rest is private. */
	enum {
		CLIENT_AUTH_PASSWORD,	/* the clear-text password */
		CLIENT_AUTH_MD5,	/* the md5 answer */
		CLIENT_AUTH_FIRST,	/* SASLInitialResponse */
		CLIENT_AUTH_SECRET,	/* work: the plain password's secret */
		CLIENT_AUTH_FINAL,	/* SASLResponse */
		CLIENT_AUTH_COMPARE,	/* work: the typed password's keys */
		CLIENT_AUTH_ENDED
	} state;
	bool		 mock;		/* go through the motions and fail */
	bool		 fresh;
	char		 user[128];
	enum auth_kind	 kind;		/* of the stored secret */
	struct buf	 stored;	/* its text */
	struct buf	 typed;		/* AUTH_METHOD_PLAIN */
	struct buf	 first;		/* client-first-message, while its
					 * answer waits for work */
	struct scram_secret secret;
	struct auth_random random;
	struct scram_server scram;
};

/*
 * Begins: appends the first request to `reply`. ANY and TRUST end at once.
 * The parameters are copied. release() is due whatever comes back.
 *
 * Users who do not exist, have no secret, or whose secret does not fit the
 * method get the whole exchange, with a salt that does not change, and then
 * AUTH_FAIL. Under PLAIN every check derives keys once, so that neither the
 * user's absence nor the form of the secret shows in the time taken.
 */
enum auth_result client_auth_begin(struct client_auth *,
	    const struct client_auth_params *, struct buf *reply, struct err *);

/* The body of a 'p' message. */
enum auth_result client_auth_message(struct client_auth *, const char *body,
	    size_t n, struct buf *reply, struct err *);

/* After AUTH_WORK; `rc` is what scram_work_run() returned. */
enum auth_result client_auth_worked(struct client_auth *, int rc,
	    struct buf *reply, struct err *);

/*
 * After AUTH_OK: the SCRAM secret that was made out of a plain one during
 * this login, for client_auth_params.cached of the next (1 ms saved; valid
 * while password and scram_iterations stay). NULL if none was made. Valid
 * until release.
 */
const struct scram_secret *client_auth_fresh_secret(const struct client_auth *);

/*
 * After AUTH_OK: moves what may be shown to a server into `out`, which is
 * replaced: the stored secret (SCRAM: with the keys that the client's proof
 * gave), under PLAIN the password as typed. 0 or ERR_NOMEM.
 */
int	client_auth_take_credentials(struct client_auth *,
	    struct auth_credentials *out) MUST_CHECK;

void	client_auth_release(struct client_auth *);

/*
 * Answering a server
 */

/* What closes the server's connection after AUTH_FAIL, whatever the reason
 * was (PgBouncer 1.26.1's "closing because: ..." on the S- line). */
#define SERVER_AUTH_CLOSING	"failed to answer authreq"

struct server_auth {
	/* With AUTH_FAIL: */
	const char	*reason;	/* static. With the prefix "server
					 * login failed: " waiting clients are
					 * told; else it is the line below,
					 * and they go on waiting */
	/* With AUTH_WORK. User, work.salt and work.iterations name the
	 * result: if the caller has kept work.keys from an earlier login
	 * with the same password, it puts them there and does not run it. */
	struct scram_work work;

	/* The rest is private. */
	enum {
		SERVER_AUTH_BEGIN,
		SERVER_AUTH_ANSWERED,	/* password or md5 sent */
		SERVER_AUTH_CHALLENGE,	/* client-first sent */
		SERVER_AUTH_KEYS,	/* work */
		SERVER_AUTH_PROOF,	/* client-final sent */
		SERVER_AUTH_VERIFIED,	/* the server proved itself */
		SERVER_AUTH_ENDED
	} state;
	const char	*user;
	const struct auth_credentials *credentials;
	unsigned char	 nonce[SCRAM_NONCE_LEN];
	struct scram_client scram;
};

/*
 * `user` is the name in the start-up packet; it and the credentials are
 * borrowed until release. The nonce is fresh.
 */
void	server_auth_init(struct server_auth *, const char *user,
	    const struct auth_credentials *,
	    const unsigned char nonce[SCRAM_NONCE_LEN]);

/*
 * The body of an 'R' message. AUTH_OK for AuthenticationOk, unless SCRAM was
 * begun and the server did not prove that it knows the secret. ErrorResponse
 * and all others are the caller's.
 *
 *	secret	clear text	md5	SCRAM
 *	plain	sent		ok	AUTH_WORK
 *	md5	refused		ok	refused
 *	SCRAM	refused		refused	with keys
 *
 * Refused is AUTH_FAIL; a hash is never sent as a password, since whoever
 * gets it can use it.
 */
enum auth_result server_auth_message(struct server_auth *, const char *body,
	    size_t n, struct buf *reply, struct err *);

/* After AUTH_WORK; `rc` is what scram_work_run() returned, or 0. */
enum auth_result server_auth_worked(struct server_auth *, int rc,
	    struct buf *reply, struct err *);

void	server_auth_release(struct server_auth *);

#endif /* POOLER_AUTH_H */
