/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/owner.h"
#include "archiver/settings_check.h"
#include "common/buf.h"
#include "common/conf.h"
#include "common/err.h"

static const struct opt_choice settings_compressions[] = {
	{ "lz4", COMPRESS_LZ4, false }, { "none", COMPRESS_NONE, false },
	{ "zst", COMPRESS_LATER, true }, { "gz", COMPRESS_LATER, true },
	{ "bz2", COMPRESS_LATER, true }, { NULL, 0, false }
};
static const struct opt_choice settings_types[] = {
	{ "default", TYPE_DEFAULT, false }, { "full", TYPE_FULL, false },
	{ "immediate", TYPE_IMMEDIATE, false }, { "lsn", TYPE_LSN, false },
	{ "name", TYPE_NAME, false }, { "none", TYPE_NONE, false },
	{ "preserve", TYPE_PRESERVE, false },
	{ "standby", TYPE_STANDBY, false }, { "time", TYPE_TIME, false },
	{ "xid", TYPE_XID, false }, { "incr", TYPE_LATER, true },
	{ "diff", TYPE_LATER, true }, { NULL, 0, false }
};
static const struct opt_choice settings_target_actions[] = {
	{ "pause", TARGET_PAUSE, false }, { "promote", TARGET_PROMOTE, false },
	{ "shutdown", TARGET_SHUTDOWN, false }, { NULL, 0, false }
};
static const struct opt_choice settings_backup_repos[] = {
	{ "first", BACKUP_REPOS_FIRST, false },
	{ "all", BACKUP_REPOS_ALL, false }, { NULL, 0, false }
};
static const struct opt_choice settings_archive_modes[] = {
	{ "preserve", ARCHIVE_MODE_PRESERVE, false },
	{ "off", ARCHIVE_MODE_OFF, false }, { NULL, 0, false }
};
static const struct opt_choice settings_outputs[] = {
	{ "text", OUTPUT_TEXT, false }, { "json", OUTPUT_JSON, false },
	{ NULL, 0, false }
};
static const struct opt_choice settings_log_levels[] = {
	{ "off", SETTINGS_LOG_OFF, false },
	{ "error", SETTINGS_LOG_ERROR, false },
	{ "warn", SETTINGS_LOG_WARN, false },
	{ "info", SETTINGS_LOG_INFO, false },
	{ "detail", SETTINGS_LOG_DEBUG, false },
	{ "debug", SETTINGS_LOG_DEBUG, false },
	{ "trace", SETTINGS_LOG_DEBUG, false }, { NULL, 0, false }
};
static const struct opt_choice settings_repo_types[] = {
	{ "posix", REPO_POSIX, false }, { "cifs", REPO_POSIX, false },
	{ "s3", REPO_S3, false }, { "azure", REPO_LATER, true },
	{ "gcs", REPO_LATER, true }, { "sftp", REPO_LATER, true },
	{ NULL, 0, false }
};
static const struct opt_choice settings_ciphers[] = {
	{ "none", CIPHER_NONE, false }, { "aes-256-cbc", CIPHER_LATER, true },
	{ "aes-256-gcm", CIPHER_LATER, true }, { NULL, 0, false }
};
static const struct opt_choice settings_retentions[] = {
	{ "count", RETENTION_COUNT, false },
	{ "time", RETENTION_LATER, true }, { NULL, 0, false }
};
static const struct opt_choice settings_transports[] = {
	{ "auto", TRANSPORT_AUTO, false },
	{ "libs3", TRANSPORT_LIBS3, false },
	{ "sigv4", TRANSPORT_LATER, true }, { NULL, 0, false }
};
static const struct opt_choice settings_uri_styles[] = {
	{ "path", URI_STYLE_PATH, false }, { "host", URI_STYLE_HOST, false },
	{ NULL, 0, false }
};

#define OPT_GROUP(title) OPT_GROUP_ROW(title)
#define OPT(kind, name, def, min, max, flags, help) \
	OPT_ROW(TYPE, kind, name, def, min, max, flags, help)
#define OPT_ENUM(name, def, choices, flags, help) \
	OPT_ENUM_ROW(TYPE, name, def, choices, flags, help)

