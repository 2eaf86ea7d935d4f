/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/pause.h"

#include "common/log.h"
#include "pooler/client.h"
#include "pooler/maintain.h"
#include "pooler/pooler.h"
#include "pooler/server.h"
#include "pooler/walk.h"

static bool
ends_servers(struct pooler *p)
{
	return atomic_load(&p->shutdown) == SHUTDOWN_WAIT_FOR_SERVERS;
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
pause_apply(struct pooler *p)
{
	bool	all = atomic_load(&p->paused) || atomic_load(&p->holding) ||
	    ends_servers(p);
	bool	any = all;
	struct walk_servers walk = { .match = is_idle_and_held,
	    .act = close_idle, .arg = (void *)(uintptr_t)(ends_servers(p) ?
	    "server shutting down" : "pause mode") };
	struct list_node *n, *tmp;

	pthread_mutex_lock(&p->registry.lock);
	atomic_store(&p->registry.held, all);
	LIST_FOREACH(n, tmp, &p->registry.pools) {
		struct dbpool *pool = container_of(n, struct dbpool, list_node);
		bool	held = !pool->db->admin &&
		    (all || atomic_load(&pool->db->paused));

		any = any || held;
		if (atomic_exchange(&pool->core.held, held) && !held) {
			maintain_pool(p, pool);
			worker_post_serve(p, pool);
		}
	}
	pthread_mutex_unlock(&p->registry.lock);
	if (any)
		workers_call(p, walk_servers, &walk);
}

void
pause_all(struct pooler *p)
{
	atomic_store(&p->paused, true);
	pause_apply(p);
}

void
pause_resume_all(struct pooler *p)
{
	atomic_store(&p->paused, false);
	pause_apply(p);
}

bool
pause_is_done(struct pooler *p, const struct database *db)
{
	struct list_node *n, *tmp;
	bool	done = true;

	pthread_mutex_lock(&p->registry.lock);
	LIST_FOREACH(n, tmp, &p->registry.pools) {
		struct dbpool *pool = container_of(n, struct dbpool, list_node);

		if ((db == NULL || pool->db == db) &&
		    pool_all_servers(&pool->core) > 0)
			done = false;
	}
	pthread_mutex_unlock(&p->registry.lock);
	return done;
}

/* ---- hold ---- */

void
pause_hold(struct pooler *p, uint64_t deadline)
{
	uint64_t now = loop_now(&p->loop);
	int64_t	 timeout = p->config->opt.hold_timeout;

	if (!atomic_exchange(&p->holding, true))
		p->hold.since = now;
	/* Who says HOLD again is alive: those who wait may wait on. */
	p->hold.failing = false;
	p->hold.fail_at = timeout > 0 ? now + (uint64_t)timeout : 0;
	p->hold.end_xacts_at = now + deadline;
	pause_apply(p);
}

void
pause_release(struct pooler *p)
{
	uint64_t now = loop_now(&p->loop);
	uint32_t i;

	/* The clients' time-outs go on where they stood. */
	workers_stop(p);
	for (i = 0; i < p->n_workers; i++) {
		struct list_node *n, *tmp;

		LIST_FOREACH(n, tmp, &p->workers[i].clients)
			client_time_stood(container_of(n, struct client, node),
			    p->hold.since, now);
	}
	atomic_store(&p->holding, false);
	workers_go(p);
	p->hold = (struct hold){ 0 };
	pause_apply(p);
}

static bool
has_server(const struct client *c, void *arg UNUSED)
{
	return c->server != NULL;
}

static void
end_transaction(struct client *c, void *arg UNUSED)
{
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
	struct pooler *p = arg;

	if (ends_servers(p))
		client_fail(c, "server shutting down");
	else
		client_fail_code(c, "57P03", "the pooler has been holding all "
		    "clients for longer than hold_timeout");
}

void
pause_check(struct pooler *p)
{
	uint64_t now = loop_now(&p->loop);
	struct walk_clients end = { .match = has_server,
	    .act = end_transaction };
	struct walk_clients fail = { .match = waits, .act = fail_waiting,
	    .arg = p };

	if (atomic_load(&p->holding)) {
		if (p->hold.end_xacts_at != 0 && now >= p->hold.end_xacts_at &&
		    !pause_is_done(p, NULL))
			workers_call(p, walk_clients, &end);
		if (p->hold.fail_at != 0 && now >= p->hold.fail_at) {
			if (!p->hold.failing)
				log_error("HOLD for longer than hold_timeout: "
				    "waiting clients are disconnected until "
				    "RELEASE");
			p->hold.failing = true;
		}
	}
	if (p->hold.failing || ends_servers(p))
		workers_call(p, walk_clients, &fail);
}
