/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archiver/filter_block.h"
#include "archiver/manifest.h"
#include "archiver/pack.h"
#include "archiver/pagemap.h"
#include "archiver/pgcontrol.h"
#include "common/crc32c.h"
#include "common/err.h"

/* Bytes of maps, and runs of files without, that are planned at a time. */
#define BATCH_MAPS	((size_t)4 << 20)
#define BATCH_RUNS	((size_t)100000)
/* A gap up to this is read along rather than asked around. */
#define GAP_MAX		((uint64_t)256 << 10)

/* One run to be fetched and written. */
struct item {
	const struct manifest_file *file;
	const char	*backup;
	uint64_t	 offset;	/* in the pack */
	uint64_t	 at;		/* in the file */
	uint32_t	 pack;
	uint32_t	 stored;
	uint32_t	 len;		/* plain bytes */
	uint32_t	 seq;		/* position in the batch, file by file */
	bool		 kept;
	struct digest	 digest;
};

/* The runs of one file in a batch. */
struct span {
	const struct manifest_file *file;
	struct pagemap	 map;		/* owns the labels that items name */
	size_t		 first;		/* seq */
	size_t		 count;
};

struct state {
	struct unpack_job *job;
	const struct manifest_file **order;	/* files, as batches take them */
	size_t		 order_count, order_next;
	struct item	*items;
	size_t		 item_count, item_room;
	struct span	*spans;
	size_t		 span_count, span_room;
	uint32_t	*crcs;		/* by seq */
	pthread_mutex_t	 lock;		/* next, failure; report() */
	size_t		 next;
	struct err	 failure;
	atomic_bool	 stop;
};

struct worker {
	struct state	*s;
	pthread_t	 thread;
	void		(*step)(struct worker *, size_t from, size_t to);
	unsigned char	*fetched;	/* PACK_SIZE, or more for one run */
	size_t		 fetched_room;
	unsigned char	*plain;		/* PAGEMAP_RUN */
	const struct manifest_file *open;
	int		 fd;
};

static void
fail(struct state *s, const struct err *e)
{
	pthread_mutex_lock(&s->lock);
	if (s->failure.code == 0)
		s->failure = *e;
	pthread_mutex_unlock(&s->lock);
	atomic_store(&s->stop, true);
}

/* Damage: the end of a restore, a line in a verification. */
static void
damaged(struct state *s, const struct manifest_file *f, const struct err *e)
{
	if (s->job->target != NULL || s->job->report == NULL ||
	    e->code == ERR_CANCELLED || e->code == ERR_NOMEM) {
		fail(s, e);
		return;
	}
	pthread_mutex_lock(&s->lock);
	s->job->report(s->job->arg, f, e);
	pthread_mutex_unlock(&s->lock);
}

static bool
is_stopped(struct state *s)
{
	struct err	e = { 0 };

	if (atomic_load(&s->stop))
		return true;
	if (s->job->cancelled == NULL || !s->job->cancelled(s->job->arg))
		return false;
	err_set(&e, ERR_CANCELLED, "cancelled");
	fail(s, &e);
	return true;
}

