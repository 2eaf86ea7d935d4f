/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/ahead.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archiver/segment.h"
#include "common/err.h"
#include "common/log.h"

#define ITEMS_MAX	128	/* as far ahead as it looks */
#define RESCAN_MS	1000	/* should an event get lost */

enum item_state { ITEM_WAITING, ITEM_BUSY, ITEM_DONE, ITEM_FAILED };

/* Which file it was. */
struct identity {
	dev_t	dev;
	ino_t	ino;
	off_t	size;
	struct timespec mtime;
};

struct item {
	char		name[SEGMENT_FILE_MAX];
	enum item_state	state;
	struct identity	file;		/* ITEM_DONE */
	bool		seen;		/* by the scan in progress */
};

struct ahead {
	char		pgdata[2048];
	ahead_push	*push;
	void		*arg;
	pthread_mutex_t	lock;
	pthread_cond_t	changed;
	struct item	items[ITEMS_MAX];	/* in order of names */
	size_t		count;
	atomic_bool	stop;
	int		notify;		/* inotify, -1 = only look again */
	pthread_t	watcher;
	pthread_t	*pushers;
	int		started;	/* pushers that run */
	bool		watching;
};

static bool
stopped(void *arg)
{
	return atomic_load(&((struct ahead *)arg)->stop);
}

/* The item of a name, NULL if there is none. Under the lock. */
static struct item *
find(struct ahead *a, const char *name)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		if (strcmp(a->items[i].name, name) == 0)
			return &a->items[i];
	}
	return NULL;
}

/*
 * Adds a name in its place, dropping the last if there is no room; history
 * files sort before the segments of their timeline. Under the lock.
 */
static struct item *
add(struct ahead *a, const char *name)
{
	size_t at = a->count;

	while (at > 0 && strcmp(a->items[at - 1].name, name) > 0)
		at--;
	if (a->count == ITEMS_MAX) {
		if (at == ITEMS_MAX || a->items[ITEMS_MAX - 1].state ==
		    ITEM_BUSY)
			return NULL;
		a->count--;
	}
	memmove(&a->items[at + 1], &a->items[at],
	    (a->count - at) * sizeof(a->items[0]));
	memset(&a->items[at], 0, sizeof(a->items[at]));
	snprintf(a->items[at].name, sizeof(a->items[at].name), "%s", name);
	a->count++;
	return &a->items[at];
}

static void
drop(struct ahead *a, struct item *item)
{
	size_t at = (size_t)(item - a->items);

	a->count--;
	memmove(item, item + 1, (a->count - at) * sizeof(*item));
}

/* "<name>.ready" to name; false for anything else. */
static bool
ready_name(const char *file, char out[SEGMENT_FILE_MAX])
{
	struct segment_name parsed;
	const char	*dot = strstr(file, ".ready");
	size_t		 len = strlen(file);

	if (dot == NULL || strcmp(file + len - 6, ".ready") != 0 ||
	    len - 6 >= SEGMENT_FILE_MAX)
		return false;
	snprintf(out, SEGMENT_FILE_MAX, "%.*s", (int)(len - 6), file);
	return segment_parse(out, &parsed) == 0;
}

