/* SPDX-License-Identifier: MIT */
/*
 * admin_impl - what the files of the console share; see admin.h.
 *
 * A handler runs in the control thread and ends in exactly one of: an answer
 * (admin_done(), admin_error(), admin_bad_command(), admin_hang_up()), after
 * which the request is the worker's and may be gone; or admin_wait(), after
 * which its `ready` function is asked now and then.
 */
#ifndef POOLER_ADMIN_IMPL_H
#define POOLER_ADMIN_IMPL_H

#include "common/base.h"
#include "common/list.h"
#include "pooler/admin.h"
#include "pooler/admin_parse.h"
#include "pooler/console.h"
#include "pooler/control.h"

struct admin_request;

typedef void admin_fn(struct admin_request *);
typedef bool admin_ready_fn(struct admin_request *);

struct admin_request {
	struct console_request ask;	/* first: see console.size */
	struct list_node node;		/* admin.waiting */
	struct control	*control;
	struct admin	*admin;
	struct admin_words words;
	admin_ready_fn	*ready;		/* while waiting */
	const char	*tag;		/* ... and for the answer; static */
	const char	*failure;	/* set by ready(): an error it is */
};

/* One line of a table of commands; names are lower case. */
struct admin_entry {
	const char *name;
	admin_fn   *fn;
	bool	    full;		/* needs full access */
	const char *help;		/* NULL: not in SHOW HELP */
};

/* Ends the command: CommandComplete (tag NULL: it is in the answer already,
 * by table_end()), ReadyForQuery. */
void	admin_done(struct admin_request *, const char *tag);

/* An ERROR with 08P01 or another code, which is also logged. */
void	admin_error(struct admin_request *, const char *fmt, ...)
	    PRINTF_LIKE(2, 3);
void	admin_error_code(struct admin_request *, const char *sqlstate,
	    const char *fmt, ...) PRINTF_LIKE(3, 4);
void	admin_bad_command(struct admin_request *);

/* A NOTICE in front of the rest of the answer; detail may be NULL. */
void	admin_notice(struct admin_request *, const char *text,
	    const char *detail);

/* Ends the command and the connection without a word. */
void	admin_hang_up(struct admin_request *);

/* Answers when `ready` says so, now or later: with the tag, or, where
 * `ready` set r->failure, with an error. */
void	admin_wait(struct admin_request *, admin_ready_fn *ready,
	    const char *tag);

/* The commands of admin_show.c and of admin_ops.c, and the set-up of all. */
extern const struct admin_entry admin_shows[];
extern const size_t admin_n_shows;
extern const struct admin_entry admin_ops[];
extern const size_t admin_n_ops;

/* SET key = value, in admin_ops.c. */
void	admin_op_set(struct admin_request *);
/* The wait was cancelled by its client; in admin_ops.c. */
void	admin_op_cancelled(struct admin_request *);

/* Users of the auth file, of [users], and whoever was seen, by name; n of
 * them in an array to be freed, NULL without memory. */
const char **admin_list_users(struct control *, size_t *n) MUST_CHECK;

/* SHOW commands that live in files of their own. */
admin_fn admin_show_stats, admin_show_stats_totals, admin_show_stats_averages,
	 admin_show_totals;
admin_fn admin_show_clients, admin_show_servers, admin_show_sockets,
	 admin_show_active_sockets;
admin_fn admin_show_pools, admin_show_workers, admin_show_lists,
	 admin_show_mem;

#endif /* POOLER_ADMIN_IMPL_H */
