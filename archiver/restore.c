/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/restore.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archiver/catalog.h"
#include "archiver/lineage.h"
#include "archiver/manifest.h"
#include "archiver/pagemap.h"
#include "archiver/pgfiles.h"
#include "archiver/pgmanifest.h"
#include "archiver/unpack.h"
#include "common/buf.h"
#include "common/crc32c.h"
#include "common/err.h"
#include "common/text.h"

#define AUTO_CONF	"postgresql.auto.conf"
#define AUTO_CONF_MAX	((size_t)16 << 20)

struct restore {
	const struct catalog *c;
	const struct restore_request *req;
	struct manifest	 m;
	struct unpack_job unpack;
	uint32_t	*crcs;
	/* The thread that reports progress. */
	pthread_t	 ticker;
	pthread_mutex_t	 lock;
	pthread_cond_t	 wake;
	bool		 end;
};

/* Whether the request's target can be reached from a backup. */
static bool
reaches(const struct manifest *m, const struct restore_request *req,
    int64_t time, uint64_t lsn)
{
	const char	*timeline = req->recovery.timeline;

	if (req->recovery.type == RECOVERY_TIME && m->stop_time >= time)
		return false;
	if (req->recovery.type == RECOVERY_LSN && m->stop_lsn > lsn)
		return false;
	if (timeline != NULL && text_is_digit(timeline[0]) &&
	    strtoull(timeline, NULL, 10) < m->start_timeline)
		return false;
	return true;
}

/* No backup will do; says which is the nearest. */
static int
none_reaches(const struct restore_request *req, const struct manifest *oldest,
    struct err *e)
{
	char	stamp[TEXT_STAMP_MAX], lsn[LSN_MAX];

	if (req->recovery.target == NULL) {
		err_set(e, ERR_NOT_FOUND,
		    "no backup leads to the timeline to recover to");
		return err_hint(e, "--target-timeline=current stays on that "
		    "of the backup");
	}
	err_set(e, ERR_NOT_FOUND, "no backup ended before the recovery "
	    "target %s on its timeline", req->recovery.target);
	return err_hint(e, "the oldest is %s, which ended at %s (%s) on "
	    "timeline %u: choose a later target", oldest->label,
	    text_print_rfc3339(oldest->stop_time, stamp),
	    lsn_format(lsn, oldest->stop_lsn), oldest->start_timeline);
}

struct newest {
	uint32_t	timeline;	/* wanted; 0: the newest */
	uint32_t	found;
	char		key[CATALOG_KEY_MAX];
};

static int
note_history(void *arg, const struct store_entry *entry)
{
	struct newest	*n = arg;
	const char	*name = strrchr(entry->key, '/');
	unsigned	 id;
	int		 used = 0;

	if (name == NULL || sscanf(name + 1, "%8X.history-%n", &id,
	    &used) != 1 || used == 0 || id <= n->found ||
	    (n->timeline != 0 && id != n->timeline))
		return 0;
	n->found = id;
	snprintf(n->key, sizeof(n->key), "%s", entry->key);
	return 0;
}

/*
 * Whether recovery can follow from the backup to the timeline that is asked
 * for, the newest unless it is named. What cannot be read is left for
 * PostgreSQL to judge, which may get it from another repository.
 */
static bool
follows(const struct catalog *c, const struct restore_request *req,
    const struct manifest *m)
{
	const struct recovery *r = &req->recovery;
	struct newest	n = { .timeline = 0 };
	struct buf	text = { 0 };
	struct err	ignored = { 0 };
	char		prefix[CATALOG_KEY_MAX];
	bool		ok = true;

	if (r->type == RECOVERY_IMMEDIATE ||
	    (r->timeline != NULL && strcmp(r->timeline, "current") == 0))
		return true;
	if (r->timeline != NULL && text_is_digit(r->timeline[0]))
		n.timeline = (uint32_t)strtoul(r->timeline, NULL, 10);
	snprintf(prefix, sizeof(prefix), "%s/wal/%" PRIu64 "/history/",
	    c->stanza, m->system_id);
	if (store_list(c->store, prefix, true, note_history, &n, &c->limits,
	    &ignored) == 0 && n.found > m->start_timeline &&
	    catalog_get(c, OBJECT_WAL_FILE, n.key, &text, &ignored) == 0)
		ok = lineage_leads_from(buf_cstr(&text), m->start_timeline,
		    m->stop_lsn);
	buf_release(&text);
	return ok;
}

