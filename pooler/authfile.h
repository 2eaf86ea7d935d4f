/* SPDX-License-Identifier: MIT */
/*
 * authfile - the file of users and secrets, PgBouncer's userlist.txt.
 *
 *	"user" "secret" anything behind is ignored
 *	; a comment, if it begins the line
 *
 * Within quotes "" stands for a quote. Whether a secret is a password, an
 * md5 hash or a SCRAM secret is seen by its form (authfile_kind()).
 */
#ifndef POOLER_AUTHFILE_H
#define POOLER_AUTHFILE_H

#include "common/base.h"

struct buf;
struct err;

/* Usable bytes of names and secrets, PgBouncer's limits. */
#define AUTHFILE_USER_MAX	127
#define AUTHFILE_SECRET_MAX	65530

enum authfile_kind {
	AUTHFILE_PLAIN,
	AUTHFILE_MD5,	/* "md5" and 32 hexadecimal digits */
	AUTHFILE_SCRAM	/* "SCRAM-SHA-256$<n>:<salt>$<key>:<key>" */
};

/* One line of the auth file. An empty secret never matches anything. */
struct authfile_secret {
	char			*user;
	char			*secret;
	enum authfile_kind	 kind;
};

/* The kind of a stored secret, by its form alone. */
enum authfile_kind authfile_kind(const char *secret);

/*
 * Reads the file and appends its lines to *secrets, an array from malloc()
 * of *n elements, in the order of the file; a user may come twice. On
 * failure what was appended stays, for the caller to free. Errors, none of
 * which shows a secret:
 *
 *	err_sys()'s	`could not open auth_file f: No such file or directory`
 *	ERR_CONFIG	`broken auth file (f:3)`, `username too long in auth
 *			file (f:3)`, `password too long in auth file (f:3)`
 *	ERR_NOMEM
 */
int	authfile_load(const char *path, struct authfile_secret **secrets,
	    size_t *n, struct err *e) MUST_CHECK;

/* The same from memory; the errors' `(f:3)` names `name`. */
int	authfile_parse(const char *name, const struct buf *text,
	    struct authfile_secret **secrets, size_t *n, struct err *e)
	    MUST_CHECK;

/* Frees one element's memory, the secret after overwriting it. */
void	authfile_release(struct authfile_secret *);

#endif /* POOLER_AUTHFILE_H */
