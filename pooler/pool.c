/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/pool.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"

int
pool_init(struct pool *p, uint32_t workers, struct pool_limit *db,
    struct pool_limit *user)
{
	uint32_t i;

	memset(p, 0, sizeof(*p));
	p->share = calloc(workers, sizeof(*p->share));
	if (p->share == NULL)
		return ERR_NOMEM;
	p->n_shares = workers;
	for (i = 0; i < workers; i++) {
		list_init(&p->share[i].idle);
		list_init(&p->share[i].waiting);
	}
	p->db_limit = db;
	p->user_limit = user;
	pthread_mutex_init(&p->lock, NULL);
	return 0;
}

static void
set_starved(struct pool *p, bool starved)
{
	int change = starved ? 1 : -1;

	if (p->starved == starved)
		return;
	p->starved = starved;
	atomic_fetch_add(&p->db_limit->starved, change);
	atomic_fetch_add(&p->user_limit->starved, change);
}

void
pool_release(struct pool *p)
{
	assert(p->servers == 0 && p->waiting == 0);
	set_starved(p, false);
	free(p->last_error);
	free(p->share);
	pthread_mutex_destroy(&p->lock);
}

static void
clear(struct pool_order *o)
{
	memset(o, 0, sizeof(*o));
	o->worker = POOL_NO_WORKER;
}

/* ---- places ---- */

static bool
limit_reserve(struct pool_limit *l)
{
	int used = atomic_load(&l->used);

	/* Never above the maximum, not even for a moment: another thread
	 * that saw it would be refused the place that is free. */
	do {
		if (l->max != 0 && used >= l->max)
			return false;
	} while (!atomic_compare_exchange_weak(&l->used, &used, used + 1));
	return true;
}

static void
limit_give_back(struct pool_limit *l)
{
	atomic_fetch_sub(&l->used, 1);
}

static struct pool_waiter *
oldest_of(const struct pool_share *s)
{
	struct list_node *n = list_first(&s->waiting);

	return n == NULL ? NULL : container_of(n, struct pool_waiter, node);
}

/* The oldest waiter of all shares but `except`. */
static struct pool_waiter *
oldest_elsewhere(struct pool *p, uint32_t except)
{
	struct pool_waiter *best = NULL;
	uint32_t i;

	if (p->waiting == 0)
		return NULL;
	for (i = 0; i < p->n_shares; i++) {
		struct pool_waiter *w = oldest_of(&p->share[i]);

		if (i != except && w != NULL &&
		    (best == NULL || w->since < best->since))
			best = w;
	}
	return best;
}

static bool
room_in_pool(struct pool *p, uint64_t now, bool *from_reserve)
{
	struct pool_waiter *oldest;

	*from_reserve = false;
	if (p->set.size == 0 || p->servers < p->set.size)
		return true;
	if (p->set.reserve_timeout == 0 ||
	    p->servers >= p->set.size + p->set.reserve_size)
		return false;
	oldest = oldest_elsewhere(p, POOL_NO_WORKER);
	/* Another worker's client may be newer than this worker's `now`. */
	*from_reserve = oldest != NULL && now >= oldest->since &&
	    now - oldest->since >= p->set.reserve_timeout;
	return *from_reserve;
}

/* Reserves a place for one more server if `wanted` are wanted. */
static bool
reserve(struct pool *p, size_t wanted, uint64_t now, struct pool_order *o)
{
	size_t at_once = p->proven ? wanted : MIN(wanted, (size_t)1);

	if (p->held || (size_t)p->connecting >= at_once ||
	    (p->retry_at != 0 && now < p->retry_at))
		return false;
	if (!room_in_pool(p, now, &o->from_reserve))
		return false;
	if (!limit_reserve(p->db_limit)) {
		o->starved = !p->starved;
		set_starved(p, true);
		return false;
	}
	if (!limit_reserve(p->user_limit)) {
		limit_give_back(p->db_limit);
		o->starved = !p->starved;
		set_starved(p, true);
		return false;
	}
	set_starved(p, false);
	p->servers++;
	p->connecting++;
	if (o->from_reserve)
		p->reserve_used++;
	o->connect = true;
	return true;
}

static void
give_back(struct pool *p)
{
	assert(p->servers > 0);
	p->servers--;
	limit_give_back(p->db_limit);
	limit_give_back(p->user_limit);
}

/* ---- clients ---- */

static struct pool_idler *
take_idle(struct pool_share *s)
{
	struct list_node *n = list_pop(&s->idle);

	return n == NULL ? NULL : container_of(n, struct pool_idler, node);
}