/* From the newest back to the first that will do. */
static int
choose_newest(const struct catalog *c, const struct restore_request *req,
    const struct catalog_list *l, struct manifest *m, struct err *e)
{
	uint64_t	lsn = 0;
	int64_t		time = 0;
	bool		any = false;
	size_t		i;
	int		rc;

	rc = recovery_check(&req->recovery, &time, &lsn, e);
	for (i = l->count; rc == 0 && i > 0; i--) {
		if (!l->backups[i - 1].committed || l->backups[i - 1].tombstone)
			continue;
		if (any)
			manifest_release(m);
		rc = catalog_load(c, &l->backups[i - 1], m, e);
		if (rc != 0)
			return rc;
		any = true;
		if (reaches(m, req, time, lsn) && follows(c, req, m))
			return 0;
	}
	if (rc != 0)
		return rc;
	if (any) {
		rc = none_reaches(req, m, e);
		manifest_release(m);
		return rc;
	}
	err_set(e, ERR_NOT_FOUND, "the repository has no backup of stanza %s",
	    c->stanza);
	return err_hint(e, "is this the right stanza and repository? see the "
	    "info command");
}

static int
choose_named(const struct catalog *c, const struct restore_request *req,
    const struct catalog_list *l, struct manifest *m, struct err *e)
{
	const struct catalog_backup *b = catalog_find(l, req->set);
	char		stamp[TEXT_STAMP_MAX], text[LSN_MAX];
	uint64_t	lsn = 0;
	int64_t		time = 0;
	int		rc;

	if (b == NULL || b->tombstone) {
		err_set(e, ERR_NOT_FOUND, b == NULL ? "there is no backup %s" :
		    "backup %s is expired", req->set);
		return err_hint(e, "the info command lists the backups");
	}
	rc = recovery_check(&req->recovery, &time, &lsn, e);
	if (rc == 0)
		rc = catalog_load(c, b, m, e);
	if (rc != 0)
		return rc;
	if (reaches(m, req, time, lsn)) {
		if (follows(c, req, m))
			return 0;
		err_set(e, ERR_USAGE, "backup %s is of timeline %u, which does "
		    "not lead to the one to recover to", m->label,
		    m->start_timeline);
		rc = err_hint(e, "--target-timeline=current stays on that "
		    "of the backup");
		manifest_release(m);
		return rc;
	}
	err_set(e, ERR_USAGE, "backup %s ended at %s (%s), after the recovery "
	    "target", m->label, text_print_rfc3339(m->stop_time, stamp),
	    lsn_format(text, m->stop_lsn));
	rc = err_hint(e, "leave out --set to have the right one chosen");
	manifest_release(m);
	return rc;
}

int
restore_choose(const struct catalog *c, const struct restore_request *req,
    struct manifest *m, struct err *e)
{
	struct catalog_list l;
	int		rc;

	rc = catalog_list(c, &l, e);
	if (rc != 0)
		return err_wrap(e, "cannot list the backups");
	if (req->set == NULL || strcmp(req->set, "latest") == 0)
		rc = choose_newest(c, req, &l, m, e);
	else
		rc = choose_named(c, req, &l, m, e);
	catalog_list_release(&l);
	return rc;
}

