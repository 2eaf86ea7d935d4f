/* SPDX-License-Identifier: MIT */
/*
 * Reading a snapshot. Lines of [databases] and [users] are config_entry.c,
 * asking is config_query.c, showing config_dump.c.
 */
#include "common/base.h"
#include "pooler/config.h"

#include <stdio.h>
#include <string.h>

#include "common/conf.h"
#include "common/err.h"
#include "common/text.h"
#include "pooler/authfile.h"
#include "pooler/config_impl.h"

/* Life of the parts --------------------------------------------------- */

void
config_free(struct config *c)
{
	size_t	i;

	if (c == NULL)
		return;
	for (i = 0; i < c->n_dbs; i++)
		config_release_db(&c->dbs[i]);
	for (i = 0; i < c->n_users; i++)
		config_release_user(&c->users[i]);
	for (i = 0; i < c->n_secrets; i++)
		authfile_release(&c->secrets[i]);
	if (c->fallback != NULL)
		config_release_db(c->fallback);
	free(c->fallback);
	free(c->dbs);
	free(c->users);
	free(c->secrets);
	strmap_release(&c->db_index);
	strmap_release(&c->user_index);
	strmap_release(&c->secret_index);
	buf_release(&c->warnings);
	buf_release(&c->changes);
	opt_release(&pooler_option_table, &c->opt);
	free(c);
}

/* Messages ------------------------------------------------------------ */

int
config_no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

int
config_fail(struct config_loader *l, const char *fmt, ...)
{
	char	what[512];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(l->e, ERR_CONFIG, "%s in configuration (%s:%d)", what,
	    l->at->file, l->at->line);
}

int
config_add_place(struct config_loader *l, const struct err *cause)
{
	if (cause->code == ERR_NOMEM)
		return config_no_memory(l->e);
	err_set(l->e, cause->code, "%s in configuration (%s:%d)", cause->msg,
	    l->at->file, l->at->line);
	err_hint(l->e, "%s", cause->hint);
	return cause->code;
}

void
config_warn(struct config_loader *l, const char *fmt, ...)
{
	char	what[512];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	buf_printf(&l->c->warnings, "%s (%s:%d)\n", what, l->at->file,
	    l->at->line);
}

/* [pgbouncer] --------------------------------------------------------- */

/*
 * PgBouncer sets every key that has a default back when it meets another
 * header, so that the first section's settings are lost. People are told.
 */
