/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/admin_impl.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "pooler/client.h"
#include "pooler/control.h"
#include "pooler/pause.h"
#include "pooler/reload.h"
#include "pooler/server.h"
#include "pooler/walk.h"

static bool
has_arg(const struct admin_request *r)
{
	return r->words.arg[0] != '\0';
}

static void
log_command(const struct admin_request *r, const char *name)
{
	if (has_arg(r))
		log_info("%s '%s' command issued", name, r->words.arg);
	else
		log_info("%s command issued", name);
}

/*
 * The database of the argument, made from "*" with `make`. NULL: the error
 * was answered; `cannot` is "cannot pause", say.
 */
static struct database *
find_database(struct admin_request *r, bool make, const char *cannot)
{
	struct registry *reg = &r->control->shared.registry;
	struct database *db = make ? registry_database(reg, r->words.arg) :
	    registry_find_database(reg, r->words.arg);

	if (db == NULL) {
		admin_error(r, "no such database: %s", r->words.arg);
		return NULL;
	}
	if (db->admin) {
		admin_error(r, "%s admin db: %s", cannot, r->words.arg);
		return NULL;
	}
	return db;
}

/* ---- PAUSE, RESUME, DISABLE, ENABLE ---- */

static bool
all_paused(struct admin_request *r)
{
	if (!atomic_load(&r->control->shared.paused)) {
		r->failure = "the pause was ended before all servers were "
		    "released";
		return true;
	}
	return pause_is_done(r->control, NULL);
}

static bool
database_paused(struct admin_request *r)
{
	/* Looked up again: it may have been removed meanwhile. */
	struct database *db = registry_find_database(&r->control->shared.registry,
	    r->words.arg);

	if (db == NULL)
		return true;
	if (!atomic_load(&db->paused)) {
		r->failure = "the pause was ended before all servers were "
		    "released";
		return true;
	}
	return pause_is_done(r->control, db);
}

static void
op_pause(struct admin_request *r)
{
	struct database *db;

	if (atomic_load(&r->control->shared.paused)) {
		admin_error(r, "already paused");
		return;
	}
	if (!has_arg(r)) {
		log_command(r, "PAUSE");
		pause_all(r->control);
		admin_wait(r, all_paused, "PAUSE");
		return;
	}
	db = find_database(r, true, "cannot pause");
	if (db == NULL)
		return;
	log_command(r, "PAUSE");
	atomic_store(&db->paused, true);
	pause_apply(r->control);
	admin_wait(r, database_paused, "PAUSE");
}

static void
op_resume(struct admin_request *r)
{
	struct database *db;

	if (atomic_load(&r->control->shared.shutdown) != SHUTDOWN_NONE) {
		admin_error(r, "pooler is shutting down");
		return;
	}
	if (!has_arg(r)) {
		if (!atomic_load(&r->control->shared.paused)) {
			admin_error(r, "pooler is not paused");
			return;
		}
		log_command(r, "RESUME");
		pause_resume_all(r->control);
		admin_done(r, "RESUME");
		return;
	}
	db = find_database(r, false, "cannot resume");
	if (db == NULL)
		return;
	if (!atomic_exchange(&db->paused, false)) {
		admin_error(r, "database %s is not paused", r->words.arg);
		return;
	}
	log_command(r, "RESUME");
	pause_apply(r->control);
	admin_done(r, "RESUME");
}

static void
op_disable(struct admin_request *r)
{
	struct database *db;

	if (!has_arg(r)) {
		admin_error(r, "a database is required");
		return;
	}
	db = find_database(r, true, "cannot disable");
	if (db == NULL)
		return;
	log_command(r, "DISABLE");
	atomic_store(&db->disabled, true);
	admin_done(r, "DISABLE");
}

static void
op_enable(struct admin_request *r)
{
	struct database *db;

	if (!has_arg(r)) {
		admin_error(r, "a database is required");
		return;
	}
	db = find_database(r, false, "cannot enable");
	if (db == NULL)
		return;
	log_command(r, "ENABLE");
	atomic_store(&db->disabled, false);
	admin_done(r, "ENABLE");
}

/* ---- RECONNECT, WAIT_CLOSE ---- */

/* A server of the database (NULL: of any) that is to be replaced. */
static bool
is_outdated(const struct server *s, void *db)
{
	return (db == NULL || s->pool->db == db) && (s->close_needed ||
	    s->epoch != pool_epoch(&s->pool->core));
}

static bool
is_replaceable(const struct server *s, void *db)
{
	return (db == NULL || s->pool->db == db) && server_is_replaceable(s);
}

static void
close_outdated(struct server *s, void *db UNUSED)
{
	server_close(s, SERVER_REPLACED);
}