/*
 * Finds a worker with an idle server that nobody was promised yet. As many
 * are asked for as are idle: else a second waiter would be left alone with
 * the second idle server.
 */
static bool
ask_elsewhere(struct pool *p, uint32_t except, struct pool_order *o)
{
	uint32_t i;

	for (i = 0; i < p->n_shares; i++) {
		struct pool_share *s = &p->share[i];

		if (i != except && list_count(&s->idle) > s->asked) {
			s->asked++;
			o->worker = i;
			return true;
		}
	}
	return false;
}

void
pool_wait(struct pool *p, struct pool_waiter *w, uint32_t worker, uint64_t now,
    struct pool_order *o)
{
	struct pool_share *own = &p->share[worker];

	clear(o);
	pthread_mutex_lock(&p->lock);
	/* Whoever queued before in this worker is served before. */
	if (!p->held && list_empty(&own->waiting)) {
		o->idler = take_idle(own);
		if (o->idler != NULL)
			goto out;
	}
	w->since = now;
	w->worker = worker;
	list_append(&own->waiting, &w->node);
	p->waiting++;
	if (!p->held && !ask_elsewhere(p, worker, o) &&
	    reserve(p, p->waiting, now, o))
		o->worker = worker;
out:
	pthread_mutex_unlock(&p->lock);
}

static void
unqueue(struct pool *p, struct pool_waiter *w)
{
	list_remove(&p->share[w->worker].waiting, &w->node);
	p->waiting--;
	if (p->waiting == 0)
		set_starved(p, false);
}

void
pool_unwait(struct pool *p, struct pool_waiter *w)
{
	pthread_mutex_lock(&p->lock);
	if (list_linked(&w->node))
		unqueue(p, w);
	pthread_mutex_unlock(&p->lock);
}

/* ---- servers ---- */

/* Does another pool want the place more than this one an idle server? */
static bool
place_wanted(const struct pool_limit *l)
{
	return l->max != 0 && atomic_load(&l->starved) > 0 &&
	    atomic_load(&l->used) >= l->max;
}

void
pool_offer(struct pool *p, struct pool_idler *server, uint32_t worker,
    uint64_t now, struct pool_order *o)
{
	struct pool_share  *own = &p->share[worker];
	struct pool_waiter *mine, *other = NULL;

	clear(o);
	pthread_mutex_lock(&p->lock);
	if (!p->held) {
		mine = oldest_of(own);
		if (p->n_shares > 1)
			other = oldest_elsewhere(p, worker);
		if (mine != NULL && (other == NULL ||
		    other->since + p->set.skew >= mine->since)) {
			unqueue(p, mine);
			o->waiter = mine;
			o->idler = server;
			goto out;
		}
		if (other != NULL) {
			o->worker = other->worker;
			o->idler = server;
			goto out;
		}
		if (!p->starved && (place_wanted(p->db_limit) ||
		    place_wanted(p->user_limit))) {
			o->close = true;
			goto out;
		}
	}
	server->since = now;
	if (p->set.round_robin)
		list_append(&own->idle, &server->node);
	else
		list_prepend(&own->idle, &server->node);
out:
	pthread_mutex_unlock(&p->lock);
}

void
pool_asked(struct pool *p, uint32_t worker, uint64_t now, struct pool_order *o)
{
	struct pool_waiter *other;

	clear(o);
	pthread_mutex_lock(&p->lock);
	assert(p->share[worker].asked > 0);
	p->share[worker].asked--;
	other = oldest_elsewhere(p, worker);
	if (other != NULL && !p->held) {
		o->idler = take_idle(&p->share[worker]);
		if (o->idler == NULL && ask_elsewhere(p, other->worker, o))
			goto out;
		if (o->idler != NULL || reserve(p, p->waiting, now, o))
			o->worker = other->worker;
	}
out:
	pthread_mutex_unlock(&p->lock);
}

bool
pool_take(struct pool *p, struct pool_idler *server, uint32_t worker)
{
	bool idle;

	pthread_mutex_lock(&p->lock);
	idle = list_linked(&server->node);
	if (idle)
		list_remove(&p->share[worker].idle, &server->node);
	pthread_mutex_unlock(&p->lock);
	return idle;
}

/* With round robin the longest idle one is used next, else last. */
static struct list_node *
longest_idle(const struct pool *p, const struct pool_share *s)
{
	return p->set.round_robin ? list_first(&s->idle) : list_last(&s->idle);
}

