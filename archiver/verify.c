/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archiver/catalog.h"
#include "archiver/object.h"
#include "archiver/pagemap.h"
#include "archiver/pgcontrol.h"
#include "archiver/stanza.h"
#include "archiver/unpack.h"
#include "common/buf.h"
#include "common/err.h"

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

struct verify {
	const struct catalog *c;
	const struct verify_request *req;
	struct verify_result *result;
	const struct manifest *m;	/* of the backup at work */
	struct segment	*segments;
	size_t		 segment_count, segment_room;
	uint32_t	 segment_size;
	struct wal	*wal;
	size_t		 wal_count, wal_room;
	/* Where the WAL must begin: the start of the oldest backup. */
	uint32_t	 need_timeline;
	uint64_t	 need_number;
	bool		 need;
};

static void
fault(struct verify *v, const char *object, const char *what)
{
	v->result->faults++;
	if (v->req->fault != NULL)
		v->req->fault(v->req->arg, object, what);
}

static bool
is_cancelled(void *arg)
{
	const struct verify *v = arg;

	return v->req->cancelled != NULL && v->req->cancelled(v->req->arg);
}

/* Faults of an object are reported; what is ours or the store's ends it. */
static bool
is_fatal(int code)
{
	return code == ERR_CANCELLED || code == ERR_NOMEM ||
	    code == ERR_CONNECT || code == ERR_TIMEOUT || code == ERR_AUTH;
}

static void
report(void *arg, const struct manifest_file *f, const struct err *e)
{
	struct verify	*v = arg;
	char		 object[LABEL_MAX + MANIFEST_PATH_MAX];

	snprintf(object, sizeof(object), "backup %s, %s", v->m->label, f->path);
	fault(v, object, e->msg);
}

static int
fetch(void *arg, const char *backup, uint32_t pack, uint64_t offset, size_t n,
    void *out, struct err *e)
{
	const struct verify *v = arg;

	if (backup != NULL)
		return err_set(e, ERR_NOT_YET, "refers to another backup");
	return catalog_read_pack(v->c, v->m->label, v->m->run, pack, offset, n,
	    out, e);
}

static int
check_control(struct verify *v, struct unpack_job *job, struct err *e)
{
	const struct manifest_file *f = manifest_find(v->m, PGCONTROL_PATH);
	unsigned char	bytes[PAGEMAP_RUN];
	struct pgcontrol control;
	struct err	damage = { 0 };
	size_t		n;
	int		rc = ERR_FORMAT;

	if (f == NULL) {
		fault(v, v->m->label, "has no pg_control");
		return 0;
	}
	rc = unpack_bytes(job, f, bytes, &n, &damage);
	if (rc == 0)
		rc = pgcontrol_parse(&control, bytes, n, &damage);
	if (rc == 0)
		return 0;
	if (is_fatal(rc)) {
		*e = damage;
		return rc;
	}
	report(v, f, &damage);
	return 0;
}

/* The headers of the packs: no file's run covers them. */
static int
check_packs(struct verify *v, struct err *e)
{
	struct object_header h;
	struct buf	b = { 0 };
	struct err	damage = { 0 };
	char		key[CATALOG_KEY_MAX];
	uint32_t	i;
	int		rc = 0;

	for (i = 0; i < v->m->packs && rc == 0; i++) {
		catalog_key_pack(v->c, key, v->m->label, v->m->run, i);
		buf_clear(&b);
		rc = store_get(v->c->store, key, 0, OBJECT_HEADER_SIZE, &b,
		    &v->c->limits, &damage);
		if (rc == 0)
			rc = object_header_decode(&h, b.data, b.len, &damage);
		if (rc == 0 && h.kind != OBJECT_PACK)
			rc = err_set(&damage, ERR_FORMAT, "is no pack");
		if (rc != 0 && !is_fatal(rc)) {
			fault(v, key, damage.msg);
			rc = 0;
		}
	}
	if (rc != 0)
		*e = damage;
	buf_release(&b);
	return rc;
}

/* The claims: their names are what counts, but they must be whole, too. */
static int
check_claims(struct verify *v, const struct stanza_claims *claims,
    struct err *e)
{
	struct buf	b = { 0 };
	struct err	damage = { 0 };
	char		key[CATALOG_KEY_MAX];
	size_t		i;
	int		rc = 0;

