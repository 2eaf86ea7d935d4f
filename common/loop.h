/* SPDX-License-Identifier: MIT */
/*
 * loop - what one thread waits for: sockets, deadlines, tasks, work.
 *
 * The outer wait is the poller's; libuv's loop, which brings the thread pool
 * (and whatever else is asked of it), is embedded in it by its descriptor,
 * so that a turn costs one wait and not two. Other threads hand it work with
 * loop_post(); nothing else of a loop may be touched from outside its
 * thread. Objects that callbacks up the stack may still refer to are freed
 * at the end of the turn: loop_free_later().
 * Calling sequence: loop_init() in the thread that prepares it, loop_run()
 * in its own thread until loop_stop(), loop_release() after that.
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base.h"
#include "common/deadline.h"
#include "common/list.h"
#include "common/poller.h"

struct err;
struct loop;

/* A message to a loop; embedded in what it carries. */
struct loop_task {
	struct list_node node;
	void (*fn)(struct loop_task *);	/* in the loop's thread */
};

/* Something to be freed at the end of the turn. */
struct loop_corpse {
	struct list_node node;
	void (*fn)(struct loop_corpse *);
};

/*
 * A computation for the thread pool. `work` runs in a pool thread and may
 * touch nothing but its own struct; `done` runs in the loop's thread.
 */
struct loop_work {
	void	(*work)(struct loop_work *);
	void	(*done)(struct loop_work *);
	struct loop *loop;
	void	*request;	/* libuv's, private */
};

struct loop {
	struct poller	*poller;
	struct deadlines deadlines;
	uint64_t	 now;		/* see loop_now() */
	uint64_t	 busy_us;	/* time spent outside the wait */
	uint64_t	 idle_us;	/* time spent in the wait */
	struct poller_watch uv_watch;
	void		*uv;		/* uv_loop_t, private */
	bool		 uv_ready;
	bool		 stopping;
	size_t		 works;		/* in the thread pool */
	struct list	 corpses;
	pthread_mutex_t	 lock;		/* guards tasks */
	struct list	 tasks;
	atomic_size_t	 n_tasks;	/* in the list; read without the lock */
	void	       (*end_of_turn)(struct loop *);	/* NULL or a hook */
};

/* The poller is made for `io`; the error says why it cannot be had. */
int	 loop_init(struct loop *, enum poller_io io, struct err *) MUST_CHECK;

/* Everything must be closed; posted tasks and corpses are run first. */
void	 loop_release(struct loop *);

/* Turns until loop_stop() was called in a callback or by a task. */
void	 loop_run(struct loop *);
void	 loop_stop(struct loop *);

/* One turn that waits at most max_ms; for tests and special waits. */
void	 loop_turn(struct loop *, int max_ms);

/*
 * Microseconds of the monotonic clock, read once a turn: what happens in one
 * turn happens at one time.
 */
static inline uint64_t
loop_now(const struct loop *l)
{
	return l->now;
}

/* The monotonic clock now, in microseconds; also for other threads. */
uint64_t loop_clock(void);
/* The wall clock in microseconds: for what people read. */
uint64_t loop_wall_clock(void);

/*
 * Has task->fn called in the loop's thread, in the order of posting. From
 * any thread. The task belongs to the loop until then; it may be freed or
 * posted again in fn.
 */
void	 loop_post(struct loop *, struct loop_task *);

/* Calls fn at the end of the turn. Loop's thread only. */
void	 loop_free_later(struct loop *, struct loop_corpse *);

/*
 * Runs w->work in the thread pool, then w->done here. The struct must live
 * until `done`, which always comes, also while the loop ends. Returns 0 or a
 * negative code, and then `done` does not come.
 */
int	 loop_work(struct loop *, struct loop_work *) MUST_CHECK;

/* The version of libuv, for a start-up line. */
const char *loop_library(void);

#endif /* COMMON_LOOP_H */
