/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/settings_check.h"

#include <stdio.h>
#include <string.h>

#include "archiver/settings.h"
#include "common/conf.h"
#include "common/err.h"

static const char *const verbs[] = {
#define VERB(name, fn, flags, args, options, help) name,
#include "archiver/verbs.def"
#undef VERB
};

static int
check_section(const struct conf_entry *c, struct err *e)
{
	const char	*colon = strrchr(c->section, ':');
	size_t		 i;

	for (i = 0; colon != NULL && i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i], colon + 1) == 0)
			return 0;
	}
	if (colon == NULL)
		return 0;
	err_set(e, ERR_CONFIG, "%s:%d: section [%s]: there is no verb \"%s\"",
	    c->file, c->line, c->section, colon + 1);
	return err_hint(e, "sections are [global], [<stanza>], "
	    "[global:<verb>] and [<stanza>:<verb>]");
}

static int
check_key(const struct conf_entry *c, struct err *e)
{
	if (c->section[0] == '\0') {
		err_set(e, ERR_CONFIG, "%s:%d: %s stands before the first "
		    "section", c->file, c->line, c->key);
		return err_hint(e, "begin the file with [global]");
	}
	if (c->value[0] == '\0') {
		err_set(e, ERR_CONFIG, "%s:%d: %s has no value", c->file,
		    c->line, c->key);
		return err_hint(e, "remove the line to have the default");
	}
	if (strcmp(c->key, "config") == 0 || strcmp(c->key, "stanza") == 0) {
		err_set(e, ERR_CONFIG, "%s:%d: %s cannot be set in the file",
		    c->file, c->line, c->key);
		return err_hint(e, "give it on the command line: --%s=...",
		    c->key);
	}
	if (strncmp(c->key, "socket-", 7) == 0 &&
	    strcmp(c->section, "global") != 0) {
		err_set(e, ERR_CONFIG, "%s:%d: %s is the daemon's, which "
		    "serves all stanzas", c->file, c->line, c->key);
		return err_hint(e, "move it to the section [global]");
	}
	return 0;
}

/* The same key again, further up in the same section. */
static int
check_again(const struct conf *conf, size_t at,
    bool (*is_list)(const char *), struct err *e)
{
	const struct conf_entry *c = &conf->entry[at], *o;
	size_t	i;

	for (i = 0; i < at; i++) {
		o = &conf->entry[i];
		if (o->key == NULL || strcmp(o->key, c->key) != 0 ||
		    strcmp(o->section, c->section) != 0 || is_list(c->key))
			continue;
		err_set(e, ERR_CONFIG, "%s:%d: %s is set a second time in "
		    "section [%s]", c->file, c->line, c->key, c->section);
		return err_hint(e, "the first is at %s:%d: keep one of them",
		    o->file, o->line);
	}
	return 0;
}

int
settings_check_file(const struct conf *conf, bool (*is_list)(const char *),
    struct err *e)
{
	size_t	i;
	int	rc = 0;

	for (i = 0; rc == 0 && i < conf->n; i++) {
		if (conf->entry[i].key == NULL) {
			rc = check_section(&conf->entry[i], e);
			continue;
		}
		rc = check_key(&conf->entry[i], e);
		if (rc == 0)
			rc = check_again(conf, i, is_list, e);
	}
	return rc;
}

/* It is part of keys in the repositories and of names of lock files. */
static int
check_stanza(const char *name, struct err *e)
{
	size_t	n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._-");

	if (n > 0 && name[n] == '\0' && name[0] != '.' && name[0] != '-' &&
	    n <= SETTINGS_STANZA_MAX && strcmp(name, "global") != 0)
		return 0;
	err_set(e, ERR_CONFIG, "\"%.100s\" cannot be the name of a stanza",
	    name);
	return err_hint(e, "it consists of up to %d of A-Z a-z 0-9 . _ and -, "
	    "begins with a letter, a digit or _, and is not \"global\"",
	    SETTINGS_STANZA_MAX);
}

static int
check_absolute(const char *what, const char *path, struct err *e)
{
	if (path[0] == '/')
		return 0;
	err_set(e, ERR_CONFIG, "%s \"%.200s\" is not absolute", what, path);
	return err_hint(e, "PostgreSQL, cron and you run this in different "
	    "directories: write the path from / on");
}

/* Paths without the slashes at their ends. */
static bool
same_path(const char *a, const char *b)
{
	size_t	n = strlen(a), m = strlen(b);

	while (n > 1 && a[n - 1] == '/')
		n--;
	while (m > 1 && b[m - 1] == '/')
		m--;
	return n == m && strncmp(a, b, n) == 0;
}

static bool
same_text(const char *a, const char *b)
{
	return strcmp(a == NULL ? "" : a, b == NULL ? "" : b) == 0;
}

static bool
same_place(const struct settings_repo *a, const struct settings_repo *b)
{
	return a->type == b->type && same_path(a->path, b->path) &&
	    (a->type != REPO_S3 || (same_text(a->s3_endpoint,
	    b->s3_endpoint) && same_text(a->s3_bucket, b->s3_bucket)));
}

static int
check_repo(const struct settings *s, int i, struct err *e)
{
	const struct settings_repo *r = &s->repo[i];
	char	what[32];
	int	k, rc;

	if (i > 0 && !s->is_placed[i]) {
		err_set(e, ERR_CONFIG, "repo%d has options, but neither "
		    "repo%d-path nor repo%d-type", i + 1, i + 1, i + 1);
		return err_hint(e, "say where it is, or remove its options");
	}
	snprintf(what, sizeof(what), "repo%d-path", i + 1);
	rc = check_absolute(what, r->path, e);
	for (k = 0; rc == 0 && k < i; k++) {
		if (!s->has_repo[k] || !same_place(r, &s->repo[k]))
			continue;
		err_set(e, ERR_CONFIG, "repo%d and repo%d are the same place",
		    k + 1, i + 1);
		return err_hint(e, "two repositories are two copies: give "
		    "repo%d another path or bucket", i + 1);
	}
	return rc;
}

int
settings_check(const struct settings *s, struct err *e)
{
	int	i, rc = 0;

	if (s->o.stanza != NULL)
		rc = check_stanza(s->o.stanza, e);
	if (rc == 0 && s->pg.path != NULL)
		rc = check_absolute("pg1-path", s->pg.path, e);
	for (i = 0; rc == 0 && i < SETTINGS_REPO_MAX; i++) {
		if (s->has_repo[i])
			rc = check_repo(s, i, e);
	}
	return rc;
}
