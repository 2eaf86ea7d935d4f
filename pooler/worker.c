/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/worker.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/log.h"
#include "pooler/cancel.h"
#include "pooler/client.h"
#include "pooler/pooler.h"
#include "pooler/server.h"

/* How long a sample of the load is, and how long it is believed. */
#define SAMPLE_US	100000
#define SAMPLE_OLD_US	500000

const struct options *
worker_options(const struct worker *w)
{
	return &w->pooler->config->opt;
}

unsigned
worker_load(const struct worker *w, uint64_t clock)
{
	if (clock > w->sample_at + SAMPLE_OLD_US)
		return 0;
	return atomic_load(&w->busy_permille);
}

static void
sample_load(struct worker *w)
{
	struct loop *l = &w->loop;
	uint64_t since = l->now - w->sample_at;

	if (since < SAMPLE_US)
		return;
	atomic_store(&w->busy_permille,
	    (unsigned)((l->busy_us - w->sample_busy) * 1000 / since));
	w->sample_busy = l->busy_us;
	w->sample_at = l->now;
}

static void
end_of_turn(struct loop *l)
{
	struct worker	 *w = container_of(l, struct worker, loop);
	struct list_node *n;

	while ((n = list_first(&w->leaving)) != NULL)
		server_leave(container_of(n, struct server, freed_node));
	sample_load(w);
}

/* ---- life ---- */

static void on_stop(struct loop_task *);

int
worker_init(struct worker *w, struct pooler *p, uint32_t id, struct err *e)
{
	int r;

	memset(w, 0, sizeof(*w));
	w->pooler = p;
	w->id = id;
	r = loop_init(&w->loop, p->io, e);
	if (r != 0)
		return r;
	w->loop.end_of_turn = end_of_turn;
	w->sample_at = loop_now(&w->loop);
	w->stop_task.fn = on_stop;
	slab_init(&w->clients_slab, "client_cache", sizeof(struct client), 0);
	slab_init(&w->cancels_slab, "cancel_cache", sizeof(struct cancel), 0);
	list_init(&w->clients);
	list_init(&w->servers);
	list_init(&w->cancels);
	list_init(&w->freed);
	list_init(&w->leaving);
	ps_table_init(&w->statements, p->prepared_seed);
	return 0;
}

static void *
run(void *arg)
{
	struct worker *w = arg;

	loop_run(&w->loop);
	return NULL;
}

int
worker_start(struct worker *w, struct err *e)
{
	int r = pthread_create(&w->thread, NULL, run, w);

	return r == 0 ? 0 : err_sys(e, r, "cannot start a thread");
}

/* Closes what there is; the loop ends with the turn. */
static void
end(struct worker *w, void *arg UNUSED)
{
	struct list_node *n, *tmp;

	w->ending = true;
	LIST_FOREACH(n, tmp, &w->clients)
		client_close(container_of(n, struct client, node), NULL);
	while ((n = list_first(&w->cancels)) != NULL)
		cancel_end(container_of(n, struct cancel, node));
	while ((n = list_first(&w->servers)) != NULL)
		server_close(container_of(n, struct server, node), NULL);
	loop_stop(&w->loop);
}

struct call {
	struct loop_task task;
	struct worker	*worker;
	void	       (*fn)(struct worker *, void *);
	void		*arg;
	pthread_mutex_t	 lock;
	pthread_cond_t	 cond;
	bool		 done;
};

static void
on_call(struct loop_task *t)
{
	struct call *c = container_of(t, struct call, task);

	c->fn(c->worker, c->arg);
	pthread_mutex_lock(&c->lock);
	c->done = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
}

void
worker_call(struct worker *w, void (*fn)(struct worker *, void *), void *arg)
{
	struct call c = { .task.fn = on_call, .worker = w, .fn = fn,
	    .arg = arg };

	pthread_mutex_init(&c.lock, NULL);
	pthread_cond_init(&c.cond, NULL);
	loop_post(&w->loop, &c.task);
	pthread_mutex_lock(&c.lock);
	while (!c.done)
		pthread_cond_wait(&c.cond, &c.lock);
	pthread_mutex_unlock(&c.lock);
	pthread_cond_destroy(&c.cond);
	pthread_mutex_destroy(&c.lock);
}

void
workers_call(struct pooler *p, void (*fn)(struct worker *, void *), void *arg)
{
	uint32_t i;

	for (i = 0; i < p->n_workers; i++)
		worker_call(&p->workers[i], fn, arg);
}