struct pool_idler *
pool_take_oldest(struct pool *p, uint32_t worker)
{
	struct pool_share *s = &p->share[worker];
	struct list_node  *n;

	pthread_mutex_lock(&p->lock);
	n = longest_idle(p, s);
	if (n != NULL)
		list_remove(&s->idle, n);
	pthread_mutex_unlock(&p->lock);
	return n == NULL ? NULL : container_of(n, struct pool_idler, node);
}

uint64_t
pool_oldest_idle(struct pool *p, uint32_t *worker)
{
	uint64_t best = UINT64_MAX;
	uint32_t i;

	pthread_mutex_lock(&p->lock);
	for (i = 0; i < p->n_shares; i++) {
		struct list_node  *n = longest_idle(p, &p->share[i]);
		struct pool_idler *s;

		if (n == NULL)
			continue;
		s = container_of(n, struct pool_idler, node);
		if (s->since < best) {
			best = s->since;
			*worker = i;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return best;
}

void
pool_maintain(struct pool *p, bool fill, uint64_t now, struct pool_order *o)
{
	struct pool_waiter *oldest;
	size_t wanted;

	clear(o);
	pthread_mutex_lock(&p->lock);
	oldest = oldest_elsewhere(p, POOL_NO_WORKER);
	wanted = p->waiting;
	if (oldest == NULL && fill && p->servers < p->set.min_size)
		wanted = (size_t)(p->set.min_size - p->servers) +
		    (size_t)p->connecting;
	if (wanted > 0 && reserve(p, wanted, now, o) && oldest != NULL)
		o->worker = oldest->worker;
	pthread_mutex_unlock(&p->lock);
}

void
pool_connect_failed(struct pool *p, uint64_t now, const char *sqlstate,
    const char *text)
{
	pthread_mutex_lock(&p->lock);
	assert(p->connecting > 0);
	p->connecting--;
	give_back(p);
	p->proven = false;
	p->retry_at = now + p->set.login_retry;
	if (text != NULL) {
		free(p->last_error);
		p->last_error = strdup(text);
		snprintf(p->last_sqlstate, sizeof(p->last_sqlstate), "%s",
		    sqlstate);
	}
	pthread_mutex_unlock(&p->lock);
}

void
pool_connected(struct pool *p, unsigned epoch)
{
	pthread_mutex_lock(&p->lock);
	assert(p->connecting > 0);
	p->connecting--;
	p->current += epoch == atomic_load(&p->epoch);
	p->proven = true;
	p->retry_at = 0;
	free(p->last_error);
	p->last_error = NULL;
	pthread_mutex_unlock(&p->lock);
}

void
pool_server_closed(struct pool *p, unsigned epoch)
{
	pthread_mutex_lock(&p->lock);
	give_back(p);
	p->current -= epoch == atomic_load(&p->epoch);
	assert(p->current >= 0);
	pthread_mutex_unlock(&p->lock);
}

void
pool_renew(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->epoch, 1);
	p->current = 0;
	pthread_mutex_unlock(&p->lock);
}

unsigned
pool_epoch(struct pool *p)
{
	return atomic_load(&p->epoch);
}

bool
pool_failing(struct pool *p, uint64_t now, char *text, size_t size, bool any)
{
	bool failing;

	pthread_mutex_lock(&p->lock);
	failing = p->last_error != NULL && p->servers == 0 &&
	    p->retry_at > now && (any || p->last_sqlstate[0] != '\0');
	if (failing)
		snprintf(text, size, "%s", p->last_error);
	pthread_mutex_unlock(&p->lock);
	return failing;
}

int
pool_all_servers(struct pool *p)
{
	int n;

	pthread_mutex_lock(&p->lock);
	n = p->servers;
	pthread_mutex_unlock(&p->lock);
	return n;
}

int
pool_usable_servers(struct pool *p)
{
	int n;

	pthread_mutex_lock(&p->lock);
	n = p->servers - p->connecting;
	pthread_mutex_unlock(&p->lock);
	return n;
}

int
pool_current_servers(struct pool *p)
{
	int n;

	pthread_mutex_lock(&p->lock);
	n = p->current;
	pthread_mutex_unlock(&p->lock);
	return n;
}

void
pool_forget_failure(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->retry_at = 0;
	pthread_mutex_unlock(&p->lock);
}

size_t
pool_waiting(struct pool *p, uint64_t *oldest)
{
	struct pool_waiter *w;
	size_t n;

	pthread_mutex_lock(&p->lock);
	w = oldest_elsewhere(p, POOL_NO_WORKER);
	*oldest = w == NULL ? UINT64_MAX : w->since;
	n = p->waiting;
	pthread_mutex_unlock(&p->lock);
	return n;
}
