/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/crew.h"

#include <string.h>

struct thread {
	struct crew	*crew;
	int		(*work)(void *member, struct err *e);
	void		*member;
	pthread_t	 id;
};

void
crew_init(struct crew *c, int threads, bool (*cancelled)(void *), void *arg)
{
	assert(threads > 0);
	memset(c, 0, sizeof(*c));
	c->threads = threads;
	c->cancelled = cancelled;
	c->arg = arg;
	pthread_mutex_init(&c->lock, NULL);
	atomic_init(&c->stop, false);
}

void
crew_release(struct crew *c)
{
	pthread_mutex_destroy(&c->lock);
}

void
crew_fail(struct crew *c, const struct err *e)
{
	pthread_mutex_lock(&c->lock);
	if (c->failure.code == 0)
		c->failure = *e;
	pthread_mutex_unlock(&c->lock);
	atomic_store(&c->stop, true);
}

bool
crew_is_stopped(struct crew *c)
{
	struct err	e = { 0 };

	if (atomic_load(&c->stop))
		return true;
	if (c->cancelled == NULL || !c->cancelled(c->arg))
		return false;
	err_set(&e, ERR_CANCELLED, "cancelled");
	crew_fail(c, &e);
	return true;
}

static void *
thread_main(void *arg)
{
	struct thread	*t = arg;
	struct err	 e = { 0 };

	if (t->work(t->member, &e) != 0)
		crew_fail(t->crew, &e);
	return NULL;
}

int
crew_run(struct crew *c, int (*work)(void *, struct err *), void *members,
    size_t size, struct err *e)
{
	struct thread	*threads;
	struct err	 why = { 0 };
	int		 i, started = 0, errnum;

	threads = calloc((size_t)c->threads, sizeof(*threads));
	if (threads == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < c->threads; i++) {
		threads[i].crew = c;
		threads[i].work = work;
		threads[i].member = (char *)members + (size_t)i * size;
		errnum = pthread_create(&threads[i].id, NULL, thread_main,
		    &threads[i]);
		if (errnum != 0) {
			err_sys(&why, errnum, "cannot start a thread");
			crew_fail(c, &why);
			break;
		}
		started++;
	}
	for (i = 0; i < started; i++)
		pthread_join(threads[i].id, NULL);
	free(threads);
	if (c->failure.code != 0)
		*e = c->failure;
	return c->failure.code;
}
