/* SPDX-License-Identifier: MIT */
/*
 * server - one connection to PostgreSQL, from connect to close.
 *
 *	RESOLVE -> CONNECT -> TLS_ASK -> TLS -> LOGIN <-> WORK
 *	                                          |
 *	            TESTED <-> IDLE <-> ACTIVE <--+-- SETUP (connect_query)
 *	                        ^  \       |
 *	                MOVING -+   \      v
 *	                             +-- DRAINING, CANCELLED
 *
 * A server belongs to one worker at a time. IDLE: in its pool's idle list,
 * except between being taken out and its next state. ACTIVE: linked to a
 * client. TESTED: running a check or reset query of ours. CANCELLED: free,
 * but a cancel request for its last query is on its way and must not hit the
 * next one. DRAINING: its client vanished; it is cleaned up and kept.
 * MOVING: handed to another worker, touched by nobody.
 * Login is in server_login.c, its life between clients in server_use.c,
 * relaying in server_relay.c.
 */
#ifndef POOLER_SERVER_H
#define POOLER_SERVER_H

#include "common/base.h"
#include "common/buf.h"
#include "common/deadline.h"
#include "common/list.h"
#include "common/loop.h"
#include "common/stream.h"
#include "pooler/addr.h"
#include "pooler/options.h"
#include "pooler/params.h"
#include "pooler/pool.h"
#include "pooler/prepared.h"
#include "pooler/relay.h"
#include "pooler/requests.h"
#include "pooler/resolver.h"

struct client;
struct dbpool;
struct server_login;
struct worker;
struct workers;

/* X(state, what SHOW prints, what it waits for) */
#define SERVER_STATES(X) \
	X(RESOLVE,	"new",	"the address of its host") \
	X(CONNECT,	"new",	"the connection") \
	X(TLS_ASK,	"new",	"the answer to its SSLRequest") \
	X(TLS,		"new",	"the TLS handshake") \
	X(LOGIN,	"new",	"the end of the login") \
	X(WORK,		"new",	"a computation in the thread pool") \
	X(SETUP,	"new",	"the end of connect_query") \
	X(IDLE,		"idle",	"a client") \
	X(ACTIVE,	"active", "its client or its own answer") \
	X(TESTED,	"tested", "the end of a query of ours") \
	X(CANCELLED,	"being_canceled", "a cancel request to be over") \
	X(DRAINING,	"being_canceled", "the end of a vanished client's work") \
	X(MOVING,	"idle",	"another worker") \
	X(CLOSED,	"closed", "nothing")

enum server_state {
#define X(state, show, waits_for) SERVER_##state,
	SERVER_STATES(X)
#undef X
	SERVER_STATES_
};

/*
 * What keeps a server with its client; server_pin() is the one place that
 * says so, and who would give the server away asks it. Session state that
 * cannot be moved (advisory locks, temporary tables, ...) will be one more
 * reason.
 */
enum server_pin {
	PIN_NONE,
	PIN_MESSAGE,		/* half a message, in either direction */
	PIN_ANSWERS,		/* requests without their answers */
	PIN_BATCH,		/* a Sync is owed */
	PIN_TRANSACTION,
	PIN_SESSION		/* linked for as long as the client stays */
};

/* What is known about a server's unnamed statement. */
enum unnamed_state {
	UNNAMED_NONE,
	UNNAMED_UNKNOWN,
	UNNAMED_IS
};

/* Longest cancel key of a server (protocol 3.0 has 4 bytes). */
#define SERVER_KEY_MAX	256

