/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/ring.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archiver/ring_plan.h"
#include "archiver/segment.h"
#include "archiver/spool.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"

#define PAUSE_US	INT64_C(30000000)	/* after a full disk */
#define PAUSE_LONG_US	INT64_C(600000000)	/* without a spool file */

enum slot_state {
	SLOT_FREE,
	SLOT_WANTED,		/* waits for a thread */
	SLOT_BUSY,		/* a thread fills it */
	SLOT_READY
};

/* A part of the spool file. */
struct slot {
	enum slot_state	state;
	struct ring_key	key;
	uint64_t	order;		/* the oldest wish first */
	unsigned	readers;	/* that copy it now */
	bool		taken;		/* was handed out */
	atomic_bool	dropped;	/* nobody wants it any more */
	struct ring	*ring;
	struct fetch_result result;
	char		*warnings;	/* NULL: none */
};

struct ring {
	char		dir[2048];
	uint64_t	bytes;
	int		threads;
	ring_fetch	*fetch;
	void		*arg;
	pthread_mutex_t	lock;
	pthread_cond_t	changed;
	atomic_bool	stop;
	struct ring_plan plan;		/* the members below: under lock */
	struct slot	slots[RING_SLOTS_MAX];
	uint32_t	size;		/* of a slot; 0 = nobody asked yet */
	int		spool;		/* -1 = not open */
	pthread_t	*thread;
	int		started;
	uint64_t	order;
	int64_t		used;		/* by the last request */
	bool		spent;		/* the spool file has bytes */
	int64_t		paused;		/* nothing is fetched before */
	struct ring_stats stats;
};

static bool
slot_cancelled(void *arg)
{
	struct slot *s = arg;

	return atomic_load(&s->dropped) || atomic_load(&s->ring->stop);
}

/* --- Slots; under the lock. --- */

static struct slot *
find(struct ring *r, const struct ring_key *key)
{
	unsigned i;

	for (i = 0; i < r->plan.slots; i++) {
		struct slot *s = &r->slots[i];

		if (s->state != SLOT_FREE && !atomic_load(&s->dropped) &&
		    ring_key_equal(&s->key, key))
			return s;
	}
	return NULL;
}

static void
slot_clear(struct slot *s)
{
	s->state = SLOT_FREE;
	s->taken = false;
	atomic_store(&s->dropped, false);
	free(s->warnings);
	s->warnings = NULL;
}

/* Gives up what is not in a window: at once, or when its user is done. */
static void
slot_drop(struct slot *s)
{
	if (s->state == SLOT_FREE)
		return;
	if (s->state == SLOT_BUSY || s->readers > 0) {
		atomic_store(&s->dropped, true);
		return;
	}
	if (s->state == SLOT_READY && !s->taken)
		s->ring->stats.dropped++;
	slot_clear(s);
}

static void
sweep(struct ring *r)
{
	unsigned i;

	for (i = 0; i < r->plan.slots; i++) {
		if (!ring_plan_covers(&r->plan, &r->slots[i].key))
			slot_drop(&r->slots[i]);
	}
}

static bool
in_use(const struct ring *r)
{
	unsigned i;

	for (i = 0; i < r->plan.slots; i++) {
		if (r->slots[i].state == SLOT_BUSY || r->slots[i].readers > 0)
			return true;
	}
	return false;
}

/* Gives everything up after a while without requests. */
static void
drop_idle(struct ring *r)
{
	if (!r->spent || clock_us() - r->used < RING_IDLE_US)
		return;
	ring_plan_forget(&r->plan, INT64_MAX);
	sweep(r);
	if (in_use(r))
		return;
	if (ftruncate(r->spool, 0) != 0)
		log_warning("cannot empty the spool file: %s",
		    strerror(errno));
	r->spent = false;
}

/* --- Fetching. --- */

static struct slot *
next_wanted(struct ring *r)
{
	struct slot *best = NULL;
	unsigned i;

	for (i = 0; i < r->plan.slots; i++) {
		struct slot *s = &r->slots[i];

		if (s->state == SLOT_WANTED &&
		    (best == NULL || s->order < best->order))
			best = s;
	}
	return best;
}