	for (i = 0; i < claims->count && rc == 0; i++) {
		snprintf(key, sizeof(key), "%s/id/%" PRIu64 "-%d",
		    v->c->stanza, claims->claim[i].system_id,
		    claims->claim[i].version);
		buf_clear(&b);
		rc = catalog_get(v->c, OBJECT_STANZA, key, &b, &damage);
		if (rc != 0 && !is_fatal(rc)) {
			fault(v, key, damage.msg);
			rc = 0;
		}
	}
	if (rc != 0)
		*e = damage;
	buf_release(&b);
	return rc;
}

static int
verify_backup(struct verify *v, const struct catalog_backup *b, struct err *e)
{
	struct unpack_job job = { .threads = v->req->process_max,
	    .fetch = fetch, .report = report, .cancelled = is_cancelled,
	    .arg = v };
	struct manifest	m;
	struct err	damage = { 0 };
	int		rc;

	if (b->doubled)
		fault(v, b->label, "has two manifests");
	rc = catalog_load(v->c, b, &m, &damage);
	if (rc != 0) {
		if (is_fatal(rc)) {
			*e = damage;
			return rc;
		}
		fault(v, b->label, damage.msg);
		return 0;
	}
	v->m = job.manifest = &m;
	rc = unpack_run(&job, e);
	if (rc == 0)
		rc = check_control(v, &job, e);
	if (rc == 0)
		rc = check_packs(v, e);
	v->result->backups++;
	v->result->files += m.file_count;
	v->result->bytes += m.size;
	v->segment_size = m.wal_segment_size;
	if (!v->need) {
		v->need = true;
		v->need_timeline = m.start_timeline;
		v->need_number = m.start_lsn / m.wal_segment_size;
	}
	v->m = NULL;
	manifest_release(&m);
	return rc;
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
read_object(struct verify *v, const char *key, enum object_kind kind,
    struct digest *digest, struct err *e)
{
	struct object_reader r;
	int	rc;

	rc = object_reader_init(&r, kind, swallow, NULL, e);
	if (rc != 0)
		return rc;
	rc = store_read(v->c->store, key, 0, 0, object_reader_feed, &r,
	    &v->c->limits, e);
	if (rc == 0)
		rc = object_reader_finish(&r, e);
	if (rc == 0)
		*digest = r.header.digest;
	object_reader_release(&r);
	return rc;
}

static int
add_segment(struct verify *v, const char *segment)
{
	unsigned	timeline, high, low;
	struct segment	*p;
	size_t		room;

	if (v->segment_size == 0 ||
	    sscanf(segment, "%8X%8X%8X", &timeline, &high, &low) != 3)
		return 0;
	if (v->segment_count == v->segment_room) {
		room = v->segment_room == 0 ? 256 : v->segment_room * 2;
		p = realloc(v->segments, room * sizeof(*p));
		if (p == NULL)
			return ERR_NOMEM;
		v->segments = p;
		v->segment_room = room;
	}
	p = &v->segments[v->segment_count++];
	p->timeline = timeline;
	p->number = (uint64_t)high * ((UINT64_C(1) << 32) / v->segment_size) +
	    low;
	return 0;
}

/* Keys are gathered first: a store may not like to be read while it lists. */
static int
note_wal(void *arg, const char *segment, const struct store_entry *entry)
{
	struct verify	*v = arg;
	struct wal	*p;
	size_t		 room;

	if (v->wal_count == v->wal_room) {
		room = v->wal_room == 0 ? 256 : v->wal_room * 2;
		p = realloc(v->wal, room * sizeof(*p));
		if (p == NULL)
			return ERR_NOMEM;
		v->wal = p;
		v->wal_room = room;
	}
	p = &v->wal[v->wal_count];
	p->key = strdup(entry->key);
	if (p->key == NULL)
		return ERR_NOMEM;
	memcpy(p->segment, segment, strlen(segment) + 1);
	v->wal_count++;
	return 0;
}

static int
verify_wal(struct verify *v, const struct wal *w, struct err *e)
{
	struct digest	d;
	struct err	damage = { 0 };
	const char	*dash = strrchr(w->key, '-');
	char		hex[DIGEST_HEX_LEN + 1];
	int		rc;

	if (is_cancelled(v))
		return err_set(e, ERR_CANCELLED, "cancelled");
	v->result->wal++;
	rc = read_object(v, w->key, w->segment[0] != '\0' ? OBJECT_WAL :
	    OBJECT_WAL_FILE, &d, &damage);
	if (is_fatal(rc)) {
		*e = damage;
		return rc;
	}
	if (rc != 0) {
		fault(v, w->key, damage.msg);
		return 0;
	}
	digest_hex(&d, hex);
	if (dash == NULL || strcmp(dash + 1, hex) != 0)
		fault(v, w->key, "lies under another object's name");
	if (w->segment[0] != '\0' && add_segment(v, w->segment) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
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
check_gaps(struct verify *v)
{
	/* As if the segment before the first that is needed were there. */
	const struct segment start = { v->need_timeline, v->need_number - 1 };
	const struct segment *s, *before = &start;
	char		name[64], text[128];
	uint64_t	per_id = (UINT64_C(1) << 32) / v->segment_size;
	size_t		i;

	qsort(v->segments, v->segment_count, sizeof(*v->segments),
	    compare_segments);
	for (i = 0; i < v->segment_count; i++) {
		s = &v->segments[i];
		if (compare_segments(s, &start) <= 0)
			continue;
		if (before->timeline == s->timeline &&
		    s->number > before->number + 1) {
			snprintf(name, sizeof(name), "WAL of timeline %u",
			    s->timeline);
			snprintf(text, sizeof(text), "%llu segments missing "
			    "before %08X%08X%08X", (unsigned long long)
			    (s->number - before->number - 1), s->timeline,
			    (unsigned)(s->number / per_id),
			    (unsigned)(s->number % per_id));
			fault(v, name, text);
		}
		before = s;
	}
}

static int
verify_all_wal(struct verify *v, const struct stanza_claims *claims,
    struct err *e)
{
	size_t	i;
	int	rc = 0;

	for (i = 0; rc == 0 && i < claims->count; i++) {
		rc = catalog_each_wal(v->c, claims->claim[i].system_id,
		    note_wal, v, e);
		if (rc == ERR_NOMEM)
			err_set(e, rc, "out of memory");
	}
	for (i = 0; rc == 0 && i < v->wal_count; i++)
		rc = verify_wal(v, &v->wal[i], e);
	if (rc == 0 && v->need && v->segment_count > 0)
		check_gaps(v);
	return rc;
}

int
verify_run(const struct catalog *c, const struct verify_request *req,
    struct verify_result *result, struct err *e)
{
	struct verify	v = { .c = c, .req = req, .result = result };
	struct stanza_claims claims;
	struct catalog_list l;
	size_t		i;
	int		rc;

	memset(result, 0, sizeof(*result));
	rc = stanza_list(c, &claims, e);
	if (rc != 0)
		return rc;
	if (claims.count == 0) {
		/* Lost, or not mounted: all but "no faults". */
		err_set(e, ERR_NOT_FOUND, "stanza %s does not exist in %s",
		    c->stanza, store_name(c->store));
		return err_hint(e, "is this the right repository? if it is "
		    "a new one, run stanza-create");
	}
	rc = catalog_list(c, &l, e);
	if (rc != 0)
		return rc;
	rc = check_claims(&v, &claims, e);
	for (i = 0; rc == 0 && i < l.count; i++) {
		if (l.backups[i].committed && !l.backups[i].tombstone)
			rc = verify_backup(&v, &l.backups[i], e);
	}
	if (rc == 0)
		rc = verify_all_wal(&v, &claims, e);
	catalog_list_release(&l);
	for (i = 0; i < v.wal_count; i++)
		free(v.wal[i].key);
	free(v.wal);
	free(v.segments);
	if (rc == 0 && result->faults > 0) {
		rc = err_set(e, ERR_CHECKSUM, "%llu faults in %s",
		    (unsigned long long)result->faults, store_name(c->store));
		err_hint(e, "make a new backup now; if there is a second "
		    "repository, verify that one");
	}
	return rc;
}
