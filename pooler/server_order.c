/* SPDX-License-Identifier: MIT */
/*
 * What pools decide is carried out here: a server is opened, moved or closed,
 * in this worker or by a message in another's.
 */
#include "common/base.h"
#include "pooler/server.h"

#include "common/log.h"
#include "pooler/worker.h"

static void
on_connect(struct loop_task *t)
{
	struct worker_message *m = container_of(t, struct worker_message,
	    task);

	server_launch(m->to, m->pool);
	worker_message_free(m);
}

static void
post_connect(struct workers *ws, uint32_t to, struct dbpool *pool)
{
	struct worker_message *m = worker_message_new(&ws->all[to], pool,
	    on_connect);

	if (m == NULL)
		pool_connect_failed(&pool->core, loop_clock(), "53200",
		    "out of memory");
	else
		worker_message_post(m);
}

static void
on_ask(struct loop_task *t)
{
	struct worker_message *m = container_of(t, struct worker_message,
	    task);
	struct worker	 *w = m->to;
	struct pool_order o;

	pool_asked(&m->pool->core, w->id, loop_now(&w->loop), &o);
	if (o.idler != NULL)
		server_move(container_of(o.idler, struct server, idler),
		    o.worker);
	else
		server_order(w, m->pool, &o);
	worker_message_free(m);
}

/* Asks worker `to` for an idle server of the pool. */
static void
post_ask(struct workers *ws, uint32_t to, struct dbpool *pool)
{
	struct worker_message *m = worker_message_new(&ws->all[to], pool,
	    on_ask);

	if (m != NULL)
		worker_message_post(m);
}

void
server_order(struct worker *w, struct dbpool *pool, const struct pool_order *o)
{
	if (o->connect) {
		if (o->from_reserve)
			log_warning("taking connection from reserve_pool");
		if (o->worker == w->id || o->worker == POOL_NO_WORKER)
			server_launch(w, pool);
		else
			post_connect(w->peers, o->worker, pool);
	} else if (o->worker != POOL_NO_WORKER) {
		post_ask(w->peers, o->worker, pool);
	}
	if (o->starved)
		shared_kick(w->shared);
}

/* ---- from the control thread ---- */

/* Where a server that nobody waits for is to live: where clients are. */
static uint32_t
busiest_worker(const struct workers *ws)
{
	uint32_t i, best = 0;

	for (i = 1; i < ws->n; i++) {
		if (atomic_load(&ws->all[i].n_clients) >
		    atomic_load(&ws->all[best].n_clients))
			best = i;
	}
	return best;
}

void
server_open_wanted(struct workers *ws, struct dbpool *pool, bool fill,
    uint64_t now)
{
	struct pool_order o;

	for (;;) {
		pool_maintain(&pool->core, fill, now, &o);
		if (!o.connect)
			return;
		if (o.from_reserve)
			log_warning("taking connection from reserve_pool");
		post_connect(ws, o.worker != POOL_NO_WORKER ? o.worker :
		    busiest_worker(ws), pool);
	}
}

static void
on_evict(struct loop_task *t)
{
	struct worker_message *m = container_of(t, struct worker_message,
	    task);
	struct pool_idler *i = pool_take_oldest(&m->pool->core, m->to->id);

	if (i != NULL)
		server_close(container_of(i, struct server, idler),
		    m->reason);
	worker_message_free(m);
}

void
server_post_evict(struct workers *ws, uint32_t to, struct dbpool *pool,
    const char *reason)
{
	struct worker_message *m = worker_message_new(&ws->all[to], pool,
	    on_evict);

	if (m == NULL)
		return;
	m->reason = reason;
	worker_message_post(m);
}

static void
on_serve(struct loop_task *t)
{
	struct worker_message *m = container_of(t, struct worker_message,
	    task);
	struct worker	  *w = m->to;
	struct pool_idler *i;
	size_t		   left = list_count(&w->servers);

	/* Each idle server is offered once more. */
	while (left-- > 0 &&
	    (i = pool_take_oldest(&m->pool->core, w->id)) != NULL)
		server_offer(container_of(i, struct server, idler));
	worker_message_free(m);
}

void
server_post_serve(struct workers *ws, struct dbpool *pool)
{
	uint32_t i;

	for (i = 0; i < ws->n; i++) {
		struct worker_message *m = worker_message_new(&ws->all[i],
		    pool, on_serve);

		if (m != NULL)
			worker_message_post(m);
	}
}