#define TYPE struct settings_general
static const struct opt general_rows[] = {
#include "archiver/settings.def"
};
#undef TYPE
#define TYPE struct settings_pg
static const struct opt pg_rows[] = {
#include "archiver/settings_pg.def"
};
#undef TYPE
#define TYPE struct settings_repo
static const struct opt repo_rows[] = {
#include "archiver/settings_repo.def"
};
#undef TYPE

const struct opt_table settings_general_table = OPT_TABLE("archiver", NULL,
    general_rows, struct settings_general, OPT_PGBACKREST);
const struct opt_table settings_pg_table = OPT_TABLE("archiver", "pg",
    pg_rows, struct settings_pg, OPT_PGBACKREST);
const struct opt_table settings_repo_table = OPT_TABLE("archiver", "repo",
    repo_rows, struct settings_repo, OPT_PGBACKREST);

/*
 * pgBackRest's options that we do not have yet; "*" stands for an index,
 * and for any end of the name.
 */
static const char *const later[] = {
	"archive-copy", "archive-expire-before", "archive-missing-retry",
	"archive-mode-check", "archive-push-batch-size",
	"archive-push-queue-max", "backup-standby", "buffer-size", "cmd",
	"cmd-ssh", "compress", "compress-level-network",
	"config-include-path", "config-path", "db-exclude", "db-include",
	"detail-level", "filter", "ignore-missing", "io-uring", "link-all",
	"link-map", "log-level-file", "log-level-stderr", "log-path",
	"log-subprocess", "log-timestamp", "manifest-save-threshold",
	"neutral-umask", "allow-root", "oldest", "online",
	"page-header-check", "pg*-version-force", "priority",
	"protocol-timeout", "raw", "recurse", "repo*-block", "repo*-bundle*",
	"repo*-cipher-pass", "repo*-hardlink", "repo*-retention-archive*",
	"repo*-retention-diff", "repo*-retention-history", "repo*-s3-*",
	"repo*-storage-*", "repo*-symlink", "repo*-target-time", "resume",
	"sck-keep-alive", "sort", "tcp-keep-alive-*", "tls-*", "verbose"
};

/* Hosts reached by ssh or TLS: one archiver per PostgreSQL host instead. */
static const char *const never[] = { "pg*-host*", "repo*-host*" };

static bool
matches(const char *pattern, const char *key)
{
	for (; *pattern != '\0'; pattern++) {
		if (*pattern != '*') {
			if (*key++ != *pattern)
				return false;
			continue;
		}
		if (pattern[1] == '\0')
			return true;
		if (!isdigit((unsigned char)*key))
			return false;
		while (isdigit((unsigned char)*key))
			key++;
	}
	return *key == '\0';
}

static bool
is_one_of(const char *const *patterns, size_t n, const char *key)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (matches(patterns[i], key))
			return true;
	}
	return false;
}

/* Where values are being set from; lists begin anew with each level. */
struct level {
	struct settings	*s;
	struct buf	*warnings;
	const void	*seen[64];
	size_t		 seen_n;
};

/* The option of a key and the struct it lives in. */
static const struct opt *
find(struct settings *s, const char *key, const struct opt_table **table,
    void **values)
{
	const struct opt *o;
	int		  i;

	*table = &settings_general_table;
	*values = &s->o;
	o = opt_find(*table, key, &i);
	if (o != NULL)
		return o;
	*table = &settings_pg_table;
	*values = &s->pg;
	o = opt_find(*table, key, &i);
	if (o != NULL && i == 1)
		return o;
	*table = &settings_repo_table;
	o = opt_find(*table, key, &i);
	if (o == NULL || i > SETTINGS_REPO_MAX)
		return NULL;
	*values = &s->repo[i - 1];
	s->has_repo[i - 1] = true;
	if (strcmp(o->name, "path") == 0 || strcmp(o->name, "type") == 0)
		s->is_placed[i - 1] = true;
	return o;
}

static int
hint_unknown(const char *key, struct err *e)
{
	const struct opt_table *t = &settings_general_table;
	const struct opt *o = opt_nearest(t, key);
	char	near[64];

	if (strncmp(key, "repo", 4) == 0 && isdigit((unsigned char)key[4]))
		return err_hint(e, "repositories are repo1 to repo%d; "
		    "homelab-archiver.ini(5) lists their options",
		    SETTINGS_REPO_MAX);
	if (strncmp(key, "pg", 2) == 0 && isdigit((unsigned char)key[2]))
		return err_hint(e, "a stanza has one cluster here, pg1; "
		    "homelab-archiver.ini(5) lists its options");
	if (o != NULL)
		return err_hint(e, "did you mean %s?", opt_key(t, o, 0, near,
		    sizeof(near)));
	return err_hint(e, "homelab-archiver.ini(5) lists the options; they "
	    "are named as pgBackRest's");
}