static void
scan(struct ahead *a)
{
	char		 path[2200], name[SEGMENT_FILE_MAX];
	struct dirent	*de;
	struct item	*item;
	size_t		 i;
	DIR		*d;

	snprintf(path, sizeof(path), "%s/pg_wal/archive_status", a->pgdata);
	d = opendir(path);
	if (d == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	for (i = 0; i < a->count; i++)
		a->items[i].seen = false;
	while ((de = readdir(d)) != NULL) {
		if (!ready_name(de->d_name, name))
			continue;
		item = find(a, name);
		if (item == NULL)
			item = add(a, name);
		if (item != NULL)
			item->seen = true;
	}
	/* PostgreSQL has its answer for these. */
	for (i = a->count; i-- > 0;) {
		if (!a->items[i].seen && a->items[i].state != ITEM_BUSY)
			drop(a, &a->items[i]);
	}
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	closedir(d);
}

static void *
watch(void *arg)
{
	struct ahead	*a = arg;
	char		 events[4096], path[2200];
	struct pollfd	 p = { a->notify, POLLIN, 0 };
	int		 wd = -1;

	snprintf(path, sizeof(path), "%s/pg_wal/archive_status", a->pgdata);
	while (!atomic_load(&a->stop)) {
		/* The directory comes and goes with the cluster. */
		if (a->notify >= 0)
			wd = inotify_add_watch(a->notify, path,
			    IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
		scan(a);
		if (poll(&p, wd >= 0 ? 1 : 0, RESCAN_MS) > 0 &&
		    read(a->notify, events, sizeof(events)) < 0 &&
		    errno != EAGAIN)
			wd = -1;
	}
	return NULL;
}

static bool
identify(int fd, struct identity *out)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	memset(out, 0, sizeof(*out));
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	out->size = st.st_size;
	out->mtime = st.st_mtim;
	return true;
}

static bool
same_file(const struct identity *a, const struct identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	    a->mtime.tv_sec == b->mtime.tv_sec &&
	    a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* Pushes one file; the result goes to its item. */
static void
push_one(struct ahead *a, const char *name)
{
	struct identity	before, after;
	struct err	e = { 0 };
	struct item	*item;
	char		path[2200];
	bool		ok;
	int		fd;

	snprintf(path, sizeof(path), "%s/pg_wal/%s", a->pgdata, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ok = fd >= 0 && identify(fd, &before) &&
	    a->push(a->arg, path, stopped, a, &e) == 0 &&
	    identify(fd, &after) && same_file(&before, &after);
	if (!ok && e.code != 0 && e.code != ERR_CANCELLED)
		log_warning("pushing %s ahead: %s", name, e.msg);
	if (fd >= 0)
		close(fd);
	pthread_mutex_lock(&a->lock);
	item = find(a, name);
	if (item != NULL) {
		item->state = ok ? ITEM_DONE : ITEM_FAILED;
		if (ok)
			item->file = before;
	}
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

static struct item *
next_waiting(struct ahead *a)
{
	size_t i;

	for (i = 0; i < a->count; i++) {
		if (a->items[i].state == ITEM_WAITING)
			return &a->items[i];
	}
	return NULL;
}

static void *
pusher(void *arg)
{
	struct ahead	*a = arg;
	char		 name[SEGMENT_FILE_MAX];
	struct item	*item;

	pthread_mutex_lock(&a->lock);
	while (!atomic_load(&a->stop)) {
		item = next_waiting(a);
		if (item == NULL) {
			pthread_cond_wait(&a->changed, &a->lock);
			continue;
		}
		item->state = ITEM_BUSY;
		memcpy(name, item->name, sizeof(name));
		pthread_mutex_unlock(&a->lock);
		push_one(a, name);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

/* Waits for a change, 100 ms at most: a cancellation has no condition. */
static void
wait_change(struct ahead *a)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 100000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_cond_timedwait(&a->changed, &a->lock, &t);
}

bool
ahead_claim(struct ahead *a, const char *name, int fd, int64_t timeout_us,
    bool (*cancelled)(void *), void *arg)
{
	struct identity	file;
	struct item	*item;
	struct timespec	now, begin;
	bool		done = false;

	if (!identify(fd, &file))
		return false;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	pthread_mutex_lock(&a->lock);
	while ((item = find(a, name)) != NULL && item->state == ITEM_BUSY) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (cancelled(arg) || (now.tv_sec - begin.tv_sec) * 1000000 >=
		    timeout_us)
			break;
		wait_change(a);
	}
	if (item == NULL)
		item = add(a, name);
	if (item != NULL && item->state != ITEM_BUSY) {
		done = item->state == ITEM_DONE &&
		    same_file(&item->file, &file);
		if (!done)
			item->state = ITEM_BUSY;
	}
	pthread_mutex_unlock(&a->lock);
	return done;
}

void
ahead_release(struct ahead *a, const char *name)
{
	struct item *item;

	pthread_mutex_lock(&a->lock);
	item = find(a, name);
	if (item != NULL && item->state == ITEM_BUSY)
		drop(a, item);
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
}

int
ahead_start(struct ahead **out, const char *pgdata, int threads,
    ahead_push *push, void *arg, struct err *e)
{
	struct ahead *a = calloc(1, sizeof(*a));
	int	      rc = 0;

	if (a != NULL)
		a->pushers = calloc((size_t)threads, sizeof(*a->pushers));
	if (a == NULL || a->pushers == NULL) {
		free(a);
		return err_set(e, ERR_NOMEM, "no memory");
	}
	snprintf(a->pgdata, sizeof(a->pgdata), "%s", pgdata);
	a->push = push;
	a->arg = arg;
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	a->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	while (rc == 0 && a->started < threads) {
		rc = pthread_create(&a->pushers[a->started], NULL, pusher, a);
		a->started += rc == 0;
	}
	if (rc == 0)
		rc = pthread_create(&a->watcher, NULL, watch, a);
	a->watching = rc == 0;
	if (rc != 0) {
		ahead_stop(a);
		return err_sys(e, rc, "cannot start a thread");
	}
	*out = a;
	return 0;
}

void
ahead_stop(struct ahead *a)
{
	int i;

	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	atomic_store(&a->stop, true);
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	for (i = 0; i < a->started; i++)
		pthread_join(a->pushers[i], NULL);
	if (a->watching)
		pthread_join(a->watcher, NULL);
	if (a->notify >= 0)
		close(a->notify);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a->pushers);
	free(a);
}