struct server {
	struct list_node node;		/* worker.servers */
	struct list_node freed_node;	/* worker.freed or .leaving */
	struct stream	 stream;
	struct relay	 relay;		/* its messages, on their way out */
	struct requests	 requests;
	struct deadline	 deadline;
	struct loop_corpse corpse;
	struct loop_task moving;
	struct pool_idler idler;
	struct worker	*worker;
	struct dbpool	*pool;		/* counted */
	struct client	*client;
	struct server_login *login;	/* while logging in */
	struct ps_set	 known;		/* named statements it has */
	struct params	 params;
	enum unnamed_state unnamed_state;
	struct digest	 unnamed;	/* with UNNAMED_IS: which statement, */
	enum ps_trust	 unnamed_trust;	/* and with which settings */
	uint64_t	 id;
	uint64_t	 connect_time;	/* wall clock, microseconds */
	uint64_t	 request_time;
	uint64_t	 born;		/* loop_now() */
	uint64_t	 state_since;
	uint64_t	 quiet_since;	/* when it last became ready */
	uint32_t	 cancels;	/* cancel requests for it under way */
	uint32_t	 pid;		/* of the backend */
	uint32_t	 key_len;
	unsigned char	 key[SERVER_KEY_MAX];
	unsigned	 epoch;		/* of its pool when it was opened */
	struct resolver_address target;	/* where it is connected to */
	struct addr	 addr;
	struct addr	 local;
	enum server_state state;
	enum pool_mode	 mode;		/* of its last client, see below */
	char		 tx;		/* 'I', 'T' or 'E' */
	uint8_t		 ended_why;	/* of the request that Ready ended */
	bool		 copy_in;
	bool		 copy_both;
	bool		 close_needed;
	bool		 lost;		/* its answers make no sense any more */
	bool		 fatal_relayed;	/* the client has heard why it dies */
	bool		 checked;	/* for the client it is given to */
	bool		 forgets;	/* a DEALLOCATE ALL may be under way */
	bool		 renames;	/* ... or a Parse or Close of a name */
	bool		 executes;	/* ... or what may change settings */
	uint32_t	 move_to;	/* MOVING: the worker */
	size_t		 next_address;	/* of those its host has */
	char		*login_error;	/* why the login failed, for clients */
	char		 sqlstate[6];
};

/*
 * Opens a server for a pool, whose place was reserved by an order; takes
 * over the place. Fails asynchronously: the pool is told.
 */
void	server_launch(struct worker *, struct dbpool *);

/* Puts a server to use that has become free: offers it to its pool. */
void	server_offer(struct server *);

/* Links an offered server and a client that wants it; the server may first
 * be tested. */
void	server_give(struct server *, struct client *);

/*
 * Why it may not leave its client. The pool's mode counts as it was when the
 * two were linked: after a reload the client may still rely on its session.
 */
enum server_pin server_pin(const struct server *);

/*
 * It is of another time (RECONNECT, other settings) and can be closed now:
 * idle, or with server_fast_close between two transactions of a session.
 */
bool	server_is_replaceable(const struct server *);
/* And why, for the log and for the session's client. */
#define SERVER_REPLACED "database configuration changed"

/* Its client lets go of it at a transaction's (or session's) end. */
void	server_release(struct server *);
/* Its client vanished, whatever was under way. */
void	server_abandon(struct server *, bool partial_message);

/* Closes it; the reason goes to the log (NULL: nothing does), and to a linked
 * client unless it heard the server's own words. */
void	server_close(struct server *, const char *reason);

/* Sends bytes we made. 0 or a negative code. */
int	server_send(struct server *, const struct buf *) MUST_CHECK;

/* A cancel connection for it came to its end. */
void	server_cancel_over(struct server *);

/* Takes a server that another worker has posted. */
void	server_arrive(struct loop_task *);
/* Hands a free server to another worker, at the end of the turn: the worker
 * calls server_leave_all() then. */
void	server_move(struct server *, uint32_t worker);
void	server_leave_all(struct worker *);

/* What SHOW prints for its state; `now` is loop_now(). Static. */
const char *server_state_show(const struct server *, uint64_t now);
/* Logs one line that begins with what it is: "S-0x...: db/user@addr:port ". */
void	server_log(const struct server *, int level, const char *fmt, ...)
	    PRINTF_LIKE(3, 4);

/* ---- for other files of the server ---- */

