/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "archiver/catalog.h"
#include "archiver/pgfiles.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

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

static int
gather_backups(const struct catalog *c, struct info *i, struct err *e)
{
	struct catalog_list l;
	struct manifest	m;
	size_t		k;
	int		rc;

	rc = catalog_list(c, &l, e);
	if (rc != 0)
		return rc;
	i->backups = calloc(l.count + 1, sizeof(*i->backups));
	if (i->backups == NULL)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	for (k = 0; rc == 0 && k < l.count; k++) {
		if (!l.backups[k].committed || l.backups[k].tombstone)
			continue;
		rc = catalog_load(c, &l.backups[k], &m, e);
		if (rc != 0)
			break;
		describe_backup(&i->backups[i->backup_count++], &m);
		manifest_release(&m);
	}
	catalog_list_release(&l);
	return rc;
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

static const char *
status_text(const struct info *i)
{
	switch (info_status(i)) {
	case INFO_OK:
		return "ok";
	case INFO_MISSING_STANZA:
		return "missing stanza path";
	case INFO_NO_BACKUP:
		return "no valid backups";
	case INFO_OTHER:
		return i->error;
	}
	return "other";
}

/* "2026-11-21 04:54:40+00" */
static void
put_time(struct buf *out, int64_t us)
{
	char		stamp[64];
	time_t		t = (time_t)(us / TEXT_USEC_PER_SEC);
	struct tm	tm;

	memset(&tm, 0, sizeof(tm));
	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S+00", &tm);
	buf_append_str(out, stamp);
}

static void
put_size(struct buf *out, uint64_t size)
{
	char	text[TEXT_NUMBER_MAX];

	buf_append_str(out, text_print_size_short((int64_t)size, text));
}

static void
text_backup(const struct info *i, const struct info_backup *b, struct buf *out)
{
	buf_printf(out, "\n        %s backup: %s\n            "
	    "timestamp start/stop: ", label_type_text(b->type), b->label);
	put_time(out, b->start_time);
	buf_append_str(out, " / ");
	put_time(out, b->stop_time);
	buf_printf(out, "\n            wal start/stop: %s / %s\n"
	    "            database size: ", b->wal_start, b->wal_stop);
	put_size(out, b->size);
	buf_append_str(out, ", database backup size: ");
	put_size(out, b->size);
	buf_printf(out, "\n            repo%d: backup set size: ", i->repo);
	put_size(out, b->stored);
	buf_append_str(out, ", backup size: ");
	put_size(out, b->stored);
	buf_append_u8(out, '\n');
	if (b->bad_blocks > 0) {
		buf_printf(out, "            error(s) detected during backup: %"
		    PRIu64 " page(s) with a wrong checksum\n", b->bad_blocks);
	}
}

static void
text_stanza(const struct info *i, struct buf *out)
{
	const struct info_cluster *c;
	size_t	k, j;

	buf_printf(out, "stanza: %s\n    status: %s%s%s\n    cipher: none\n",
	    i->stanza, info_status(i) == INFO_OK ? "" : "error (",
	    status_text(i), info_status(i) == INFO_OK ? "" : ")");
	for (k = i->cluster_count; k > 0; k--) {
		c = &i->clusters[k - 1];
		buf_printf(out, "\n    db (%s)\n        wal archive min/max "
		    "(%d): ", k == i->cluster_count ? "current" : "prior",
		    c->claim.version);
		if (c->wal_max[0] == '\0')
			buf_append_str(out, "none present\n");
		else
			buf_printf(out, "%s/%s\n", c->wal_min, c->wal_max);
		for (j = 0; j < i->backup_count; j++) {
			if (i->backups[j].system_id == c->claim.system_id)
				text_backup(i, &i->backups[j], out);
		}
	}
}

void
info_print_text(const struct info *i, size_t n, struct buf *out)
{
	size_t	k;

	for (k = 0; k < n; k++) {
		if (k > 0)
			buf_append_u8(out, '\n');
		text_stanza(&i[k], out);
	}
	if (n == 0)
		buf_append_str(out, "No stanzas exist in the repository.\n");
}

static void
put_string(struct buf *out, const char *s)
{
	buf_append_u8(out, '"');
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_printf(out, "\\%c", *s);
		else if ((unsigned char)*s < ' ')
			buf_printf(out, "\\u%04x", (unsigned char)*s);
		else
			buf_append_u8(out, (uint8_t)*s);
	}
	buf_append_u8(out, '"');
}