void
worker_stop(struct worker *w)
{
	worker_call(w, end, NULL);
	pthread_join(w->thread, NULL);
}

void
worker_release(struct worker *w)
{
	loop_release(&w->loop);
	random_pool_wipe(&w->randomness);
	hash_release(&w->cancel_keys);
	ps_table_release(&w->statements);
	slab_release(&w->clients_slab);
	slab_release(&w->cancels_slab);
}

/* ---- standing still ---- */

static void
on_stop(struct loop_task *t)
{
	struct pooler *p = container_of(t, struct worker, stop_task)->pooler;

	pthread_mutex_lock(&p->stop_lock);
	p->stopped++;
	pthread_cond_broadcast(&p->stop_cond);
	while (p->stop)
		pthread_cond_wait(&p->stop_cond, &p->stop_lock);
	p->stopped--;
	pthread_cond_broadcast(&p->stop_cond);
	pthread_mutex_unlock(&p->stop_lock);
}

void
workers_stop(struct pooler *p)
{
	uint32_t i;

	pthread_mutex_lock(&p->stop_lock);
	p->stop = true;
	for (i = 0; i < p->n_workers; i++)
		loop_post(&p->workers[i].loop, &p->workers[i].stop_task);
	while (p->stopped < p->n_workers)
		pthread_cond_wait(&p->stop_cond, &p->stop_lock);
	pthread_mutex_unlock(&p->stop_lock);
}

void
workers_go(struct pooler *p)
{
	pthread_mutex_lock(&p->stop_lock);
	p->stop = false;
	pthread_cond_broadcast(&p->stop_cond);
	/* All must have left before they can be stopped again. */
	while (p->stopped > 0)
		pthread_cond_wait(&p->stop_cond, &p->stop_lock);
	pthread_mutex_unlock(&p->stop_lock);
}

/* ---- messages ---- */

/* A message about a pool, or about a socket. */
struct message {
	struct loop_task task;
	struct worker	*to;
	struct dbpool	*pool;
	int		 fd;
	uint64_t	 key;
	struct addr	 addr;
	char		 sqlstate[6];
	char		*text;
	const char	*reason;	/* static */
};

static struct message *
message_new(struct worker *to, struct dbpool *pool,
    void (*fn)(struct loop_task *))
{
	struct message *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		log_error("out of memory");
		return NULL;
	}
	m->to = to;
	m->task.fn = fn;
	m->pool = pool;
	m->fd = -1;
	if (pool != NULL)
		dbpool_ref(pool);
	return m;
}

static void
message_free(struct message *m)
{
	if (m->pool != NULL)
		dbpool_unref(m->pool);
	free(m->text);
	free(m);
}

static void
take_accepted(struct worker *w, int fd, const struct addr *remote)
{
	if (w->ending)
		close(fd);
	else
		client_accept(w, fd, remote);
}

static void
on_accept(struct loop_task *t)
{
	struct message *m = container_of(t, struct message, task);

	take_accepted(m->to, m->fd, &m->addr);
	message_free(m);
}

void
worker_accept(struct worker *w, int fd, const struct addr *remote)
{
	struct message *m;

	/* Who accepts keeps its own, without a message to itself. */
	if (w->id == 0) {
		take_accepted(w, fd, remote);
		return;
	}
	m = message_new(w, NULL, on_accept);
	if (m == NULL) {
		close(fd);
		return;
	}
	m->fd = fd;
	m->addr = *remote;
	loop_post(&w->loop, &m->task);
}

static void
on_connect(struct loop_task *t)
{
	struct message *m = container_of(t, struct message, task);

	server_launch(m->to, m->pool);
	message_free(m);
}

void
worker_post_connect(struct pooler *p, uint32_t to, struct dbpool *pool)
{
	struct worker  *w = &p->workers[to];
	struct message *m = message_new(w, pool, on_connect);

	if (m == NULL) {
		pool_connect_failed(&pool->core, loop_clock(), "53200",
		    "out of memory");
		return;
	}
	loop_post(&w->loop, &m->task);
}

static void
on_ask(struct loop_task *t)
{
	struct message	 *m = container_of(t, struct message, task);
	struct worker	 *w = m->to;
	struct pool_order o;

	pool_asked(&m->pool->core, w->id, loop_now(&w->loop), &o);
	if (o.idler != NULL)
		server_move(container_of(o.idler, struct server, idler),
		    o.worker);
	else
		worker_order(w, m->pool, &o);
	message_free(m);
}

