/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/verify_wal.h"

#include <stdio.h>
#include <string.h>

#include "archiver/catalog.h"
#include "archiver/crew.h"
#include "archiver/object.h"
#include "archiver/stanza.h"
#include "common/err.h"
#include "common/text.h"

/* One segment that is there. */
struct segment {
	uint32_t	timeline;
	uint64_t	number;		/* LSN / segment size */
};

/* One WAL object. */
struct wal {
	char		*key;
	char		 segment[25];	/* "" for what is no segment */
};

struct state {
	struct verify_wal *w;
	struct crew	 crew;		/* its lock: all that follows */
	struct wal	*wal;
	size_t		 count, room;
	size_t		 next;
	struct segment	*segments;	/* room for `count` */
	size_t		 segment_count;
};

bool
verify_is_fatal(int code)
{
	return code == ERR_CANCELLED || code == ERR_NOMEM ||
	    code == ERR_CONNECT || code == ERR_TIMEOUT || code == ERR_AUTH;
}

/* Keys are gathered first: a store may not like to be read while it lists. */
static int
note_wal(void *arg, const char *segment, const struct store_entry *entry)
{
	struct state	*t = arg;
	struct wal	*p;
	size_t		 room;

	if (t->count == t->room) {
		room = t->room == 0 ? 256 : t->room * 2;
		p = realloc(t->wal, room * sizeof(*p));
		if (p == NULL)
			return ERR_NOMEM;
		t->wal = p;
		t->room = room;
	}
	p = &t->wal[t->count];
	p->key = strdup(entry->key);
	if (p->key == NULL)
		return ERR_NOMEM;
	memcpy(p->segment, segment, strlen(segment) + 1);
	t->count++;
	return 0;
}

static int
swallow(void *arg, const void *bytes, size_t n, struct err *e)
{
	(void)arg;
	(void)bytes;
	(void)n;
	(void)e;
	return 0;
}

/* Reads a WAL object through its digest. */
static int
read_object(const struct catalog *c, const char *key, enum object_kind kind,
    struct digest *digest, struct err *e)
{
	struct object_reader r;
	int	rc;

	rc = object_reader_init(&r, kind, swallow, NULL, e);
	if (rc != 0)
		return rc;
	rc = store_read(c->store, key, 0, 0, object_reader_feed, &r,
	    &c->limits, e);
	if (rc == 0)
		rc = object_reader_finish(&r, e);
	if (rc == 0)
		*digest = r.header.digest;
	object_reader_release(&r);
	return rc;
}

/* Called with the lock. */
static void
add_segment(struct state *t, const char *segment)
{
	unsigned	timeline, high, low;
	struct segment	*p;

	if (t->w->segment_size == 0 ||
	    sscanf(segment, "%8X%8X%8X", &timeline, &high, &low) != 3)
		return;
	p = &t->segments[t->segment_count++];
	p->timeline = timeline;
	p->number = (uint64_t)high *
	    ((UINT64_C(1) << 32) / t->w->segment_size) + low;
}

/* Reads one; what is wrong with it is told, what keeps us from it returned. */
static int
verify_object(struct state *t, const struct wal *w, struct err *e)
{
	struct digest	d;
	const char	*dash = strrchr(w->key, '-'), *what = NULL;
	char		hex[DIGEST_HEX_LEN + 1];
	int		rc;

	rc = read_object(t->w->c, w->key, w->segment[0] != '\0' ? OBJECT_WAL :
	    OBJECT_WAL_FILE, &d, e);
	if (rc != 0 && verify_is_fatal(rc))
		return rc;
	if (rc != 0) {
		what = e->msg;
	} else {
		digest_hex(&d, hex);
		if (dash == NULL || strcmp(dash + 1, hex) != 0)
			what = "lies under another object's name";
	}
	pthread_mutex_lock(&t->crew.lock);
	t->w->objects++;
	if (what != NULL)
		t->w->fault(t->w->arg, w->key, what);
	if (rc == 0 && w->segment[0] != '\0')
		add_segment(t, w->segment);
	pthread_mutex_unlock(&t->crew.lock);
	return 0;
}

static int
work(void *member, struct err *e)
{
	struct state	*t = *(struct state **)member;
	const struct wal *w;
	int		rc = 0;

	while (rc == 0 && !crew_is_stopped(&t->crew)) {
		pthread_mutex_lock(&t->crew.lock);
		w = t->next < t->count ? &t->wal[t->next++] : NULL;
		pthread_mutex_unlock(&t->crew.lock);
		if (w == NULL)
			break;
		rc = verify_object(t, w, e);
	}
	return rc;
}

static int
verify_objects(struct state *t, struct err *e)
{
	struct state	**members;
	int		i, rc;

	members = calloc((size_t)t->w->threads, sizeof(struct state *));
	t->segments = calloc(t->count + 1, sizeof(*t->segments));
	if (members == NULL || t->segments == NULL) {
		free(members);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	for (i = 0; i < t->w->threads; i++)
		members[i] = t;
	rc = crew_run(&t->crew, work, members, sizeof(*members), e);
	free(members);
	return rc;
}

static int
compare_segments(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;

	if (x->timeline != y->timeline)
		return x->timeline < y->timeline ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* From the oldest backup's start on, each timeline must be without gaps. */
static void
check_gaps(const struct state *t)
{
	/* As if the segment before the first that is needed were there. */
	const struct segment start = { t->w->need_timeline, t->w->need_number - 1 };
	const struct segment *s, *before = &start;
	char		name[64], text[128], missing[TEXT_COUNT_MAX];
	uint64_t	per_id = (UINT64_C(1) << 32) / t->w->segment_size;
	size_t		i;

	qsort(t->segments, t->segment_count, sizeof(*t->segments),
	    compare_segments);
	for (i = 0; i < t->segment_count; i++) {
		s = &t->segments[i];
		if (compare_segments(s, &start) <= 0)
			continue;
		if (before->timeline == s->timeline &&
		    s->number > before->number + 1) {
			snprintf(name, sizeof(name), "WAL of timeline %u",
			    s->timeline);
			snprintf(text, sizeof(text), "%s missing before "
			    "%08X%08X%08X", text_print_count(s->number -
			    before->number - 1, "segment", missing),
			    s->timeline, (unsigned)(s->number / per_id),
			    (unsigned)(s->number % per_id));
			t->w->fault(t->w->arg, name, text);
		}
		before = s;
	}
}

int
verify_wal_run(struct verify_wal *w, const struct stanza_claims *claims,
    struct err *e)
{
	struct state	t = { .w = w };
	size_t		i;
	int		rc = 0;

	w->objects = 0;
	crew_init(&t.crew, w->threads, w->cancelled, w->arg);
	for (i = 0; rc == 0 && i < claims->count; i++) {
		rc = catalog_each_wal(w->c, claims->claim[i].system_id,
		    note_wal, &t, e);
		if (rc == ERR_NOMEM)
			err_set(e, rc, "out of memory");
	}
	if (rc == 0)
		rc = verify_objects(&t, e);
	if (rc == 0 && w->need && t.segment_count > 0)
		check_gaps(&t);
	for (i = 0; i < t.count; i++)
		free(t.wal[i].key);
	free(t.wal);
	free(t.segments);
	crew_release(&t.crew);
	return rc;
}