/* Fills a slot that is SLOT_BUSY. Without the lock. */
static int
fill(struct ring *r, struct slot *s, struct buf *warnings, struct err *e)
{
	char	name[SEGMENT_FILE_MAX];
	struct ring_want want = { s->key.system_id, name, r->spool,
	    (uint64_t)(s - r->slots) * r->size, r->size, slot_cancelled, s };

	segment_name_of(name, s->key.tli, s->key.number, r->size);
	return r->fetch(r->arg, &want, &s->result, warnings, e);
}

/* What became of it; under the lock again. */
static void
filled(struct ring *r, struct slot *s, int rc, const struct err *e)
{
	if (rc == 0 && !atomic_load(&s->dropped)) {
		s->state = SLOT_READY;
		r->stats.fetched++;
		return;
	}
	if (!slot_cancelled(s)) {
		r->stats.failed++;
		ring_plan_missing(&r->plan, &s->key);
		/* Not the end of the archive: somebody should know. */
		if (rc != ERR_ABSENT)
			log_warning("fetching WAL ahead: %s", e->msg);
		if (rc == ERR_NOSPACE)
			r->paused = clock_us() + PAUSE_US;
	}
	slot_clear(s);
	sweep(r);
}

static void
wait_until(struct ring *r, int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (ms % 1000) * 1000000L;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_cond_timedwait(&r->changed, &r->lock, &t);
}