static int
enter_main(struct config_loader *l)
{
	const struct opt *o;
	int		  rc;

	if (!l->seen_main) {
		l->seen_main = true;
		return 0;
	}
	config_warn(l, "another section [pgbouncer] sets all keys back to their "
	    "defaults");
	OPT_FOREACH(o, &pooler_option_table) {
		if (o->def == NULL)
			continue;
		rc = opt_reset(&pooler_option_table, o, &l->c->opt, l->e);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
unknown_option(struct config_loader *l)
{
	const struct opt *o = opt_nearest(&pooler_option_table, l->at->key);

	config_fail(l, "unknown parameter: pgbouncer/%s", l->at->key);
	if (o != NULL)
		err_hint(l->e, "did you mean %s?", o->name);
	return ERR_CONFIG;
}

static int
take_option(struct config_loader *l)
{
	const struct opt *o = opt_find(&pooler_option_table, l->at->key, NULL);
	struct err	  cause = { 0 };

	if (o == NULL)
		return unknown_option(l);
	if (strcmp(o->name, "auth_dbname") == 0 &&
	    strcmp(l->at->value, CONFIG_ADMIN_DB) == 0)
		return config_fail(l, "cannot use the reserved \"%s\" database as an "
		    "auth_dbname", l->at->value);
	if (opt_set(&pooler_option_table, o, &l->c->opt, l->at->value,
	    &cause) != 0)
		return config_add_place(l, &cause);
	return 0;
}

/* The file ------------------------------------------------------------ */

static int
take_header(struct config_loader *l)
{
	const char	*s = l->at->section;

	if (strcmp(s, "pgbouncer") == 0)
		return enter_main(l);
	if (strcmp(s, "peers") == 0) {
		if (!l->warned_peers)
			config_warn(l, "section [peers] is not supported yet and has "
			    "no effect");
		l->warned_peers = true;
		return 0;
	}
	if (strcmp(s, "databases") == 0 || strcmp(s, "users") == 0)
		return 0;
	config_fail(l, "invalid section \"%s\"", s);
	return err_hint(l->e, "unknown section: %s; the sections are "
	    "[pgbouncer], [databases], [users] and [peers]", s);
}

static int
take_line(void *arg, const struct conf_line *line, struct err *e)
{
	struct config_loader	*l = arg;

	l->at = line;
	l->e = e;
	if (line->key == NULL)
		return take_header(l);
	if (strcmp(line->section, "pgbouncer") == 0)
		return take_option(l);
	if (strcmp(line->section, "databases") == 0)
		return config_take_db(l);
	if (strcmp(line->section, "users") == 0)
		return config_take_user(l);
	if (strcmp(line->section, "peers") == 0)
		return 0;
	return config_fail(l, "load_init_file: value without section: %s", line->key);
}

/* After the file: order, names, what belongs together ----------------- */

static int
compare_dbs(const void *a, const void *b)
{
	const struct config_db	*x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int
compare_users(const void *a, const void *b)
{
	const struct config_user *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int
compare_secrets(const void *a, const void *b)
{
	const struct authfile_secret *x = a, *y = b;

	return strcmp(x->user, y->user);
}

/* Keeps the last line of each user of the auth file. */
static int
drop_repeated_secrets(struct config *c, struct err *e)
{
	size_t	i, kept = 0, place;

	for (i = 0; i < c->n_secrets; i++) {
		struct authfile_secret s = c->secrets[i];

		memset(&c->secrets[i], 0, sizeof(s));
		place = config_place_of(&c->secret_index, s.user);
		if (place == 0) {
			place = ++kept;
		} else {
			buf_printf(&c->warnings, "user \"%s\" is listed again "
			    "in %s, the last line counts\n", s.user,
			    c->opt.auth_file);
		}
		if (config_set_place(&c->secret_index, s.user, place) != 0) {
			authfile_release(&s);
			return config_no_memory(e);
		}
		authfile_release(&c->secrets[place - 1]);
		c->secrets[place - 1] = s;
	}
	c->n_secrets = kept;
	return 0;
}

/* Sorts the arrays and lets the indexes point into them. */
static int
index_names(struct config *c, struct err *e)
{
	size_t	i;
	int	rc = 0;

	strmap_release(&c->db_index);
	strmap_release(&c->user_index);
	strmap_release(&c->secret_index);
	if (c->n_dbs > 0)
		qsort(c->dbs, c->n_dbs, sizeof(*c->dbs), compare_dbs);
	if (c->n_users > 0)
		qsort(c->users, c->n_users, sizeof(*c->users), compare_users);
	if (c->n_secrets > 0)
		qsort(c->secrets, c->n_secrets, sizeof(*c->secrets),
		    compare_secrets);
	for (i = 0; i < c->n_dbs && rc == 0; i++)
		rc = strmap_put(&c->db_index, c->dbs[i].name, &c->dbs[i]);
	for (i = 0; i < c->n_users && rc == 0; i++)
		rc = strmap_put(&c->user_index, c->users[i].name,
		    &c->users[i]);
	for (i = 0; i < c->n_secrets && rc == 0; i++)
		rc = strmap_put(&c->secret_index, c->secrets[i].user,
		    &c->secrets[i]);
	return rc == 0 ? 0 : config_no_memory(e);
}

/* What no single line can show to be wrong. */
static int
check_whole(const struct options *o, struct err *e)
{
	if (o->client_tls_sslmode == SSLMODE_DISABLE)
		return 0;
	if (o->client_tls_key_file[0] == '\0' ||
	    o->client_tls_cert_file[0] == '\0')
		return err_set(e, ERR_CONFIG, "To allow TLS connections from "
		    "clients, client_tls_key_file and client_tls_cert_file "
		    "must be set.");
	if (o->client_tls_sslmode >= SSLMODE_VERIFY_CA &&
	    o->client_tls_ca_file[0] == '\0')
		return err_set(e, ERR_CONFIG,
		    "client_tls_sslmode requires client_tls_ca_file");
	return 0;
}

static void
warn_of_no_effect(struct config *c)
{
	const struct opt *o;

	OPT_FOREACH(o, &pooler_option_table) {
		if (opt_has_no_effect(&pooler_option_table, o, &c->opt))
			buf_printf(&c->warnings, "%s is not supported yet and "
			    "has no effect\n", o->name);
	}
}

/* What the command line says beside the file. */
static int
apply_source(struct config *c, const struct config_source *s, struct err *e)
{
	const struct opt_table *t = &pooler_option_table;
	int			rc = 0;

	if (c->opt.conffile == NULL)
		rc = opt_set(t, opt_find(t, "conffile", NULL), &c->opt,
		    s->path, e);
	if (rc == 0 && s->user != NULL)
		rc = opt_set(t, opt_find(t, "user", NULL), &c->opt, s->user,
		    e);
	c->opt.verbose += s->verbose;
	return rc;
}

/* Against the present snapshot: what stays, what is new. */
static int
compare_running(struct config *c, const struct config *running, struct err *e)
{
	int	rc;

	if (running == NULL)
		return 0;
	rc = opt_keep_fixed(&pooler_option_table, &running->opt, &c->opt,
	    &c->warnings, e);
	if (rc == 0)
		opt_changes(&pooler_option_table, &running->opt, &c->opt,
		    &c->changes);
	return rc;
}

/* The users of opt.auth_file. */
static int
read_secrets(struct config *c, struct err *e)
{
	int	rc = 0;

	if (c->opt.auth_file != NULL && c->opt.auth_file[0] != '\0')
		rc = authfile_load(c->opt.auth_file, &c->secrets,
		    &c->n_secrets, e);
	return rc == 0 ? drop_repeated_secrets(c, e) : rc;
}

static int
read_files(struct config_loader *l, const struct config_source *source,
    struct err *e)
{
	struct config	*c = l->c;
	int		 rc;

	rc = conf_parse(source->path, take_line, l, e);
	if (rc != 0)
		return rc;
	if (!l->seen_main) {
		err_set(e, ERR_CONFIG, "load_init_file: main section missing "
		    "from config file");
		return err_hint(e, "%s needs a section [pgbouncer]",
		    source->path);
	}
	rc = apply_source(c, source, e);
	if (rc == 0)
		rc = check_whole(&c->opt, e);
	return rc == 0 ? read_secrets(c, e) : rc;
}

int
config_load(const struct config_source *source, struct config **out,
    struct err *e)
{
	struct config_loader	l = { 0 };
	int		rc;

	l.c = calloc(1, sizeof(*l.c));
	if (l.c == NULL)
		return config_no_memory(e);
	rc = opt_init(&pooler_option_table, &l.c->opt, e);
	if (rc == 0)
		rc = read_files(&l, source, e);
	if (rc == 0 && l.fallback.name != NULL) {
		l.c->fallback = malloc(sizeof(l.fallback));
		if (l.c->fallback == NULL) {
			rc = config_no_memory(e);
		} else {
			*l.c->fallback = l.fallback;
			memset(&l.fallback, 0, sizeof(l.fallback));
		}
	}
	if (rc == 0)
		rc = index_names(l.c, e);
	if (rc == 0) {
		warn_of_no_effect(l.c);
		rc = compare_running(l.c, source->running, e);
	}
	if (rc == 0 && (buf_failed(&l.c->warnings) ||
	    buf_failed(&l.c->changes)))
		rc = config_no_memory(e);
	if (rc == 0) {
		*out = l.c;
		l.c = NULL;
	}
	config_release_db(&l.fallback);
	config_free(l.c);
	return rc;
}

int
config_load_secrets(const char *path, struct config **out, struct err *e)
{
	const struct opt_table *t = &pooler_option_table;
	struct config *c = calloc(1, sizeof(*c));
	int	rc;

	if (c == NULL)
		return config_no_memory(e);
	rc = opt_init(t, &c->opt, e);
	if (rc == 0)
		rc = opt_set(t, opt_find(t, "auth_file", NULL), &c->opt, path,
		    e);
	if (rc == 0)
		rc = read_secrets(c, e);
	if (rc == 0)
		rc = index_names(c, e);
	if (rc != 0) {
		config_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void
config_swap_secrets(struct config *a, struct config *b)
{
	struct authfile_secret *secrets = a->secrets;
	struct strmap index = a->secret_index;
	size_t	n = a->n_secrets;

	a->secrets = b->secrets;
	a->secret_index = b->secret_index;
	a->n_secrets = b->n_secrets;
	b->secrets = secrets;
	b->secret_index = index;
	b->n_secrets = n;
}