/* A key of pgBackRest's that does nothing here. 0 if it is none of these. */
static int
without_effect(struct level *l, const char *key, const char *where,
    struct err *e)
{
	if (is_one_of(never, ARRAY_LEN(never), key)) {
		err_set(e, ERR_NOT_YET, "%s: %s: remote hosts are not "
		    "supported", where, key);
		err_hint(e, "run one homelab-archiver on each PostgreSQL "
		    "host, all with the same repository");
		return ERR_NOT_YET;
	}
	if (!is_one_of(later, ARRAY_LEN(later), key)) {
		err_set(e, ERR_CONFIG, "%s: unknown option \"%s\"", where, key);
		return hint_unknown(key, e);
	}
	buf_printf(l->warnings, "%s: %s is not supported yet\n", where, key);
	return 0;
}

/* The key as it was typed, where a table with a prefix has left its number
 * out: "repo-type" becomes "repo2-type". */
static void
name_key(const struct opt_table *t, const struct opt *o, const char *key,
    char *text, size_t size)
{
	char	 general[128], rest[1024];
	char	*at;

	if (t->prefix == NULL)
		return;
	opt_key(t, o, 0, general, sizeof(general));
	at = strstr(text, general);
	if (at == NULL)
		return;
	snprintf(rest, sizeof(rest), "%s", at + strlen(general));
	snprintf(at, size - (size_t)(at - text), "%s%s", key, rest);
}

static int
apply(struct level *l, const char *key, const char *value, const char *where,
    struct err *e)
{
	const struct opt_table *t;
	const struct opt *o;
	void	*values;
	bool	 again = false;
	size_t	 i;
	int	 rc;

	o = find(l->s, key, &t, &values);
	if (o == NULL)
		return without_effect(l, key, where, e);
	for (i = 0; i < l->seen_n; i++)
		again |= l->seen[i] == (char *)values + o->offset;
	if (!again && l->seen_n < ARRAY_LEN(l->seen))
		l->seen[l->seen_n++] = (char *)values + o->offset;
	rc = again ? opt_add(t, o, values, value, e) :
	    opt_set(t, o, values, value, e);
	if (rc == 0 && opt_has_no_effect(t, o, values))
		buf_printf(l->warnings, "%s: %s has no effect yet\n", where, key);
	if (rc != 0) {
		name_key(t, o, key, e->msg, sizeof(e->msg));
		name_key(t, o, key, e->hint, sizeof(e->hint));
		err_wrap(e, "%s", where);
	}
	return rc;
}

static int
apply_section(struct settings *s, const struct conf *conf,
    const char *section, struct buf *warnings, struct err *e)
{
	struct level	l = { .s = s, .warnings = warnings };
	const struct conf_entry *entry = NULL;
	char		where[512];
	int		rc = 0;

	while (rc == 0 && (entry = conf_next(conf, section, entry)) != NULL) {
		snprintf(where, sizeof(where), "%s:%d", entry->file,
		    entry->line);
		rc = apply(&l, entry->key, entry->value, where, e);
	}
	return rc;
}

static int
apply_env(struct settings *s, const char *const *env, const char *prefix,
    struct buf *warnings, struct err *e)
{
	struct level	l = { .s = s, .warnings = warnings };
	size_t		n = strlen(prefix), i;
	char		key[128], where[160];
	const char	*equal;
	int		rc = 0;

	for (; rc == 0 && env != NULL && *env != NULL; env++) {
		equal = strchr(*env, '=');
		if (strncmp(*env, prefix, n) != 0 || equal == NULL ||
		    (size_t)(equal - *env) - n >= sizeof(key))
			continue;
		for (i = 0; *env + n + i < equal; i++) {
			char c = (*env)[n + i];

			key[i] = c == '_' ? '-' :
			    (char)tolower((unsigned char)c);
		}
		key[i] = '\0';
		snprintf(where, sizeof(where), "environment %s%.100s", prefix,
		    key);
		/* Ours, for tests and packages; no options. */
		if (strcmp(key, "libdir") == 0)
			continue;
		rc = apply(&l, key, equal + 1, where, e);
	}
	return rc;
}