static void *
fetcher(void *arg)
{
	struct ring	*r = arg;
	struct slot	*s;
	struct buf	 warnings = { 0 };
	struct err	 e;
	int		 rc;

	pthread_mutex_lock(&r->lock);
	while (!atomic_load(&r->stop)) {
		s = next_wanted(r);
		if (s == NULL) {
			drop_idle(r);
			wait_until(r, 10000);
			continue;
		}
		s->state = SLOT_BUSY;
		r->spent = true;
		pthread_mutex_unlock(&r->lock);
		memset(&e, 0, sizeof(e));
		buf_clear(&warnings);
		rc = fill(r, s, &warnings, &e);
		pthread_mutex_lock(&r->lock);
		if (buf_len(&warnings) > 0)
			s->warnings = strdup(buf_cstr(&warnings));
		filled(r, s, rc, &e);
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
	buf_release(&warnings);
	return NULL;
}

/* --- Shape. --- */

static int
start_threads(struct ring *r)
{
	int rc = 0, n = MIN(r->threads, (int)r->plan.slots);

	if (r->thread == NULL)
		r->thread = calloc((size_t)r->threads, sizeof(*r->thread));
	if (r->thread == NULL)
		return ENOMEM;
	while (rc == 0 && r->started < n) {
		rc = pthread_create(&r->thread[r->started], NULL, fetcher, r);
		r->started += rc == 0;
	}
	return r->started > 0 ? 0 : rc;
}

/* Sets the ring up for segments of this size. Under the lock. */
static bool
shape(struct ring *r, uint32_t size)
{
	struct err e = { 0 };
	unsigned i;

	if (r->size != size) {
		/* Another wal_segment_size: everything begins anew. */
		for (i = 0; i < r->plan.slots; i++)
			slot_drop(&r->slots[i]);
		if (in_use(r))
			return false;
		r->size = size;
		r->plan.count = 0;
		r->plan.slots = (unsigned)MIN(r->bytes / size,
		    (uint64_t)RING_SLOTS_MAX);
		r->stats.slots = r->plan.slots;
	}
	if (r->plan.slots == 0 || clock_us() < r->paused)
		return false;
	if (r->spool < 0)
		r->spool = spool_open(r->dir, &e);
	if (r->spool >= 0 && start_threads(r) == 0)
		return true;
	log_warning("WAL is not fetched ahead: %s", r->spool < 0 ? e.msg :
	    "cannot start a thread");
	r->paused = clock_us() + PAUSE_LONG_US;
	return false;
}

/* --- Requests. --- */

static bool
key_of(const struct ring_request *q, uint32_t size, struct ring_key *out)
{
	struct segment_name name;

	if (segment_parse(q->name, &name) != 0 || name.kind != SEGMENT_FULL)
		return false;
	out->system_id = q->system_id;
	out->tli = name.tli;
	out->number = segment_number(&name, size);
	return true;
}

/* Under the lock, which it leaves for the copy. */
static bool
hand_out(struct ring *r, struct slot *s, const struct ring_request *q,
    struct buf *warnings)
{
	struct err	e = { 0 };
	bool		ok;

	s->readers++;
	pthread_mutex_unlock(&r->lock);
	ok = spool_copy(r->spool, (uint64_t)(s - r->slots) * r->size,
	    s->result.size, &s->result.digest, q->fd, &e) == 0;
	if (!ok)
		log_warning("%s was fetched ahead, and is fetched again: %s",
		    q->name, e.msg);
	pthread_mutex_lock(&r->lock);
	s->readers--;
	if (ok && s->warnings != NULL)
		buf_append_str(warnings, s->warnings);
	r->stats.hits += ok;
	s->taken |= ok;
	if (!ok || atomic_load(&s->dropped))
		slot_drop(s);
	return ok;
}

bool
ring_take(struct ring *r, const struct ring_request *q, struct buf *warnings)
{
	int64_t		end = clock_us() + q->timeout_us;
	struct ring_key	key;
	struct slot	*s = NULL;
	bool		ok = false;

	pthread_mutex_lock(&r->lock);
	r->used = clock_us();
	if (r->size != 0 && key_of(q, r->size, &key))
		s = find(r, &key);
	while (s != NULL && s->state == SLOT_BUSY) {
		if (clock_us() >= end || q->cancelled(q->arg))
			break;
		wait_until(r, 100);
		s = find(r, &key);
	}
	if (s != NULL && s->state == SLOT_READY)
		ok = hand_out(r, s, q, warnings);
	else if (s != NULL && s->state == SLOT_WANTED)
		slot_drop(s);	/* who asks is quicker than the queue */
	pthread_mutex_unlock(&r->lock);
	return ok;
}

/* Wishes for what is in a stream's window. Under the lock. */
static void
wish(struct ring *r, const struct ring_stream *stream)
{
	struct ring_key	key = stream->last;
	uint64_t	end = ring_plan_window_end(&r->plan, stream);
	unsigned	i = 0;

	for (key.number++; key.number < end; key.number++) {
		if (find(r, &key) != NULL)
			continue;
		while (i < r->plan.slots && r->slots[i].state != SLOT_FREE)
			i++;
		if (i == r->plan.slots)
			return;
		r->slots[i].state = SLOT_WANTED;
		r->slots[i].key = key;
		r->slots[i].ring = r;
		r->slots[i].order = r->order++;
	}
}

void
ring_follow(struct ring *r, const struct ring_request *q, uint64_t size)
{
	const struct ring_stream *stream;
	struct ring_key	key;

	if (!segment_size_is_legal(size) || !key_of(q, (uint32_t)size, &key))
		return;
	pthread_mutex_lock(&r->lock);
	r->used = clock_us();
	if (shape(r, (uint32_t)size)) {
		stream = ring_plan_follow(&r->plan, q->reader, &key, r->used);
		sweep(r);
		wish(r, stream);
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
}

void
ring_stats(struct ring *r, struct ring_stats *out)
{
	unsigned i;

	pthread_mutex_lock(&r->lock);
	*out = r->stats;
	out->ready = out->pending = 0;
	for (i = 0; i < r->plan.slots; i++) {
		out->ready += r->slots[i].state == SLOT_READY;
		out->pending += r->slots[i].state == SLOT_WANTED ||
		    r->slots[i].state == SLOT_BUSY;
	}
	pthread_mutex_unlock(&r->lock);
}

/* --- Life. --- */

int
ring_new(struct ring **out, const struct ring_config *c, struct err *e)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "no memory");
	snprintf(r->dir, sizeof(r->dir), "%s", c->dir);
	r->bytes = c->bytes;
	r->threads = c->threads;
	r->fetch = c->fetch;
	r->arg = c->arg;
	r->spool = -1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	*out = r;
	return 0;
}

void
ring_free(struct ring *r)
{
	unsigned i;
	int	 t;

	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	atomic_store(&r->stop, true);
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	for (t = 0; t < r->started; t++)
		pthread_join(r->thread[t], NULL);
	if (r->stats.fetched > 0)
		log_info("%" PRIu64 " segments fetched ahead, %" PRIu64
		    " handed out, %" PRIu64 " not asked for",
		    r->stats.fetched, r->stats.hits, r->stats.dropped);
	for (i = 0; i < r->plan.slots; i++)
		slot_clear(&r->slots[i]);
	if (r->spool >= 0)
		close(r->spool);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->thread);
	free(r);
}