/* unpack.h's fetch(). */
static int
fetch(void *arg, const char *backup, uint32_t pack, uint64_t offset, size_t n,
    void *out, struct err *e)
{
	const struct restore *r = arg;

	if (backup != NULL) {
		return err_set(e, ERR_NOT_YET,
		    "incremental backups cannot be restored yet");
	}
	return catalog_read_pack(r->c, r->m.label, r->m.run, pack, offset, n,
	    out, e);
}

static bool
is_cancelled(void *arg)
{
	const struct restore *r = arg;

	return r->req->cancelled != NULL && r->req->cancelled(r->req->arg);
}

static void *
tick(void *arg)
{
	struct restore	*r = arg;
	struct timespec	 until;

	pthread_mutex_lock(&r->lock);
	while (!r->end) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&r->wake, &r->lock, &until);
		r->req->progress(r->req->arg, atomic_load(&r->unpack.done),
		    r->m.size);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* unpack_run() with somebody who tells how far it is. */
static int
unpack(struct restore *r, struct err *e)
{
	bool	ticking = false;
	int	rc;

	r->end = false;
	if (r->req->progress != NULL)
		ticking = pthread_create(&r->ticker, NULL, tick, r) == 0;
	rc = unpack_run(&r->unpack, e);
	if (ticking) {
		pthread_mutex_lock(&r->lock);
		r->end = true;
		pthread_cond_signal(&r->wake);
		pthread_mutex_unlock(&r->lock);
		pthread_join(r->ticker, NULL);
	}
	return rc;
}

static int
path_of(const struct restore *r, const char *name, char *out, size_t size,
    struct err *e)
{
	if ((size_t)snprintf(out, size, "%s/%s", r->req->target.pgdata,
	    name) >= size)
		return err_set(e, ERR_LIMIT, "%s: path too long", name);
	return 0;
}

/*
 * PostgreSQL makes the links of tablespace_map when it starts, so the map
 * must say where the tablespaces are now. Those inside the data directory
 * are no links and must not become any.
 */
static int
write_tablespace_map(struct restore *r, struct err *e)
{
	struct manifest_file *f = manifest_find(&r->m, "tablespace_map");
	char		path[MANIFEST_PATH_MAX], map[PAGEMAP_RUN];
	size_t		i, n = 0, used;
	int		rc;

	if (f == NULL)
		return 0;
	for (i = 0; i < r->m.space_count; i++) {
		if (r->m.spaces[i].target == NULL)
			continue;
		used = tablespace_map_format(map + n, sizeof(map) - n,
		    r->m.spaces[i].oid, r->m.spaces[i].target);
		if (used == 0)
			return err_set(e, ERR_LIMIT, "tablespace_map is full");
		n += used;
	}
	rc = path_of(r, f->path, path, sizeof(path), e);
	if (rc == 0)
		rc = pgfiles_write(path, map, n, f->mode, e);
	f->size = n;
	r->crcs[f - r->m.files] = crc32c(0, map, n);
	return rc;
}

static int
write_recovery(struct restore *r, struct err *e)
{
	const struct recovery *recovery = &r->req->recovery;
	char		path[MANIFEST_PATH_MAX];
	struct buf	out = { 0 };
	char		*text = NULL;
	size_t		n = 0;
	int		rc;

	rc = path_of(r, AUTO_CONF, path, sizeof(path), e);
	if (rc != 0)
		return rc;
	rc = pgfiles_read(path, AUTO_CONF_MAX, &text, &n, e);
	if (rc != 0 && rc != ERR_NOT_FOUND)
		return rc;
	recovery_settings(recovery, r->m.label, text, n, &out);
	free(text);
	if (buf_failed(&out))
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else
		rc = pgfiles_write(path, buf_bytes(&out), buf_len(&out), 0600,
		    e);
	buf_release(&out);
	if (rc == 0) {
		rc = path_of(r, recovery_signal_file(recovery), path,
		    sizeof(path), e);
	}
	return rc == 0 ? pgfiles_write(path, "", 0, 0600, e) : rc;
}

