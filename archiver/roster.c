/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/roster.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "archiver/served.h"
#include "archiver/settings.h"
#include "common/buf.h"
#include "common/err.h"

struct list {
	struct served	*v[ROSTER_MAX];
	size_t		 n;
};

struct roster {
	char		 config[4096];
	struct settings	 fixed;		/* of the daemon itself, since start */
	pthread_mutex_t	 lock;		/* of `served` */
	struct list	 served;
};

static struct served *
find(const struct list *l, const char *name)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (strcmp(served_name(l->v[i]), name) == 0)
			return l->v[i];
	}
	return NULL;
}

static void
release_all(struct list *l)
{
	while (l->n > 0)
		served_release(l->v[--l->n]);
}

/* The settings that the daemon itself lives by. */
static int
load_fixed(const struct roster *r, struct settings *out, struct err *e)
{
	char		 word[4200];
	const char	*argv[1] = { word }, *args[1];
	struct settings_source src = { "serve", NULL, 1, argv, NULL };
	struct buf	 warnings = { 0 };
	int		 n, rc;

	snprintf(word, sizeof(word), "--config=%s", r->config);
	rc = settings_load(out, &src, args, &n, &warnings, e);
	buf_release(&warnings);
	return rc;
}

/* Prepares every stanza of the file. */
static int
prepare_all(const struct roster *r, struct list *out, struct err *e)
{
	struct buf	names = { 0 };
	char		*name, *rest = NULL, *text = NULL;
	int		 rc = settings_stanzas(r->config, &names, e);

	if (rc == 0 && (text = strdup(buf_cstr(&names))) == NULL)
		rc = err_set(e, ERR_NOMEM, "no memory");
	for (name = text == NULL ? NULL : strtok_r(text, "\n", &rest);
	    rc == 0 && name != NULL; name = strtok_r(NULL, "\n", &rest)) {
		if (out->n == ROSTER_MAX)
			rc = err_set(e, ERR_LIMIT, "more than %d stanzas",
			    ROSTER_MAX);
		else
			rc = served_prepare(&out->v[out->n], r->config, name,
			    e);
		out->n += rc == 0;
	}
	free(text);
	buf_release(&names);
	if (rc == 0 && out->n == 0) {
		err_set(e, ERR_CONFIG, "%s has no stanza", r->config);
		err_hint(e, "add a section [name] with pg1-path");
		rc = ERR_CONFIG;
	}
	return rc;
}

int
roster_open(struct roster **out, const char *config, struct err *e)
{
	struct roster	*r = calloc(1, sizeof(*r));
	size_t		 i;
	int		 rc;

	if (r == NULL)
		return err_set(e, ERR_NOMEM, "no memory");
	pthread_mutex_init(&r->lock, NULL);
	snprintf(r->config, sizeof(r->config), "%s", config);
	rc = load_fixed(r, &r->fixed, e);
	if (rc == 0)
		rc = prepare_all(r, &r->served, e);
	for (i = 0; rc == 0 && i < r->served.n; i++)
		rc = served_lock(r->served.v[i], e);
	for (i = 0; rc == 0 && i < r->served.n; i++)
		served_start(r->served.v[i]);
	if (rc != 0) {
		roster_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

struct served *
roster_find(struct roster *r, const char *name)
{
	struct served *st;

	if (name == NULL)
		return NULL;
	pthread_mutex_lock(&r->lock);
	st = find(&r->served, name);
	if (st != NULL)
		served_hold(st);
	pthread_mutex_unlock(&r->lock);
	return st;
}

/* What only a restart changes. */
static int
note_fixed(const struct roster *r, struct buf *changes, struct err *e)
{
	static const char *const keys[] = { "socket-path", "socket-group",
	    "lock-path" };
	const struct opt *o;
	struct settings	 now;
	size_t		 i;
	int		 rc = load_fixed(r, &now, e);

	for (i = 0; rc == 0 && i < ARRAY_LEN(keys); i++) {
		o = opt_find(&settings_general_table, keys[i], NULL);
		if (!opt_equal(o, &r->fixed.o, &now.o))
			buf_printf(changes, "%s has changed and has to wait "
			    "for a restart\n", keys[i]);
	}
	if (rc == 0)
		settings_release(&now);
	return rc;
}

/*
 * Keeps the old stanza where nothing changed, and locks those that are new.
 * Only roster_reload() changes r->served, so it may be read without its lock.
 */
static int
compare(const struct roster *r, struct list *fresh, struct buf *changes,
    struct err *e)
{
	struct served	*old;
	size_t		 i;
	int		 rc = 0;

	for (i = 0; rc == 0 && i < fresh->n; i++) {
		old = find(&r->served, served_name(fresh->v[i]));
		if (old == NULL) {
			buf_printf(changes, "stanza %s: new\n",
			    served_name(fresh->v[i]));
			rc = served_lock(fresh->v[i], e);
		} else if (!served_changes(old, fresh->v[i], changes)) {
			served_release(fresh->v[i]);
			fresh->v[i] = old;
			served_hold(old);
		}
	}
	for (i = 0; rc == 0 && i < r->served.n; i++) {
		if (find(fresh, served_name(r->served.v[i])) == NULL)
			buf_printf(changes, "stanza %s: not served any more\n",
			    served_name(r->served.v[i]));
	}
	return rc;
}

/* From here on nothing can fail. */
static void
exchange(struct roster *r, struct list *fresh)
{
	struct list	 former = r->served;
	struct served	*old;
	size_t		 i;

	for (i = 0; i < fresh->n; i++) {
		old = find(&former, served_name(fresh->v[i]));
		if (old != NULL && old != fresh->v[i])
			served_take_lock(fresh->v[i], old);
	}
	pthread_mutex_lock(&r->lock);
	r->served = *fresh;
	pthread_mutex_unlock(&r->lock);
	for (i = 0; i < fresh->n; i++) {
		if (find(&former, served_name(fresh->v[i])) != fresh->v[i])
			served_start(fresh->v[i]);
	}
	release_all(&former);
}

int
roster_reload(struct roster *r, struct buf *changes, struct err *e)
{
	struct list	fresh = { .n = 0 };
	int		rc;

	rc = prepare_all(r, &fresh, e);
	if (rc == 0)
		rc = note_fixed(r, changes, e);
	if (rc == 0)
		rc = compare(r, &fresh, changes, e);
	if (rc == 0)
		exchange(r, &fresh);
	else
		release_all(&fresh);
	return rc;
}

void
roster_close(struct roster *r)
{
	if (r == NULL)
		return;
	release_all(&r->served);
	settings_release(&r->fixed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
