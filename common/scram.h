/* SPDX-License-Identifier: MIT */
/*
 * scram - SCRAM-SHA-256 (RFC 5802, RFC 7677) as PostgreSQL speaks it, both
 * sides, and PostgreSQL's md5 passwords.
 *
 * Pure: messages in, messages out; random bytes are arguments. Only one step
 * costs time, PBKDF2 (about 1 ms for 4096 iterations): it is apart, in
 * scram_work_run(), on a struct without pointers that a thread pool can have
 * and whose result can be kept. Everything else is a few digests.
 *
 * Messages are the SASL data without any protocol header and need no NUL.
 * Channel binding is not offered. Secrets are compared in constant time and
 * wiped by the release functions.
 *
 * Errors: ERR_PROTOCOL for a message that is not what it should be, ERR_AUTH
 * for a proof or signature that is wrong; `err` then has the log line of the
 * contract (section 16.5, SCRAM). The peer is told less: that is the
 * caller's part. ERR_NOMEM and ERR_GENERAL (OpenSSL refuses a digest).
 */
#ifndef COMMON_SCRAM_H
#define COMMON_SCRAM_H

#include "common/base.h"
#include "common/buf.h"
#include "common/err.h"

#define SCRAM_MECHANISM		"SCRAM-SHA-256"
#define SCRAM_KEY_LEN		32
#define SCRAM_SALT_LEN		16	/* of the salts we make */
#define SCRAM_SALT_MAX		256	/* of the salts we take */
#define SCRAM_NONCE_LEN		18	/* random bytes; 24 characters */
#define SCRAM_ITERATIONS	4096	/* PostgreSQL's default */
#define SCRAM_ITERATIONS_MAX	1000000	/* more is an attack on our CPU */
#define SCRAM_MESSAGE_MAX	4096	/* longer ones are refused */

/* What proves a password: the client needs both, the server's secret holds
 * only a digest of the first. */
struct scram_keys {
	unsigned char	 client_key[SCRAM_KEY_LEN];
	unsigned char	 server_key[SCRAM_KEY_LEN];
};

/* What PostgreSQL stores in pg_authid.rolpassword. */
struct scram_secret {
	uint32_t	 iterations;
	size_t		 salt_len;
	unsigned char	 salt[SCRAM_SALT_MAX];
	unsigned char	 stored_key[SCRAM_KEY_LEN];
	unsigned char	 server_key[SCRAM_KEY_LEN];
};

/*
 * Secrets
 */

/* Reads "SCRAM-SHA-256$<iter>:<salt>$<StoredKey>:<ServerKey>". 0 or
 * ERR_FORMAT; anything else in its place is a plain password. */
int	scram_secret_parse(const char *text, struct scram_secret *) MUST_CHECK;

/* Appends that text. */
void	scram_secret_print(const struct scram_secret *, struct buf *);

/*
 * A secret for a user who does not exist: random-looking, but always the
 * same for one user and key (32 random bytes of the process), so that nobody
 * can tell by asking twice. No password matches it: StoredKey is a digest's
 * image that nobody computed.
 */
void	scram_secret_mock(const char *user, const unsigned char key[32],
	    uint32_t iterations, struct scram_secret *);

/* The secret that these keys, derived with that salt, belong to. */
void	scram_secret_from_keys(const struct scram_keys *,
	    const unsigned char *salt, size_t salt_len, uint32_t iterations,
	    struct scram_secret *);

/* Whether the keys are those of the secret (constant time). */
bool	scram_keys_match(const struct scram_keys *,
	    const struct scram_secret *);

/*
 * The expensive step. scram_work_init(), then scram_work_run() on any thread,
 * then .keys; scram_work_wipe() in any case. The salt and the iterations
 * stay readable: with the user they name the result in a cache.
 */
struct scram_work {
	unsigned char	 password[64];	/* as HMAC takes it: long ones
					 * are digested */
	size_t		 password_len;
	unsigned char	 salt[SCRAM_SALT_MAX];
	size_t		 salt_len;
	uint32_t	 iterations;
	struct scram_keys keys;		/* the result */
};

/*
 * The password in clear, of any length, is prepared (saslprep.h) and then not
 * needed any more. Returns 0; ERR_LIMIT if the iterations are 0 or above
 * SCRAM_ITERATIONS_MAX or the salt is empty or too long; ERR_NOMEM.
 */