/* pg_control as it will be, and the backup_manifest that lists it. */
static int
prepare_control(struct restore *r, unsigned char bytes[PAGEMAP_RUN], size_t *n,
    struct err *e)
{
	struct manifest_file *f = manifest_find(&r->m, PGCONTROL_PATH);
	char		path[MANIFEST_PATH_MAX];
	struct buf	out = { 0 };
	int		rc;

	if (f == NULL)
		return err_set(e, ERR_FORMAT, "the backup has no pg_control");
	rc = unpack_bytes(&r->unpack, f, bytes, n, e);
	if (rc == 0)
		rc = pgcontrol_invalidate_checkpoint(bytes, *n, e);
	if (rc != 0)
		return rc;
	r->crcs[f - r->m.files] = crc32c(0, bytes, *n);
	rc = pgmanifest_encode(&r->m, r->crcs, &out, e);
	if (rc == 0)
		rc = path_of(r, "backup_manifest", path, sizeof(path), e);
	if (rc == 0)
		rc = pgfiles_write(path, buf_bytes(&out), buf_len(&out), 0600,
		    e);
	buf_release(&out);
	return rc;
}

static int
write_control(struct restore *r, const unsigned char *bytes, size_t n,
    struct err *e)
{
	const struct manifest_file *f = manifest_find(&r->m, PGCONTROL_PATH);
	char	path[MANIFEST_PATH_MAX];
	int	rc;

	rc = path_of(r, PGCONTROL_PATH, path, sizeof(path), e);
	if (rc == 0)
		rc = pgfiles_write(path, bytes, n, f->mode, e);
	return rc == 0 ? target_own(&r->req->target, &r->m, PGCONTROL_PATH,
	    e) : rc;
}

static int
run(struct restore *r, struct err *e)
{
	const struct target *t = &r->req->target;
	unsigned char	control[PAGEMAP_RUN];
	size_t		n = 0;
	int		rc;

	rc = target_map_tablespaces(t, &r->m, e);
	if (rc == 0)
		rc = target_check(t, &r->m, e);
	if (rc == 0)
		rc = target_prepare(t, &r->m, e);
	if (rc == 0)
		rc = unpack(r, e);
	if (rc == 0)
		rc = write_tablespace_map(r, e);
	if (rc == 0)
		rc = write_recovery(r, e);
	if (rc == 0)
		rc = prepare_control(r, control, &n, e);
	if (rc == 0)
		rc = target_finish(t, &r->m, e);
	if (rc == 0)
		rc = write_control(r, control, n, e);
	return rc;
}

int
restore_run(const struct catalog *c, const struct restore_request *req,
    struct restore_result *result, struct err *e)
{
	struct restore	r = { .c = c, .req = req };
	int		rc;

	rc = recovery_check(&req->recovery, NULL, NULL, e);
	if (rc == 0)
		rc = restore_choose(c, req, &r.m, e);
	if (rc != 0)
		return rc;
	pthread_mutex_init(&r.lock, NULL);
	pthread_cond_init(&r.wake, NULL);
	r.crcs = calloc(r.m.file_count + 1, sizeof(*r.crcs));
	r.unpack.manifest = &r.m;
	r.unpack.target = req->target.pgdata;
	r.unpack.threads = req->process_max;
	r.unpack.delta = req->target.delta;
	r.unpack.fetch = fetch;
	r.unpack.cancelled = is_cancelled;
	r.unpack.arg = &r;
	r.unpack.crcs = r.crcs;
	if (r.crcs == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else
		rc = run(&r, e);
	if (rc == 0) {
		memset(result, 0, sizeof(*result));
		memcpy(result->label, r.m.label, sizeof(result->label));
		result->size = r.m.size;
		result->kept = atomic_load(&r.unpack.kept);
		result->files = r.m.file_count;
	}
	free(r.crcs);
	manifest_release(&r.m);
	pthread_cond_destroy(&r.wake);
	pthread_mutex_destroy(&r.lock);
	return rc;
}