/*
 * One word of the command line that begins with "--"; `next` is the word
 * behind it, NULL if there is none. *used becomes the words taken, 1 or 2.
 */
static int
apply_word(struct level *l, const char *word, const char *next, int *used,
    struct err *e)
{
	const struct opt_table *t;
	const struct opt *o;
	const char	*equal = strchr(word, '='), *value;
	void		*values;
	char		 key[128];

	*used = 1;
	snprintf(key, sizeof(key), "%.*s", equal == NULL ?
	    (int)strlen(word) - 2 : (int)(equal - word) - 2, word + 2);
	if (equal != NULL)
		return apply(l, key, equal + 1, "command line", e);
	o = find(l->s, strncmp(key, "no-", 3) == 0 ? key + 3 : key, &t,
	    &values);
	if (o != NULL && o->kind == OPT_KIND_BOOL) {
		value = strncmp(key, "no-", 3) == 0 ? "n" : "y";
		return apply(l, *value == 'n' ? key + 3 : key, value,
		    "command line", e);
	}
	if (o == NULL)
		return without_effect(l, key, "command line", e);
	if (next == NULL)
		return err_set(e, ERR_USAGE, "option --%s needs a value", key);
	*used = 2;
	return apply(l, key, next, "command line", e);
}

static int
apply_argv(struct settings *s, const struct settings_source *src,
    const char **args, int *n, struct buf *warnings, struct err *e)
{
	struct level	l = { .s = s, .warnings = warnings };
	int		i, used, rc = 0;

	*n = 0;
	for (i = 0; i < src->argc && rc == 0; i += used) {
		used = 1;
		if (strncmp(src->argv[i], "--", 2) != 0) {
			args[(*n)++] = src->argv[i];
			continue;
		}
		rc = apply_word(&l, src->argv[i], i + 1 < src->argc ?
		    src->argv[i + 1] : NULL, &used, e);
	}
	return rc;
}

static int
init_all(struct settings *s, struct err *e)
{
	int i, rc;

	memset(s, 0, sizeof(*s));
	rc = opt_init(&settings_general_table, &s->o, e);
	if (rc == 0)
		rc = opt_init(&settings_pg_table, &s->pg, e);
	for (i = 0; i < SETTINGS_REPO_MAX && rc == 0; i++)
		rc = opt_init(&settings_repo_table, &s->repo[i], e);
	return rc;
}

void
settings_release(struct settings *s)
{
	int i;

	opt_release(&settings_general_table, &s->o);
	opt_release(&settings_pg_table, &s->pg);
	for (i = 0; i < SETTINGS_REPO_MAX; i++)
		opt_release(&settings_repo_table, &s->repo[i]);
}

/* The file's four sections, in rising order. */
static int
apply_file(struct settings *s, const struct conf *conf, const char *stanza,
    const char *command, struct buf *warnings, struct err *e)
{
	char	section[256];
	int	rc;

	rc = apply_section(s, conf, "global", warnings, e);
	if (rc == 0 && command != NULL) {
		snprintf(section, sizeof(section), "global:%s", command);
		rc = apply_section(s, conf, section, warnings, e);
	}
	if (rc == 0 && stanza != NULL) {
		rc = apply_section(s, conf, stanza, warnings, e);
		if (rc == 0 && command != NULL) {
			snprintf(section, sizeof(section), "%s:%s", stanza,
			    command);
			rc = apply_section(s, conf, section, warnings, e);
		}
	}
	return rc;
}

static int
apply_outer(struct settings *s, const struct settings_source *src,
    const char **args, int *n, struct buf *warnings, struct err *e)
{
	int rc = apply_env(s, src->env, "PGBACKREST_", warnings, e);

	if (rc == 0)
		rc = apply_env(s, src->env, "HOMELAB_ARCHIVER_", warnings, e);
	if (rc == 0)
		rc = apply_argv(s, src, args, n, warnings, e);
	return rc;
}

/* Whether a key may stand more than once in a section. */
static bool
is_list(const char *key)
{
	const struct opt *o = opt_find(&settings_general_table, key, NULL);

	return o != NULL && o->kind == OPT_KIND_LIST;
}