/* The number pgBackRest calls a database's id: 1 for the oldest claim. */
static size_t
cluster_id(const struct info *i, uint64_t system_id)
{
	size_t	k;

	for (k = 0; k < i->cluster_count; k++) {
		if (i->clusters[k].claim.system_id == system_id)
			return k + 1;
	}
	return 0;
}

static void
json_backup(const struct info *i, const struct info_backup *b, struct buf *out)
{
	char	start[LSN_MAX], stop[LSN_MAX];

	buf_printf(out, "{\"archive\":{\"start\":\"%s\",\"stop\":\"%s\"},"
	    "\"backrest\":{\"format\":5,\"version\":", b->wal_start,
	    b->wal_stop);
	put_string(out, b->archiver);
	buf_printf(out, "},\"database\":{\"id\":%zu,\"repo-key\":%d},"
	    "\"error\":%s,\"info\":{\"delta\":%" PRIu64 ",\"repository\":{"
	    "\"delta\":%" PRIu64 ",\"size\":%" PRIu64 "},\"size\":%" PRIu64
	    "},\"label\":\"%s\",\"lsn\":{\"start\":\"%s\",\"stop\":\"%s\"},"
	    "\"prior\":null,\"reference\":null,\"timestamp\":{\"start\":%"
	    PRId64 ",\"stop\":%" PRId64 "},\"type\":\"%s\"}",
	    cluster_id(i, b->system_id), i->repo,
	    b->bad_blocks > 0 ? "true" : "false", b->size, b->stored,
	    b->stored, b->size, b->label, lsn_format(start, b->start_lsn),
	    lsn_format(stop, b->stop_lsn), b->start_time / TEXT_USEC_PER_SEC,
	    b->stop_time / TEXT_USEC_PER_SEC, label_type_text(b->type));
}

static void
json_clusters(const struct info *i, struct buf *out)
{
	const struct info_cluster *c;
	const char	*separator = "";
	size_t		k;

	buf_append_str(out, "\"archive\":[");
	for (k = 0; k < i->cluster_count; k++) {
		c = &i->clusters[k];
		if (c->wal_max[0] == '\0')
			continue;
		buf_printf(out, "%s{\"database\":{\"id\":%zu,\"repo-key\":%d},"
		    "\"id\":\"%d-%zu\",\"max\":\"%s\",\"min\":\"%s\"}",
		    separator, k + 1, i->repo, c->claim.version, k + 1,
		    c->wal_max, c->wal_min);
		separator = ",";
	}
	buf_append_str(out, "],\"db\":[");
	for (k = 0; k < i->cluster_count; k++) {
		c = &i->clusters[k];
		buf_printf(out, "%s{\"id\":%zu,\"repo-key\":%d,\"system-id\":%"
		    PRIu64 ",\"version\":\"%d\"}", k == 0 ? "" : ",", k + 1,
		    i->repo, c->claim.system_id, c->claim.version);
	}
	buf_append_str(out, "],");
}

static void
json_stanza(const struct info *i, struct buf *out)
{
	size_t	k;

	buf_append_u8(out, '{');
	json_clusters(i, out);
	buf_append_str(out, "\"backup\":[");
	for (k = 0; k < i->backup_count; k++) {
		if (k > 0)
			buf_append_u8(out, ',');
		json_backup(i, &i->backups[k], out);
	}
	buf_append_str(out, "],\"cipher\":\"none\",\"name\":");
	put_string(out, i->stanza);
	buf_printf(out, ",\"repo\":[{\"cipher\":\"none\",\"key\":%d,\"status\""
	    ":{\"code\":%d,\"message\":", i->repo, (int)info_status(i));
	put_string(out, status_text(i));
	buf_printf(out, "}}],\"status\":{\"code\":%d,\"lock\":{\"backup\":{"
	    "\"held\":false},\"restore\":{\"held\":false}},\"message\":",
	    (int)info_status(i));
	put_string(out, status_text(i));
	buf_append_str(out, "}}");
}

void
info_print_json(const struct info *i, size_t n, struct buf *out)
{
	size_t	k;

	buf_append_u8(out, '[');
	for (k = 0; k < n; k++) {
		if (k > 0)
			buf_append_u8(out, ',');
		json_stanza(&i[k], out);
	}
	buf_append_str(out, "]\n");
}
