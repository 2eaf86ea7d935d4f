/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/loop.h"

#include <string.h>
#include <time.h>
#include <uv.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"

uint64_t
loop_clock(void)
{
	return (uint64_t)clock_us();
}

uint64_t
loop_wall_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void
on_uv_ready(struct poller_watch *w)
{
	container_of(w, struct loop, uv_watch)->uv_ready = true;
}

int
loop_init(struct loop *l, enum poller_io io, struct err *e)
{
	uv_loop_t *uv;
	int	   r;

	memset(l, 0, sizeof(*l));
	list_init(&l->tasks);
	list_init(&l->corpses);
	deadlines_init(&l->deadlines);
	l->now = loop_clock();
	uv = calloc(1, sizeof(*uv));
	if (uv == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r = uv_loop_init(uv);
	if (r != 0) {
		free(uv);
		return err_set(e, r, "cannot make an event loop: %s",
		    uv_strerror(r));
	}
	l->uv = uv;
	l->uv_watch.fd = uv_backend_fd(uv);
	l->uv_watch.fn = on_uv_ready;
	r = poller_new(io, &l->poller);
	if (r == 0)
		r = poller_watch_add(l->poller, &l->uv_watch);
	if (r != 0) {
		poller_free(l->poller);
		(void)uv_loop_close(uv);
		free(uv);
		return err_sys(e, -r, "cannot make an event set");
	}
	pthread_mutex_init(&l->lock, NULL);
	return 0;
}

static void
bury(struct loop *l)
{
	struct list_node *n;

	while ((n = list_pop(&l->corpses)) != NULL) {
		struct loop_corpse *c = container_of(n, struct loop_corpse, node);

		c->fn(c);
	}
}

/* Asked twice a turn, so without the lock; a task that is being posted wakes
 * the wait. */
static bool
have_tasks(const struct loop *l)
{
	return atomic_load(&l->n_tasks) > 0;
}

static void
run_tasks(struct loop *l)
{
	struct list_node *n;
	size_t	left;

	if (!have_tasks(l))
		return;
	/* Only those that are there now, so that a task may post itself. */
	pthread_mutex_lock(&l->lock);
	left = list_count(&l->tasks);
	while (left-- > 0 && (n = list_pop(&l->tasks)) != NULL) {
		struct loop_task *t = container_of(n, struct loop_task, node);

		atomic_fetch_sub(&l->n_tasks, 1);
		pthread_mutex_unlock(&l->lock);
		t->fn(t);
		pthread_mutex_lock(&l->lock);
	}
	pthread_mutex_unlock(&l->lock);
}

void
loop_release(struct loop *l)
{
	uv_loop_t *uv = l->uv;

	do {
		run_tasks(l);
		bury(l);
		(void)uv_run(uv, UV_RUN_NOWAIT);
	} while (l->works > 0 || have_tasks(l));
	bury(l);
	poller_free(l->poller);
	if (uv_loop_close(uv) != 0)
		assert(!"a libuv handle was left open");
	free(uv);
	deadlines_release(&l->deadlines);
	pthread_mutex_destroy(&l->lock);
}

/* When libuv wants to run next; -1 when it has nothing to do. (It says 0
 * itself for a loop without handles, which would make us spin.) */
static int
uv_wait_ms(const struct loop *l)
{
	return uv_loop_alive(l->uv) ? uv_backend_timeout(l->uv) : -1;
}

static int
wait_ms(struct loop *l, int max_ms)
{
	uint64_t next = deadlines_next(&l->deadlines);
	int	 uv_ms = uv_wait_ms(l);
	int	 ms = max_ms;

	if (l->uv_ready || have_tasks(l))
		return 0;
	if (uv_ms >= 0 && (ms < 0 || uv_ms < ms))
		ms = uv_ms;
	if (next != DEADLINE_NEVER) {
		/* Rounded up: waking a little early would spin. */
		uint64_t wait = next <= l->now ? 0 : (next - l->now + 999) / 1000;

		if (ms < 0 || wait < (uint64_t)ms)
			ms = (int)MIN(wait, (uint64_t)INT32_MAX);
	}
	return ms;
}

static void
take_time(void *arg)
{
	struct loop *l = arg;
	uint64_t now = loop_clock();

	l->idle_us += now - l->now;
	l->now = now;
}

void
loop_turn(struct loop *l, int max_ms)
{
	uint64_t before = loop_clock();
	int	 ms;

	l->busy_us += before - l->now;
	l->now = before;
	ms = wait_ms(l, max_ms);
	if (poller_turn(l->poller, ms, take_time, l) != 0)
		log_error("waiting for events failed");
	if (l->uv_ready || uv_wait_ms(l) == 0) {
		l->uv_ready = false;
		(void)uv_run(l->uv, UV_RUN_NOWAIT);
	}
	run_tasks(l);
	deadlines_expire(&l->deadlines, l->now);
	if (l->end_of_turn != NULL)
		l->end_of_turn(l);
	bury(l);
}

void
loop_run(struct loop *l)
{
	while (!l->stopping)
		loop_turn(l, -1);
}

void
loop_stop(struct loop *l)
{
	l->stopping = true;
}

void
loop_post(struct loop *l, struct loop_task *t)
{
	bool first;

	pthread_mutex_lock(&l->lock);
	first = list_empty(&l->tasks);
	list_append(&l->tasks, &t->node);
	atomic_fetch_add(&l->n_tasks, 1);
	pthread_mutex_unlock(&l->lock);
	if (first)
		poller_wake(l->poller);
}

void
loop_free_later(struct loop *l, struct loop_corpse *c)
{
	list_append(&l->corpses, &c->node);
}

/* ---- the thread pool ---- */

static void
in_pool(uv_work_t *request)
{
	struct loop_work *w = request->data;

	w->work(w);
}

static void
after_pool(uv_work_t *request, int status UNUSED)
{
	struct loop_work *w = request->data;

	w->loop->works--;
	free(request);
	w->request = NULL;
	w->done(w);
}

int
loop_work(struct loop *l, struct loop_work *w)
{
	uv_work_t *request = calloc(1, sizeof(*request));
	int	   r;

	if (request == NULL)
		return ERR_NOMEM;
	request->data = w;
	w->loop = l;
	w->request = request;
	r = uv_queue_work(l->uv, request, in_pool, after_pool);
	if (r != 0) {
		free(request);
		return r;
	}
	l->works++;
	/* libuv puts its own descriptors into its set only when it runs. */
	l->uv_ready = true;
	return 0;
}

const char *
loop_library(void)
{
	return uv_version_string();
}