/* The one place that changes the state. */
void	server_enter(struct server *, enum server_state);
/* Arms the deadline that the present state wants; also to be called when a
 * time-out was changed. */
void	server_arm(struct server *);
/* Queues a simple query of ours (SKIP) and sends it. False: no memory. */
bool	server_query(struct server *, const char *sql, enum request_why why);

/*
 * server_login.c: the steps of a login, in their order. Each may end with the
 * server closed.
 */
/* Looks its host up; done() hears of it, and asks which server it was for. */
void	server_login_begin(struct server *, resolver_fn *done);
struct resolver *server_login_resolver(struct server *);
/* The server that asked; NULL if it was closed meanwhile (freed then). */
struct server *server_login_of_resolver(struct resolver *);
void	server_login_connected(struct server *);
void	server_login_tls_ready(struct server *);
/* Bytes it has sent, in TLS_ASK and LOGIN. */
void	server_login_data(struct server *, const char *, size_t n);
/* The last one: LOGIN, and connect_query, are over. It is offered. */
void	server_logged_in(struct server *);
/* Drops what only a login needs, whatever step it has come to. */
void	server_login_free(struct server *);

/* server_relay.c */
void	server_relay_init(struct server *);
/* Bytes it has sent: to its client, to us, or a reason to close it. */
void	server_feed(struct server *, struct lent *, const char *, size_t);
/* Frees what a request that has left the queue owns. */
void	server_forget_request(struct request *);
/* Answers FAKE requests whose turn has come. False: the client is gone. */
bool	server_answer_fakes(struct server *);
/* After anything was relayed: lets go of the server if all is done. */
void	server_check_release(struct server *);
/* The client that hears replies: not one that is only waiting for a test. */
static inline struct client *
server_listener(const struct server *s)
{
	return s->state == SERVER_ACTIVE ? s->client : NULL;
}

/* server_statements.c */
/*
 * An error has ended `failed`, which has left the queue: takes out what the
 * server will skip because of it, and makes what is known of the statements
 * what it was before that. False: no memory.
 */
bool	server_undo_dropped(struct server *, const struct request *failed)
	    MUST_CHECK;
/* They are all gone, but for what is still in the queue. False: no memory. */
bool	server_forget_statements(struct server *) MUST_CHECK;
/* The server says that it parses with other settings than before; or it has
 * answered all, and would have said so. */
void	server_settings_told(struct server *, bool changed);

/* server_use.c */
/*
 * The queue is empty but for strays (requests.h): has them resolved by a
 * Close of ours. Only where the client's messages end. False: no memory.
 */
bool	server_resolve(struct server *) MUST_CHECK;
/*
 * Behind a client that vanished: ends its COPY and its batch (sql NULL), or
 * runs a query of ours. False: no memory.
 */
bool	server_clean_up(struct server *, const char *sql) MUST_CHECK;
/* A query of ours in state TESTED, or a step of DRAINING, has succeeded. */
void	server_tested(struct server *, enum request_why why);
void	server_drained(struct server *);
/* It is older than server_lifetime. */
bool	server_lifetime_over(const struct server *);

/* ---- server_order.c: servers as the pools want them ---- */

/* Carries out what a pool decided, except for waiter and idler. In the
 * worker's thread. */
void	server_order(struct worker *, struct dbpool *,
	    const struct pool_order *);
/* Opens what the pool's waiting clients need and its limits allow; with
 * `fill` also what min_pool_size wants. From any thread, as the next two. */
void	server_open_wanted(struct workers *, struct dbpool *, bool fill,
	    uint64_t now);
/* Has worker `to` close its longest idle server of the pool; `reason` is
 * static. */
void	server_post_evict(struct workers *, uint32_t to, struct dbpool *,
	    const char *reason);
/* Has every worker serve those who wait in the pool: after RESUME. */
void	server_post_serve(struct workers *, struct dbpool *);

#endif /* POOLER_SERVER_H */