static void
op_reconnect(struct admin_request *r)
{
	struct control	   *p = r->control;
	struct walk_servers walk = { .match = is_replaceable,
	    .act = close_outdated };
	struct list_node   *n, *tmp;

	if (has_arg(r)) {
		walk.arg = find_database(r, true, "cannot reconnect");
		if (walk.arg == NULL)
			return;
	}
	log_command(r, "RECONNECT");
	pthread_mutex_lock(&p->shared.registry.lock);
	LIST_FOREACH(n, tmp, &p->shared.registry.pools) {
		struct dbpool *pool = container_of(n, struct dbpool, list_node);

		if (walk.arg == NULL || pool->db == walk.arg)
			pool_renew(&pool->core);
	}
	pthread_mutex_unlock(&p->shared.registry.lock);
	workers_call(&p->workers, walk_servers, &walk);
	admin_done(r, "RECONNECT");
}

static bool
all_replaced(struct admin_request *r)
{
	struct walk_servers walk = { .match = is_outdated };

	if (has_arg(r)) {
		walk.arg = registry_find_database(&r->control->shared.registry,
		    r->words.arg);
		if (walk.arg == NULL)
			return true;
	}
	workers_call(&r->control->workers, walk_servers, &walk);
	/* Who is on the way to another worker was seen in neither. */
	return walk.n == 0 && atomic_load(&r->control->shared.moving) == 0;
}

static void
op_wait_close(struct admin_request *r)
{
	if (has_arg(r) && find_database(r, true, "cannot wait in") == NULL)
		return;
	log_command(r, "WAIT_CLOSE");
	admin_wait(r, all_replaced, "WAIT_CLOSE");
}

/* ---- KILL, KILL_CLIENT ---- */

static bool
client_of(const struct client *c, void *db)
{
	return c->db != NULL && !c->db->admin && (db == NULL || c->db == db);
}

static bool
server_of(const struct server *s, void *db)
{
	return db == NULL || s->pool->db == db;
}

static void
kill_client(struct client *c, void *db UNUSED)
{
	client_fail(c, "database removed");
}

static void
kill_server(struct server *s, void *db UNUSED)
{
	server_close(s, "database removed");
}

/* As PgBouncer: each database that is in use is paused by itself. */
static void
pause_used(struct control *p)
{
	struct list_node *n, *tmp;

	pthread_mutex_lock(&p->shared.registry.lock);
	LIST_FOREACH(n, tmp, &p->shared.registry.databases) {
		struct database *db = container_of(n, struct database,
		    list_node);

		if (!db->admin && !list_empty(&db->pools))
			atomic_store(&db->paused, true);
	}
	pthread_mutex_unlock(&p->shared.registry.lock);
}

static void
op_kill(struct admin_request *r)
{
	struct control	   *p = r->control;
	struct database	   *db = NULL;
	struct walk_clients clients = { .match = client_of,
	    .act = kill_client };
	struct walk_servers servers = { .match = server_of,
	    .act = kill_server };

	if (atomic_load(&p->shared.paused)) {
		admin_error(r, "already paused");
		return;
	}
	if (has_arg(r)) {
		db = find_database(r, true, "cannot kill");
		if (db == NULL)
			return;
	}
	log_command(r, "KILL");
	if (db != NULL)
		atomic_store(&db->paused, true);
	else
		pause_used(p);
	pause_apply(p);
	clients.arg = servers.arg = db;
	workers_call(&p->workers, walk_clients, &clients);
	workers_call(&p->workers, walk_servers, &servers);
	admin_done(r, "KILL");
}

static bool
has_id(const struct client *c, void *id)
{
	return c->logged_in && c->id == *(uint64_t *)id;
}

static void
disconnect(struct client *c, void *id UNUSED)
{
	client_fail(c, "admin forced disconnect");
}

static void
op_kill_client(struct admin_request *r)
{
	struct walk_clients walk = { .match = has_id, .act = disconnect };
	uint64_t id;
	int64_t	 n;

	if (text_parse_int(r->words.arg, 10, &n) != 0 || n < 0) {
		admin_error(r, "invalid client pointer supplied");
		return;
	}
	log_command(r, "KILL_CLIENT");
	id = (uint64_t)n;
	walk.arg = &id;
	workers_call(&r->control->workers, walk_clients, &walk);
	if (walk.n == 0)
		admin_error(r, "client not found");
	else
		admin_done(r, "KILL_CLIENT");
}

/* ---- HOLD, RELEASE ---- */

static bool
all_held(struct admin_request *r)
{
	if (!atomic_load(&r->control->shared.holding)) {
		r->failure = "released before all servers were";
		return true;
	}
	return pause_is_done(r->control, NULL);
}

static void
op_hold(struct admin_request *r)
{
	uint64_t deadline = (uint64_t)r->control->shared.config->opt.hold_deadline;
	int64_t	 seconds;

	if (has_arg(r)) {
		if (text_parse_int(r->words.arg, 10, &seconds) != 0 ||
		    seconds < 0 || seconds > INT32_MAX) {
			admin_error(r, "invalid number of seconds: %s",
			    r->words.arg);
			return;
		}
		deadline = (uint64_t)seconds * 1000000;
	}
	/* Repeated each second by who holds for long: said once. */
	if (!atomic_load(&r->control->shared.holding))
		log_command(r, "HOLD");
	pause_hold(r->control, deadline);
	admin_wait(r, all_held, "HOLD");
}

