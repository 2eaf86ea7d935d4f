/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/choose.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archiver/catalog.h"
#include "archiver/lineage.h"
#include "archiver/recovery.h"
#include "archiver/restore_request.h"
#include "archiver/stanza.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

/* One backup, wherever it is. */
struct candidate {
	char		 label[LABEL_MAX];
	char		 run[MANIFEST_RUN_MAX];
	unsigned	 at;		/* bit i: catalog i has its manifest */
};

struct choosing {
	const struct catalog *c;
	size_t		 n;
	const struct restore_request *req;
	int64_t		 time;		/* of the target, by its type */
	uint64_t	 lsn;
	struct catalog_list lists[CHOOSE_COPIES_MAX];
	struct err	 why[CHOOSE_COPIES_MAX];	/* not listed: code */
	struct candidate *found;	/* newest first */
	size_t		 count;
};

static void PRINTF_LIKE(2, 3)
warn(const struct restore_request *req, const char *fmt, ...)
{
	char	text[1600];
	va_list	ap;

	if (req->warn == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	req->warn(req->arg, text);
}

/* Newest first; of one label, that of the first repository. */
static int
compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int	c = strcmp(y->label, x->label);
	unsigned first_x = x->at & (0u - x->at);
	unsigned first_y = y->at & (0u - y->at);

	if (c != 0)
		return c;
	return first_x < first_y ? -1 : first_x > first_y;
}

static void
add_candidate(struct choosing *ch, const struct catalog_backup *b, size_t at)
{
	struct candidate *found;
	size_t	i;

	for (i = 0; i < ch->count; i++) {
		if (strcmp(ch->found[i].label, b->label) == 0 &&
		    strcmp(ch->found[i].run, b->run) == 0) {
			ch->found[i].at |= 1u << at;
			return;
		}
	}
	found = &ch->found[ch->count++];
	memcpy(found->label, b->label, sizeof(found->label));
	memcpy(found->run, b->run, sizeof(found->run));
	found->at = 1u << at;
}

static void
end_choosing(struct choosing *ch)
{
	size_t	i;

	for (i = 0; i < ch->n; i++)
		catalog_list_release(&ch->lists[i]);
	free(ch->found);
}

/* Lists all repositories; those that fail are left out while one answers. */
static int
gather(struct choosing *ch, struct err *e)
{
	const struct catalog_backup *b;
	size_t	i, j, room = 0, first = ch->n;

	for (i = 0; i < ch->n; i++) {
		if (catalog_list(&ch->c[i], &ch->lists[i], &ch->why[i]) == 0) {
			ch->why[i].code = 0;
			room += ch->lists[i].count;
			if (first == ch->n)
				first = i;
		} else if (ch->why[i].code == ERR_CANCELLED) {
			*e = ch->why[i];
			return e->code;
		}
	}
	if (first == ch->n) {
		*e = ch->why[0];
		return err_wrap(e, "cannot list the backups");
	}
	for (i = 0; i < ch->n; i++) {
		if (ch->why[i].code != 0)
			warn(ch->req, "repo%d is left out: cannot list its "
			    "backups: %s", ch->c[i].repo, ch->why[i].msg);
	}
	ch->found = calloc(room + 1, sizeof(*ch->found));
	if (ch->found == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (i = 0; i < ch->n; i++) {
		for (j = 0; j < ch->lists[i].count; j++) {
			b = &ch->lists[i].backups[j];
			if (b->committed && !b->tombstone)
				add_candidate(ch, b, i);
		}
	}
	qsort(ch->found, ch->count, sizeof(*ch->found), compare_candidates);
	return 0;
}

static bool
share_claim(const struct stanza_claims *a, const struct stanza_claims *b)
{
	size_t	i, j;

	for (i = 0; i < a->count; i++) {
		for (j = 0; j < b->count; j++) {
			if (a->claim[i].system_id == b->claim[j].system_id)
				return true;
		}
	}
	return a->count == 0 || b->count == 0;
}

/*
 * Two clusters under one name of a stanza, each in its repository: nobody
 * could say which one a restore means.
 */
static int
check_claims(struct choosing *ch, struct err *e)
{
	struct stanza_claims first = { .count = 0 }, next;
	struct err	ignored = { 0 };
	size_t		i, at = 0;

	for (i = 0; i < ch->n; i++) {
		if (ch->why[i].code != 0 ||
		    stanza_list(&ch->c[i], &next, &ignored) != 0)
			continue;
		if (first.count == 0) {
			first = next;
			at = i;
			continue;
		}
		if (share_claim(&first, &next))
			continue;
		err_set(e, ERR_MISMATCH, "stanza %s belongs to cluster %"
		    PRIu64 " in repo%d and to cluster %" PRIu64 " in repo%d",
		    ch->c[i].stanza, first.claim[0].system_id,
		    ch->c[at].repo, next.claim[0].system_id, ch->c[i].repo);
		return err_hint(e, "say which one with --repo=%d or --repo=%d",
		    ch->c[at].repo, ch->c[i].repo);
	}
	return 0;
}

/* Whether the request's target can be reached from a backup. */
static bool
reaches(const struct choosing *ch, const struct manifest *m)
{
	const struct recovery *r = &ch->req->recovery;

	if (r->type == RECOVERY_TIME && m->stop_time >= ch->time)
		return false;
	if (r->type == RECOVERY_LSN && m->stop_lsn > ch->lsn)
		return false;
	return r->timeline == NULL || !text_is_digit(r->timeline[0]) ||
	    strtoull(r->timeline, NULL, 10) >= m->start_timeline;
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
	    &used) != 1 || used == 0 || id < n->found ||
	    (n->timeline != 0 && id != n->timeline))
		return 0;
	n->found = id;
	snprintf(n->key, sizeof(n->key), "%s", entry->key);
	return 0;
}