static int
load_file(const char *path, struct conf *conf, struct err *e)
{
	int	rc = conf_load(path, conf, e);

	if (rc == ERR_ACCESS)
		owner_hint(e, path);
	else if (rc == ERR_NOT_FOUND)
		err_hint(e, "--config or HOMELAB_ARCHIVER_CONFIG names the "
		    "file");
	else if (rc == ERR_CONFIG && e->hint[0] == '\0')
		err_hint(e, "a line is [section], key = value, or a comment "
		    "that begins with #");
	return rc;
}

static int
no_such_repo(const struct settings *s, struct err *e)
{
	char	list[128] = "";
	size_t	n = 0;
	int	i;

	for (i = 0; i < SETTINGS_REPO_MAX; i++) {
		if (s->has_repo[i])
			n += (size_t)snprintf(list + n, sizeof(list) - n,
			    " repo%d", i + 1);
	}
	err_set(e, ERR_CONFIG, "repo%d is not configured", s->o.repo);
	return err_hint(e, "%s has:%s", s->o.config,
	    n == 0 ? " no repository" : list);
}

/*
 * Reads the file that `first` (environment and command line alone) names,
 * and applies everything in order.
 */
static int
load_all(struct settings *out, const struct settings *first,
    const struct settings_source *src, const char **args, int *n,
    struct buf *warnings, struct err *e)
{
	struct conf	 conf = { NULL, 0 };
	const char	*stanza = first->o.stanza != NULL ? first->o.stanza :
	    src->stanza;
	int		 i, rc;

	if (strcmp(first->o.config, "/etc/homelab/archiver.ini") != 0 ||
	    access(first->o.config, F_OK) == 0) {
		rc = load_file(first->o.config, &conf, e);
		if (rc != 0)
			return rc;
	}
	out->has_section = stanza == NULL || conf_has_section(&conf, stanza);
	rc = settings_check_file(&conf, is_list, e);
	if (rc == 0)
		rc = apply_file(out, &conf, stanza, src->command, warnings, e);
	conf_release(&conf);
	if (rc == 0)
		rc = apply_outer(out, src, args, n, warnings, e);
	if (rc == 0 && out->o.stanza == NULL && stanza != NULL)
		rc = opt_set(&settings_general_table,
		    opt_find(&settings_general_table, "stanza", NULL), &out->o,
		    stanza, e);
	if (rc != 0)
		return rc;
	memcpy(out->configured, out->has_repo, sizeof(out->configured));
	if (out->o.repo != OPT_UNSET) {
		if (out->o.repo > SETTINGS_REPO_MAX ||
		    !out->has_repo[out->o.repo - 1])
			return no_such_repo(out, e);
		for (i = 0; i < SETTINGS_REPO_MAX; i++)
			out->has_repo[i] = i == out->o.repo - 1;
	}
	return 0;
}

int
settings_load(struct settings *out, const struct settings_source *src,
    const char **args, int *n, struct buf *warnings, struct err *e)
{
	struct settings	first;
	struct buf	ignored = { 0 };
	int		rc;

	memset(out, 0, sizeof(*out));
	rc = init_all(&first, e);
	if (rc == 0)
		rc = apply_outer(&first, src, args, n, &ignored, e);
	if (rc == 0)
		rc = init_all(out, e);
	if (rc == 0)
		rc = load_all(out, &first, src, args, n, warnings, e);
	if (rc == 0)
		rc = settings_check(out, e);
	if (rc != 0)
		settings_release(out);
	settings_release(&first);
	buf_release(&ignored);
	return rc;
}

int
settings_stanzas(const char *file, struct buf *out, struct err *e)
{
	struct conf	conf = { NULL, 0 };
	size_t		i, k;
	int		rc;

	rc = conf_load(file, &conf, e);
	if (rc != 0)
		return rc;
	for (i = 0; i < conf.n; i++) {
		const char *name = conf.entry[i].section;

		if (conf.entry[i].key != NULL || strchr(name, ':') != NULL ||
		    strcmp(name, "global") == 0)
			continue;
		/* A section may have several headers. */
		for (k = 0; k < i; k++) {
			if (conf.entry[k].key == NULL &&
			    strcmp(conf.entry[k].section, name) == 0)
				break;
		}
		if (k == i)
			buf_printf(out, "%s\n", name);
	}
	conf_release(&conf);
	return buf_failed(out) ? err_set(e, ERR_NOMEM, "no memory") : 0;
}
