/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "archiver/crew.h"
#include "archiver/exclude.h"
#include "archiver/manifest.h"
#include "archiver/pack.h"
#include "archiver/pagemap.h"
#include "archiver/pagesum.h"
#include "archiver/pgcontrol.h"
#include "common/buf.h"
#include "common/err.h"

/* Below this it does not pay to ask whether a range was cached. */
#define ASK_CACHE_MIN	((uint64_t)256 << 10)
/* How often a page that looks torn is read again, and how long between. */
#define TORN_TRIES	10
#define TORN_WAIT_NS	5000000

/* A file of which some ranges are being read. */
struct live {
	struct pagemap_run *runs;
	uint32_t	*bad;		/* blocks, in no order; state's lock */
	size_t		 bad_count;
	atomic_ullong	 end;		/* where it was seen to end */
	atomic_uint	 ranges_left;
	atomic_bool	 vanished;
};

/* What the threads share. */
struct state {
	struct copy_job	*job;
	struct live	**live;		/* by file; NULL before and after */
	struct crew	 crew;		/* its lock: next_*, bad */
	size_t		 next_file;
	uint32_t	 next_range;
	pthread_mutex_t	 maps_lock;
	struct pack	 maps;
};

struct worker {
	struct state	*s;
	struct pack	 pack;
	unsigned char	*read;		/* COPY_READ bytes */
	unsigned char	*block;		/* BLOCK_STORED_MAX bytes */
};

/* One range of one file. */
struct range {
	struct manifest_file *file;
	struct live	*live;
	size_t		 index;		/* of the file */
	uint64_t	 from;
	uint64_t	 to;
};

static uint32_t
range_count(uint64_t size)
{
	return (uint32_t)((size + COPY_RANGE - 1) / COPY_RANGE);
}

static size_t
run_count(uint64_t size)
{
	return (size_t)((size + PAGEMAP_RUN - 1) / PAGEMAP_RUN);
}

static struct live *
live_new(uint64_t size)
{
	struct live	*l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->runs = calloc(run_count(size), sizeof(*l->runs));
	if (l->runs == NULL) {
		free(l);
		return NULL;
	}
	atomic_init(&l->end, size);
	atomic_init(&l->ranges_left, range_count(size));
	atomic_init(&l->vanished, false);
	return l;
}

static void
live_free(struct live *l)
{
	if (l == NULL)
		return;
	free(l->runs);
	free(l->bad);
	free(l);
}

/* The next range; 1, 0 when there is none left, or ERR_NOMEM. */
static int
take_range(struct state *s, struct range *r)
{
	struct manifest	*m = s->job->manifest;
	struct manifest_file *f;
	int		 rc = 0;

	pthread_mutex_lock(&s->crew.lock);
	for (; s->next_file < m->file_count; s->next_file++) {
		f = &m->files[s->next_file];
		if (f->size == 0 || strcmp(f->path, PGCONTROL_PATH) == 0)
			continue;
		if (s->next_range == 0) {
			s->live[s->next_file] = live_new(f->size);
			if (s->live[s->next_file] == NULL) {
				rc = ERR_NOMEM;
				break;
			}
		}
		r->file = f;
		r->index = s->next_file;
		r->live = s->live[s->next_file];
		r->from = s->next_range * COPY_RANGE;
		r->to = MIN(r->from + COPY_RANGE, f->size);
		if (++s->next_range == range_count(f->size)) {
			s->next_range = 0;
			s->next_file++;
		}
		rc = 1;
		break;
	}
	pthread_mutex_unlock(&s->crew.lock);
	return rc;
}

