/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/restore.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archiver/catalog.h"
#include "archiver/choose.h"
#include "archiver/manifest.h"
#include "archiver/pagemap.h"
#include "archiver/pgfiles.h"
#include "archiver/pgmanifest.h"
#include "archiver/unpack.h"
#include "common/buf.h"
#include "common/crc32c.h"
#include "common/err.h"

#define AUTO_CONF	"postgresql.auto.conf"
#define AUTO_CONF_MAX	((size_t)16 << 20)

/* A repository that is gone would fill somebody's terminal. */
#define WARNINGS_MAX	20

struct restore {
	const struct restore_request *req;
	struct choice	 choice;
	struct unpack_job unpack;
	bool		 unpack_failed;
	uint32_t	*crcs;
	atomic_bool	 away[CHOOSE_COPIES_MAX];	/* by copy */
	unsigned char	*told;		/* by pack: bit i: of copy i */
	uint64_t	 elsewhere;
	/* The thread that reports progress. */
	pthread_t	 ticker;
	pthread_mutex_t	 lock;		/* end, warnings */
	pthread_cond_t	 wake;
	bool		 end;
	struct buf	 warnings;	/* lines */
	int		 warning_count;
};

/* Not said at once: the caller's thread is busy with waiting for us. */
static void PRINTF_LIKE(2, 3)
add_warning(struct restore *r, const char *fmt, ...)
{
	char	text[2048];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&r->lock);
	if (r->warning_count < WARNINGS_MAX) {
		buf_printf(&r->warnings, "%s\n", text);
	} else if (r->warning_count == WARNINGS_MAX) {
		buf_append_str(&r->warnings, "and more of the kind: see what "
		    "verify says\n");
	}
	r->warning_count++;
	pthread_mutex_unlock(&r->lock);
}

static void
say_warnings(struct restore *r)
{
	char	*line, *rest = NULL, *text = strdup(buf_cstr(&r->warnings));

	for (line = text == NULL ? NULL : strtok_r(text, "\n", &rest);
	    line != NULL && r->req->warn != NULL;
	    line = strtok_r(NULL, "\n", &rest))
		r->req->warn(r->req->arg, line);
	free(text);
}

/* The repository itself does not work, whatever is asked of it. */
static bool
is_away(int code)
{
	return code == ERR_CONNECT || code == ERR_TIMEOUT ||
	    code == ERR_AUTH || code == ERR_ACCESS;
}

/*
 * unpack.h's fetch(). The copies are gone through twice: those that were
 * found away are passed over the first time, because each question could
 * cost a time-out.
 */
static int
fetch(void *arg, int attempt, const struct unpack_piece *p, void *out,
    struct err *e)
{
	struct restore	*r = arg;
	size_t		 i = (size_t)attempt % r->choice.count;
	const struct catalog *c = r->choice.copies[i];
	int		 rc;

	if (p->backup != NULL) {
		return err_set(e, ERR_NOT_YET,
		    "incremental backups cannot be restored yet");
	}
	if ((size_t)attempt < r->choice.count && r->choice.count > 1 &&
	    atomic_load(&r->away[i]))
		return err_set(e, ERR_CONNECT, "repo%d did not answer",
		    c->repo);
	rc = catalog_read_pack(c, r->choice.m.label, r->choice.m.run, p->pack,
	    p->offset, p->n, out, e);
	if (is_away(rc) && r->choice.count > 1 &&
	    !atomic_exchange(&r->away[i], true)) {
		add_warning(r, "repo%d (%s) does not answer, the other "
		    "repositories must do: %s", c->repo,
		    store_name(c->store), e->msg);
	}
	return rc;
}

/* unpack.h's again(): one warning for each pack, not for each piece. */
static void
again(void *arg, int attempt, const struct unpack_piece *p,
    const struct err *e)
{
	struct restore	*r = arg;
	size_t		 i = (size_t)attempt % r->choice.count;
	const struct catalog *c = r->choice.copies[i];
	char		 key[CATALOG_KEY_MAX];
	unsigned char	*told;

	if (attempt == 0)
		r->elsewhere++;
	if (atomic_load(&r->away[i]) || p->pack >= r->choice.m.packs)
		return;
	told = &r->told[p->pack];
	if ((*told & 1u << i) != 0)
		return;
	*told |= (unsigned char)(1u << i);
	catalog_key_pack(c, key, r->choice.m.label, r->choice.m.run, p->pack);
	add_warning(r, "repo%d: %s cannot be used: %s; another repository "
	    "has to do", c->repo, key, e->msg);
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
		    r->choice.m.size);
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
	struct manifest_file *f = manifest_find(&r->choice.m, "tablespace_map");
	char		path[MANIFEST_PATH_MAX], map[PAGEMAP_RUN];
	size_t		i, n = 0, used;
	int		rc;

	if (f == NULL)
		return 0;
	for (i = 0; i < r->choice.m.space_count; i++) {
		if (r->choice.m.spaces[i].target == NULL)
			continue;
		used = tablespace_map_format(map + n, sizeof(map) - n,
		    r->choice.m.spaces[i].oid, r->choice.m.spaces[i].target);
		if (used == 0)
			return err_set(e, ERR_LIMIT, "tablespace_map is full");
		n += used;
	}
	rc = path_of(r, f->path, path, sizeof(path), e);
	if (rc == 0)
		rc = pgfiles_write(path, map, n, f->mode, e);
	f->size = n;
	r->crcs[f - r->choice.m.files] = crc32c(0, map, n);
	return rc;
}