static void
op_release(struct admin_request *r)
{
	if (has_arg(r)) {
		admin_bad_command(r);
	} else if (!atomic_load(&r->control->shared.holding)) {
		admin_error(r, "pooler is not holding");
	} else {
		log_command(r, "RELEASE");
		pause_release(r->control);
		admin_done(r, "RELEASE");
	}
}

/* ---- RELOAD, SET, SHUTDOWN ---- */

static void
op_reload(struct admin_request *r)
{
	struct err e = { 0 };

	if (has_arg(r)) {
		admin_bad_command(r);
		return;
	}
	log_command(r, "RELOAD");
	if (reload_files(r->control, &e) == 0) {
		admin_done(r, "RELOAD");
		return;
	}
	if (e.hint[0] != '\0')
		log_info("%s", e.hint);
	log_error("RELOAD Failed, see logs for more details");
	admin_error_code(r, "F0000", "RELOAD failed, see logs for additional "
	    "details");
}

/* What drivers set at every login, whatever they talk to. */
static bool
is_session_setting(const char *key)
{
	static const char *const names[] = { "client_encoding",
	    "default_transaction_isolation", "standard_conforming_strings",
	    "datestyle", "timezone", "extra_float_digits" };
	size_t	i;

	for (i = 0; i < ARRAY_LEN(names); i++) {
		if (text_equal_nocase(key, names[i]))
			return true;
	}
	return false;
}

void
admin_op_set(struct admin_request *r)
{
	struct admin_words *w = &r->words;
	struct err e = { 0 };
	char	   tag[ADMIN_ARG_MAX + ADMIN_VALUE_MAX + 16];
	int	   rc;

	if (is_session_setting(w->arg)) {
		admin_notice(r, "SET ignored", NULL);
		admin_done(r, "SET");
		return;
	}
	if (!r->ask.full_access) {
		admin_error(r, "admin access needed");
		return;
	}
	rc = reload_set(r->control, w->arg, w->value, &e);
	if (rc != 0 && rc != ERR_TLS) {
		log_warning("%s", e.msg);
		admin_error(r, "SET failed");
		return;
	}
	if (rc == ERR_TLS)
		admin_notice(r, "TLS settings could not be applied, still "
		    "using old configuration", NULL);
	snprintf(tag, sizeof(tag), "SET %s=%s", w->arg, w->value);
	admin_done(r, tag);
}

static void
op_shutdown(struct admin_request *r)
{
	struct control	  *p = r->control;
	const char	  *arg = r->words.arg;
	enum shutdown_mode mode;

	if (!has_arg(r)) {
		log_info("SHUTDOWN command issued");
		pause_shutdown(p, SHUTDOWN_IMMEDIATE);
		admin_hang_up(r);
		return;
	}
	if (text_equal_nocase(arg, "wait_for_servers")) {
		log_info("SHUTDOWN WAIT_FOR_SERVERS command issued");
		mode = SHUTDOWN_WAIT_FOR_SERVERS;
	} else if (text_equal_nocase(arg, "wait_for_clients")) {
		log_info("SHUTDOWN WAIT_FOR_CLIENTS command issued");
		mode = SHUTDOWN_WAIT_FOR_CLIENTS;
	} else {
		admin_bad_command(r);
		return;
	}
	admin_done(r, "SHUTDOWN");
	pause_shutdown(p, mode);
}

/* ---- Ctrl-C ---- */

void
admin_op_cancelled(struct admin_request *r)
{
	/* Who gives up waiting for a pause of everything ends the pause; a
	 * hold stays, because clients must not get on by mistake. */
	if (r->ready == all_paused &&
	    atomic_load(&r->control->shared.shutdown) == SHUTDOWN_NONE)
		pause_resume_all(r->control);
	admin_error_code(r, "57014", "canceling statement due to user "
	    "request");
}

const struct admin_entry admin_ops[] = {
	{ "reload", op_reload, true, "RELOAD" },
	{ "pause", op_pause, true, "PAUSE [<db>]" },
	{ "resume", op_resume, true, "RESUME [<db>]" },
	{ "disable", op_disable, true, "DISABLE <db>" },
	{ "enable", op_enable, true, "ENABLE <db>" },
	{ "reconnect", op_reconnect, true, "RECONNECT [<db>]" },
	{ "kill", op_kill, true, "KILL [<db>]" },
	{ "kill_client", op_kill_client, true, "KILL_CLIENT <client_id>" },
	{ "wait_close", op_wait_close, true, "WAIT_CLOSE [<db>]" },
	{ "hold", op_hold, true, "HOLD [<seconds>]" },
	{ "release", op_release, true, "RELEASE" },
	{ "shutdown", op_shutdown, true,
	    "SHUTDOWN [WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]" },
};
const size_t admin_n_ops = ARRAY_LEN(admin_ops);
