/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/maintain.h"

#include <inttypes.h>

#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "pooler/admin.h"
#include "pooler/control.h"
#include "pooler/deal.h"
#include "pooler/pause.h"
#include "pooler/server.h"

#define TICK_US		333000
/* Kicks come in storms; they are answered together. */
#define KICK_US		5000

struct maintain {
	struct control	*control;
	struct admin	*admin;
	struct deadline	 tick;
	struct loop_task kick;
	atomic_bool	 kicked;
	uint64_t	 full_at;	/* when the next whole round is due */
};

/* ---- pools ---- */

/* min_pool_size is kept up for a forced user, or while there are clients. */
static bool
wants_fill(struct dbpool *pool)
{
	const struct config_db *conf = pool->db->conf;

	if (conf == NULL || pool->core.set.min_size == 0)
		return false;
	return conf->opt.user != NULL ||
	    atomic_load(&pool->refs) > pool_all_servers(&pool->core);
}

/* The longest idle server of another pool that shares the limit goes. */
static void
take_place(struct control *p, struct dbpool *hungry, bool of_user)
{
	struct pool_limit *limit = of_user ? hungry->core.user_limit :
	    hungry->core.db_limit;
	uint64_t	   best = UINT64_MAX;
	struct dbpool	  *victim = NULL;
	uint32_t	   worker = 0;
	struct list_node  *n, *tmp;

	if (limit->max == 0 || atomic_load(&limit->used) < limit->max)
		return;
	LIST_FOREACH(n, tmp, &p->shared.registry.pools) {
		struct dbpool *other = container_of(n, struct dbpool,
		    list_node);
		uint32_t w = 0;
		uint64_t since;

		if (other == hungry || (of_user ? other->core.user_limit :
		    other->core.db_limit) != limit)
			continue;
		since = pool_oldest_idle(&other->core, &w);
		if (since < best) {
			best = since;
			victim = other;
			worker = w;
		}
	}
	if (victim != NULL)
		server_post_evict(&p->workers, worker, victim, of_user ?
		    "evicted for max_user_connections" :
		    "evicted for max_db_connections");
}

static bool
is_starved(struct dbpool *pool)
{
	bool	starved;

	pthread_mutex_lock(&pool->core.lock);
	starved = pool->core.starved && pool->core.waiting > 0;
	pthread_mutex_unlock(&pool->core.lock);
	return starved;
}

/* After pool_size was lowered, or the reserve is no longer needed. */
static void
shrink(struct control *p, struct dbpool *pool)
{
	int	 size = pool->core.set.size;
	uint64_t oldest;
	uint32_t worker = 0;

	if (size == 0 || pool_all_servers(&pool->core) <= size ||
	    pool_waiting(&pool->core, &oldest) > 0)
		return;
	if (pool_oldest_idle(&pool->core, &worker) != UINT64_MAX)
		server_post_evict(&p->workers, worker, pool,
		    "too many servers in the pool");
}

static void
look_after_pools(struct control *p, bool tick)
{
	struct list_node *n, *tmp;

	pthread_mutex_lock(&p->shared.registry.lock);
	LIST_FOREACH(n, tmp, &p->shared.registry.pools) {
		struct dbpool *pool = container_of(n, struct dbpool, list_node);

		if (pool->db->admin || pool->db->conf == NULL)
			continue;
		server_open_wanted(&p->workers, pool,
		    tick && wants_fill(pool), loop_now(&p->loop));
		if (is_starved(pool)) {
			take_place(p, pool, false);
			take_place(p, pool, true);
		}
		if (tick)
			shrink(p, pool);
	}
	pthread_mutex_unlock(&p->shared.registry.lock);
}

/*
 * Pools with a forced user and min_pool_size are there before any client is,
 * with the password of their entry.
 */
static void
make_forced_pool(struct control *p, struct database *db, const char *name)
{
	struct user   *u = registry_user(&p->shared.registry, name);
	struct dbpool *pool = u == NULL ? NULL :
	    registry_pool(&p->shared.registry, db, u);

	if (pool == NULL)
		return;
	dbpool_follow_secret(pool, p->shared.config);
	dbpool_unref(pool);
}

static void
make_forced_pools(struct control *p)
{
	const struct config *c = p->shared.config;
	size_t	i;

	for (i = 0; i < c->n_dbs; i++) {
		const struct config_db *conf = &c->dbs[i];
		struct database *db;

		if (conf->opt.user == NULL || config_min_pool_size(c, conf) == 0)
			continue;
		db = registry_find_database(&p->shared.registry, conf->name);
		if (db != NULL)
			make_forced_pool(p, db, conf->opt.user);
	}
}

