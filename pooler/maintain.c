/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/maintain.h"

#include <inttypes.h>

#include "common/err.h"
#include "common/log.h"
#include "common/loop.h"
#include "pooler/admin.h"
#include "pooler/pause.h"
#include "pooler/pooler.h"
#include "pooler/worker.h"

#define TICK_US		333000
/* Kicks come in storms; they are answered together. */
#define KICK_US		5000

struct maintain {
	struct pooler	*pooler;
	struct deadline	 tick;
	struct loop_task kick;
	atomic_bool	 kicked;
	uint64_t	 full_at;	/* when the next whole round is due */
	uint64_t	 newer_at, older_at;	/* of the readings */
};

/* ---- pools ---- */

/* Where a server that nobody waits for is to live: where clients are. */
static uint32_t
busiest_worker(struct pooler *p)
{
	uint32_t i, best = 0;

	for (i = 1; i < p->n_workers; i++) {
		if (atomic_load(&p->workers[i].n_clients) >
		    atomic_load(&p->workers[best].n_clients))
			best = i;
	}
	return best;
}

static void
open_servers(struct pooler *p, struct dbpool *pool, bool fill)
{
	struct pool_order o;

	for (;;) {
		pool_maintain(&pool->core, fill, loop_now(&p->loop), &o);
		if (!o.connect)
			return;
		if (o.from_reserve)
			log_warning("taking connection from reserve_pool");
		worker_post_connect(p, o.worker != POOL_NO_WORKER ? o.worker :
		    busiest_worker(p), pool);
	}
}

