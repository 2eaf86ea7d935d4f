/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archiver/crew.h"
#include "archiver/filter_block.h"
#include "archiver/manifest.h"
#include "archiver/pack.h"
#include "archiver/pagemap.h"
#include "archiver/unpack_plan.h"
#include "common/crc32c.h"
#include "common/err.h"

/* Runs or files that a thread takes at a time. */
#define TAKE		((size_t)64)

struct state {
	struct unpack_job *job;
	struct crew	 crew;		/* its lock: next; report(), again() */
	struct unpack_plan plan;
	uint32_t	*crcs;		/* by seq */
	size_t		 next;
};

struct worker {
	struct state	*s;
	void		(*step)(struct worker *, size_t from, size_t to);
	unsigned char	*fetched;	/* PACK_SIZE, or more for one run */
	size_t		 fetched_room;
	unsigned char	*plain;		/* PAGEMAP_RUN */
	const struct manifest_file *open;
	int		 fd;
};

static int
compare_items(const void *x, const void *y)
{
	const struct unpack_item *a = x, *b = y;
	int	c = unpack_compare_labels(a->backup, b->backup);

	if (c != 0)
		return c;
	if (a->pack != b->pack)
		return a->pack < b->pack ? -1 : 1;
	return a->offset < b->offset ? -1 : a->offset > b->offset;
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

/* The CRC of the run in w->plain, for whoever wants those of the files. */
static void
note_crc(struct worker *w, const struct unpack_item *item)
{
	if (w->s->job->crcs != NULL)
		w->s->crcs[item->seq] = crc32c(0, w->plain, item->len);
}

/* Delta: marks the runs that the target has already. */
static void
step_compare(struct worker *w, size_t from, size_t to)
{
	struct state	*s = w->s;
	struct unpack_item *item;
	struct digest	d;
	ssize_t		n;
	size_t		i;

	for (i = from; i < to; i++) {
		item = &s->plan.items[i];
		if (open_file(w, item->file, O_RDONLY, NULL) != 0)
			continue;
		n = pread(w->fd, w->plain, item->len, (off_t)item->at);
		if (n < 0 || (size_t)n != item->len)
			continue;
		digest_of(NULL, w->plain, item->len, &d);
		item->done = digest_equal(&d, &item->digest);
		if (!item->done)
			continue;
		note_crc(w, item);
		atomic_fetch_add(&s->job->done, item->len);
		atomic_fetch_add(&s->job->kept, item->len);
	}
}

/* Expands and checks a run: it is in w->plain, or damaged. */
static int
expand_item(struct worker *w, const struct unpack_item *item,
    const unsigned char *stored, struct err *e)
{
	struct digest	d;
	int		rc;

	rc = block_unpack(stored, item->stored, w->plain, item->len, e);
	if (rc == 0) {
		digest_of(NULL, w->plain, item->len, &d);
		if (digest_equal(&d, &item->digest))
			return 0;
		err_set(e, ERR_CHECKSUM, "wrong digest");
	}
	err_wrap(e, "%s: bytes %llu to %llu are damaged in the "
	    "repository (pack %u, offset %llu)", item->file->path,
	    (unsigned long long)item->at,
	    (unsigned long long)(item->at + item->len - 1),
	    item->pack, (unsigned long long)item->offset);
	e->code = ERR_CHECKSUM;
	return e->code;
}

/* Writes the run in w->plain. An error here is of this host. */
static int
write_item(struct worker *w, const struct unpack_item *item, struct err *e)
{
	struct state	*s = w->s;
	int		rc, errnum;

	note_crc(w, item);
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

static int
make_room(struct worker *w, size_t n, struct err *e)
{
	unsigned char	*p;

	if (n <= w->fetched_room)
		return 0;
	p = realloc(w->fetched, n);
	if (p == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	w->fetched = p;
	w->fetched_room = n;
	return 0;
}

/* The piece of one run, or from the first to the last that is not done. */
static struct unpack_piece
piece_of(const struct unpack_item *items, size_t from, size_t to)
{
	struct unpack_piece piece = { .pack = 0 };
	uint64_t	end;
	size_t		i;

	for (i = from; i < to; i++) {
		if (items[i].done)
			continue;
		if (piece.n == 0) {
			piece.backup = items[i].backup;
			piece.pack = items[i].pack;
			piece.offset = items[i].offset;
		}
		end = items[i].offset + items[i].stored;
		piece.n = (size_t)MAX(piece.n, end - piece.offset);
	}
	return piece;
}

/* One attempt at the runs that are not done; true: another is worth it. */
static bool
try_items(struct worker *w, size_t from, size_t to, int attempt)
{
	struct state	*s = w->s;
	struct unpack_item *item;
	struct unpack_piece piece = piece_of(s->plan.items, from, to), one;
	struct err	e = { 0 };
	bool		more = false;
	size_t		i;
	int		fetched, rc;

	fetched = make_room(w, piece.n, &e);
	if (fetched == 0)
		fetched = s->job->fetch(s->job->arg, attempt, &piece,
		    w->fetched, &e);
	for (i = from; i < to && !atomic_load(&s->crew.stop); i++) {
		item = &s->plan.items[i];
		if (item->done)
			continue;
		rc = fetched != 0 ? fetched : expand_item(w, item,
		    w->fetched + (item->offset - piece.offset), &e);
		if (rc == 0) {
			item->done = true;
			if (write_item(w, item, &e) != 0)
				crew_fail(&s->crew, &e);
			continue;
		}
		one = piece_of(s->plan.items, i, i + 1);
		item->done = !unpack_failed(&s->plan, item->file, &one,
		    attempt, &e);
		more |= !item->done;
	}
	return more && !atomic_load(&s->crew.stop);
}

/* Fetches the runs of one request, which are of one pack. */
static void
step_fetch(struct worker *w, size_t from, size_t to)
{
	int	attempt = 0;

	while (try_items(w, from, to, attempt))
		attempt++;
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
		f = w->s->plan.spans[i].file;
		if (open_file(w, f, O_WRONLY | O_CREAT, &e) != 0) {
			crew_fail(&w->s->crew, &e);
			return;
		}
		times[0].tv_sec = times[1].tv_sec = f->mtime;
		if (ftruncate(w->fd, (off_t)f->size) != 0 ||
		    fchmod(w->fd, f->mode) != 0 ||
		    futimens(w->fd, times) != 0) {
			err_sys(&e, errno, "%s", f->path);
			crew_fail(&w->s->crew, &e);
			return;
		}
	}
}

/* The end of what is taken in one go from `from` on. */
static size_t
take_end(const struct worker *w, size_t from)
{
	const struct unpack_plan *p = &w->s->plan;
	const struct unpack_item *first = &p->items[from], *item;
	uint64_t	end;
	size_t		i;

	if (w->step == step_finish)
		return MIN(from + TAKE, p->span_count);
	if (w->step == step_compare)
		return MIN(from + TAKE, p->item_count);
	end = first->offset + first->stored;
	for (i = from + 1; i < p->item_count; i++) {
		item = &p->items[i];
		if (unpack_compare_labels(item->backup, first->backup) != 0 ||
		    item->pack != first->pack ||
		    item->offset > end + UNPACK_GAP_MAX ||
		    item->offset + item->stored - first->offset > PACK_SIZE)
			break;
		end = MAX(end, item->offset + item->stored);
	}
	return i;
}

static int
work(void *member, struct err *e)
{
	struct worker	*w = member;
	struct state	*s = w->s;
	size_t		 from, to, count;

	(void)e;
	count = w->step == step_finish ? s->plan.span_count :
	    s->plan.item_count;
	while (!crew_is_stopped(&s->crew)) {
		pthread_mutex_lock(&s->crew.lock);
		from = s->next;
		to = from < count ? take_end(w, from) : from;
		s->next = to;
		pthread_mutex_unlock(&s->crew.lock);
		if (from == to)
			break;
		w->step(w, from, to);
	}
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	w->open = NULL;
	return 0;
}

/* Runs a step over the whole batch on all threads. */
static int
run_step(struct worker *workers, void (*step)(struct worker *, size_t, size_t),
    struct err *e)
{
	struct state	*s = workers->s;
	int		i;

	s->next = 0;
	for (i = 0; i < s->job->threads; i++)
		workers[i].step = step;
	return crew_run(&s->crew, work, workers, sizeof(*workers), e);
}

/* Takes out what is done, and puts the others as they lie in packs. */
static void
sort_items(struct unpack_plan *p)
{
	size_t	from, to = 0;

	for (from = 0; from < p->item_count; from++) {
		if (!p->items[from].done)
			p->items[to++] = p->items[from];
	}
	p->item_count = to;
	if (to > 0)
		qsort(p->items, to, sizeof(*p->items), compare_items);
}

/* The CRC of each file from those of its runs. */
static void
combine_crcs(const struct state *s, const uint32_t *lengths)
{
	const struct manifest *m = s->job->manifest;
	const struct unpack_span *span;
	uint32_t	crc;
	size_t		i, j;

	for (i = 0; i < s->plan.span_count; i++) {
		span = &s->plan.spans[i];
		crc = 0;
		for (j = span->first; j < span->first + span->count; j++)
			crc = crc32c_combine(crc, s->crcs[j], lengths[j]);
		s->job->crcs[span->file - m->files] = crc;
	}
}

static int
run_batch(struct state *s, struct worker *workers, struct err *e)
{
	struct unpack_plan *p = &s->plan;
	uint32_t	*lengths;
	size_t		 i;
	int		 rc = 0;

	lengths = malloc((p->item_count + 1) * sizeof(*lengths));
	s->crcs = calloc(p->item_count + 1, sizeof(*s->crcs));
	if (lengths == NULL || s->crcs == NULL) {
		rc = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	for (i = 0; i < p->item_count; i++)
		lengths[i] = p->items[i].len;
	if (s->job->delta && s->job->target != NULL)
		rc = run_step(workers, step_compare, e);
	sort_items(p);
	if (rc == 0)
		rc = run_step(workers, step_fetch, e);
	if (rc == 0 && s->job->target != NULL)
		rc = run_step(workers, step_finish, e);
	if (rc == 0 && s->job->crcs != NULL)
		combine_crcs(s, lengths);
out:
	free(lengths);
	free(s->crcs);
	s->crcs = NULL;
	return rc;
}

/* Batch after batch. What stopped the crew while planning ends it, too. */
static int
run_batches(struct state *s, struct worker *workers, struct err *e)
{
	bool	more = true;
	int	rc;

	for (;;) {
		rc = unpack_plan_next(&s->plan, &more, e);
		if (rc != 0 || !more)
			return rc;
		if (crew_is_stopped(&s->crew)) {
			*e = s->crew.failure;
			return e->code;
		}
		rc = run_batch(s, workers, e);
		if (rc != 0)
			return rc;
	}
}

int
unpack_run(struct unpack_job *job, struct err *e)
{
	struct state	s = { .job = job };
	struct worker	*workers;
	int		i, rc;

	crew_init(&s.crew, job->threads, job->cancelled, job->arg);
	rc = unpack_plan_init(&s.plan, job, &s.crew, e);
	workers = calloc((size_t)job->threads, sizeof(*workers));
	for (i = 0; workers != NULL && i < job->threads; i++) {
		workers[i].s = &s;
		workers[i].fd = -1;
		workers[i].plain = malloc(PAGEMAP_RUN);
		if (workers[i].plain == NULL)
			rc = err_set(e, ERR_NOMEM, "out of memory");
	}
	if (workers == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = run_batches(&s, workers, e);
	for (i = 0; workers != NULL && i < job->threads; i++) {
		free(workers[i].plain);
		free(workers[i].fetched);
	}
	free(workers);
	unpack_plan_release(&s.plan);
	crew_release(&s.crew);
	return rc;
}

/* One attempt at a file of one run. */
static int
try_bytes(const struct unpack_job *job, const struct manifest_file *f,
    int attempt, void *out, struct err *e)
{
	const struct unpack_piece piece = { f->backup, f->pack, f->offset,
	    (size_t)f->stored };
	unsigned char	stored[BLOCK_STORED_MAX];
	struct digest	d;
	int		rc;

	rc = job->fetch(job->arg, attempt, &piece, stored, e);
	if (rc == 0 && block_unpack(stored, piece.n, out, (size_t)f->size,
	    e) != 0)
		rc = err_wrap(e, "%s", f->path);
	if (rc == 0) {
		digest_of(NULL, out, (size_t)f->size, &d);
		if (!digest_equal(&d, &f->digest)) {
			rc = err_set(e, ERR_CHECKSUM, "%s: damaged in the "
			    "repository (pack %u, offset %llu)", f->path,
			    f->pack, (unsigned long long)f->offset);
		}
	}
	if (rc != 0 && job->again != NULL && attempt + 1 < job->attempts)
		job->again(job->arg, attempt, &piece, e);
	return rc;
}

int
unpack_bytes(struct unpack_job *job, const struct manifest_file *f, void *out,
    size_t *n, struct err *e)
{
	int	attempt = 0, rc;

	*n = (size_t)f->size;
	if (f->where == MANIFEST_EMPTY)
		return 0;
	if (f->where != MANIFEST_RUN || f->size > PAGEMAP_RUN ||
	    f->stored > BLOCK_STORED_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than one run", f->path);
	do {
		rc = try_bytes(job, f, attempt, out, e);
	} while (rc != 0 && rc != ERR_CANCELLED && rc != ERR_NOMEM &&
	    ++attempt < job->attempts);
	return rc;
}