static int
write_recovery(struct restore *r, struct err *e)
{
	const struct recovery *recovery = &r->req->recovery;
	char		path[MANIFEST_PATH_MAX];
	struct buf	out = { 0 };
	const char	*signal = recovery_signal_file(recovery);
	char		*text = NULL;
	size_t		n = 0;
	int		rc;

	if (recovery->type == RECOVERY_PRESERVE)
		return 0;
	rc = path_of(r, AUTO_CONF, path, sizeof(path), e);
	if (rc != 0)
		return rc;
	rc = pgfiles_read(path, AUTO_CONF_MAX, &text, &n, e);
	if (rc != 0 && rc != ERR_NOT_FOUND)
		return rc;
	recovery_settings(recovery, r->choice.m.label, text, n, &out);
	free(text);
	if (buf_failed(&out))
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else
		rc = pgfiles_write(path, buf_bytes(&out), buf_len(&out), 0600,
		    e);
	buf_release(&out);
	if (rc != 0 || signal == NULL)
		return rc;
	rc = path_of(r, signal, path, sizeof(path), e);
	return rc == 0 ? pgfiles_write(path, "", 0, 0600, e) : rc;
}

/* pg_control as it will be, and the backup_manifest that lists it. */
static int
prepare_control(struct restore *r, unsigned char bytes[PAGEMAP_RUN], size_t *n,
    struct err *e)
{
	struct manifest_file *f = manifest_find(&r->choice.m, PGCONTROL_PATH);
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
	r->crcs[f - r->choice.m.files] = crc32c(0, bytes, *n);
	rc = pgmanifest_encode(&r->choice.m, r->crcs, &out, e);
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
	const struct manifest_file *f = manifest_find(&r->choice.m, PGCONTROL_PATH);
	char	path[MANIFEST_PATH_MAX];
	int	rc;

	rc = path_of(r, PGCONTROL_PATH, path, sizeof(path), e);
	if (rc == 0)
		rc = pgfiles_write(path, bytes, n, f->mode, e);
	return rc == 0 ? target_own(&r->req->target, &r->choice.m, PGCONTROL_PATH,
	    e) : rc;
}

static int
run(struct restore *r, struct err *e)
{
	const struct target *t = &r->req->target;
	unsigned char	control[PAGEMAP_RUN];
	size_t		n = 0;
	int		rc;

	rc = target_map_tablespaces(t, &r->choice.m, e);
	if (rc == 0)
		rc = target_check(t, &r->choice.m, e);
	if (rc == 0)
		target_keep_recovery(t, &r->choice.m);
	if (rc == 0)
		rc = target_prepare(t, &r->choice.m, e);
	if (rc == 0) {
		rc = unpack(r, e);
		r->unpack_failed = rc != 0;
	}
	if (rc == 0)
		rc = write_tablespace_map(r, e);
	if (rc == 0)
		rc = write_recovery(r, e);
	if (rc == 0)
		rc = prepare_control(r, control, &n, e);
	if (rc == 0)
		rc = target_finish(t, &r->choice.m, e);
	if (rc == 0)
		rc = write_control(r, control, n, e);
	return rc;
}

/* The choice is made: everything else. */
static int
restore_choice(struct restore *r, struct err *e)
{
	const struct restore_request *req = r->req;
	struct manifest	*m = &r->choice.m;

	r->crcs = calloc(m->file_count + 1, sizeof(*r->crcs));
	r->told = calloc((size_t)m->packs + 1, 1);
	if (r->crcs == NULL || r->told == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r->unpack.manifest = m;
	r->unpack.target = req->target.pgdata;
	r->unpack.threads = req->process_max;
	r->unpack.delta = req->target.delta;
	r->unpack.fetch = fetch;
	r->unpack.again = again;
	if (r->choice.count > 1)
		r->unpack.attempts = 2 * (int)r->choice.count;
	r->unpack.cancelled = is_cancelled;
	r->unpack.arg = r;
	r->unpack.crcs = r->crcs;
	return run(r, e);
}

/* What another backup could help with. */
static bool
is_damage(int code)
{
	return code == ERR_CHECKSUM || code == ERR_FORMAT ||
	    code == ERR_NOT_FOUND || code == ERR_STORE || is_away(code);
}

int
restore_run(const struct catalog *c, size_t n,
    const struct restore_request *req, struct restore_result *result,
    struct err *e)
{
	struct restore	r = { .req = req };
	int		rc;

	rc = recovery_check(&req->recovery, NULL, NULL, e);
	if (rc == 0)
		rc = choose_backup(c, n, req, &r.choice, e);
	if (rc != 0)
		return rc;
	pthread_mutex_init(&r.lock, NULL);
	pthread_cond_init(&r.wake, NULL);
	rc = restore_choice(&r, e);
	say_warnings(&r);
	if (rc == 0) {
		memset(result, 0, sizeof(*result));
		memcpy(result->label, r.choice.m.label, sizeof(result->label));
		result->size = r.choice.m.size;
		result->kept = atomic_load(&r.unpack.kept);
		result->files = r.choice.m.file_count;
		pgfiles_segment(result->wal_start, r.choice.m.start_timeline,
		    r.choice.m.start_lsn, r.choice.m.wal_segment_size);
		pgfiles_segment(result->wal_stop, r.choice.m.stop_timeline,
		    r.choice.m.stop_lsn - 1, r.choice.m.wal_segment_size);
		result->repo = r.choice.copies[0]->repo;
		result->elsewhere = r.elsewhere;
	} else if (r.unpack_failed && is_damage(rc)) {
		choose_hint_other(c, n, req, &r.choice, e);
	}
	free(r.crcs);
	free(r.told);
	buf_release(&r.warnings);
	choice_release(&r.choice);
	pthread_cond_destroy(&r.wake);
	pthread_mutex_destroy(&r.lock);
	return rc;
}