/*
 * Whether recovery can follow from the backup to the timeline that is asked
 * for, the newest of all repositories unless it is named. What cannot be
 * read is left for PostgreSQL to judge.
 */
static bool
follows(const struct choosing *ch, const struct manifest *m)
{
	const struct recovery *r = &ch->req->recovery;
	struct newest	n = { .timeline = 0 };
	struct buf	text = { 0 };
	struct err	ignored = { 0 };
	char		prefix[CATALOG_KEY_MAX];
	uint32_t	before;
	bool		ok = true;
	size_t		i;

	if (r->type == RECOVERY_IMMEDIATE || r->type == RECOVERY_NONE ||
	    r->type == RECOVERY_PRESERVE ||
	    (r->timeline != NULL && strcmp(r->timeline, "current") == 0))
		return true;
	if (r->timeline != NULL && text_is_digit(r->timeline[0]))
		n.timeline = (uint32_t)strtoul(r->timeline, NULL, 10);
	for (i = 0; i < ch->n; i++) {
		if (ch->why[i].code != 0)
			continue;
		before = n.found;
		snprintf(prefix, sizeof(prefix), "%s/wal/%" PRIu64 "/history/",
		    ch->c[i].stanza, m->system_id);
		if (store_list(ch->c[i].store, prefix, true, note_history, &n,
		    &ch->c[i].limits, &ignored) != 0 ||
		    n.found <= m->start_timeline)
			continue;
		/* The same file in another repository is as good. */
		if (n.found == before && buf_len(&text) > 0)
			continue;
		buf_clear(&text);
		if (catalog_get(&ch->c[i], OBJECT_WAL_FILE, n.key, &text,
		    &ignored) == 0)
			ok = lineage_leads_from(buf_cstr(&text),
			    m->start_timeline, m->stop_lsn);
		else
			buf_clear(&text);
	}
	if (buf_len(&text) == 0)
		ok = true;
	buf_release(&text);
	return ok;
}

/* Whether packs of a run are in a repository, with a manifest or without. */
static bool
has_packs(const struct catalog *c, const struct catalog_list *l,
    const struct candidate *b)
{
	const struct catalog_backup *there = catalog_find(l, b->label);
	struct err	ignored = { 0 };

	return there != NULL && !there->tombstone &&
	    catalog_has_run(c, b->label, b->run, &ignored) == 1;
}

/* Reads the manifest from the first repository where it is good. */
static int
load(struct choosing *ch, const struct candidate *b, struct choice *out,
    struct err *e)
{
	struct catalog_backup at = { .committed = true };
	struct err	why = { 0 };
	size_t		i;
	int		rc = ERR_NOT_FOUND;
	bool		failed = false;

