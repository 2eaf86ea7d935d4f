/* SPDX-License-Identifier: MIT */
/* Reading a snapshot; asking it is config_query.c, showing it config_dump.c. */
#include "common/base.h"
#include "pooler/config.h"

#include <stdio.h>
#include <string.h>

#include "common/conf.h"
#include "common/err.h"
#include "common/text.h"
#include "pooler/authfile.h"
#include "pooler/pairs.h"

struct loader {
	struct config	*c;
	const struct conf_line *at;	/* the line being read */
	struct config_db fallback;	/* name NULL: none yet */
	bool		 seen_main;
	bool		 warned_peers;
	struct err	*e;
};

/* Life of the parts --------------------------------------------------- */

static void
release_db(struct config_db *db)
{
	size_t	i;

	for (i = 0; i < db->n_hosts; i++)
		free(db->hosts[i]);
	free(db->hosts);
	free(db->name);
	opt_release(&pooler_db_table, &db->opt);
	memset(db, 0, sizeof(*db));
}

static void
release_user(struct config_user *u)
{
	free(u->name);
	opt_release(&pooler_user_table, &u->opt);
	memset(u, 0, sizeof(*u));
}

void
config_free(struct config *c)
{
	size_t	i;

	if (c == NULL)
		return;
	for (i = 0; i < c->n_dbs; i++)
		release_db(&c->dbs[i]);
	for (i = 0; i < c->n_users; i++)
		release_user(&c->users[i]);
	for (i = 0; i < c->n_secrets; i++)
		authfile_release(&c->secrets[i]);
	if (c->fallback != NULL)
		release_db(c->fallback);
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

static int
no_memory(struct err *e)
{
	return err_set(e, ERR_NOMEM, "out of memory");
}

/* "<what> in configuration (file:line)"; what has no secret in it. */
static int fail(struct loader *, const char *fmt, ...) PRINTF_LIKE(2, 3);

static int
fail(struct loader *l, const char *fmt, ...)
{
	char	what[512];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(l->e, ERR_CONFIG, "%s in configuration (%s:%d)", what,
	    l->at->file, l->at->line);
}

/* Adds the place to an error of opt_set(), keeping code and hint. */
static int
add_place(struct loader *l, const struct err *cause)
{
	if (cause->code == ERR_NOMEM)
		return no_memory(l->e);
	err_set(l->e, cause->code, "%s in configuration (%s:%d)", cause->msg,
	    l->at->file, l->at->line);
	err_hint(l->e, "%s", cause->hint);
	return cause->code;
}

static void warn(struct loader *, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void
warn(struct loader *l, const char *fmt, ...)
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
enter_main(struct loader *l)
{
	const struct opt *o;
	int		  rc;

	if (!l->seen_main) {
		l->seen_main = true;
		return 0;
	}
	warn(l, "another section [pgbouncer] sets all keys back to their "
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
take_option(struct loader *l)
{
	const struct opt *o = opt_find(&pooler_option_table, l->at->key, NULL);
	struct err	  cause = { 0 };

	if (o == NULL)
		return fail(l, "unknown parameter: pgbouncer/%s", l->at->key);
	if (strcmp(o->name, "auth_dbname") == 0 &&
	    strcmp(l->at->value, CONFIG_ADMIN_DB) == 0)
		return fail(l, "cannot use the reserved \"%s\" database as an "
		    "auth_dbname", l->at->value);
	if (opt_set(&pooler_option_table, o, &l->c->opt, l->at->value,
	    &cause) != 0)
		return add_place(l, &cause);
	return 0;
}

/* The pairs of [databases] and [users] -------------------------------- */

/*
 * PgBouncer reads these numbers with atoi(): "20x" is 20, "x" is 0, and -1
 * is documented as "not given". Digits with a tail are read that way and
 * reported; what has no digit is an error, because 0 often means "no
 * limit". Returns 1 for "not given", 0 for a value, now in *text, else a
 * code. Times may have a fraction and a unit here.
 */
static int
lenient_number(struct loader *l, const struct opt *o, const char *key,
    char *text)
{
	char	*p = text + (*text == '-' || *text == '+');
	char	*digits = p;
	int64_t	 us;

	while (text_is_digit(*p))
		p++;
	if (p == digits)
		return ERR_FORMAT;
	if (*text == '-')
		return 1;
	if (*p != '\0' && (o->kind != OPT_KIND_TIME ||
	    text_parse_time(text, TEXT_USEC_PER_SEC, &us) != 0)) {
		*p = '\0';
		warn(l, "%s of %s is not a number, read as %s", key,
		    l->at->key, text);
	}
	/* A leading zero is no octal number here. */
	while (digits[0] == '0' && text_is_digit(digits[1]))
		digits++;
	memmove(text, digits, strlen(digits) + 1);
	return 0;
}

/* PgBouncer's words for a key whose values have an error text of their own. */
static const char *
noun_of(const char *name)
{
	if (strcmp(name, "port") == 0 ||
	    strcmp(name, "load_balance_hosts") == 0)
		return name;
	return strcmp(name, "pool_mode") == 0 ? "pool mode" : NULL;
}

static int
take_value(struct loader *l, const struct opt_table *t, const struct opt *o,
    void *values, char *text)
{
	const char	*noun = noun_of(o->name);
	struct err	 cause = { 0 };
	int		 rc = 0;

	if (o->kind == OPT_KIND_INT || o->kind == OPT_KIND_TIME)
		rc = lenient_number(l, o, o->name, text);
	if (rc == 1 && noun == NULL)
		return opt_reset(t, o, values, l->e);
	if (rc == 0)
		rc = opt_set(t, o, values, text, &cause);
	if (rc == 0)
		return 0;
	if (noun != NULL && rc != ERR_NOMEM)
		return fail(l, "invalid %s: %s", noun, text);
	if (rc == ERR_FORMAT)
		return fail(l, "invalid value \"%s\" for parameter %s", text,
		    o->name);
	return add_place(l, &cause);
}

/* Reads all pairs of the line into values. */
static int
take_pairs(struct loader *l, const struct opt_table *t, void *values)
{
	bool		 db = t == &pooler_db_table;
	size_t		 size = strlen(l->at->value) + 1;
	char		*copy = strdup(l->at->value);
	char		*rest = copy, *key, *value;
	const struct opt *o;
	int		 rc;

	if (copy == NULL)
		return no_memory(l->e);
	while ((rc = pairs_next(&rest, &key, &value)) == 1) {
		o = opt_find(t, db && strcmp(key, "reserve_pool") == 0 ?
		    "reserve_pool_size" : key, NULL);
		if (o == NULL)
			rc = fail(l, db ? "unrecognized connection parameter: %s"
			    : "unrecognized user parameter: %s", key);
		else
			rc = take_value(l, t, o, values, value);
		if (rc != 0)
			break;
	}
	if (rc == ERR_FORMAT)
		rc = fail(l, db ? "syntax error in connection string" :
		    "syntax error in user settings");
	explicit_bzero(copy, size);
	free(copy);
	return rc;
}

/* Zero, too, means "not given" for these. */
static void
unset_zero(int *v)
{
	if (*v == 0)
		*v = OPT_UNSET;
}

static void
unset_zero64(int64_t *v)
{
	if (*v == 0)
		*v = OPT_UNSET64;
}

static int
split_hosts(struct loader *l, struct config_db *db)
{
	const char	*p = db->opt.host;
	size_t		 max = 1, n;

	if (p == NULL)
		return 0;
	for (n = 0; p[n] != '\0'; n++)
		max += p[n] == ',';
	db->hosts = calloc(max, sizeof(*db->hosts));
	if (db->hosts == NULL)
		return no_memory(l->e);
	for (; *p != '\0'; p += n + (p[n] == ',')) {
		n = strcspn(p, ",");
		if (n == 0)
			continue;
		db->hosts[db->n_hosts] = strndup(p, n);
		if (db->hosts[db->n_hosts] == NULL)
			return no_memory(l->e);
		db->n_hosts++;
	}
	return 0;
}

/*
 * While the arrays grow, the indexes hold the place of a name in them, plus
 * one; index_names() replaces that by pointers.
 */
static size_t
place_of(const struct strmap *m, const char *name)
{
	return (size_t)(uintptr_t)strmap_get(m, name);
}

static int
set_place(struct strmap *m, const char *name, size_t place)
{
	return strmap_put(m, name, (void *)(uintptr_t)place);
}

/* Room for one more in an array that doubles when n is a power of two. */
static int
make_room(void **array, size_t n, size_t size)
{
	void	*grown;

	if ((n & (n - 1)) != 0)
		return 0;
	grown = realloc(*array, MAX(2 * n, (size_t)1) * size);
	if (grown == NULL)
		return ERR_NOMEM;
	*array = grown;
	return 0;
}

static void
warn_repeated(struct loader *l, const char *what)
{
	warn(l, "%s \"%s\" is listed again, this line counts", what,
	    l->at->key);
}

/* Takes ownership of *db unless it fails. The last line of a name counts. */
static int
put_db(struct loader *l, struct config_db *db)
{
	struct config	*c = l->c;
	void		*array = c->dbs;
	size_t		 place = place_of(&c->db_index, db->name);

	if (place != 0) {
		warn_repeated(l, "database");
		if (set_place(&c->db_index, db->name, place) != 0)
			return no_memory(l->e);
		release_db(&c->dbs[place - 1]);
		c->dbs[place - 1] = *db;
		return 0;
	}
	if (make_room(&array, c->n_dbs, sizeof(*db)) != 0)
		return no_memory(l->e);
	c->dbs = array;
	if (set_place(&c->db_index, db->name, c->n_dbs + 1) != 0)
		return no_memory(l->e);
	c->dbs[c->n_dbs++] = *db;
	return 0;
}

/* The same for a line of [users]. */
static int
put_user(struct loader *l, struct config_user *u)
{
	struct config	*c = l->c;
	void		*array = c->users;
	size_t		 place = place_of(&c->user_index, u->name);

	if (place != 0) {
		warn_repeated(l, "user");
		if (set_place(&c->user_index, u->name, place) != 0)
			return no_memory(l->e);
		release_user(&c->users[place - 1]);
		c->users[place - 1] = *u;
		return 0;
	}
	if (make_room(&array, c->n_users, sizeof(*u)) != 0)
		return no_memory(l->e);
	c->users = array;
	if (set_place(&c->user_index, u->name, c->n_users + 1) != 0)
		return no_memory(l->e);
	c->users[c->n_users++] = *u;
	return 0;
}

static int
read_db(struct loader *l, struct config_db *db)
{
	int	rc;

	memset(db, 0, sizeof(*db));
	rc = opt_init(&pooler_db_table, &db->opt, l->e);
	if (rc == 0)
		rc = take_pairs(l, &pooler_db_table, &db->opt);
	if (rc == 0)
		rc = split_hosts(l, db);
	if (rc == 0 && (db->name = strdup(l->at->key)) == NULL)
		rc = no_memory(l->e);
	if (rc == 0 && db->opt.user != NULL &&
	    strlen(db->opt.user) > CONFIG_USER_NAME_MAX)
		rc = fail(l, "username too long");
	db->line = l->at->line;
	unset_zero(&db->opt.max_db_connections);
	unset_zero(&db->opt.max_db_client_connections);
	unset_zero64(&db->opt.server_lifetime);
	return rc;
}

static int
take_db(struct loader *l)
{
	struct config_db db;
	int		 rc;

	if (strcmp(l->at->key, CONFIG_ADMIN_DB) == 0)
		return fail(l, "database name \"%s\" is reserved", l->at->key);
	if (strlen(l->at->key) > CONFIG_DB_NAME_MAX)
		return fail(l, "too long db name: %s", l->at->key);
	rc = read_db(l, &db);
	if (rc == 0 && strcmp(db.name, "*") == 0) {
		if (l->fallback.name != NULL)
			warn_repeated(l, "database");
		release_db(&l->fallback);
		l->fallback = db;
		return 0;
	}
	if (rc == 0)
		rc = put_db(l, &db);
	if (rc != 0)
		release_db(&db);
	return rc;
}

static int
take_user(struct loader *l)
{
	struct config_user u = { 0 };
	int		   rc;

	if (strlen(l->at->key) > CONFIG_USER_NAME_MAX) {
		warn(l, "too long user name: %s", l->at->key);
		return 0;
	}
	rc = opt_init(&pooler_user_table, &u.opt, l->e);
	if (rc == 0)
		rc = take_pairs(l, &pooler_user_table, &u.opt);
	if (rc == 0 && (u.name = strdup(l->at->key)) == NULL)
		rc = no_memory(l->e);
	u.line = l->at->line;
	unset_zero(&u.opt.max_user_connections);
	unset_zero(&u.opt.max_user_client_connections);
	unset_zero64(&u.opt.query_timeout);
	unset_zero64(&u.opt.transaction_timeout);
	unset_zero64(&u.opt.idle_transaction_timeout);
	unset_zero64(&u.opt.client_idle_timeout);
	if (rc == 0)
		rc = put_user(l, &u);
	if (rc != 0)
		release_user(&u);
	return rc;
}

/* The file ------------------------------------------------------------ */

static int
take_header(struct loader *l)
{
	const char	*s = l->at->section;

	if (strcmp(s, "pgbouncer") == 0)
		return enter_main(l);
	if (strcmp(s, "peers") == 0) {
		if (!l->warned_peers)
			warn(l, "section [peers] is not supported yet and has "
			    "no effect");
		l->warned_peers = true;
		return 0;
	}
	if (strcmp(s, "databases") == 0 || strcmp(s, "users") == 0)
		return 0;
	fail(l, "invalid section \"%s\"", s);
	return err_hint(l->e, "unknown section: %s; the sections are "
	    "[pgbouncer], [databases], [users] and [peers]", s);
}

static int
take_line(void *arg, const struct conf_line *line, struct err *e)
{
	struct loader	*l = arg;

	l->at = line;
	l->e = e;
	if (line->key == NULL)
		return take_header(l);
	if (strcmp(line->section, "pgbouncer") == 0)
		return take_option(l);
	if (strcmp(line->section, "databases") == 0)
		return take_db(l);
	if (strcmp(line->section, "users") == 0)
		return take_user(l);
	if (strcmp(line->section, "peers") == 0)
		return 0;
	return fail(l, "load_init_file: value without section: %s", line->key);
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
	const struct config_secret *x = a, *y = b;

	return strcmp(x->user, y->user);
}

/* Keeps the last line of each user of the auth file. */
static int
drop_repeated_secrets(struct config *c, struct err *e)
{
	size_t	i, kept = 0, place;

	for (i = 0; i < c->n_secrets; i++) {
		struct config_secret s = c->secrets[i];

		memset(&c->secrets[i], 0, sizeof(s));
		place = place_of(&c->secret_index, s.user);
		if (place == 0) {
			place = ++kept;
		} else {
			buf_printf(&c->warnings, "user \"%s\" is listed again "
			    "in %s, the last line counts\n", s.user,
			    c->opt.auth_file);
		}
		if (set_place(&c->secret_index, s.user, place) != 0) {
			authfile_release(&s);
			return no_memory(e);
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
	return rc == 0 ? 0 : no_memory(e);
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

static int
read_files(struct loader *l, const struct config_source *source,
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
	if (rc == 0 && c->opt.auth_file != NULL &&
	    c->opt.auth_file[0] != '\0')
		rc = authfile_load(c->opt.auth_file, &c->secrets,
		    &c->n_secrets, e);
	if (rc == 0)
		rc = drop_repeated_secrets(c, e);
	return rc;
}

int
config_load(const struct config_source *source, struct config **out,
    struct err *e)
{
	struct loader	l = { 0 };
	int		rc;

	l.c = calloc(1, sizeof(*l.c));
	if (l.c == NULL)
		return no_memory(e);
	rc = opt_init(&pooler_option_table, &l.c->opt, e);
	if (rc == 0)
		rc = read_files(&l, source, e);
	if (rc == 0 && l.fallback.name != NULL) {
		l.c->fallback = malloc(sizeof(l.fallback));
		if (l.c->fallback == NULL) {
			rc = no_memory(e);
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
		rc = no_memory(e);
	if (rc == 0) {
		*out = l.c;
		l.c = NULL;
	}
	release_db(&l.fallback);
	config_free(l.c);
	return rc;
}
