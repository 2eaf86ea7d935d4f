/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archiver/backup.h"
#include "archiver/catalog.h"
#include "archiver/object.h"
#include "archiver/pagemap.h"
#include "archiver/pgcontrol.h"
#include "archiver/stanza.h"
#include "archiver/unfinished.h"
#include "archiver/unpack.h"
#include "archiver/verify_wal.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

struct verify {
	const struct catalog *c;
	const struct verify_request *req;
	struct verify_result *result;
	const struct manifest *m;	/* of the backup at work */
	uint32_t	 segment_size;
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

static void
wal_fault(void *arg, const char *object, const char *what)
{
	fault(arg, object, what);
}

static bool
is_cancelled(void *arg)
{
	const struct verify *v = arg;

	return v->req->cancelled != NULL && v->req->cancelled(v->req->arg);
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
fetch(void *arg, int attempt, const struct unpack_piece *p, void *out,
    struct err *e)
{
	const struct verify *v = arg;

	(void)attempt;
	if (p->backup != NULL)
		return err_set(e, ERR_NOT_YET, "refers to another backup");
	return catalog_read_pack(v->c, v->m->label, v->m->run, p->pack,
	    p->offset, p->n, out, e);
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
	if (verify_is_fatal(rc)) {
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
		if (rc != 0 && !verify_is_fatal(rc)) {
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
		if (rc != 0 && !verify_is_fatal(rc)) {
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
	char		object[128];
	int		rc;

	if (b->doubled) {
		snprintf(object, sizeof(object), "has more than one manifest; "
		    "run %s, which started first, counts", b->run);
		fault(v, b->label, object);
	}
	rc = catalog_load(v->c, b, &m, &damage);
	if (rc != 0) {
		if (verify_is_fatal(rc)) {
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

/* How long after its last sign of life a backup is taken for dead. */
static bool
is_alive(const struct verify *v, const struct unfinished *u)
{
	int64_t	silence = (int64_t)10 * BACKUP_INTENT_PERIOD *
	    TEXT_USEC_PER_SEC;

	return v->req->now < u->seen + MIN(silence, v->req->grace);
}

static int
judge_unfinished(void *arg, const struct unfinished *u)
{
	struct verify	*v = arg;
	char		 object[LABEL_MAX + MANIFEST_RUN_MAX + 32];
	char		 text[512], seen[TEXT_STAMP_MAX], end[TEXT_STAMP_MAX];
	char		 packs[TEXT_COUNT_MAX];

	if (is_alive(v, u))
		return 0;
	snprintf(object, sizeof(object), "backup %s, run %s", u->label, u->run);
	if (u->complete) {
		fault(v, object, "all of it is stored, but its manifest is "
		    "lost; another repository may have it");
		return 0;
	}
	v->result->unfinished++;
	if (v->req->note == NULL)
		return 0;
	snprintf(text, sizeof(text), "%s never ended: %s without a manifest, "
	    "the last sign of life at %s; to be removed by expire after %s",
	    object, text_print_count(u->packs, "pack", packs),
	    text_print_rfc3339(u->seen, seen),
	    text_print_rfc3339(u->seen + v->req->grace, end));
	v->req->note(v->req->arg, text);
	return 0;
}

static int
verify_all_wal(struct verify *v, const struct stanza_claims *claims,
    struct err *e)
{
	struct verify_wal w = { .c = v->c, .threads = v->req->process_max,
	    .fault = wal_fault, .cancelled = is_cancelled, .arg = v,
	    .segment_size = v->segment_size, .need = v->need,
	    .need_timeline = v->need_timeline,
	    .need_number = v->need_number };
	int	rc;

	rc = verify_wal_run(&w, claims, e);
	v->result->wal = w.objects;
	return rc;
}

static int
note_leftover(void *arg, const struct store_entry *entry)
{
	struct verify	*v = arg;

	(void)entry;
	v->result->leftovers++;
	return 0;
}

static int
count_leftovers(struct verify *v, struct err *e)
{
	char		prefix[CATALOG_KEY_MAX];
	struct store_sweep s = { prefix, INT64_MAX, false, note_leftover, v };

	snprintf(prefix, sizeof(prefix), "%s/", v->c->stanza);
	return store_sweep(v->c->store, &s, &v->c->limits, e);
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
		rc = unfinished_each(c, &l, judge_unfinished, &v, e);
	if (rc == 0)
		rc = verify_all_wal(&v, &claims, e);
	if (rc == 0)
		rc = count_leftovers(&v, e);
	catalog_list_release(&l);
	if (rc == 0 && result->faults > 0) {
		rc = err_set(e, ERR_CHECKSUM, "%llu faults in %s",
		    (unsigned long long)result->faults, store_name(c->store));
		err_hint(e, "make a new backup now; if there is a second "
		    "repository, verify that one");
	}
	return rc;
}
