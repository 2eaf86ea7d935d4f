/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/info.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/text.h"

/* A backup in one of the repositories. */
struct shown {
	const struct info	*in;
	const struct info_backup *b;
};

/* The stanza, of all repositories. */
struct view {
	const struct info *i;
	size_t		 n;
	struct stanza_claim claims[STANZA_CLAIMS_MAX];	/* oldest first */
	size_t		 claim_count;
	struct shown	*backups;	/* copies side by side, oldest first */
	size_t		 backup_count;
};

static void
add_claim(struct view *v, const struct stanza_claim *claim)
{
	size_t	k, at;

	for (k = 0; k < v->claim_count; k++) {
		if (v->claims[k].system_id == claim->system_id &&
		    v->claims[k].version == claim->version)
			return;
	}
	if (v->claim_count == STANZA_CLAIMS_MAX)
		return;
	for (at = v->claim_count; at > 0 &&
	    v->claims[at - 1].version > claim->version; at--)
		v->claims[at] = v->claims[at - 1];
	v->claims[at] = *claim;
	v->claim_count++;
}

static int
compare_shown(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;
	int	c = strcmp(x->b->label, y->b->label);

	if (c == 0)
		c = strcmp(x->b->run, y->b->run);
	return c != 0 ? c : x->in->repo - y->in->repo;
}

static bool
view_init(struct view *v, const struct info *i, size_t n)
{
	size_t	k, j, total = 0;

	memset(v, 0, sizeof(*v));
	v->i = i;
	v->n = n;
	for (k = 0; k < n; k++)
		total += i[k].backup_count;
	v->backups = calloc(total + 1, sizeof(*v->backups));
	if (v->backups == NULL)
		return false;
	for (k = 0; k < n; k++) {
		for (j = 0; j < i[k].cluster_count; j++)
			add_claim(v, &i[k].clusters[j].claim);
		for (j = 0; j < i[k].backup_count; j++)
			v->backups[v->backup_count++] =
			    (struct shown){ &i[k], &i[k].backups[j] };
	}
	qsort(v->backups, v->backup_count, sizeof(*v->backups), compare_shown);
	return true;
}

static bool
is_copy_of(const struct shown *a, const struct shown *b)
{
	return strcmp(a->b->label, b->b->label) == 0 &&
	    strcmp(a->b->run, b->b->run) == 0;
}

static const struct info_cluster *
cluster_in(const struct info *i, const struct stanza_claim *claim)
{
	size_t	k;

	for (k = 0; k < i->cluster_count; k++) {
		if (i->clusters[k].claim.system_id == claim->system_id &&
		    i->clusters[k].claim.version == claim->version)
			return &i->clusters[k];
	}
	return NULL;
}

