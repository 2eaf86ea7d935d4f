/* SPDX-License-Identifier: MIT */
/*
 * client - one application connection, from accept to close.
 *
 *	FIRST -> TLS -> FIRST -> AUTH <-> WORK -> (AUTH_QUERY) -> WELCOME
 *	                                                             |
 *	                 COMMAND <-> CONSOLE <- - - - - - - - - - - -+
 *	                      WAITING <-> IDLE <- - - - - - - - - - -+
 *	                      |     \      ^ |
 *	                   REFUSED   v     | v
 *	                          LINKING -> ACTIVE     any -> CLOSED
 *
 * A client belongs to one worker for its life; only that worker's thread
 * touches it. Its state says what it waits for, and is changed in one place
 * (client_enter()). Login is in client_login.c, the relaying of its messages
 * in client_relay.c and client_statements.c. An idle client owns this struct
 * and no buffer.
 * Invariants: `server` is set exactly in LINKING and ACTIVE, and in
 * AUTH_QUERY once it has one; queued in a pool exactly in WAITING and
 * WELCOME, and in AUTH_QUERY before it has a server.
 */
#ifndef POOLER_CLIENT_H
#define POOLER_CLIENT_H

#include "common/base.h"
#include "common/deadline.h"
#include "common/hash.h"
#include "common/list.h"
#include "common/loop.h"
#include "common/stream.h"
#include "pooler/addr.h"
#include "pooler/console.h"
#include "pooler/params.h"
#include "pooler/pool.h"
#include "pooler/prepared.h"
#include "pooler/relay.h"

struct buf;
struct database;
struct dbpool;
struct login;
struct server;
struct user;
struct worker;
struct workers;

/* X(state, what SHOW prints, what it waits for) */
#define CLIENT_STATES(X) \
	X(FIRST,	"login",	"its start-up packet") \
	X(TLS,		"login",	"the TLS handshake") \
	X(AUTH,		"login",	"its password") \
	X(WORK,		"login",	"a computation in the thread pool") \
	X(AUTH_QUERY,	"waiting",	"the answer of auth_query") \
	X(WELCOME,	"waiting",	"the first server of its pool") \
	X(IDLE,		"idle",		"its next query") \
	X(WAITING,	"waiting",	"a free server of the pool") \
	X(LINKING,	"waiting",	"its server to be made ready") \
	X(ACTIVE,	"active",	"its server or its next message") \
	X(REFUSED,	"idle",		"the end of a request we refused") \
	X(CONSOLE,	"idle",		"its next admin command") \
	X(COMMAND,	"idle",		"the end of its admin command") \
	X(CLOSED,	"closed",	"nothing")

enum client_state {
#define X(state, show, waits_for) CLIENT_##state,
	CLIENT_STATES(X)
#undef X
	CLIENT_STATES_
};

/* What every worker keeps of a client between its transactions. */
struct client {
	struct list_node node;		/* worker.clients */
	struct hash_node key_node;	/* worker.cancel_keys */
	struct stream	 stream;
	struct relay	 relay;		/* its messages, on their way in */
	struct deadline	 deadline;
	struct loop_corpse corpse;
	struct pool_waiter waiter;
	struct worker	*worker;
	struct dbpool	*pool;		/* counted; NULL before login */
	struct server	*server;
	struct database	*db;		/* counted in db->clients, or NULL */
	struct user	*user;		/* who logged in; counted, or NULL */
	struct login	*login;		/* while logging in */
	struct buf	*console;	/* the console's command, or NULL */
	struct console_request *command;	/* ... at the control thread */
	struct lent	*kept;		/* received, not yet fed to relay */
	const char	*kept_bytes;
	size_t		 kept_n;
	struct ps_map	 statements;
	struct ps_statement *unnamed;	/* its last Parse "" */
	struct params	 params;
	uint64_t	 id;
	uint64_t	 cancel_key;	/* as sent: pid and secret */
	uint64_t	 connect_time;	/* microseconds of the wall clock */
	uint64_t	 request_time;	/* the same; 0 = none yet */
	uint64_t	 state_since;	/* loop_now() */
	uint64_t	 query_start;	/* loop_now(); 0 = none timed */
	uint64_t	 xact_start;
	struct addr	 addr;
	enum client_state state;
	bool		 admin;		/* console: may change things */
	bool		 logged_in;	/* counted as a login */
	bool		 notified;	/* query_wait_notify was sent */
	bool		 params_sure;	/* a server has accepted the values */
	bool		 feeding;	/* inside relay_feed() */
	bool		 settling;	/* waits for answers; see
					 * client_settled() */
};

/*
 * Takes an accepted socket, which it owns from then on, also on failure
 * (no memory, limits of the process), when it is closed.
 */
void	client_accept(struct worker *, int fd, const struct addr *remote);

/*
 * The pool's verdicts: a server is there; a server refused the pool's login.
 */
void	client_take_server(struct client *, struct server *);
/* What a client in state WELCOME waited for: a server of its pool has said
 * what it is. */
void	client_pool_known(struct client *);
void	client_pool_failed(struct client *, const char *sqlstate,
	    const char *text);

