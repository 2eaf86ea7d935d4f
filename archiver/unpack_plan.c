/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/unpack_plan.h"

#include <string.h>

#include "archiver/crew.h"
#include "archiver/filter_block.h"
#include "archiver/manifest.h"
#include "archiver/pgcontrol.h"
#include "common/err.h"

/* Bytes of maps, and runs of files without, that are planned at a time. */
#define BATCH_MAPS	((size_t)4 << 20)
#define BATCH_RUNS	((size_t)100000)

/* Maps that lie side by side in one pack. */
struct group {
	const struct manifest_file **files;
	size_t		 count;
	bool		*done;		/* by file */
	unsigned char	*bytes;
};

int
unpack_compare_labels(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

bool
unpack_failed(struct unpack_plan *p, const struct manifest_file *f,
    const struct unpack_piece *piece, int attempt, const struct err *e)
{
	struct unpack_job *job = p->job;
	bool	ours = e->code == ERR_CANCELLED || e->code == ERR_NOMEM;

	if (!ours && attempt + 1 < job->attempts) {
		pthread_mutex_lock(&p->crew->lock);
		if (job->again != NULL)
			job->again(job->arg, attempt, piece, e);
		pthread_mutex_unlock(&p->crew->lock);
		return true;
	}
	if (ours || job->target != NULL || job->report == NULL) {
		crew_fail(p->crew, e);
		return false;
	}
	pthread_mutex_lock(&p->crew->lock);
	job->report(job->arg, f, e);
	pthread_mutex_unlock(&p->crew->lock);
	return false;
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
	c = unpack_compare_labels(a->backup, b->backup);
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

static struct unpack_span *
add_span(struct unpack_plan *p, const struct manifest_file *f)
{
	struct unpack_span *span = grow(p->spans, p->span_count,
	    &p->span_room, sizeof(*span));

	if (span == NULL)
		return NULL;
	p->spans = span;
	span += p->span_count++;
	memset(span, 0, sizeof(*span));
	span->file = f;
	span->first = p->item_count;
	return span;
}

static struct unpack_item *
add_item(struct unpack_plan *p, struct unpack_span *span)
{
	struct unpack_item *item = grow(p->items, p->item_count,
	    &p->item_room, sizeof(*item));

	if (item == NULL)
		return NULL;
	p->items = item;
	item += p->item_count;
	memset(item, 0, sizeof(*item));
	item->file = span->file;
	item->seq = (uint32_t)p->item_count++;
	span->count++;
	return item;
}

/* Takes the last span back, which was not to be. */
static void
drop_span(struct unpack_plan *p)
{
	struct unpack_span *span = &p->spans[--p->span_count];

	p->item_count = span->first;
	pagemap_release(&span->map);
}

/* A file whose place is in the manifest itself. */
static int
plan_simple(struct unpack_plan *p, const struct manifest_file *f, struct err *e)
{
	struct unpack_span *span = add_span(p, f);
	struct unpack_item *item;

	if (span == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (f->where == MANIFEST_EMPTY)
		return 0;
	if (f->size == 0 || f->size > PAGEMAP_RUN || f->stored == 0 ||
	    f->stored > BLOCK_STORED_MAX)
		return err_set(e, ERR_FORMAT,
		    "%s: the manifest names an impossible run", f->path);
	item = add_item(p, span);
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

/* The items of a map. */
static int
plan_runs(struct unpack_plan *p, struct unpack_span *span, struct err *e)
{
	const struct manifest_file *f = span->file;
	const struct pagemap_run *run;
	struct unpack_item *item;
	uint64_t	at = 0;
	size_t		i;

	for (i = 0; i < span->map.count; i++) {
		run = &span->map.runs[i];
		at = run->first * PAGEMAP_PAGE;
		if (run->skip != 0) {
			return err_set(e, ERR_NOT_YET, "%s: maps of incremental"
			    " backups cannot be restored yet", f->path);
		}
		if (at >= f->size)
			break;
		item = add_item(p, span);
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

/* The map of a file, as stored, becomes items. */
static int
plan_map(struct unpack_plan *p, const struct manifest_file *f,
    const void *bytes, struct err *e)
{
	struct digest	d;
	struct unpack_span *span;
	int		rc;

	digest_of(NULL, bytes, f->stored, &d);
	if (!digest_equal(&d, &f->map_digest)) {
		return err_set(e, ERR_CHECKSUM,
		    "%s: its block map (pack %u, offset %llu) is damaged",
		    f->path, f->pack, (unsigned long long)f->offset);
	}
	span = add_span(p, f);
	if (span == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	rc = pagemap_decode(&span->map, bytes, f->stored, e);
	if (rc != 0)
		err_wrap(e, "%s", f->path);
	else
		rc = plan_runs(p, span, e);
	if (rc != 0)
		drop_span(p);
	return rc;
}

/* The piece from the first to the last map that is not done. */
static void
piece_of_group(const struct group *g, struct unpack_piece *piece)
{
	uint64_t	end = 0;
	size_t		i;

	piece->n = 0;
	for (i = 0; i < g->count; i++) {
		if (g->done[i])
			continue;
		if (end == 0) {
			piece->backup = g->files[i]->backup;
			piece->pack = g->files[i]->pack;
			piece->offset = g->files[i]->offset;
		}
		end = MAX(end, g->files[i]->offset + g->files[i]->stored);
		piece->n = (size_t)(end - piece->offset);
	}
}

/* One attempt at the maps that are left; false if none is. */
static bool
try_group(struct unpack_plan *p, struct group *g, int attempt)
{
	const struct manifest_file *f;
	struct unpack_piece piece = { .pack = 0 };
	struct err	e = { 0 };
	bool		more = false;
	size_t		i;
	int		rc, fetched;

	piece_of_group(g, &piece);
	fetched = p->job->fetch(p->job->arg, attempt, &piece, g->bytes, &e);
	for (i = 0; i < g->count && !atomic_load(&p->crew->stop); i++) {
		f = g->files[i];
		if (g->done[i])
			continue;
		rc = fetched != 0 ? fetched : plan_map(p, f, g->bytes +
		    (f->offset - piece.offset), &e);
		g->done[i] = rc == 0 ||
		    !unpack_failed(p, f, &piece, attempt, &e);
		more |= !g->done[i];
	}
	return more && !atomic_load(&p->crew->stop);
}

/* Maps that lie side by side are read in one request. */
static int
plan_maps(struct unpack_plan *p, struct err *e)
{
	const struct manifest_file **f = p->order + p->order_next;
	struct group	g = { .files = f };
	size_t		left = p->order_count - p->order_next;
	uint64_t	start = f[0]->offset, end = start;
	int		attempt, rc = 0;

	while (g.count < left &&
	    unpack_compare_labels(f[g.count]->backup, f[0]->backup) == 0 &&
	    f[g.count]->pack == f[0]->pack &&
	    f[g.count]->offset <= end + UNPACK_GAP_MAX && (g.count == 0 ||
	    f[g.count]->offset + f[g.count]->stored - start <= BATCH_MAPS)) {
		end = MAX(end, f[g.count]->offset + f[g.count]->stored);
		g.count++;
	}
	p->order_next += g.count;
	g.bytes = malloc((size_t)(end - start) + 1);
	g.done = calloc(g.count, sizeof(*g.done));
	if (g.bytes == NULL || g.done == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	for (attempt = 0; rc == 0 && try_group(p, &g, attempt); attempt++)
		;
	free(g.bytes);
	free(g.done);
	return rc;
}

/* Lets go of the batch. */
static void
clear(struct unpack_plan *p)
{
	while (p->span_count > 0)
		pagemap_release(&p->spans[--p->span_count].map);
	p->item_count = 0;
}

int
unpack_plan_next(struct unpack_plan *p, bool *more, struct err *e)
{
	const struct unpack_piece none = { .pack = 0 };
	const struct manifest_file *f;
	struct err	damage = { 0 };

	clear(p);
	*more = p->order_next < p->order_count;
	if (!*more)
		return 0;
	if (p->order[p->order_next]->where == MANIFEST_MAP)
		return plan_maps(p, e);
	while (p->order_next < p->order_count && p->span_count < BATCH_RUNS) {
		f = p->order[p->order_next];
		if (f->where == MANIFEST_MAP)
			break;
		p->order_next++;
		/* The manifest itself is wrong: no attempt can help. */
		if (plan_simple(p, f, &damage) != 0)
			(void)!unpack_failed(p, f, &none, p->job->attempts,
			    &damage);
	}
	return 0;
}

int
unpack_plan_init(struct unpack_plan *p, struct unpack_job *job,
    struct crew *crew, struct err *e)
{
	const struct manifest *m = job->manifest;
	size_t		i;

	memset(p, 0, sizeof(*p));
	p->job = job;
	p->crew = crew;
	p->order = calloc(m->file_count + 1, sizeof(*p->order));
	if (p->order == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < m->file_count; i++) {
		if (strcmp(m->files[i].path, PGCONTROL_PATH) != 0)
			p->order[p->order_count++] = &m->files[i];
	}
	if (p->order_count > 0)
		qsort(p->order, p->order_count, sizeof(*p->order),
		    compare_files);
	return 0;
}

void
unpack_plan_release(struct unpack_plan *p)
{
	clear(p);
	free(p->order);
	free(p->items);
	free(p->spans);
}
