/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/backup.h"

#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archiver/await.h"
#include "archiver/catalog.h"
#include "archiver/copy.h"
#include "archiver/manifest.h"
#include "archiver/pack.h"
#include "archiver/pagemap.h"
#include "archiver/pgfiles.h"
#include "archiver/pgserver.h"
#include "archiver/scan.h"
#include "archiver/stanza.h"
#include "archiver/unfinished.h"
#include "common/err.h"
#include "common/log.h"
#include "common/random.h"
#include "common/text.h"

#define POLL_NS		100000000	/* between looks at the clock */
#define CLEAN_UP_US	(10 * TEXT_USEC_PER_SEC)	/* per request */
/* How far ahead of us a label may be before the clock is to blame. */
#define CLOCK_SLACK	5		/* seconds */

struct backup {
	const struct catalog *c;	/* n of them */
	size_t		 n;
	atomic_bool	 lost[BACKUP_REPOS_MAX];	/* left out */
	struct backup_result *result;	/* its losses: under the lock */
	const struct backup_request *req;
	struct pgserver	 server;
	struct await	 await;
	struct manifest	 m;
	struct pack_set	 packs;
	struct copy_job	 copy;
	/* The thread that reports progress and renews the intent. */
	pthread_t	 ticker;
	pthread_mutex_t	 lock;
	pthread_cond_t	 wake;
	bool		 ticking;
	bool		 end;
	uint64_t	 total;
	enum backup_phase phase;
	uint32_t	 intents;
	bool		 sealed;	/* a manifest may have been stored */
	unsigned	 committed;	/* manifests */
};

static int64_t
now_us(clockid_t clock)
{
	struct timespec	t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * TEXT_USEC_PER_SEC + t.tv_nsec / 1000;
}

static void
enter(struct backup *b, enum backup_phase phase)
{
	pthread_mutex_lock(&b->lock);
	b->phase = phase;
	b->total = b->m.size;
	pthread_mutex_unlock(&b->lock);
	if (b->req->progress != NULL) {
		b->req->progress(b->req->arg, phase,
		    atomic_load(&b->copy.done), b->m.size);
	}
}

/*
 * Repository i failed with *e. 0 if the backup can do without it: it is
 * optional, and not the last that is left.
 */
static int
lose(struct backup *b, size_t i, struct err *e)
{
	struct backup_loss *loss;
	size_t		left = 0, k;
	int		code = e->code;

	if (b->n > 1)
		err_wrap(e, "repo%d", b->c[i].repo);
	if (b->c[i].required || code == ERR_CANCELLED || code == ERR_NOMEM)
		return code;
	pthread_mutex_lock(&b->lock);
	for (k = 0; k < b->n; k++)
		left += k != i && !atomic_load(&b->lost[k]);
	if (left > 0 && !atomic_exchange(&b->lost[i], true)) {
		loss = &b->result->loss[b->result->loss_count++];
		loss->repo = b->c[i].repo;
		snprintf(loss->why, sizeof(loss->why), "%.*s",
		    (int)sizeof(loss->why) - 1, e->msg);
	}
	pthread_mutex_unlock(&b->lock);
	return left > 0 ? 0 : code;
}

/* act() in each repository that is left. */
static int
in_each(struct backup *b, int (*act)(struct backup *, const struct catalog *,
    const void *, struct err *), const void *arg, struct err *e)
{
	size_t	i;
	int	rc = 0;

	for (i = 0; rc == 0 && i < b->n; i++) {
		if (atomic_load(&b->lost[i]))
			continue;
		rc = act(b, &b->c[i], arg, e);
		if (rc != 0)
			rc = lose(b, i, e);
	}
	return rc;
}

/* What is put: an object under a key that depends on the catalog only. */
struct object {
	enum object_kind kind;
	uint32_t	 number;
	const void	*bytes;
	size_t		 n;
};

static int
put_one(struct backup *b, const struct catalog *c, const void *arg,
    struct err *e)
{
	const struct object *o = arg;
	char	key[CATALOG_KEY_MAX];

	if (o->kind == OBJECT_PACK)
		catalog_key_pack(c, key, b->m.label, b->m.run, o->number);
	else
		catalog_key_intent(c, key, b->m.label, b->m.run, o->number);
	return catalog_put(c, o->kind, key, o->bytes, o->n, e);
}

/*
 * The text of an intent: that we are at work, or (complete) that all but
 * the manifest is stored. Returns its length.
 */