/* Reads n bytes, or fewer at the end of the file. */
static ssize_t
read_at(int fd, unsigned char *p, size_t n, uint64_t offset)
{
	size_t	got = 0;
	ssize_t	k;

	while (got < n) {
		k = pread(fd, p + got, n - got, (off_t)(offset + got));
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -1;
		if (k == 0)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

/*
 * True if less than half of the range is in the page cache: then reading it
 * brings it in, and giving it back takes nothing from the server.
 */
static bool
is_cold(int fd, uint64_t from, uint64_t to)
{
	unsigned char	pages[COPY_RANGE / 4096];
	size_t		i, count, warm = 0;
	void		*map;

	if (to - from < ASK_CACHE_MIN || sysconf(_SC_PAGESIZE) < 4096)
		return false;
	map = mmap(NULL, (size_t)(to - from), PROT_READ, MAP_SHARED, fd,
	    (off_t)from);
	if (map == MAP_FAILED)
		return false;
	count = (size_t)((to - from) / (uint64_t)sysconf(_SC_PAGESIZE));
	if (mincore(map, (size_t)(to - from), pages) != 0)
		count = 0;
	munmap(map, (size_t)(to - from));
	for (i = 0; i < count; i++)
		warm += pages[i] & 1;
	return warm * 2 < count;
}

static int
note_bad(struct state *s, struct live *l, uint32_t block)
{
	uint32_t	*p;
	int		 rc = ERR_NOMEM;

	pthread_mutex_lock(&s->crew.lock);
	p = realloc(l->bad, (l->bad_count + 1) * sizeof(*p));
	if (p != NULL) {
		l->bad = p;
		p[l->bad_count++] = block;
		rc = 0;
	}
	pthread_mutex_unlock(&s->crew.lock);
	return rc;
}

static bool
is_acceptable(const struct copy_job *job, const unsigned char *page,
    uint32_t block)
{
	if (pagesum_check(page, job->manifest->block_size, block) !=
	    PAGESUM_BAD)
		return true;
	/* The WAL since the start has a full image of it. */
	return pagesum_lsn(page) > job->start_lsn;
}

/*
 * A page whose checksum is wrong: reads it again until it is right, or
 * twice the same. True if it is fine (and then in `page`), or gone.
 */
static bool
reread_page(const struct copy_job *job, int fd, unsigned char *page,
    uint64_t offset, uint32_t block)
{
	const struct timespec wait = { 0, TORN_WAIT_NS };
	unsigned char	again[32768];
	size_t		size = job->manifest->block_size;
	int		i;

	for (i = 0; i < TORN_TRIES; i++) {
		nanosleep(&wait, NULL);
		if (read_at(fd, again, size, offset) != (ssize_t)size)
			return true;	/* cut off meanwhile */
		/* The kernel may still be in the middle at the first look. */
		if (i > 0 && memcmp(page, again, size) == 0)
			return false;
		memcpy(page, again, size);
		if (is_acceptable(job, page, block))
			return true;
	}
	return true;	/* it changes all the time: being written, not rotten */
}

/* Looks at the whole pages in n bytes read from `offset`. */
static int
check_pages(struct worker *w, const struct range *r, int fd, size_t n,
    uint64_t offset)
{
	const struct copy_job *job = w->s->job;
	const struct manifest *m = job->manifest;
	const char	*slash = strrchr(r->file->path, '/');
	struct relation	rel;
	unsigned char	*page;
	uint32_t	 block, in_file;
	size_t		 at;
	int		 rc;

	if (slash == NULL || !relation_parse(slash + 1, &rel))
		return 0;
	for (at = 0; at + m->block_size <= n; at += m->block_size) {
		page = w->read + at;
		in_file = (uint32_t)((offset + at) / m->block_size);
		block = rel.segment * m->relseg_blocks + in_file;
		if (is_acceptable(job, page, block) ||
		    reread_page(job, fd, page, offset + at, block))
			continue;
		rc = note_bad(w->s, r->live, in_file);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Cuts n bytes read from `offset` into runs and packs them. */
static int
pack_runs(struct worker *w, const struct range *r, size_t n, uint64_t offset,
    struct err *e)
{
	struct pagemap_run *run;
	struct digest	d;
	size_t		at, len, used;
	int		rc;

	for (at = 0; at < n; at += len) {
		len = MIN(n - at, (size_t)PAGEMAP_RUN);
		run = &r->live->runs[(offset + at) / PAGEMAP_RUN];
		digest_of(NULL, w->read + at, len, &d);
		memcpy(run->digest, d.bytes, sizeof(run->digest));
		used = block_pack(w->s->job->codec, w->read + at, len,
		    w->block);
		rc = pack_add(&w->pack, w->block, used, &run->pack,
		    &run->offset, e);
		if (rc != 0)
			return rc;
		run->first = (offset + at) / PAGEMAP_PAGE;
		run->pages = (uint32_t)((len + PAGEMAP_PAGE - 1) /
		    PAGEMAP_PAGE);
		run->stored = (uint32_t)used;
		run->backup = PAGEMAP_OWN;
	}
	return 0;
}

/* A shorter end than any seen before. */
static void
lower_end(struct live *l, uint64_t end)
{
	unsigned long long	old = atomic_load(&l->end);

	while (end < old && !atomic_compare_exchange_weak(&l->end, &old, end))
		;
}

static int
read_range(struct worker *w, const struct range *r, int fd, bool pages,
    struct err *e)
{
	struct copy_job	*job = w->s->job;
	uint64_t	at;
	size_t		want;
	ssize_t		n;
	int		rc;

	for (at = r->from; at < r->to; at += want) {
		if (crew_is_stopped(&w->s->crew))
			return 0;
		want = (size_t)MIN(r->to - at, (uint64_t)COPY_READ);
		n = read_at(fd, w->read, want, at);
		if (n < 0)
			return err_sys(e, errno, "%s", r->file->path);
		if (pages) {
			rc = check_pages(w, r, fd, (size_t)n, at);
			if (rc != 0)
				return err_set(e, rc, "out of memory");
		}
		rc = pack_runs(w, r, (size_t)n, at, e);
		if (rc != 0)
			return rc;
		atomic_fetch_add(&job->done, (unsigned long long)n);
		if ((size_t)n < want) {
			lower_end(r->live, at + (uint64_t)n);
			break;
		}
	}
	return 0;
}

/* True if the file is made of pages that carry checksums. */
static bool
has_pages(const struct copy_job *job, const char *path)
{
	char		dir[MANIFEST_PATH_MAX];
	const char	*slash = strrchr(path, '/');

	if (!job->check_pages || slash == NULL)
		return false;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	return relation_directory(dir);
}

static int
copy_range(struct worker *w, const struct range *r, struct err *e)
{
	char	path[MANIFEST_PATH_MAX];
	bool	cold;
	int	fd, rc;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", w->s->job->pgdata,
	    r->file->path) >= sizeof(path))
		return err_set(e, ERR_LIMIT, "%s: path too long",
		    r->file->path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT)
			return err_sys(e, errno, "%s", path);
		atomic_store(&r->live->vanished, true);
		return 0;
	}
	cold = is_cold(fd, r->from, r->to);
	rc = read_range(w, r, fd, has_pages(w->s->job, r->file->path), e);
	if (cold) {
		(void)posix_fadvise(fd, (off_t)r->from,
		    (off_t)(r->to - r->from), POSIX_FADV_DONTNEED);
	}
	close(fd);
	return rc;
}

static int
compare_blocks(const void *a, const void *b)
{
	uint32_t	x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int
store_map(struct state *s, struct manifest_file *f, const struct pagemap *map,
    struct err *e)
{
	struct buf	out = { 0 };
	uint32_t	number;
	uint64_t	offset;
	int		rc = ERR_NOMEM;

	pagemap_encode(map, &out);
	if (buf_failed(&out)) {
		err_set(e, rc, "out of memory");
		goto out;
	}
	digest_of(NULL, buf_bytes(&out), buf_len(&out), &f->map_digest);
	pthread_mutex_lock(&s->maps_lock);
	rc = pack_add(&s->maps, buf_bytes(&out), buf_len(&out), &number,
	    &offset, e);
	pthread_mutex_unlock(&s->maps_lock);
	if (rc != 0)
		goto out;
	f->where = MANIFEST_MAP;
	f->pack = number;
	f->offset = offset;
	f->stored = buf_len(&out);
out:
	buf_release(&out);
	return rc;
}

/* The digest of the digests of several runs. */
static int
digest_runs(const struct pagemap *map, struct digest *d)
{
	struct digest_stream *stream = digest_stream_new(NULL);
	size_t		i;

	if (stream == NULL)
		return ERR_NOMEM;
	for (i = 0; i < map->count; i++)
		digest_stream_add(stream, map->runs[i].digest, DIGEST_LEN);
	digest_stream_get(stream, d);
	digest_stream_free(stream);
	return 0;
}

/* All ranges of a file are in: what the manifest says of it. */
static int
end_file(struct state *s, const struct range *r, struct err *e)
{
	struct manifest_file *f = r->file;
	struct live	*l = r->live;
	struct pagemap	map = { .runs = l->runs };
	size_t		i;
	int		rc = 0;

	if (atomic_load(&l->vanished)) {
		free(f->path);
		f->path = NULL;
		return 0;
	}
	f->size = atomic_load(&l->end);
	map.count = run_count(f->size);
	f->where = MANIFEST_EMPTY;
	if (map.count == 1) {
		f->where = MANIFEST_RUN;
		f->pack = l->runs[0].pack;
		f->offset = l->runs[0].offset;
		f->stored = l->runs[0].stored;
		memcpy(f->digest.bytes, l->runs[0].digest, DIGEST_LEN);
	} else if (map.count > 1) {
		rc = digest_runs(&map, &f->digest);
		if (rc != 0)
			return err_set(e, rc, "out of memory");
		rc = store_map(s, f, &map, e);
	}
	if (l->bad_count > 0) {
		qsort(l->bad, l->bad_count, sizeof(*l->bad), compare_blocks);
	}
	for (i = 0; rc == 0 && i < l->bad_count; i++) {
		rc = manifest_add_bad(f, l->bad[i]);
		if (rc != 0)
			err_set(e, rc, "out of memory");
	}
	return rc;
}

static int
take_ranges(struct worker *w, struct err *e)
{
	struct state	*s = w->s;
	struct range	 r;
	int		 rc;

	while (!crew_is_stopped(&s->crew)) {
		rc = take_range(s, &r);
		if (rc == 0)
			return pack_flush(&w->pack, e);
		if (rc < 0)
			return err_set(e, rc, "out of memory");
		rc = copy_range(w, &r, e);
		/* A job that was stopped may have left ranges unread. */
		if (rc == 0 && !atomic_load(&s->crew.stop) &&
		    atomic_fetch_sub(&r.live->ranges_left, 1) == 1) {
			rc = end_file(s, &r, e);
			s->live[r.index] = NULL;
			live_free(r.live);
		}
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
work(void *member, struct err *e)
{
	struct worker	*w = member;
	int		 rc;

	pack_init(&w->pack, w->s->job->packs);
	w->read = malloc(COPY_READ);
	w->block = malloc(BLOCK_STORED_MAX);
	rc = w->read == NULL || w->block == NULL ?
	    err_set(e, ERR_NOMEM, "out of memory") : take_ranges(w, e);
	pack_release(&w->pack);
	free(w->read);
	free(w->block);
	return rc;
}

static void
sum_sizes(struct manifest *m)
{
	size_t	i;

	m->size = 0;
	for (i = 0; i < m->file_count; i++)
		m->size += m->files[i].size;
}

int
copy_run(struct copy_job *job, struct err *e)
{
	struct state	s = { .job = job };
	struct worker	*workers;
	size_t		i;
	int		rc = 0;

	crew_init(&s.crew, job->threads, job->cancelled, job->arg);
	pthread_mutex_init(&s.maps_lock, NULL);
	pack_init(&s.maps, job->packs);
	s.live = calloc(job->manifest->file_count + 1, sizeof(struct live *));
	workers = calloc((size_t)job->threads, sizeof(*workers));
	if (s.live == NULL || workers == NULL) {
		rc = err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	for (i = 0; i < (size_t)job->threads; i++)
		workers[i].s = &s;
	rc = crew_run(&s.crew, work, workers, sizeof(*workers), e);
	if (rc == 0)
		rc = pack_flush(&s.maps, e);
	if (rc != 0)
		goto out;
	manifest_drop_vanished(job->manifest);
	sum_sizes(job->manifest);
out:
	for (i = 0; s.live != NULL && i < job->manifest->file_count; i++)
		live_free(s.live[i]);
	free(s.live);
	free(workers);
	pack_release(&s.maps);
	pthread_mutex_destroy(&s.maps_lock);
	crew_release(&s.crew);
	return rc;
}

int
copy_bytes(struct manifest_file *f, struct pack *pack, enum block_codec codec,
    const void *bytes, size_t n, struct err *e)
{
	unsigned char	block[BLOCK_STORED_MAX];
	size_t		used;
	int		rc;

	assert(n <= PAGEMAP_RUN);
	f->size = n;
	f->where = MANIFEST_EMPTY;
	if (n == 0)
		return 0;
	digest_of(NULL, bytes, n, &f->digest);
	used = block_pack(codec, bytes, n, block);
	rc = pack_add(pack, block, used, &f->pack, &f->offset, e);
	if (rc != 0)
		return rc;
	f->where = MANIFEST_RUN;
	f->stored = used;
	return 0;
}