	memcpy(at.label, b->label, sizeof(at.label));
	memcpy(at.run, b->run, sizeof(at.run));
	for (i = 0; i < ch->n && rc != 0; i++) {
		if ((b->at & 1u << i) == 0)
			continue;
		rc = catalog_load(&ch->c[i], &at, &out->m, &why);
		if (rc == 0)
			break;
		warn(ch->req, "repo%d: %s", ch->c[i].repo, why.msg);
		if (!failed)
			*e = why;
		failed = true;
		if (rc == ERR_CANCELLED || rc == ERR_NOMEM)
			break;
	}
	if (rc != 0)
		return e->code;
	out->count = 0;
	for (i = 0; i < ch->n; i++) {
		if (ch->why[i].code != 0)
			continue;
		if ((b->at & 1u << i) != 0) {
			out->copies[out->count++] = &ch->c[i];
		} else if (has_packs(&ch->c[i], &ch->lists[i], b)) {
			warn(ch->req, "repo%d: the manifest of backup %s is "
			    "missing", ch->c[i].repo, b->label);
			out->copies[out->count++] = &ch->c[i];
		}
	}
	return 0;
}

/* Another backup than `not` that would do, for a person to choose. */
static void
hint_other(struct choosing *ch, const char *label, const char *run,
    struct err *e)
{
	struct restore_request quiet = *ch->req;
	const struct restore_request *req = ch->req;
	struct choice	other;
	struct err	ignored = { 0 };
	size_t		i;
	bool		fits;

	quiet.warn = NULL;
	ch->req = &quiet;
	for (i = 0; i < ch->count; i++) {
		if (strcmp(ch->found[i].label, label) == 0 &&
		    strcmp(ch->found[i].run, run) == 0)
			continue;
		manifest_init(&other.m);
		if (load(ch, &ch->found[i], &other, &ignored) != 0)
			continue;
		fits = reaches(ch, &other.m) && follows(ch, &other.m);
		manifest_release(&other.m);
		if (!fits)
			continue;
		err_hint(e, "verify says what is damaged; another backup is "
		    "in repo%d: --repo=%d --set=%s", other.copies[0]->repo,
		    other.copies[0]->repo, ch->found[i].label);
		break;
	}
	ch->req = req;
}

/* No backup will do; says which is the nearest. */
static int
none_reaches(const struct choosing *ch, const struct manifest *oldest,
    struct err *e)
{
	const char	*target = ch->req->recovery.target;
	char		stamp[TEXT_STAMP_MAX], lsn[LSN_MAX];

	if (target == NULL) {
		err_set(e, ERR_NOT_FOUND,
		    "no backup leads to the timeline to recover to");
		return err_hint(e, "--target-timeline=current stays on that "
		    "of the backup");
	}
	err_set(e, ERR_NOT_FOUND, "no backup ended before the recovery "
	    "target %s on its timeline", target);
	return err_hint(e, "the oldest is %s, which ended at %s (%s) on "
	    "timeline %u: choose a later target", oldest->label,
	    text_print_rfc3339(oldest->stop_time, stamp),
	    lsn_format(lsn, oldest->stop_lsn), oldest->start_timeline);
}

/* What was not found may be in a repository that did not answer. */
static int
not_found(const struct choosing *ch, struct err *e)
{
	size_t	i;

	for (i = 0; i < ch->n; i++) {
		if (ch->why[i].code == 0)
			continue;
		*e = ch->why[i];
		return err_wrap(e, "repo%d cannot be listed, and no other "
		    "repository has the backup", ch->c[i].repo);
	}
	return e->code;
}

/* From the newest back to the first that will do. */
static int
choose_newest(struct choosing *ch, struct choice *out, struct err *e)
{
	size_t	i;
	int	rc;

	for (i = 0; i < ch->count; i++) {
		if (i > 0)
			manifest_release(&out->m);
		rc = load(ch, &ch->found[i], out, e);
		if (rc != 0) {
			hint_other(ch, ch->found[i].label, ch->found[i].run,
			    e);
			return rc;
		}
		if (reaches(ch, &out->m) && follows(ch, &out->m))
			return 0;
	}
	if (ch->count > 0) {
		none_reaches(ch, &out->m, e);
		manifest_release(&out->m);
		return not_found(ch, e);
	}
	err_set(e, ERR_NOT_FOUND, "the repository has no backup of stanza %s",
	    ch->c[0].stanza);
	err_hint(e, "is this the right stanza and repository? see the info "
	    "command");
	return not_found(ch, e);
}

