/* SPDX-License-Identifier: MIT */
/*
 * pgquery - SQL for control: the archiver's and homelabctl's questions.
 *
 * A thin, blocking layer over libpq in which every call has a deadline and
 * can be cancelled from another thread. One connection, one query at a time.
 * Not for the data path of the pooler, and not for large results.
 *
 * Sessions are made predictable at connect: search_path is pg_catalog only,
 * no statement, lock or idle timeout of the server's configuration applies
 * (a backup keeps its session open for hours), times print in ISO and UTC,
 * and TCP keepalives are on.
 *
 * Calling sequence: pgquery_connect(), pgquery_set_limits() as needed,
 * pgquery_run() any number of times, each result to pgquery_result_free(),
 * pgquery_close(). Results outlive the connection. A connection belongs to
 * one thread at a time.
 *
 * Errors carry the server's words and its SQLSTATE; the server's own hint,
 * if it gave one, becomes the hint.
 */
#ifndef COMMON_PGQUERY_H
#define COMMON_PGQUERY_H

#include "common/base.h"

struct err;
struct pgquery;
struct pgquery_result;

/* Where to connect. NULL and 0 leave the choice to libpq (PGHOST, ...). */
struct pgquery_target {
	const char	*conninfo;	/* libpq's; the members below win */
	const char	*host;		/* a name, or the socket's directory */
	int		 port;
	const char	*user;
	const char	*database;
	const char	*application;	/* application_name */
	const char	*encoding;	/* client_encoding; "SQL_ASCII": raw */
	/* A pooler's console: simple protocol, no session settings; then
	   queries have no parameters. */
	bool		 console;
};

#define PGQUERY_NO_TIMEOUT	INT64_C(0)

/*
 * Connects within timeout_us microseconds (PGQUERY_NO_TIMEOUT: as long as it
 * takes). The caller owns *out until pgquery_close(). ERR_DB_CONNECT with
 * libpq's text, ERR_TIMEOUT, ERR_NOMEM.
 */
int	pgquery_connect(struct pgquery **out, const struct pgquery_target *t,
	    int64_t timeout_us, struct err *e) MUST_CHECK;

/* Ends the session. NULL is fine. */
void	pgquery_close(struct pgquery *q);

/*
 * Limits of the queries that follow: how long each may take, and a function
 * that is asked every tenth of a second whether to give up (NULL: never).
 * A query that runs out is cancelled at the server and the connection must
 * not be used again.
 */
void	pgquery_set_limits(struct pgquery *q, int64_t timeout_us,
	    bool (*cancelled)(void *arg), void *arg);

/*
 * Runs one statement with n text parameters ($1..; NULL is SQL's null).
 * On success *out is the caller's; it may be NULL when no rows matter.
 * ERR_DB_QUERY, ERR_TIMEOUT, ERR_CANCELLED, ERR_DB_CONNECT when the
 * connection was lost.
 */
int	pgquery_run(struct pgquery *q, const char *sql,
	    const char *const *params, int n, struct pgquery_result **out,
	    struct err *e) MUST_CHECK;

/* As pgquery_run(), and it is ERR_DB_QUERY unless one row comes back. */
int	pgquery_run_one(struct pgquery *q, const char *sql,
	    const char *const *params, int n, struct pgquery_result **out,
	    struct err *e) MUST_CHECK;

/* The server's version as a number: 150012. 0 if the session is lost. */
int	pgquery_server_version(const struct pgquery *q);

/* True if the session is (as far as is known) alive. */
bool	pgquery_alive(const struct pgquery *q);

void	pgquery_result_free(struct pgquery_result *r);	/* NULL is fine */
int	pgquery_rows(const struct pgquery_result *r);
int	pgquery_columns(const struct pgquery_result *r);
const char *pgquery_column_name(const struct pgquery_result *r, int column);

/*
 * A field. Text is NULL for SQL's null and stays valid as long as the
 * result; length is that of the text. The typed ones return 0, or
 * ERR_FORMAT with *out unchanged for null and for text of another type.
 */
const char *pgquery_text(const struct pgquery_result *r, int row, int column);
size_t	pgquery_length(const struct pgquery_result *r, int row, int column);
int	pgquery_int64(const struct pgquery_result *r, int row, int column,
	    int64_t *out) MUST_CHECK;
int	pgquery_double(const struct pgquery_result *r, int row, int column,
	    double *out) MUST_CHECK;
int	pgquery_bool(const struct pgquery_result *r, int row, int column,
	    bool *out) MUST_CHECK;

#endif /* COMMON_PGQUERY_H */