void
maintain_pool(struct pooler *p, struct dbpool *pool)
{
	open_servers(p, pool, false);
}

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
take_place(struct pooler *p, struct dbpool *hungry, bool of_user)
{
	struct pool_limit *limit = of_user ? hungry->core.user_limit :
	    hungry->core.db_limit;
	uint64_t	   best = UINT64_MAX;
	struct dbpool	  *victim = NULL;
	uint32_t	   worker = 0;
	struct list_node  *n, *tmp;

	if (limit->max == 0 || atomic_load(&limit->used) < limit->max)
		return;
	LIST_FOREACH(n, tmp, &p->registry.pools) {
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
		worker_post_evict(p, worker, victim, of_user ?
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
shrink(struct pooler *p, struct dbpool *pool)
{
	int	 size = pool->core.set.size;
	uint64_t oldest;
	uint32_t worker = 0;

	if (size == 0 || pool_all_servers(&pool->core) <= size ||
	    pool_waiting(&pool->core, &oldest) > 0)
		return;
	if (pool_oldest_idle(&pool->core, &worker) != UINT64_MAX)
		worker_post_evict(p, worker, pool,
		    "too many servers in the pool");
}

static void
look_after_pools(struct pooler *p, bool tick)
{
	struct list_node *n, *tmp;

	pthread_mutex_lock(&p->registry.lock);
	LIST_FOREACH(n, tmp, &p->registry.pools) {
		struct dbpool *pool = container_of(n, struct dbpool, list_node);

		if (pool->db->admin || pool->db->conf == NULL)
			continue;
		open_servers(p, pool, tick && wants_fill(pool));
		if (is_starved(pool)) {
			take_place(p, pool, false);
			take_place(p, pool, true);
		}
		if (tick)
			shrink(p, pool);
	}
	pthread_mutex_unlock(&p->registry.lock);
}

/*
 * Pools with a forced user and min_pool_size are there before any client is,
 * with the password of their entry.
 */
static void
make_forced_pool(struct pooler *p, struct database *db, const char *name)
{
	const struct config_secret *s = config_find_secret(p->config, name);
	const char    *secret = db->conf->opt.password;
	struct user   *u = registry_user(&p->registry, name);
	struct dbpool *pool = u == NULL ? NULL :
	    registry_pool(&p->registry, db, u);

	if (pool == NULL)
		return;
	if (secret == NULL && s != NULL)
		secret = s->secret;
	pthread_mutex_lock(&pool->lock);
	if (!pool->have_creds && secret != NULL)
		pool->have_creds =
		    auth_credentials_set(&pool->creds, secret) == 0;
	pthread_mutex_unlock(&pool->lock);
	dbpool_unref(pool);
}

static void
make_forced_pools(struct pooler *p)
{
	const struct config *c = p->config;
	size_t	i;

	for (i = 0; i < c->n_dbs; i++) {
		const struct config_db *conf = &c->dbs[i];
		struct database *db;

		if (conf->opt.user == NULL || config_min_pool_size(c, conf) == 0)
			continue;
		db = registry_find_database(&p->registry, conf->name);
		if (db != NULL)
			make_forced_pool(p, db, conf->opt.user);
	}
}

/* ---- statistics ---- */

void
maintain_read(struct pooler *p, struct database *db, struct stats_sum *out)
{
	struct list_node *n, *tmp;
	uint32_t i;

	*out = db->retired;
	LIST_FOREACH(n, tmp, &db->pools) {
		struct dbpool *pool = container_of(n, struct dbpool, db_node);

		for (i = 0; i < p->n_workers; i++)
			stats_sum_add(out, &pool->stats[i]);
	}
}

uint64_t
maintain_older_at(const struct maintain *m)
{
	return m->older_at;
}

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
read_stats(struct maintain *m)
{
	struct pooler	 *p = m->pooler;
	struct stats_sum  now = { 0 }, then = { 0 }, average;
	struct list_node *n, *tmp;
	uint64_t	  at = loop_now(&p->loop);

	pthread_mutex_lock(&p->registry.lock);
	LIST_FOREACH(n, tmp, &p->registry.databases) {
		struct database *db = container_of(n, struct database,
		    list_node);

		db->older = db->newer;
		maintain_read(p, db, &db->newer);
		stats_sum_plus(&now, &db->newer);
		stats_sum_plus(&then, &db->older);
	}
	pthread_mutex_unlock(&p->registry.lock);
	stats_average(&average, &now, &then, at - m->newer_at);
	m->older_at = m->newer_at;
	m->newer_at = at;
	if (p->config->opt.log_stats)
		log_stats(&average);
}

/* ---- the rest ---- */

static void
sweep(struct pooler *p)
{
	if (!registry_has_garbage(&p->registry, loop_now(&p->loop)))
		return;
	workers_stop(p);
	registry_sweep(&p->registry, loop_now(&p->loop));
	workers_go(p);
}

static void
check_end(struct pooler *p)
{
	switch ((enum shutdown_mode)atomic_load(&p->shutdown)) {
	case SHUTDOWN_WAIT_FOR_CLIENTS:
		if (pooler_clients(p) > 0)
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
	pooler_shutdown(p, SHUTDOWN_IMMEDIATE);
}

static void
look_after(struct maintain *m, bool tick)
{
	struct pooler *p = m->pooler;
	uint64_t period = (uint64_t)p->config->opt.stats_period * 1000000;

	if (tick) {
		make_forced_pools(p);
		pooler_forget_dealt(p);
	}
	look_after_pools(p, tick);
	pause_check(p);
	if (tick) {
		sweep(p);
		if (loop_now(&p->loop) - m->newer_at >= period)
			read_stats(m);
	}
	admin_check(p->admin);
	check_end(p);
}

static void
arm(struct maintain *m, uint64_t after)
{
	struct loop *l = &m->pooler->loop;

	if (deadline_set(&l->deadlines, &m->tick, loop_now(l) + after) != 0)
		log_error("out of memory: maintenance stops");
}

static void
on_tick(struct deadline *d)
{
	struct maintain *m = container_of(d, struct maintain, tick);
	uint64_t now = loop_now(&m->pooler->loop);
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

void
maintain_kick(struct maintain *m)
{
	if (!atomic_exchange(&m->kicked, true))
		loop_post(&m->pooler->loop, &m->kick);
}

struct maintain *
maintain_new(struct pooler *p)
{
	struct maintain *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->pooler = p;
	m->tick.fn = on_tick;
	m->kick.fn = on_kick;
	m->newer_at = m->older_at = loop_clock();
	return m;
}

int
maintain_start(struct maintain *m, struct err *e)
{
	struct loop *l = &m->pooler->loop;

	if (deadline_set(&l->deadlines, &m->tick, loop_now(l) + 1) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

void
maintain_free(struct maintain *m)
{
	if (m == NULL)
		return;
	deadline_remove(&m->pooler->loop.deadlines, &m->tick);
	free(m);
}
