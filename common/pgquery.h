/* SPDX-License-Identifier: MIT */
/*
 * pgquery - SQL for control: the archiver's and homelabctl's questions.
 *
 * A thin, blocking layer over libpq in which every call has a deadline and
 * can be given up, whether or not the server still answers (only the look-up
 * of a host's name is libpq's own, and has neither). One connection, one query
 * at a time. Not for the data path of the pooler, and not for large results.
 *
 * Sessions are made predictable at connect: search_path is pg_catalog only,
 * no statement, lock or idle timeout of the server's configuration applies
 * (a backup keeps its session open for hours), times print in ISO and UTC,
 * and TCP keepalives are on.
 *
 * Calling sequence: pgquery_connect(), pgquery_set_limits() where they
 * change, pgquery_run() any number of times, each result to pgquery_result_free(),
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
 * How long a call may take (PGQUERY_NO_TIMEOUT: as long as it takes), and a
 * function that is asked every tenth of a second whether to give up.
 */
struct pgquery_limits {
	int64_t		 timeout_us;
	bool		(*cancelled)(void *arg);	/* may be NULL */
	void		*arg;
};

/*
 * Connects within the limits, which are those of the queries that follow,
 * too. The caller owns *out until pgquery_close(). ERR_DB_CONNECT with
 * libpq's text, ERR_TIMEOUT, ERR_CANCELLED, ERR_NOMEM.
 */
int	pgquery_connect(struct pgquery **out, const struct pgquery_target *t,
	    const struct pgquery_limits *l, struct err *e) MUST_CHECK;

/* Ends the session. NULL is fine. */
void	pgquery_close(struct pgquery *q);

/*
 * Other limits for the queries that follow. The server is told of a query that
 * runs out, and is given a few seconds to hear it; the connection must not be
 * used again.
 */
void	pgquery_set_limits(struct pgquery *q, const struct pgquery_limits *l);

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