static size_t
intent_text(const struct backup *b, bool complete, char *text, size_t size)
{
	char	stamp[TEXT_STAMP_MAX];
	int	n;

	n = snprintf(text, size, "homelab-intent 1\ntime %s\nhost %s\n"
	    "pid %ld%s", text_print_rfc3339(now_us(CLOCK_REALTIME), stamp),
	    b->req->host == NULL ? "-" : b->req->host, (long)getpid(),
	    complete ? UNFINISHED_COMPLETE : "\n");
	return MIN((size_t)n, size - 1);
}

static int
put_intent(struct backup *b, bool complete, struct err *e)
{
	char	text[256];
	struct object o = { .kind = OBJECT_INTENT, .bytes = text };

	o.n = intent_text(b, complete, text, sizeof(text));
	o.number = b->intents++;
	return in_each(b, put_one, &o, e);
}

/*
 * An intent that cannot be renewed is not the end of the backup: it matters
 * only to an expire much later, and if the repository is really gone the
 * next pack says so.
 */
static void
renew_intents(struct backup *b)
{
	char	text[256];
	struct object o = { .kind = OBJECT_INTENT, .bytes = text };
	struct err e = { 0 };
	size_t	i;

	o.n = intent_text(b, false, text, sizeof(text));
	o.number = b->intents++;
	for (i = 0; i < b->n; i++) {
		if (!atomic_load(&b->lost[i]) &&
		    put_one(b, &b->c[i], &o, &e) != 0)
			log_warning("repo%d: cannot renew the backup's intent:"
			    " %s", b->c[i].repo, e.msg);
	}
}

static void *
tick(void *arg)
{
	struct backup	*b = arg;
	struct timespec	 until;
	enum backup_phase phase;
	uint64_t	 total;
	int		 seconds = 0;

	pthread_mutex_lock(&b->lock);
	while (!b->end) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&b->wake, &b->lock, &until);
		if (b->end)
			break;
		phase = b->phase;
		total = b->total;
		pthread_mutex_unlock(&b->lock);
		if (b->req->progress != NULL) {
			b->req->progress(b->req->arg, phase,
			    atomic_load(&b->copy.done), total);
		}
		if (++seconds % BACKUP_INTENT_PERIOD == 0)
			renew_intents(b);
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static int
start_ticker(struct backup *b, struct err *e)
{
	int	errnum;

	errnum = pthread_create(&b->ticker, NULL, tick, b);
	if (errnum != 0)
		return err_sys(e, errnum, "cannot start a thread");
	b->ticking = true;
	return 0;
}

static void
stop_ticker(struct backup *b)
{
	if (!b->ticking)
		return;
	pthread_mutex_lock(&b->lock);
	b->end = true;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->ticker, NULL);
	b->ticking = false;
}

/* copy.h's put(): a pack goes into the repositories. */
static int
put_pack(void *arg, uint32_t number, const void *bytes, size_t n,
    struct err *e)
{
	const struct object o = { OBJECT_PACK, number, bytes, n };

	return in_each(arg, put_one, &o, e);
}

/* "postgres:postgres" of the data directory; numbers where there is no name */
static int
set_owner(struct manifest *m, const char *pgdata)
{
	struct stat	st;
	struct passwd	pw, *user = NULL;
	struct group	gr, *group = NULL;
	char		names[2][1024], text[256], *owner = text;
	size_t		n;

	if (stat(pgdata, &st) != 0)
		return 0;
	(void)getpwuid_r(st.st_uid, &pw, names[0], sizeof(names[0]), &user);
	(void)getgrgid_r(st.st_gid, &gr, names[1], sizeof(names[1]), &group);
	n = (size_t)(user != NULL ?
	    snprintf(text, sizeof(text), "%s:", user->pw_name) :
	    snprintf(text, sizeof(text), "%lu:", (unsigned long)st.st_uid));
	if (n >= sizeof(text))
		return 0;
	if (group != NULL)
		snprintf(text + n, sizeof(text) - n, "%s", group->gr_name);
	else
		snprintf(text + n, sizeof(text) - n, "%lu",
		    (unsigned long)st.st_gid);
	return manifest_set(&m->owner, owner);
}

