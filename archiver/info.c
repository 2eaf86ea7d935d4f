/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/info.h"

#include <stdio.h>
#include <string.h>

#include "archiver/catalog.h"
#include "archiver/lock.h"
#include "archiver/pgfiles.h"
#include "common/err.h"

void
info_release(struct info *i)
{
	free(i->backups);
	i->backups = NULL;
	i->backup_count = 0;
}

static void
describe_backup(struct info_backup *b, const struct manifest *m)
{
	uint32_t	size = m->wal_segment_size;

	memcpy(b->label, m->label, sizeof(b->label));
	memcpy(b->run, m->run, sizeof(b->run));
	b->type = LABEL_FULL;
	(void)label_parse(m->label, &b->type, NULL);
	b->system_id = m->system_id;
	b->version = m->pg_version;
	b->start_time = m->start_time;
	b->stop_time = m->stop_time;
	b->start_lsn = m->start_lsn;
	b->stop_lsn = m->stop_lsn;
	pgfiles_segment(b->wal_start, m->start_timeline, m->start_lsn, size);
	pgfiles_segment(b->wal_stop, m->stop_timeline, m->stop_lsn - 1, size);
	b->size = m->size;
	b->stored = m->stored;
	b->bad_blocks = manifest_bad_blocks(m);
	snprintf(b->archiver, sizeof(b->archiver), "%s",
	    m->archiver_version == NULL ? "" : m->archiver_version);
}

/* Segments of one timeline compare by name; a newer timeline wins. */
static int
note_wal(void *arg, const char *segment, const struct store_entry *entry)
{
	struct info_cluster *c = arg;

	(void)entry;
	if (segment[0] == '\0')
		return 0;
	if (c->wal_min[0] == '\0' || strcmp(segment, c->wal_min) < 0)
		memcpy(c->wal_min, segment, strlen(segment) + 1);
	if (strcmp(segment, c->wal_max) > 0)
		memcpy(c->wal_max, segment, strlen(segment) + 1);
	return 0;
}

static int
gather_clusters(const struct catalog *c, struct info *i, struct err *e)
{
	struct stanza_claims claims;
	size_t	k;
	int	rc;

	rc = stanza_list(c, &claims, e);
	for (k = 0; rc == 0 && k < claims.count; k++) {
		i->clusters[k].claim = claims.claim[k];
		i->cluster_count++;
		rc = catalog_each_wal(c, claims.claim[k].system_id, note_wal,
		    &i->clusters[k], e);
	}
	return rc;
}

/* One that cannot be read must not hide the others. */
static int
gather_backups(const struct catalog *c, struct info *i, struct err *e)
{
	struct catalog_list l;
	struct manifest	m;
	struct err	why = { 0 };
	size_t		k;
	int		rc, worst = 0;

	rc = catalog_list(c, &l, e);
	if (rc != 0)
		return rc;
	i->backups = calloc(l.count + 1, sizeof(*i->backups));
	if (i->backups == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	for (k = 0; rc == 0 && k < l.count; k++) {
		if (!l.backups[k].committed || l.backups[k].tombstone)
			continue;
		if (catalog_load(c, &l.backups[k], &m, &why) != 0) {
			if (worst == 0)
				*e = why;
			worst = e->code;
			continue;
		}
		describe_backup(&i->backups[i->backup_count++], &m);
		manifest_release(&m);
	}
	catalog_list_release(&l);
	return rc != 0 ? rc : worst;
}

int
info_gather(const struct catalog *c, int repo, struct info *i, struct err *e)
{
	int	rc;

	memset(i, 0, sizeof(*i));
	snprintf(i->stanza, sizeof(i->stanza), "%s", c->stanza);
	i->repo = repo;
	rc = gather_clusters(c, i, e);
	if (rc == 0)
		rc = gather_backups(c, i, e);
	if (rc != 0)
		snprintf(i->error, sizeof(i->error), "%.255s", e->msg);
	return rc;
}

enum info_status
info_status(const struct info *i)
{
	if (i->error[0] != '\0')
		return INFO_OTHER;
	if (i->cluster_count == 0)
		return INFO_MISSING_STANZA;
	return i->backup_count == 0 ? INFO_NO_BACKUP : INFO_OK;
}

enum info_status
info_status_of_all(const struct info *i, size_t n)
{
	size_t	k;

	for (k = 1; k < n; k++) {
		if (info_status(&i[k]) != info_status(&i[0]))
			return INFO_MIXED;
	}
	return info_status(&i[0]);
}

static void
look(const char *lock_path, const char *stanza, const char *kind,
    struct info_lock *l)
{
	struct err	ignored = { 0 };

	l->held = lock_look(lock_path, stanza, kind, l->holder,
	    sizeof(l->holder), &ignored);
}

void
info_look_at_locks(const char *lock_path, const char *stanza,
    struct info_locks *locks)
{
	memset(locks, 0, sizeof(*locks));
	look(lock_path, stanza, "archive", &locks->archive);
	look(lock_path, stanza, "backup", &locks->backup);
	look(lock_path, stanza, "restore", &locks->restore);
}