/* Asks worker `to` for an idle server of the pool. */
static void
post_ask(struct pooler *p, uint32_t to, struct dbpool *pool)
{
	struct worker  *w = &p->workers[to];
	struct message *m = message_new(w, pool, on_ask);

	if (m != NULL)
		loop_post(&w->loop, &m->task);
}

static void
on_evict(struct loop_task *t)
{
	struct message	  *m = container_of(t, struct message, task);
	struct pool_idler *i = pool_take_oldest(&m->pool->core, m->to->id);

	if (i != NULL)
		server_close(container_of(i, struct server, idler),
		    m->reason);
	message_free(m);
}

void
worker_post_evict(struct pooler *p, uint32_t to, struct dbpool *pool,
    const char *reason)
{
	struct worker  *w = &p->workers[to];
	struct message *m = message_new(w, pool, on_evict);

	if (m == NULL)
		return;
	m->reason = reason;
	loop_post(&w->loop, &m->task);
}

static void
on_login(struct loop_task *t)
{
	struct message *m = container_of(t, struct message, task);
	struct list_node *n, *tmp;

	LIST_FOREACH(n, tmp, &m->to->clients) {
		struct client *c = container_of(n, struct client, node);

		if (c->pool != m->pool)
			continue;
		if (m->text != NULL)
			client_pool_failed(c, m->sqlstate, m->text);
		else if (c->state == CLIENT_WELCOME)
			client_welcome(c);
	}
	message_free(m);
}

void
worker_post_login(struct pooler *p, struct dbpool *pool, const char *sqlstate,
    const char *text)
{
	uint32_t i;

	for (i = 0; i < p->n_workers; i++) {
		struct worker  *w = &p->workers[i];
		struct message *m = message_new(w, pool, on_login);

		if (m == NULL)
			continue;
		if (text != NULL) {
			m->text = strdup(text);
			snprintf(m->sqlstate, sizeof(m->sqlstate), "%s",
			    sqlstate);
		}
		loop_post(&w->loop, &m->task);
	}
}

static void
on_cancel(struct loop_task *t)
{
	struct message *m = container_of(t, struct message, task);

	cancel_request(m->to, m->key, m->fd);
	message_free(m);
}

void
worker_post_cancel(struct pooler *p, uint64_t key, int fd)
{
	/* The first byte of a key is its owner's number. */
	uint32_t owner = (uint32_t)(key >> 56);
	struct message *m = NULL;

	if (owner < p->n_workers)
		m = message_new(&p->workers[owner], NULL, on_cancel);
	if (m == NULL) {
		close(fd);
		return;
	}
	m->key = key;
	m->fd = fd;
	loop_post(&m->to->loop, &m->task);
}

static void
on_serve(struct loop_task *t)
{
	struct message	  *m = container_of(t, struct message, task);
	struct worker	  *w = m->to;
	struct pool_idler *i;
	size_t		   left = list_count(&w->servers);

	/* Each idle server is offered once more. */
	while (left-- > 0 &&
	    (i = pool_take_oldest(&m->pool->core, w->id)) != NULL)
		server_offer(container_of(i, struct server, idler));
	message_free(m);
}

void
worker_post_serve(struct pooler *p, struct dbpool *pool)
{
	uint32_t i;

	for (i = 0; i < p->n_workers; i++) {
		struct worker  *w = &p->workers[i];
		struct message *m = message_new(w, pool, on_serve);

		if (m != NULL)
			loop_post(&w->loop, &m->task);
	}
}

void
worker_order(struct worker *w, struct dbpool *pool, const struct pool_order *o)
{
	if (o->connect) {
		if (o->from_reserve)
			log_warning("taking connection from reserve_pool");
		if (o->worker == w->id || o->worker == POOL_NO_WORKER)
			server_launch(w, pool);
		else
			worker_post_connect(w->pooler, o->worker, pool);
	} else if (o->worker != POOL_NO_WORKER) {
		post_ask(w->pooler, o->worker, pool);
	}
	if (o->starved)
		pooler_kick(w->pooler);
}

struct client *
worker_find_key(struct worker *w, uint64_t key)
{
	struct hash_node *n = hash_first(&w->cancel_keys, key);

	/* Keys are random, and unique in their table. */
	return n == NULL ? NULL : container_of(n, struct client, key_node);
}