/* Why a label is not to be had. */
static int
no_such_label(const struct choosing *ch, struct err *e)
{
	const struct catalog_backup *b;
	const char	*label = ch->req->set;
	size_t		i;

	err_set(e, ERR_NOT_FOUND, "there is no backup %s", label);
	for (i = 0; i < ch->n; i++) {
		b = catalog_find(&ch->lists[i], label);
		if (b == NULL)
			continue;
		if (b->tombstone)
			err_set(e, ERR_NOT_FOUND, "backup %s is expired",
			    label);
		else
			err_set(e, ERR_NOT_FOUND, "backup %s was never "
			    "completed, or its manifest is lost", label);
	}
	err_hint(e, "the info command lists the backups");
	return not_found(ch, e);
}

static int
refuse_named(const struct choosing *ch, const struct manifest *m,
    struct err *e)
{
	char	stamp[TEXT_STAMP_MAX], text[LSN_MAX];

	if (reaches(ch, m)) {
		err_set(e, ERR_USAGE, "backup %s is of timeline %u, which does "
		    "not lead to the one to recover to", m->label,
		    m->start_timeline);
		return err_hint(e, "--target-timeline=current stays on that "
		    "of the backup");
	}
	err_set(e, ERR_USAGE, "backup %s ended at %s (%s), after the recovery "
	    "target", m->label, text_print_rfc3339(m->stop_time, stamp),
	    lsn_format(text, m->stop_lsn));
	return err_hint(e, "leave out --set to have the right one chosen");
}

static int
choose_named(struct choosing *ch, struct choice *out, struct err *e)
{
	const struct candidate *b;
	size_t	i;
	int	rc;

	for (i = 0; i < ch->count; i++) {
		if (strcmp(ch->found[i].label, ch->req->set) == 0)
			break;
	}
	if (i == ch->count)
		return no_such_label(ch, e);
	b = &ch->found[i];
	if (i + 1 < ch->count && strcmp(b[1].label, b->label) == 0)
		warn(ch->req, "two different backups have the label %s; "
		    "--repo chooses", b->label);
	rc = load(ch, b, out, e);
	if (rc != 0) {
		hint_other(ch, b->label, b->run, e);
		return rc;
	}
	if (reaches(ch, &out->m) && follows(ch, &out->m))
		return 0;
	rc = refuse_named(ch, &out->m, e);
	manifest_release(&out->m);
	return rc;
}

static int
start_choosing(struct choosing *ch, const struct catalog *c, size_t n,
    const struct restore_request *req, struct err *e)
{
	int	rc;

	assert(n > 0 && n <= CHOOSE_COPIES_MAX);
	memset(ch, 0, sizeof(*ch));
	ch->c = c;
	ch->n = n;
	ch->req = req;
	rc = recovery_check(&req->recovery, &ch->time, &ch->lsn, e);
	return rc != 0 ? rc : gather(ch, e);
}

int
choose_backup(const struct catalog *c, size_t n,
    const struct restore_request *req, struct choice *out, struct err *e)
{
	struct choosing	ch;
	int		rc;

	rc = start_choosing(&ch, c, n, req, e);
	if (rc == 0)
		rc = check_claims(&ch, e);
	if (rc == 0)
		rc = req->set == NULL || strcmp(req->set, "latest") == 0 ?
		    choose_newest(&ch, out, e) : choose_named(&ch, out, e);
	end_choosing(&ch);
	return rc;
}

void
choice_release(struct choice *ch)
{
	manifest_release(&ch->m);
	ch->count = 0;
}

void
choose_hint_other(const struct catalog *c, size_t n,
    const struct restore_request *req, const struct choice *not,
    struct err *e)
{
	struct restore_request quiet = *req;
	struct choosing	ch;
	struct err	ignored = { 0 };

	quiet.warn = NULL;
	if (start_choosing(&ch, c, n, &quiet, &ignored) == 0)
		hint_other(&ch, not->m.label, not->m.run, e);
	end_choosing(&ch);
}