int	scram_work_init(struct scram_work *, const char *password,
	    const unsigned char *salt, size_t salt_len, uint32_t iterations)
	    MUST_CHECK;
/* Returns 0 or ERR_GENERAL. Blocks: about 0.25 s for a million iterations. */
int	scram_work_run(struct scram_work *) MUST_CHECK;
void	scram_work_wipe(struct scram_work *);

/*
 * The side that checks: scram_server_init(), _first(), _final(), _release().
 */
struct scram_server {
	struct scram_secret secret;
	bool		 mock;
	char		 flag;		/* the client's: 'n' or 'y' */
	unsigned char	 nonce_raw[SCRAM_NONCE_LEN];
	struct buf	 nonce;		/* the client's and ours */
	struct buf	 auth;		/* AuthMessage as it grows */
	struct scram_keys keys;		/* after _final(): the ClientKey that
					 * the proof showed, the secret's
					 * ServerKey: enough to log in to a
					 * server with the same secret */
};

/* `mock`: go through all of it and then fail. The nonce is fresh. */
void	scram_server_init(struct scram_server *, const struct scram_secret *,
	    bool mock, const unsigned char nonce[SCRAM_NONCE_LEN]);

/* Takes client-first-message, appends server-first-message to `reply`. */
int	scram_server_first(struct scram_server *, const char *msg, size_t n,
	    struct buf *reply, struct err *) MUST_CHECK;

/*
 * Takes client-final-message, appends server-final-message. ERR_AUTH, with
 * an empty text, for a proof that is wrong. Only after _first().
 */
int	scram_server_final(struct scram_server *, const char *msg, size_t n,
	    struct buf *reply, struct err *) MUST_CHECK;

void	scram_server_release(struct scram_server *);

/*
 * The side that proves: scram_client_init(), _first(), _challenge(); then
 * keys for the salt and iterations it found (scram_work, or a cache, or those
 * of a client's login); _final(), _verify(), _release().
 */
struct scram_client {
	uint32_t	 iterations;	/* after _challenge(): the server's */
	size_t		 salt_len;
	unsigned char	 salt[SCRAM_SALT_MAX];
	struct buf	 nonce;		/* ours, then ours and the server's */
	struct buf	 auth;		/* AuthMessage as it grows */
	unsigned char	 signature[SCRAM_KEY_LEN]; /* the server's, expected */
};

/* The nonce is fresh. */
void	scram_client_init(struct scram_client *,
	    const unsigned char nonce[SCRAM_NONCE_LEN]);

/* Appends client-first-message. The user's name is in the start-up packet,
 * and PostgreSQL ignores the one here: it is empty. */
int	scram_client_first(struct scram_client *, struct buf *reply)
	    MUST_CHECK;

/* Takes server-first-message. */
int	scram_client_challenge(struct scram_client *, const char *msg,
	    size_t n, struct err *) MUST_CHECK;

/* Appends client-final-message. */
int	scram_client_final(struct scram_client *, const struct scram_keys *,
	    struct buf *reply) MUST_CHECK;

/* Takes server-final-message. ERR_AUTH: the server does not know the secret;
 * it is somebody else. */
int	scram_client_verify(struct scram_client *, const char *msg, size_t n,
	    struct err *) MUST_CHECK;

void	scram_client_release(struct scram_client *);

/*
 * md5 passwords
 */

/* "md5", 32 digits, NUL. */
#define SCRAM_MD5_LEN		35

/* True for "md5" and 32 lower-case hexadecimal digits. */
bool	scram_is_md5(const char *secret);

/* md5(password || user): the stored form. 0, or ERR_GENERAL where the system
 * forbids MD5 (FIPS). */
int	scram_md5_secret(const char *user, const char *password,
	    char out[SCRAM_MD5_LEN + 1]) MUST_CHECK;

/* The answer to an md5 request: md5(digits of the stored form || salt). */
int	scram_md5_answer(const char *secret, const unsigned char salt[4],
	    char out[SCRAM_MD5_LEN + 1]) MUST_CHECK;

/* Compares two strings in a time that depends on the first one's length. */
bool	scram_equal(const char *given, const char *stored);

#endif /* COMMON_SCRAM_H */
