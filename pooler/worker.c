/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/worker.h"

#include <string.h>

#include "common/err.h"
#include "common/log.h"

/* How long a sample of the load is, and how long it is believed. */
#define SAMPLE_US	100000
#define SAMPLE_OLD_US	500000

const struct options *
worker_options(const struct worker *w)
{
	return &w->shared->config->opt;
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

unsigned
workers_clients(const struct workers *ws)
{
	unsigned n = 0;
	uint32_t i;

	for (i = 0; i < ws->n; i++)
		n += atomic_load(&ws->all[i].n_clients);
	return n;
}

static void
end_of_turn(struct loop *l)
{
	struct worker *w = container_of(l, struct worker, loop);

	if (!list_empty(&w->leaving))
		w->peers->hooks->leave(w);
	sample_load(w);
}

/* ---- life ---- */

static void on_stop(struct loop_task *);

static int
make(struct workers *ws, uint32_t id, struct err *e)
{
	struct worker *w = &ws->all[id];
	int	r;

	w->shared = ws->shared;
	w->peers = ws;
	w->id = id;
	r = loop_init(&w->loop, ws->io, e);
	if (r != 0)
		return r;
	w->loop.end_of_turn = end_of_turn;
	w->sample_at = loop_now(&w->loop);
	w->stop_task.fn = on_stop;
	slab_init(&w->clients_slab, "client_cache", ws->hooks->client_size, 0);
	slab_init(&w->cancels_slab, "cancel_cache", ws->hooks->cancel_size, 0);
	list_init(&w->clients);
	list_init(&w->servers);
	list_init(&w->cancels);
	list_init(&w->freed);
	list_init(&w->leaving);
	ps_table_init(&w->statements, ws->shared->prepared_seed);
	return 0;
}

int
workers_init(struct workers *ws, uint32_t n, enum poller_io io,
    struct shared *shared, const struct worker_hooks *hooks, struct err *e)
{
	int	r = 0;

	memset(ws, 0, sizeof(*ws));
	pthread_mutex_init(&ws->stop_lock, NULL);
	pthread_cond_init(&ws->stop_cond, NULL);
	ws->io = io;
	ws->shared = shared;
	ws->hooks = hooks;
	ws->all = calloc(n, sizeof(*ws->all));
	if (ws->all == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	while (r == 0 && ws->n < n) {
		r = make(ws, ws->n, e);
		if (r == 0)
			ws->n++;
	}
	return r;
}

static void *
run(void *arg)
{
	struct worker *w = arg;

	loop_run(&w->loop);
	return NULL;
}

int
workers_start(struct workers *ws, struct err *e)
{
	for (; ws->started < ws->n; ws->started++) {
		struct worker *w = &ws->all[ws->started];
		int	r = pthread_create(&w->thread, NULL, run, w);

		if (r != 0)
			return err_sys(e, r, "cannot start a thread");
	}
	return 0;
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
workers_call(struct workers *ws, void (*fn)(struct worker *, void *),
    void *arg)
{
	uint32_t i;

	for (i = 0; i < ws->n; i++)
		worker_call(&ws->all[i], fn, arg);
}

/* Closes what there is; the loop ends with the turn. */
static void
end(struct worker *w, void *arg UNUSED)
{
	w->ending = true;
	w->peers->hooks->close_all(w);
	loop_stop(&w->loop);
}

void
workers_end(struct workers *ws)
{
	while (ws->started > 0) {
		struct worker *w = &ws->all[--ws->started];

		worker_call(w, end, NULL);
		pthread_join(w->thread, NULL);
	}
}

void
workers_release(struct workers *ws)
{
	uint32_t i;

	for (i = 0; i < ws->n; i++) {
		struct worker *w = &ws->all[i];

		loop_release(&w->loop);
		random_pool_wipe(&w->randomness);
		hash_release(&w->cancel_keys);
		ps_table_release(&w->statements);
		slab_release(&w->clients_slab);
		slab_release(&w->cancels_slab);
	}
	free(ws->all);
	ws->all = NULL;
	ws->n = 0;
	if (ws->hooks != NULL) {
		pthread_mutex_destroy(&ws->stop_lock);
		pthread_cond_destroy(&ws->stop_cond);
	}
}

/* ---- standing still ---- */

static void
on_stop(struct loop_task *t)
{
	struct workers *ws = container_of(t, struct worker, stop_task)->peers;

	pthread_mutex_lock(&ws->stop_lock);
	ws->stopped++;
	pthread_cond_broadcast(&ws->stop_cond);
	while (ws->stop)
		pthread_cond_wait(&ws->stop_cond, &ws->stop_lock);
	ws->stopped--;
	pthread_cond_broadcast(&ws->stop_cond);
	pthread_mutex_unlock(&ws->stop_lock);
}

void
workers_stop(struct workers *ws)
{
	uint32_t i;

	pthread_mutex_lock(&ws->stop_lock);
	ws->stop = true;
	for (i = 0; i < ws->n; i++)
		loop_post(&ws->all[i].loop, &ws->all[i].stop_task);
	while (ws->stopped < ws->n)
		pthread_cond_wait(&ws->stop_cond, &ws->stop_lock);
	pthread_mutex_unlock(&ws->stop_lock);
}

void
workers_go(struct workers *ws)
{
	pthread_mutex_lock(&ws->stop_lock);
	ws->stop = false;
	pthread_cond_broadcast(&ws->stop_cond);
	/* All must have left before they can be stopped again. */
	while (ws->stopped > 0)
		pthread_cond_wait(&ws->stop_cond, &ws->stop_lock);
	pthread_mutex_unlock(&ws->stop_lock);
}

/* ---- messages ---- */

struct worker_message *
worker_message_new(struct worker *to, struct dbpool *pool,
    void (*fn)(struct loop_task *))
{
	struct worker_message *m = calloc(1, sizeof(*m));

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

void
worker_message_post(struct worker_message *m)
{
	loop_post(&m->to->loop, &m->task);
}

void
worker_message_free(struct worker_message *m)
{
	if (m->pool != NULL)
		dbpool_unref(m->pool);
	free(m->text);
	free(m);
}