/*
 * Its server is done with it: transaction over (release) or dead. After
 * client_server_lost() the client is closed with that text; NULL text: the
 * server's own words have been relayed.
 */
void	client_unlink(struct client *);
void	client_server_lost(struct client *, const char *text);

/* Tells the client FATAL 08P01 (or the given code) and closes it. */
void	client_fail(struct client *, const char *text);
void	client_fail_code(struct client *, const char *sqlstate,
	    const char *text);
/* Closes it without a word to it; the reason goes to the log. */
void	client_close(struct client *, const char *reason);

/*
 * client_mail.c: messages to a worker's clients. From any thread.
 */

/* A new connection for this worker, whose the socket is from now on. From the
 * first worker's thread. */
void	client_post_accept(struct worker *, int fd, const struct addr *remote);
/* Tells all workers that the pool's login failed, or succeeded for the first
 * time (text NULL): their waiting clients hear it. */
void	client_post_login(struct workers *, struct dbpool *,
	    const char *sqlstate, const char *text);
/* Delivers a cancel request to the worker that owns the key. `fd`, the
 * requester's socket, is closed when the cancel is over. */
void	client_post_cancel(struct workers *, uint64_t key, int fd);

/* The client with this cancel key, or NULL. Worker's thread. */
struct client *client_find_key(struct worker *, uint64_t key);

/*
 * Between `since` and `now` time stood still (HOLD): time-outs of a client
 * that waits, logs in or is idle are put off by that much. Called by the
 * control thread while all workers stand still.
 */
void	client_time_stood(struct client *, uint64_t since, uint64_t now);

/* A cancel request found this client WAITING for a server, or LINKING: its
 * request is answered with an error and passed over. */
void	client_refuse(struct client *);

/* Sends bytes we made; a failure closes the client later. */
void	client_send(struct client *, const struct buf *);

/* For other files of the client: the one place that changes the state. */
void	client_enter(struct client *, enum client_state);
/* client_time.c: arms the deadline that the present state wants; also to be
 * called when a time-out was changed. */
void	client_arm(struct client *);
void	client_on_deadline(struct deadline *);
/* client_console.c: bytes of a console client; it has read what it was told;
 * Ctrl-C; it is closed while its command runs; the ParameterStatus messages
 * that it is welcomed with. */
void	client_console_data(struct client *, const char *bytes, size_t n);
void	client_console_go_on(struct client *);
void	client_console_cancel(struct client *);
void	client_console_gone(struct client *);
void	client_console_welcome(struct buf *out);
/*
 * The first thing after the welcome. `early` are bytes that came behind the
 * login, at most a lent buffer of them: a driver need not wait for
 * ReadyForQuery. They are taken as if they came now; the client may be closed
 * after that. Then it receives.
 */
void	client_logged_in(struct client *, const char *early, size_t n);
/*
 * Goes on receiving, unless it has to wait for something: a server, room for
 * what it sends, or that it reads what it was sent (PostgreSQL reads nothing
 * then, either).
 */
void	client_receive(struct client *);
/*
 * Its next message means one thing or another, depending on answers that are
 * still out: it is held back until they are in. Called after each event of
 * its server.
 */
void	client_settled(struct client *);
/* True while there are such answers. */
bool	client_unsettled(const struct client *);
/* Asks the pool for a server; WAITING or ACTIVE afterwards (or closed). */
void	client_want_server(struct client *);
/* Queues it in its pool, in whatever state; it may have a server at once. */
void	client_wait_in_pool(struct client *);
/* client_relay.c */
void	client_relay_init(struct client *);

/* ---- client_login.c, client_auth.c, client_welcome.c ---- */

/* It has just connected; after this it may be closed, as after each of these. */
void	client_login_begin(struct client *);
void	client_login_tls_ready(struct client *);
/* Bytes it has sent before it was welcomed; `lent` holds them. */
void	client_login_data(struct client *, struct lent *, const char *,
	    size_t n);
/* The server that it waited for is there: asks it auth_query. */
void	client_login_server(struct client *, struct server *);
/* auth_query's reply, message by message; see server_relay.c. */
void	client_login_reply(struct client *, uint8_t type, const char *body,
	    size_t n);
/* auth_query is over and its server released. */
void	client_login_query_done(struct client *);
/* Welcome the client now that its pool is known; CLIENT_IDLE afterwards. */
void	client_welcome(struct client *);
/* Drops what only a login needs, whatever step it has come to. */
void	client_login_free(struct client *);

/* When the login began (loop_now()). */
uint64_t client_login_since(const struct client *);
/* Its time-out comes so many microseconds later. */
void	client_login_put_off(struct client *, uint64_t by);
/* The names it gave at login, "(nodb)" and "(nouser)" before; for log lines. */
const char *client_login_db(const struct client *);
const char *client_login_user(const struct client *);

/* What SHOW CLIENTS prints for a state. Static. */
const char *client_state_show(enum client_state);
/* "C-0x...: db/user@addr:port " for log lines. Returns out. */
char	*client_prefix(const struct client *, char *out, size_t size);
/* Logs one line with the prefix. */
void	client_log(const struct client *, int level, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);

#endif /* POOLER_CLIENT_H */