static const char *
status_text(const struct info *i, enum info_status status)
{
	switch (status) {
	case INFO_OK:
		return "ok";
	case INFO_MISSING_STANZA:
		return "missing stanza path";
	case INFO_NO_BACKUP:
		return "no valid backups";
	case INFO_MIXED:
		return "different across repos";
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

/* --- Text. --- */

static void
text_backup(const struct view *v, size_t from, struct buf *out)
{
	const struct info_backup *b = v->backups[from].b;
	size_t	k;

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
	buf_append_u8(out, '\n');
	for (k = from; k < v->backup_count &&
	    is_copy_of(&v->backups[k], &v->backups[from]); k++) {
		buf_printf(out, "            repo%d: backup set size: ",
		    v->backups[k].in->repo);
		put_size(out, v->backups[k].b->stored);
		buf_append_str(out, ", backup size: ");
		put_size(out, v->backups[k].b->stored);
		buf_append_u8(out, '\n');
	}
	if (b->bad_blocks > 0) {
		buf_printf(out, "            error(s) detected during backup: %"
		    PRIu64 " page(s) with a wrong checksum\n", b->bad_blocks);
	}
}

/* First and last segment of all repositories, and who has less. */
static void
text_wal(const struct view *v, const struct stanza_claim *claim,
    struct buf *out)
{
	const struct info_cluster *c;
	const char	*min = "", *max = "";
	size_t		k;

	for (k = 0; k < v->n; k++) {
		c = cluster_in(&v->i[k], claim);
		if (c == NULL || c->wal_max[0] == '\0')
			continue;
		if (min[0] == '\0' || strcmp(c->wal_min, min) < 0)
			min = c->wal_min;
		if (strcmp(c->wal_max, max) > 0)
			max = c->wal_max;
	}
	buf_printf(out, "        wal archive min/max (%d): ", claim->version);
	if (max[0] == '\0') {
		buf_append_str(out, "none present\n");
		return;
	}
	buf_printf(out, "%s/%s\n", min, max);
	for (k = 0; k < v->n; k++) {
		c = cluster_in(&v->i[k], claim);
		if (c != NULL && (strcmp(c->wal_min, min) != 0 ||
		    strcmp(c->wal_max, max) != 0)) {
			buf_printf(out, "            repo%d: %s%s%s\n",
			    v->i[k].repo, c->wal_max[0] == '\0' ?
			    "none present" : c->wal_min,
			    c->wal_max[0] == '\0' ? "" : "/", c->wal_max);
		}
	}
}

static void
text_status(const struct view *v, const struct info_locks *locks,
    struct buf *out)
{
	enum info_status status = info_status_of_all(v->i, v->n), one;
	size_t	k;

	buf_printf(out, "stanza: %s\n    status: ", v->i[0].stanza);
	if (status == INFO_OK)
		buf_append_str(out, "ok");
	else if (status == INFO_MIXED)
		buf_append_str(out, "mixed");
	else
		buf_printf(out, "error (%s)", status_text(v->i, status));
	if (locks->backup.held > 0)
		buf_append_str(out, " (backup/expire running)");
	if (locks->restore.held > 0)
		buf_append_str(out, " (restore running)");
	buf_append_u8(out, '\n');
	for (k = 0; status == INFO_MIXED && k < v->n; k++) {
		one = info_status(&v->i[k]);
		buf_printf(out, "        repo%d: %s%s%s\n", v->i[k].repo,
		    one == INFO_OK ? "" : "error (",
		    status_text(&v->i[k], one), one == INFO_OK ? "" : ")");
	}
	buf_append_str(out, "    cipher: none\n");
}

void
info_print_text(const struct info *i, size_t n,
    const struct info_locks *locks, struct buf *out)
{
	struct view	v;
	size_t		k, j;

	if (!view_init(&v, i, n)) {
		out->failed = true;
		return;
	}
	text_status(&v, locks, out);
	for (k = v.claim_count; k > 0; k--) {
		buf_printf(out, "\n    db (%s)\n",
		    k == v.claim_count ? "current" : "prior");
		text_wal(&v, &v.claims[k - 1], out);
		for (j = 0; j < v.backup_count; j++) {
			if (v.backups[j].b->system_id ==
			    v.claims[k - 1].system_id && (j == 0 ||
			    !is_copy_of(&v.backups[j], &v.backups[j - 1])))
				text_backup(&v, j, out);
		}
	}
	free(v.backups);
}

/* --- JSON. --- */

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
cluster_id(const struct view *v, uint64_t system_id)
{
	size_t	k;

	for (k = 0; k < v->claim_count; k++) {
		if (v->claims[k].system_id == system_id)
			return k + 1;
	}
	return 0;
}

static void
json_backup(const struct view *v, const struct shown *s, struct buf *out)
{
	const struct info_backup *b = s->b;
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
	    cluster_id(v, b->system_id), s->in->repo,
	    b->bad_blocks > 0 ? "true" : "false", b->size, b->stored,
	    b->stored, b->size, b->label, lsn_format(start, b->start_lsn),
	    lsn_format(stop, b->stop_lsn), b->start_time / TEXT_USEC_PER_SEC,
	    b->stop_time / TEXT_USEC_PER_SEC, label_type_text(b->type));
}

/* "archive" and "db": by cluster, and in that by repository. */
static void
json_clusters(const struct view *v, struct buf *out)
{
	const struct info_cluster *c;
	const char	*separator = "";
	size_t		k, r;

	buf_append_str(out, "\"archive\":[");
	for (k = 0; k < v->claim_count; k++) {
		for (r = 0; r < v->n; r++) {
			c = cluster_in(&v->i[r], &v->claims[k]);
			if (c == NULL || c->wal_max[0] == '\0')
				continue;
			buf_printf(out, "%s{\"database\":{\"id\":%zu,"
			    "\"repo-key\":%d},\"id\":\"%d-%zu\",\"max\":"
			    "\"%s\",\"min\":\"%s\"}", separator, k + 1,
			    v->i[r].repo, c->claim.version, k + 1, c->wal_max,
			    c->wal_min);
			separator = ",";
		}
	}
	buf_append_str(out, "],\"db\":[");
	separator = "";
	for (k = 0; k < v->claim_count; k++) {
		for (r = 0; r < v->n; r++) {
			if (cluster_in(&v->i[r], &v->claims[k]) == NULL)
				continue;
			buf_printf(out, "%s{\"id\":%zu,\"repo-key\":%d,"
			    "\"system-id\":%" PRIu64 ",\"version\":\"%d\"}",
			    separator, k + 1, v->i[r].repo,
			    v->claims[k].system_id, v->claims[k].version);
			separator = ",";
		}
	}
	buf_append_str(out, "],");
}

static void
json_lock(const char *name, const struct info_lock *l, struct buf *out)
{
	buf_printf(out, "\"%s\":{\"held\":%s", name, l->held < 0 ? "null" :
	    l->held > 0 ? "true" : "false");
	if (l->held > 0) {
		buf_append_str(out, ",\"holder\":");
		put_string(out, l->holder);
	}
	buf_append_u8(out, '}');
}

static void
json_status(const struct view *v, const struct info_locks *locks,
    struct buf *out)
{
	enum info_status status = info_status_of_all(v->i, v->n);
	size_t	k;

	buf_append_str(out, "\"repo\":[");
	for (k = 0; k < v->n; k++) {
		buf_printf(out, "%s{\"cipher\":\"none\",\"key\":%d,\"status\":"
		    "{\"code\":%d,\"message\":", k == 0 ? "" : ",",
		    v->i[k].repo, (int)info_status(&v->i[k]));
		put_string(out, status_text(&v->i[k],
		    info_status(&v->i[k])));
		buf_append_str(out, "}}");
	}
	buf_printf(out, "],\"status\":{\"code\":%d,\"lock\":{", (int)status);
	json_lock("archive", &locks->archive, out);
	buf_append_u8(out, ',');
	json_lock("backup", &locks->backup, out);
	buf_append_u8(out, ',');
	json_lock("restore", &locks->restore, out);
	buf_append_str(out, "},\"message\":");
	put_string(out, status_text(v->i, status));
	buf_append_u8(out, '}');
}

void
info_print_json(const struct info *i, size_t n,
    const struct info_locks *locks, struct buf *out)
{
	struct view	v;
	size_t		k;

	if (!view_init(&v, i, n)) {
		out->failed = true;
		return;
	}
	buf_append_str(out, "[{");
	json_clusters(&v, out);
	buf_append_str(out, "\"backup\":[");
	for (k = 0; k < v.backup_count; k++) {
		if (k > 0)
			buf_append_u8(out, ',');
		json_backup(&v, &v.backups[k], out);
	}
	buf_append_str(out, "],\"cipher\":\"none\",\"name\":");
	put_string(out, i->stanza);
	buf_append_u8(out, ',');
	json_status(&v, locks, out);
	buf_append_str(out, "}]\n");
	free(v.backups);
}