/* The cluster's facts, from pg_control and from the server. */
static int
describe(struct backup *b, const struct pgcontrol *control, struct err *e)
{
	struct manifest	*m = &b->m;
	unsigned char	 random[8];
	size_t		 i;
	int		 rc;

	rc = random_fill(random, sizeof(random));
	if (rc != 0)
		return err_set(e, rc, "no random numbers: %s", err_text(rc));
	for (i = 0; i < sizeof(random); i++)
		snprintf(m->run + 2 * i, 3, "%02x", random[i]);
	m->system_id = control->system_id;
	m->pg_version = control->version;
	m->control_version = control->control_version;
	m->catalog_version = control->catalog_version;
	m->block_size = control->block_size;
	m->relseg_blocks = control->relseg_blocks;
	m->wal_segment_size = control->wal_segment_size;
	m->checksums = control->checksum_version != 0;
	m->checked = m->checksums && b->req->checksum_page;
	if (set_owner(m, b->req->pgdata) != 0 ||
	    manifest_set(&m->host, b->req->host) != 0 ||
	    manifest_set(&m->archiver_version, HOMELAB_VERSION) != 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

/* Makes `newest` the newest label, if the repository has a newer one. */
static int
note_newest(struct backup *b, const struct catalog *c, const void *arg,
    struct err *e)
{
	char	*newest = *(char *const *)arg;
	struct catalog_list l;
	int	rc;

	(void)b;
	rc = catalog_list(c, &l, e);
	if (rc != 0)
		return err_wrap(e, "cannot list the backups");
	if (l.count > 0 && strcmp(l.backups[l.count - 1].label, newest) > 0)
		memcpy(newest, l.backups[l.count - 1].label, LABEL_MAX);
	catalog_list_release(&l);
	return 0;
}

/*
 * A label that is not taken, and later than all that are, in whatever
 * repository: otherwise --set could mean two backups. Those that a backup
 * does not go into need not answer for that.
 */
static int
choose_label(struct backup *b, struct err *e)
{
	const struct timespec wait = { 0, POLL_NS };
	char		newest[LABEL_MAX] = "", limit[LABEL_MAX];
	char		*where = newest;
	struct err	ignored = { 0 };
	size_t		i;
	int		rc;

	rc = in_each(b, note_newest, &where, e);
	if (rc != 0)
		return rc;
	for (i = 0; i < b->req->other_count; i++) {
		if (note_newest(b, &b->req->others[i], &where, &ignored) != 0)
			log_warning("repo%d: %s", b->req->others[i].repo,
			    ignored.msg);
	}
	label_full(limit, time(NULL) + CLOCK_SLACK);
	if (strncmp(newest, limit, strlen(limit) - 1) > 0) {
		err_set(e, ERR_CLOCK, "the newest backup (%s) is from the "
		    "future", newest);
		return err_hint(e, "the clock of this host or of the one that "
		    "made it is wrong; labels are times in UTC");
	}
	for (;;) {
		label_full(b->m.label, time(NULL));
		if (strncmp(b->m.label, newest, strlen(b->m.label) - 1) > 0)
			return 0;
		nanosleep(&wait, NULL);
	}
}

/* await_segment() for one of the repositories. */
static int
await_in(struct backup *b, const struct catalog *c, const void *arg,
    struct err *e)
{
	return await_segment(&b->await, c, arg, e);
}

static int
check_stanza(struct backup *b, const struct catalog *c, const void *arg,
    struct err *e)
{
	const struct pgcontrol *control = arg;

	(void)b;
	return stanza_check(c, control->system_id, control->version, e);
}

static int
commit(struct backup *b, const struct catalog *c, const void *arg,
    struct err *e)
{
	int	rc = catalog_commit(c, &b->m, e);

	(void)arg;
	if (rc != 0 && b->committed > 0)
		return err_wrap(e, "backup %s is complete in %u of %zu "
		    "repositories only", b->m.label, b->committed, b->n);
	b->committed += rc == 0;
	return rc;
}

/* WAL reaches the archive: proven, not believed. */
static int
check_archive(struct backup *b, struct err *e)
{
	char	segment[32];
	int	rc;

	if (!b->req->archive_check)
		return 0;
	rc = pgserver_check_archiving(&b->server, e);
	if (rc != 0)
		return rc;
	await_begin(&b->await);
	rc = pgserver_switch_wal(&b->server, segment, e);
	if (rc != 0)
		return rc;
	return in_each(b, await_in, segment, e);
}

/* The directory must show the checkpoint that the backup starts from. */
static int
check_control(struct backup *b, struct err *e)
{
	struct pgcontrol control;
	int		 rc;

	rc = pgfiles_read_control(b->req->pgdata, &control, NULL, e);
	if (rc != 0)
		return rc;
	if (control.redo < b->m.start_lsn) {
		err_set(e, ERR_MISMATCH, "%s/%s is older than the start of the"
		    " backup", b->req->pgdata, PGCONTROL_PATH);
		return err_hint(e, "is pg1-path a copy of the data directory "
		    "that PostgreSQL uses?");
	}
	return 0;
}

static int
copy_files(struct backup *b, struct err *e)
{
	int	rc;

	b->m.copy_time = now_us(CLOCK_REALTIME);
	rc = scan_data_directory(&b->m, b->req->pgdata, b->req->exclude,
	    b->req->exclude_count, e);
	if (rc != 0)
		return rc;
	rc = pgserver_name_tablespaces(&b->server, &b->m, e);
	if (rc != 0)
		return rc;
	enter(b, BACKUP_COPYING);
	b->copy.pgdata = b->req->pgdata;
	b->copy.manifest = &b->m;
	b->copy.packs = &b->packs;
	b->copy.codec = b->req->codec;
	b->copy.threads = b->req->process_max;
	b->copy.check_pages = b->m.checked;
	b->copy.start_lsn = b->m.start_lsn;
	b->copy.cancelled = b->req->cancelled;
	b->copy.arg = b->req->arg;
	return copy_run(&b->copy, e);
}

/* A file of the manifest from memory. */
static int
add_bytes(struct backup *b, struct pack *pack, const char *path,
    const void *bytes, size_t n, struct err *e)
{
	struct manifest_file *f = manifest_find(&b->m, path);

	if (n > PAGEMAP_RUN) {
		return err_set(e, ERR_LIMIT, "%s of %zu bytes is too large",
		    path, n);
	}
	if (f == NULL) {
		f = manifest_add_file(&b->m, path);
		if (f == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
		f->mode = 0600;
		f->mtime = now_us(CLOCK_REALTIME) / TEXT_USEC_PER_SEC;
	} else {
		b->m.size -= f->size;
	}
	b->m.size += n;
	return copy_bytes(f, pack, b->req->codec, bytes, n, e);
}

/* What comes last: pg_control, then the end, and what the server says. */
static int
finish_files(struct backup *b, struct err *e)
{
	unsigned char	bytes[PGCONTROL_SIZE];
	struct pgserver_stop stop = { 0 };
	struct backup_label label;
	struct pgcontrol control;
	struct pack	pack;
	int		rc;

	pack_init(&pack, &b->packs);
	rc = pgfiles_read_control(b->req->pgdata, &control, bytes, e);
	if (rc != 0)
		goto out;
	rc = add_bytes(b, &pack, PGCONTROL_PATH, bytes, sizeof(bytes), e);
	if (rc != 0)
		goto out;
	rc = pgserver_stop(&b->server, &stop, e);
	if (rc != 0)
		goto out;
	rc = backup_label_parse(&label, stop.label, stop.label_len, e);
	if (rc != 0)
		goto out;
	b->m.start_lsn = label.start_lsn;
	b->m.start_timeline = b->m.stop_timeline = label.timeline;
	b->m.stop_lsn = stop.lsn;
	b->m.stop_time = stop.time;
	rc = add_bytes(b, &pack, "backup_label", stop.label, stop.label_len,
	    e);
	if (rc == 0 && stop.map_len > 0) {
		rc = add_bytes(b, &pack, "tablespace_map", stop.map,
		    stop.map_len, e);
	}
	if (rc == 0)
		rc = pack_flush(&pack, e);
out:
	free(stop.label);
	free(stop.map);
	pack_release(&pack);
	return rc;
}

/* Every segment from the first to the last that recovery needs. */
static int
await_all_wal(struct backup *b, struct backup_result *result, struct err *e)
{
	const struct manifest *m = &b->m;
	uint32_t	size = m->wal_segment_size;
	uint64_t	at, last = (m->stop_lsn - 1) / size * size;
	char		segment[PGFILES_SEGMENT_MAX];
	int		rc;

	pgfiles_segment(result->wal_start, m->start_timeline, m->start_lsn,
	    size);
	pgfiles_segment(result->wal_stop, m->stop_timeline, last, size);
	if (!b->req->archive_check)
		return 0;
	/* All is copied: that would be the price of giving up too soon. */
	b->await.patient = true;
	for (at = m->start_lsn / size * size; at <= last; at += size) {
		pgfiles_segment(segment, m->start_timeline, at, size);
		rc = in_each(b, await_in, segment, e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
run(struct backup *b, struct backup_result *result, struct err *e)
{
	struct pgcontrol control;
	int		rc;

	rc = pgfiles_read_control(b->req->pgdata, &control, NULL, e);
	if (rc != 0)
		return rc;
	rc = pgserver_check_directory(&b->server, b->req->pgdata,
	    control.system_id, e);
	if (rc != 0)
		return rc;
	if (b->server.in_recovery) {
		err_set(e, ERR_NOT_YET,
		    "backup from a standby is not supported yet");
		return err_hint(e, "run the backup on the primary");
	}
	rc = in_each(b, check_stanza, &control, e);
	if (rc == 0)
		rc = describe(b, &control, e);
	if (rc != 0)
		return rc;
	rc = choose_label(b, e);
	if (rc != 0)
		return rc;
	rc = put_intent(b, false, e);
	if (rc != 0)
		return err_wrap(e, "cannot write to the repository");
	rc = start_ticker(b, e);
	if (rc != 0)
		return rc;
	enter(b, BACKUP_CHECKING);
	rc = check_archive(b, e);
	if (rc != 0)
		return rc;
	enter(b, BACKUP_STARTING);
	rc = pgserver_start(&b->server, b->m.label, b->req->start_fast,
	    &b->m.start_lsn, &b->m.start_time, e);
	if (rc != 0)
		return rc;
	rc = check_control(b, e);
	if (rc != 0)
		return rc;
	rc = copy_files(b, e);
	if (rc != 0)
		return rc;
	rc = finish_files(b, e);
	if (rc != 0)
		return rc;
	enter(b, BACKUP_WAITING);
	rc = await_all_wal(b, result, e);
	if (rc != 0)
		return rc;
	b->m.packs = atomic_load(&b->packs.count);
	b->m.stored = atomic_load(&b->packs.stored);
	stop_ticker(b);		/* its intents would come after the last */
	b->sealed = true;
	rc = put_intent(b, true, e);
	if (rc != 0)
		return rc;
	return in_each(b, commit, NULL, e);
}

/*
 * After a failure, or when we were cancelled, as long as no manifest can have
 * been stored. A store that does not answer is left to expire.
 */
static void
clean_up(const struct backup *b)
{
	struct catalog	c;
	struct err	e = { 0 };
	size_t		i;

	for (i = 0; i < b->n && !b->sealed && b->m.run[0] != '\0'; i++) {
		c = b->c[i];
		c.limits = (struct store_limits){ CLEAN_UP_US, NULL, NULL };
		if (unfinished_remove(&c, b->m.label, b->m.run, &e) != 0)
			log_warning("repo%d: cannot remove what the failed "
			    "backup left: %s", c.repo, e.msg);
	}
}

int
backup_run(const struct catalog *c, size_t n,
    const struct backup_request *req, struct backup_result *result,
    struct err *e)
{
	struct backup	b = { .c = c, .n = n, .req = req, .result = result,
	    .await = { .server = &b.server, .timeout = req->archive_timeout,
	    .cancelled = req->cancelled, .arg = req->arg } };
	struct pgquery_limits limits = { req->db_timeout, req->cancelled,
	    req->arg };
	struct pgquery	*q = NULL;
	int		rc;

	assert(n > 0 && n <= BACKUP_REPOS_MAX);
	memset(result, 0, sizeof(*result));
	pthread_mutex_init(&b.lock, NULL);
	pthread_cond_init(&b.wake, NULL);
	manifest_init(&b.m);
	pack_set_init(&b.packs, put_pack, &b);
	rc = pgserver_connect(&q, &req->server, &limits, e);
	if (rc != 0)
		goto out;
	rc = pgserver_init(&b.server, q, e);
	if (rc == 0)
		rc = run(&b, result, e);
	stop_ticker(&b);
	if (rc != 0) {
		clean_up(&b);
		goto out;
	}
	enter(&b, BACKUP_DONE);
	memcpy(result->label, b.m.label, sizeof(result->label));
	result->size = b.m.size;
	result->stored = b.m.stored;
	result->files = b.m.file_count;
	result->bad_blocks = manifest_bad_blocks(&b.m);
out:
	pgquery_close(q);
	manifest_release(&b.m);
	pthread_cond_destroy(&b.wake);
	pthread_mutex_destroy(&b.lock);
	return rc;
}