/* ---- statistics ---- */

static void
log_stats(const struct stats_sum *a)
{
	log_info("stats: %" PRIu64 " xacts/s, %" PRIu64 " queries/s, %" PRIu64
	    " client parses/s, %" PRIu64 " server parses/s, %" PRIu64
	    " binds/s, %" PRIu64 " client logins/s, in %" PRIu64 " B/s, out %"
	    PRIu64 " B/s, xact %" PRIu64 " us, query %" PRIu64 " us, wait %"
	    PRIu64 " us", a->xact_count, a->query_count,
	    a->client_parse_count, a->server_parse_count, a->bind_count,
	    a->client_login_count, a->received, a->sent, a->xact_time,
	    a->query_time, a->wait_time);
}

static void
read_stats(struct control *p)
{
	struct stats_sum average;

	readings_take(&p->readings, &p->shared.registry, loop_now(&p->loop),
	    &average);
	if (p->shared.config->opt.log_stats)
		log_stats(&average);
}

/* ---- the rest ---- */

static void
sweep(struct control *p)
{
	if (!registry_has_garbage(&p->shared.registry, loop_now(&p->loop)))
		return;
	workers_stop(&p->workers);
	registry_sweep(&p->shared.registry, loop_now(&p->loop));
	workers_go(&p->workers);
}

static void
check_end(struct control *p)
{
	switch ((enum shutdown_mode)atomic_load(&p->shared.shutdown)) {
	case SHUTDOWN_WAIT_FOR_CLIENTS:
		if (workers_clients(&p->workers) > 0)
			return;
		log_info("client connections dropped, exiting");
		break;
	case SHUTDOWN_WAIT_FOR_SERVERS:
		if (!pause_is_done(p, NULL))
			return;
		log_info("server connections dropped, exiting");
		break;
	case SHUTDOWN_NONE:
	case SHUTDOWN_IMMEDIATE:
		return;
	}
	pause_shutdown(p, SHUTDOWN_IMMEDIATE);
}

static void
look_after(struct maintain *m, bool tick)
{
	struct control *p = m->control;
	uint64_t period = (uint64_t)p->shared.config->opt.stats_period *
	    1000000;

	if (tick) {
		make_forced_pools(p);
		deal_forget(p->dealt, p->workers.n);
	}
	look_after_pools(p, tick);
	pause_check(p);
	if (tick) {
		sweep(p);
		if (loop_now(&p->loop) - p->readings.newer_at >= period)
			read_stats(p);
	}
	admin_check(m->admin);
	check_end(p);
}

static void
arm(struct maintain *m, uint64_t after)
{
	struct loop *l = &m->control->loop;

	if (deadline_set(&l->deadlines, &m->tick, loop_now(l) + after) != 0)
		log_error("out of memory: maintenance stops");
}

static void
on_tick(struct deadline *d)
{
	struct maintain *m = container_of(d, struct maintain, tick);
	uint64_t now = loop_now(&m->control->loop);
	bool	 full = now >= m->full_at;

	/* Cleared before looking: a kick after this line comes again. */
	atomic_store(&m->kicked, false);
	if (full)
		m->full_at = now + TICK_US;
	look_after(m, full);
	arm(m, m->full_at - now);
}

static void
on_kick(struct loop_task *t)
{
	arm(container_of(t, struct maintain, kick), KICK_US);
}

/* See shared_kick(). Any thread. */
static void
on_kicked(void *arg)
{
	struct maintain *m = arg;

	if (!atomic_exchange(&m->kicked, true))
		loop_post(&m->control->loop, &m->kick);
}

struct maintain *
maintain_new(struct control *p, struct admin *a)
{
	struct maintain *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->control = p;
	m->admin = a;
	m->tick.fn = on_tick;
	m->kick.fn = on_kick;
	p->readings.newer_at = p->readings.older_at = loop_clock();
	p->shared.kick = on_kicked;
	p->shared.kick_arg = m;
	return m;
}

int
maintain_start(struct maintain *m, struct err *e)
{
	struct loop *l = &m->control->loop;

	if (deadline_set(&l->deadlines, &m->tick, loop_now(l) + 1) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

void
maintain_free(struct maintain *m)
{
	if (m == NULL)
		return;
	deadline_remove(&m->control->loop.deadlines, &m->tick);
	free(m);
}
