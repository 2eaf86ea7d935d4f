/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/pause.h"

#include "common/log.h"
#include "pooler/client.h"
#include "pooler/control.h"
#include "pooler/listen.h"
#include "pooler/server.h"
#include "pooler/walk.h"

static bool
ends_servers(struct control *p)
{
	return atomic_load(&p->shared.shutdown) == SHUTDOWN_WAIT_FOR_SERVERS;
}

/* ---- holding and letting go ---- */

static bool
is_idle_and_held(const struct server *s, void *arg UNUSED)
{
	return s->state == SERVER_IDLE && atomic_load(&s->pool->core.held);
}

static void
close_idle(struct server *s, void *arg)
{
	server_close(s, arg);
}

void
pause_apply(struct control *p)
{
	bool	all = atomic_load(&p->shared.paused) || atomic_load(&p->shared.holding) ||
	    ends_servers(p);
	bool	any = all;
	struct walk_servers walk = { .match = is_idle_and_held,
	    .act = close_idle, .arg = (void *)(uintptr_t)(ends_servers(p) ?
	    "server shutting down" : "pause mode") };
	struct list_node *n, *tmp;

	pthread_mutex_lock(&p->shared.registry.lock);
	atomic_store(&p->shared.registry.held, all);
	LIST_FOREACH(n, tmp, &p->shared.registry.pools) {
		struct dbpool *pool = container_of(n, struct dbpool, list_node);
		bool	held = !pool->db->admin &&
		    (all || atomic_load(&pool->db->paused));

		any = any || held;
		if (atomic_exchange(&pool->core.held, held) && !held) {
			server_open_wanted(&p->workers, pool, false,
			    loop_now(&p->loop));
			server_post_serve(&p->workers, pool);
		}
	}
	pthread_mutex_unlock(&p->shared.registry.lock);
	if (any)
		workers_call(&p->workers, walk_servers, &walk);
}

void
pause_all(struct control *p)
{
	atomic_store(&p->shared.paused, true);
	pause_apply(p);
}

void
pause_resume_all(struct control *p)
{
	atomic_store(&p->shared.paused, false);
	pause_apply(p);
}

bool
pause_is_done(struct control *p, const struct database *db)
{
	struct list_node *n, *tmp;
	bool	done = true;

	pthread_mutex_lock(&p->shared.registry.lock);
	LIST_FOREACH(n, tmp, &p->shared.registry.pools) {
		struct dbpool *pool = container_of(n, struct dbpool, list_node);

		if ((db == NULL || pool->db == db) &&
		    pool_all_servers(&pool->core) > 0)
			done = false;
	}
	pthread_mutex_unlock(&p->shared.registry.lock);
	return done;
}

/* ---- hold ---- */

void
pause_hold(struct control *p, uint64_t deadline)
{
	uint64_t now = loop_now(&p->loop);
	int64_t	 timeout = p->shared.config->opt.hold_timeout;

	if (!atomic_exchange(&p->shared.holding, true))
		p->hold.since = now;
	/* Who says HOLD again is alive: those who wait may wait on. */
	p->hold.failing = false;
	p->hold.fail_at = timeout > 0 ? now + (uint64_t)timeout : 0;
	p->hold.end_xacts_at = now + deadline;
	pause_apply(p);
}

void
pause_release(struct control *p)
{
	uint64_t now = loop_now(&p->loop);
	uint32_t i;

	/* The clients' time-outs go on where they stood. */
	workers_stop(&p->workers);
	for (i = 0; i < p->workers.n; i++) {
		struct list_node *n, *tmp;

		LIST_FOREACH(n, tmp, &p->workers.all[i].clients)
			client_time_stood(container_of(n, struct client, node),
			    p->hold.since, now);
	}
	atomic_store(&p->shared.holding, false);
	workers_go(&p->workers);
	p->hold = (struct hold){ 0 };
	pause_apply(p);
}

static bool
has_server(const struct client *c, void *arg UNUSED)
{
	return c->server != NULL;
}

/* Who waits only for a query of ours waits on, without that server. */
static void
end_transaction(struct client *c, void *arg UNUSED)
{
	if (c->state == CLIENT_LINKING || c->state == CLIENT_AUTH_QUERY) {
		server_close(c->server, "pause mode");
		return;
	}
	client_fail_code(c, "57P01", "terminating connection: the pooler "
	    "holds all clients, and the time for transactions is over");
}

static bool
waits(const struct client *c, void *arg UNUSED)
{
	return c->server == NULL && (c->state == CLIENT_WAITING ||
	    c->state == CLIENT_WELCOME || c->state == CLIENT_AUTH_QUERY);
}

static void
fail_waiting(struct client *c, void *arg)
{
	struct control *p = arg;

	if (ends_servers(p))
		client_fail(c, "server shutting down");
	else
		client_fail_code(c, "57P03", "the pooler has been holding all "
		    "clients for longer than hold_timeout");
}

void
pause_check(struct control *p)
{
	uint64_t now = loop_now(&p->loop);
	struct walk_clients end = { .match = has_server,
	    .act = end_transaction };
	struct walk_clients fail = { .match = waits, .act = fail_waiting,
	    .arg = p };

	if (atomic_load(&p->shared.holding)) {
		if (p->hold.end_xacts_at != 0 && now >= p->hold.end_xacts_at &&
		    !pause_is_done(p, NULL))
			workers_call(&p->workers, walk_clients, &end);
		if (p->hold.fail_at != 0 && now >= p->hold.fail_at) {
			if (!p->hold.failing)
				log_error("HOLD for longer than hold_timeout: "
				    "waiting clients are disconnected until "
				    "RELEASE");
			p->hold.failing = true;
		}
	}
	if (p->hold.failing || ends_servers(p))
		workers_call(&p->workers, walk_clients, &fail);
}

/* ---- the end ---- */

static void
close_tcp(struct worker *w UNUSED, void *arg)
{
	listeners_close_tcp(arg);
}

void
pause_shutdown(struct control *p, enum shutdown_mode mode)
{
	if ((int)mode <= atomic_load(&p->shared.shutdown))
		return;
	atomic_store(&p->shared.shutdown, mode);
	if (mode == SHUTDOWN_IMMEDIATE) {
		loop_stop(&p->loop);
		return;
	}
	worker_call(&p->workers.all[0], close_tcp, p->listeners);
	if (mode == SHUTDOWN_WAIT_FOR_SERVERS)
		pause_apply(p);
	shared_kick(&p->shared);
}