static int
compare_labels(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

/* Files without bytes, of one run, with a map; each as they lie in packs. */
static int
compare_files(const void *x, const void *y)
{
	const struct manifest_file *a = *(const struct manifest_file *const *)x;
	const struct manifest_file *b = *(const struct manifest_file *const *)y;
	int	c;

	if (a->where != b->where)
		return (int)a->where - (int)b->where;
	c = compare_labels(a->backup, b->backup);
	if (c != 0)
		return c;
	if (a->pack != b->pack)
		return a->pack < b->pack ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static int
compare_items(const void *x, const void *y)
{
	const struct item *a = x, *b = y;
	int	c = compare_labels(a->backup, b->backup);

	if (c != 0)
		return c;
	if (a->pack != b->pack)
		return a->pack < b->pack ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

static void *
grow(void *array, size_t count, size_t *room, size_t size)
{
	size_t	want = *room == 0 ? 256 : *room * 2;
	void	*p;

	if (count < *room)
		return array;
	p = realloc(array, want * size);
	if (p != NULL)
		*room = want;
	return p;
}

static struct span *
add_span(struct state *s, const struct manifest_file *f)
{
	struct span	*p = grow(s->spans, s->span_count, &s->span_room,
	    sizeof(*p));

	if (p == NULL)
		return NULL;
	s->spans = p;
	p += s->span_count++;
	memset(p, 0, sizeof(*p));
	p->file = f;
	p->first = s->item_count;
	return p;
}

static struct item *
add_item(struct state *s, struct span *span)
{
	struct item	*p = grow(s->items, s->item_count, &s->item_room,
	    sizeof(*p));

	if (p == NULL)
		return NULL;
	s->items = p;
	p += s->item_count;
	memset(p, 0, sizeof(*p));
	p->file = span->file;
	p->seq = (uint32_t)s->item_count++;
	span->count++;
	return p;
}

/* A file whose place is in the manifest itself. */
static int
plan_simple(struct state *s, const struct manifest_file *f, struct err *e)
{
	struct span	*span = add_span(s, f);
	struct item	*item;

	if (span == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (f->where == MANIFEST_EMPTY)
		return 0;
	if (f->size == 0 || f->size > PAGEMAP_RUN || f->stored == 0 ||
	    f->stored > BLOCK_STORED_MAX)
		return err_set(e, ERR_FORMAT,
		    "%s: the manifest names an impossible run", f->path);
	item = add_item(s, span);
	if (item == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	item->backup = f->backup;
	item->pack = f->pack;
	item->offset = f->offset;
	item->stored = (uint32_t)f->stored;
	item->len = (uint32_t)f->size;
	item->digest = f->digest;
	return 0;
}

/* The map of a file, n bytes as stored, becomes items. */
static int
plan_map(struct state *s, const struct manifest_file *f, const void *bytes,
    struct err *e)
{
	const struct pagemap_run *run;
	struct digest	d;
	struct span	*span;
	struct item	*item;
	uint64_t	at = 0;
	size_t		i;
	int		rc;

	digest_of(NULL, bytes, f->stored, &d);
	if (!digest_equal(&d, &f->map_digest)) {
		return err_set(e, ERR_CHECKSUM,
		    "%s: its block map (pack %u, offset %llu) is damaged",
		    f->path, f->pack, (unsigned long long)f->offset);
	}
	span = add_span(s, f);
	if (span == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = pagemap_decode(&span->map, bytes, f->stored, e);
	if (rc != 0)
		return err_wrap(e, "%s", f->path);
	for (i = 0; i < span->map.count; i++) {
		run = &span->map.runs[i];
		at = run->first * PAGEMAP_PAGE;
		if (run->skip != 0) {
			return err_set(e, ERR_NOT_YET, "%s: maps of incremental"
			    " backups cannot be restored yet", f->path);
		}
		if (at >= f->size)
			break;
		item = add_item(s, span);
		if (item == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
		item->backup = run->backup == PAGEMAP_OWN ? f->backup :
		    span->map.backups[run->backup];
		item->pack = run->pack;
		item->offset = run->offset;
		item->stored = run->stored;
		item->at = at;
		item->len = (uint32_t)MIN(f->size - at,
		    (uint64_t)run->pages * PAGEMAP_PAGE);
		memcpy(item->digest.bytes, run->digest, DIGEST_LEN);
		at += item->len;
	}
	if (at != f->size) {
		return err_set(e, ERR_FORMAT,
		    "%s: its block map ends before the file does", f->path);
	}
	return 0;
}

/* Maps that lie side by side are read in one request. */
static int
plan_maps(struct state *s, struct err *e)
{
	const struct manifest_file **f = s->order + s->order_next;
	size_t		 left = s->order_count - s->order_next, n = 0, i;
	uint64_t	 start = f[0]->offset, end = start;
	unsigned char	*bytes;
	struct err	 damage = { 0 };
	int		 rc;

	while (n < left && compare_labels(f[n]->backup, f[0]->backup) == 0 &&
	    f[n]->pack == f[0]->pack && f[n]->offset <= end + GAP_MAX &&
	    (n == 0 || f[n]->offset + f[n]->stored - start <= BATCH_MAPS)) {
		end = MAX(end, f[n]->offset + f[n]->stored);
		n++;
	}
	s->order_next += n;
	bytes = malloc((size_t)(end - start) + 1);
	if (bytes == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = s->job->fetch(s->job->arg, f[0]->backup, f[0]->pack, start,
	    (size_t)(end - start), bytes, &damage);
	for (i = 0; i < n; i++) {
		if (rc == 0) {
			err_set(&damage, 0, "%s", "");
			if (plan_map(s, f[i], bytes + (f[i]->offset - start),
			    &damage) == 0)
				continue;
		}
		damaged(s, f[i], &damage);
		if (atomic_load(&s->stop))
			break;
	}
	free(bytes);
	return 0;
}

static void
clear_batch(struct state *s)
{
	size_t	i;

	for (i = 0; i < s->span_count; i++)
		pagemap_release(&s->spans[i].map);
	s->span_count = 0;
	s->item_count = 0;
	free(s->crcs);
	s->crcs = NULL;
}

/* Fills the next batch; false in *more when there was nothing left. */
static int
plan_batch(struct state *s, bool *more, struct err *e)
{
	const struct manifest_file *f;
	struct err	damage = { 0 };

	clear_batch(s);
	*more = s->order_next < s->order_count;
	if (!*more)
		return 0;
	if (s->order[s->order_next]->where == MANIFEST_MAP)
		return plan_maps(s, e);
	while (s->order_next < s->order_count && s->span_count < BATCH_RUNS) {
		f = s->order[s->order_next];
		if (f->where == MANIFEST_MAP)
			break;
		s->order_next++;
		if (plan_simple(s, f, &damage) != 0)
			damaged(s, f, &damage);
	}
	return 0;
}

static int
open_file(struct worker *w, const struct manifest_file *f, int flags,
    struct err *e)
{
	char	path[MANIFEST_PATH_MAX];

	if (w->open == f)
		return 0;
	if (w->fd >= 0)
		close(w->fd);
	w->open = NULL;
	w->fd = -1;
	if ((size_t)snprintf(path, sizeof(path), "%s/%s", w->s->job->target,
	    f->path) >= sizeof(path))
		return err_set(e, ERR_LIMIT, "%s: path too long", f->path);
	w->fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd < 0)
		return err_sys(e, errno, "%s", path);
	w->open = f;
	return 0;
}

static int
write_at(int fd, const unsigned char *p, size_t n, uint64_t offset)
{
	ssize_t	k;

	while (n > 0) {
		k = pwrite(fd, p, n, (off_t)offset);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return errno;
		if (k == 0)
			return ENOSPC;
		p += k;
		n -= (size_t)k;
		offset += (uint64_t)k;
	}
	return 0;
}

/* Delta: marks the runs that the target has already. */
static void
step_compare(struct worker *w, size_t from, size_t to)
{
	struct state	*s = w->s;
	struct item	*item;
	struct digest	d;
	ssize_t		n;
	size_t		i;

	for (i = from; i < to; i++) {
		item = &s->items[i];
		if (open_file(w, item->file, O_RDONLY, NULL) != 0)
			continue;
		n = pread(w->fd, w->plain, item->len, (off_t)item->at);
		if (n < 0 || (size_t)n != item->len)
			continue;
		digest_of(NULL, w->plain, item->len, &d);
		item->kept = digest_equal(&d, &item->digest);
		if (!item->kept)
			continue;
		s->crcs[item->seq] = crc32c(0, w->plain, item->len);
		atomic_fetch_add(&s->job->done, item->len);
		atomic_fetch_add(&s->job->kept, item->len);
	}
}

/* Expands, checks and writes one run. */
static int
place_item(struct worker *w, const struct item *item,
    const unsigned char *stored, struct err *e)
{
	struct state	*s = w->s;
	struct digest	d;
	int		rc, errnum;

	rc = block_unpack(stored, item->stored, w->plain, item->len, e);
	if (rc == 0) {
		digest_of(NULL, w->plain, item->len, &d);
		if (!digest_equal(&d, &item->digest))
			rc = err_set(e, ERR_CHECKSUM, "wrong digest");
	}
	if (rc != 0) {
		err_wrap(e, "%s: bytes %llu to %llu are damaged in the "
		    "repository (pack %u, offset %llu)", item->file->path,
		    (unsigned long long)item->at,
		    (unsigned long long)(item->at + item->len - 1),
		    item->pack, (unsigned long long)item->offset);
		e->code = ERR_CHECKSUM;
		return e->code;
	}
	s->crcs[item->seq] = crc32c(0, w->plain, item->len);
	atomic_fetch_add(&s->job->done, item->len);
	if (s->job->target == NULL)
		return 0;
	rc = open_file(w, item->file, O_WRONLY | O_CREAT, e);
	if (rc != 0)
		return rc;
	errnum = write_at(w->fd, w->plain, item->len, item->at);
	if (errnum != 0)
		return err_sys(e, errnum, "%s", item->file->path);
	return 0;
}

/* Fetches the runs of one request, which are of one pack. */
static void
step_fetch(struct worker *w, size_t from, size_t to)
{
	struct state	*s = w->s;
	const struct item *first = &s->items[from];
	uint64_t	 end = first->offset;
	struct err	 e = { 0 };
	unsigned char	*p;
	size_t		 i, n;
	int		 rc;

	for (i = from; i < to; i++) {
		end = MAX(end, s->items[i].offset + s->items[i].stored);
	}
	n = (size_t)(end - first->offset);
	if (n > w->fetched_room) {
		p = realloc(w->fetched, n);
		if (p == NULL) {
			err_set(&e, ERR_NOMEM, "out of memory");
			fail(s, &e);
			return;
		}
		w->fetched = p;
		w->fetched_room = n;
	}
	rc = s->job->fetch(s->job->arg, first->backup, first->pack,
	    first->offset, n, w->fetched, &e);
	for (i = from; i < to && !atomic_load(&s->stop); i++) {
		if (rc != 0 || place_item(w, &s->items[i], w->fetched +
		    (s->items[i].offset - first->offset), &e) != 0)
			damaged(s, s->items[i].file, &e);
	}
}

/* Size, mode and time of the batch's files, and those without a byte. */
static void
step_finish(struct worker *w, size_t from, size_t to)
{
	const struct manifest_file *f;
	struct timespec	times[2] = { { 0, 0 }, { 0, 0 } };
	struct err	e = { 0 };
	size_t		i;

	for (i = from; i < to; i++) {
		f = w->s->spans[i].file;
		if (open_file(w, f, O_WRONLY | O_CREAT, &e) != 0) {
			fail(w->s, &e);
			return;
		}
		times[0].tv_sec = times[1].tv_sec = f->mtime;
		if (ftruncate(w->fd, (off_t)f->size) != 0 ||
		    fchmod(w->fd, f->mode) != 0 ||
		    futimens(w->fd, times) != 0) {
			err_sys(&e, errno, "%s", f->path);
			fail(w->s, &e);
			return;
		}
	}
}

/* The end of the piece that starts at `from`. */
static size_t
piece_end(const struct worker *w, size_t from)
{
	const struct state *s = w->s;
	const struct item *first = &s->items[from], *item;
	uint64_t	end;
	size_t		i;

	if (w->step == step_finish)
		return MIN(from + 64, s->span_count);
	if (w->step == step_compare)
		return MIN(from + 64, s->item_count);
	end = first->offset + first->stored;
	for (i = from + 1; i < s->item_count; i++) {
		item = &s->items[i];
		if (compare_labels(item->backup, first->backup) != 0 ||
		    item->pack != first->pack || item->offset > end + GAP_MAX ||
		    item->offset + item->stored - first->offset > PACK_SIZE)
			break;
		end = MAX(end, item->offset + item->stored);
	}
	return i;
}

static void *
worker_main(void *arg)
{
	struct worker	*w = arg;
	struct state	*s = w->s;
	size_t		 from, to, count;

	count = w->step == step_finish ? s->span_count : s->item_count;
	while (!is_stopped(s)) {
		pthread_mutex_lock(&s->lock);
		from = s->next;
		to = from < count ? piece_end(w, from) : from;
		s->next = to;
		pthread_mutex_unlock(&s->lock);
		if (from == to)
			break;
		w->step(w, from, to);
	}
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->open = NULL;
	return NULL;
}

/* Runs a step over the whole batch on all threads. */
static void
run_step(struct worker *workers, void (*step)(struct worker *, size_t, size_t))
{
	struct state	*s = workers->s;
	struct err	e = { 0 };
	int		i, started = 0, errnum;

	s->next = 0;
	for (i = 0; i < s->job->threads; i++) {
		workers[i].step = step;
		errnum = pthread_create(&workers[i].thread, NULL, worker_main,
		    &workers[i]);
		if (errnum != 0) {
			err_sys(&e, errnum, "cannot start a thread");
			fail(s, &e);
			break;
		}
		started++;
	}
	for (i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
}

/* Takes the kept runs out, and puts the others as they lie in packs. */
static void
sort_items(struct state *s)
{
	size_t	from, to = 0;

	for (from = 0; from < s->item_count; from++) {
		if (!s->items[from].kept)
			s->items[to++] = s->items[from];
	}
	s->item_count = to;
	if (to > 0)
		qsort(s->items, to, sizeof(*s->items), compare_items);
}

/* The CRC of each file from those of its runs. */
static void
combine_crcs(const struct state *s, const uint32_t *lengths)
{
	const struct manifest *m = s->job->manifest;
	const struct span *span;
	uint32_t	crc;
	size_t		i, j;

	for (i = 0; i < s->span_count; i++) {
		span = &s->spans[i];
		crc = 0;
		for (j = span->first; j < span->first + span->count; j++)
			crc = crc32c_combine(crc, s->crcs[j], lengths[j]);
		s->job->crcs[span->file - m->files] = crc;
	}
}

static int
run_batch(struct state *s, struct worker *workers, struct err *e)
{
	uint32_t	*lengths;
	size_t		 i;

	lengths = malloc((s->item_count + 1) * sizeof(*lengths));
	s->crcs = calloc(s->item_count + 1, sizeof(*s->crcs));
	if (lengths == NULL || s->crcs == NULL) {
		free(lengths);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	for (i = 0; i < s->item_count; i++)
		lengths[i] = s->items[i].len;
	if (s->job->delta && s->job->target != NULL)
		run_step(workers, step_compare);
	sort_items(s);
	if (!atomic_load(&s->stop))
		run_step(workers, step_fetch);
	if (!atomic_load(&s->stop) && s->job->target != NULL)
		run_step(workers, step_finish);
	if (!atomic_load(&s->stop) && s->job->crcs != NULL)
		combine_crcs(s, lengths);
	free(lengths);
	return 0;
}

static int
list_files(struct state *s)
{
	const struct manifest *m = s->job->manifest;
	size_t		i;

	s->order = calloc(m->file_count + 1, sizeof(*s->order));
	if (s->order == NULL)
		return ERR_NOMEM;
	for (i = 0; i < m->file_count; i++) {
		if (strcmp(m->files[i].path, PGCONTROL_PATH) != 0)
			s->order[s->order_count++] = &m->files[i];
	}
	if (s->order_count > 0)
		qsort(s->order, s->order_count, sizeof(*s->order),
		    compare_files);
	return 0;
}

int
unpack_run(struct unpack_job *job, struct err *e)
{
	struct state	s = { .job = job };
	struct worker	*workers;
	bool		more = true;
	int		i, rc;

	assert(job->threads > 0);
	atomic_init(&s.stop, false);
	pthread_mutex_init(&s.lock, NULL);
	workers = calloc((size_t)job->threads, sizeof(*workers));
	rc = workers == NULL ? ERR_NOMEM : list_files(&s);
	for (i = 0; workers != NULL && i < job->threads; i++) {
		workers[i].s = &s;
		workers[i].fd = -1;
		workers[i].plain = malloc(PAGEMAP_RUN);
		if (workers[i].plain == NULL)
			rc = ERR_NOMEM;
	}
	if (rc != 0) {
		err_set(e, rc, "out of memory");
		goto out;
	}
	for (;;) {
		rc = plan_batch(&s, &more, e);
		if (rc != 0 || !more)
			break;
		if (!is_stopped(&s))
			rc = run_batch(&s, workers, e);
		if (rc != 0)
			break;
		if (s.failure.code != 0) {
			*e = s.failure;
			rc = e->code;
			break;
		}
	}
out:
	clear_batch(&s);
	for (i = 0; workers != NULL && i < job->threads; i++) {
		free(workers[i].plain);
		free(workers[i].fetched);
	}
	free(workers);
	free(s.order);
	free(s.items);
	free(s.spans);
	pthread_mutex_destroy(&s.lock);
	return rc;
}

int
unpack_bytes(struct unpack_job *job, const struct manifest_file *f, void *out,
    size_t *n, struct err *e)
{
	unsigned char	stored[BLOCK_STORED_MAX];
	struct digest	d;
	int		rc;

	*n = (size_t)f->size;
	if (f->where == MANIFEST_EMPTY)
		return 0;
	if (f->where != MANIFEST_RUN || f->size > PAGEMAP_RUN ||
	    f->stored > sizeof(stored))
		return err_set(e, ERR_LIMIT, "%s: more than one run", f->path);
	rc = job->fetch(job->arg, f->backup, f->pack, f->offset,
	    (size_t)f->stored, stored, e);
	if (rc != 0)
		return rc;
	rc = block_unpack(stored, (size_t)f->stored, out, *n, e);
	if (rc != 0)
		return err_wrap(e, "%s", f->path);
	digest_of(NULL, out, *n, &d);
	if (!digest_equal(&d, &f->digest)) {
		return err_set(e, ERR_CHECKSUM,
		    "%s: damaged in the repository (pack %u, offset %llu)",
		    f->path, f->pack, (unsigned long long)f->offset);
	}
	return 0;
}
