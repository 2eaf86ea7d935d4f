/* SPDX-License-Identifier: MIT */
/* The lines of [databases] and [users]: names with key=value pairs. */
#include "common/base.h"
#include "pooler/config.h"

#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "pooler/config_impl.h"
#include "pooler/pairs.h"

void
config_release_db(struct config_db *db)
{
	size_t	i;

	for (i = 0; i < db->n_hosts; i++)
		free(db->hosts[i]);
	free(db->hosts);
	free(db->name);
	opt_release(&pooler_db_table, &db->opt);
	memset(db, 0, sizeof(*db));
}

void
config_release_user(struct config_user *u)
{
	free(u->name);
	opt_release(&pooler_user_table, &u->opt);
	memset(u, 0, sizeof(*u));
}

/*
 * PgBouncer reads these numbers with atoi(): "20x" is 20, "x" is 0, and -1
 * is documented as "not given". Digits with a tail are read that way and
 * reported; what has no digit is an error, because 0 often means "no
 * limit". Returns 1 for "not given", 0 for a value, now in *text, else a
 * code. Times may have a fraction and a unit here.
 */
static int
lenient_number(struct config_loader *l, const struct opt *o, const char *key,
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
		config_warn(l, "%s of %s is not a number, read as %s", key,
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
take_value(struct config_loader *l, const struct opt_table *t,
    const struct opt *o, void *values, char *text)
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
		return config_fail(l, "invalid %s: %s", noun, text);
	if (rc == ERR_FORMAT)
		return config_fail(l, "invalid value \"%s\" for parameter %s", text,
		    o->name);
	return config_add_place(l, &cause);
}

/* Reads all pairs of the line into values. */
static int
take_pairs(struct config_loader *l, const struct opt_table *t, void *values)
{
	bool		 db = t == &pooler_db_table;
	size_t		 size = strlen(l->at->value) + 1;
	char		*copy = strdup(l->at->value);
	char		*rest = copy, *key, *value;
	const struct opt *o;
	int		 rc;

	if (copy == NULL)
		return config_no_memory(l->e);
	while ((rc = pairs_next(&rest, &key, &value)) == 1) {
		o = opt_find(t, db && strcmp(key, "reserve_pool") == 0 ?
		    "reserve_pool_size" : key, NULL);
		if (o == NULL)
			rc = config_fail(l, db ? "unrecognized connection parameter: %s"
			    : "unrecognized user parameter: %s", key);
		else
			rc = take_value(l, t, o, values, value);
		if (rc != 0)
			break;
	}
	if (rc == ERR_FORMAT)
		rc = config_fail(l, db ? "syntax error in connection string" :
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
split_hosts(struct config_loader *l, struct config_db *db)
{
	const char	*p = db->opt.host;
	size_t		 max = 1, n;

	if (p == NULL)
		return 0;
	for (n = 0; p[n] != '\0'; n++)
		max += p[n] == ',';
	db->hosts = calloc(max, sizeof(*db->hosts));
	if (db->hosts == NULL)
		return config_no_memory(l->e);
	for (; *p != '\0'; p += n + (p[n] == ',')) {
		n = strcspn(p, ",");
		if (n == 0)
			continue;
		db->hosts[db->n_hosts] = strndup(p, n);
		if (db->hosts[db->n_hosts] == NULL)
			return config_no_memory(l->e);
		db->n_hosts++;
	}
	return 0;
}

size_t
config_place_of(const struct strmap *m, const char *name)
{
	return (size_t)(uintptr_t)strmap_get(m, name);
}

int
config_set_place(struct strmap *m, const char *name, size_t place)
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
warn_repeated(struct config_loader *l, const char *what)
{
	config_warn(l, "%s \"%s\" is listed again, this line counts", what,
	    l->at->key);
}

/* Takes ownership of *db unless it fails. The last line of a name counts. */
static int
put_db(struct config_loader *l, struct config_db *db)
{
	struct config	*c = l->c;
	void		*array = c->dbs;
	size_t		 place = config_place_of(&c->db_index, db->name);

	if (place != 0) {
		warn_repeated(l, "database");
		if (config_set_place(&c->db_index, db->name, place) != 0)
			return config_no_memory(l->e);
		config_release_db(&c->dbs[place - 1]);
		c->dbs[place - 1] = *db;
		return 0;
	}
	if (make_room(&array, c->n_dbs, sizeof(*db)) != 0)
		return config_no_memory(l->e);
	c->dbs = array;
	if (config_set_place(&c->db_index, db->name, c->n_dbs + 1) != 0)
		return config_no_memory(l->e);
	c->dbs[c->n_dbs++] = *db;
	return 0;
}

/* The same for a line of [users]. */
static int
put_user(struct config_loader *l, struct config_user *u)
{
	struct config	*c = l->c;
	void		*array = c->users;
	size_t		 place = config_place_of(&c->user_index, u->name);

	if (place != 0) {
		warn_repeated(l, "user");
		if (config_set_place(&c->user_index, u->name, place) != 0)
			return config_no_memory(l->e);
		config_release_user(&c->users[place - 1]);
		c->users[place - 1] = *u;
		return 0;
	}
	if (make_room(&array, c->n_users, sizeof(*u)) != 0)
		return config_no_memory(l->e);
	c->users = array;
	if (config_set_place(&c->user_index, u->name, c->n_users + 1) != 0)
		return config_no_memory(l->e);
	c->users[c->n_users++] = *u;
	return 0;
}

static int
read_db(struct config_loader *l, struct config_db *db)
{
	int	rc;

	memset(db, 0, sizeof(*db));
	rc = opt_init(&pooler_db_table, &db->opt, l->e);
	if (rc == 0)
		rc = take_pairs(l, &pooler_db_table, &db->opt);
	if (rc == 0)
		rc = split_hosts(l, db);
	if (rc == 0 && (db->name = strdup(l->at->key)) == NULL)
		rc = config_no_memory(l->e);
	if (rc == 0 && db->opt.user != NULL &&
	    strlen(db->opt.user) > AUTHFILE_USER_MAX)
		rc = config_fail(l, "username too long");
	unset_zero(&db->opt.max_db_connections);
	unset_zero(&db->opt.max_db_client_connections);
	unset_zero64(&db->opt.server_lifetime);
	return rc;
}

int
config_take_db(struct config_loader *l)
{
	struct config_db db;
	int		 rc;

	if (strcmp(l->at->key, CONFIG_ADMIN_DB) == 0)
		return config_fail(l, "database name \"%s\" is reserved", l->at->key);
	if (strlen(l->at->key) > CONFIG_DB_NAME_MAX)
		return config_fail(l, "too long db name: %s", l->at->key);
	rc = read_db(l, &db);
	if (rc == 0 && strcmp(db.name, "*") == 0) {
		if (l->fallback.name != NULL)
			warn_repeated(l, "database");
		config_release_db(&l->fallback);
		l->fallback = db;
		return 0;
	}
	if (rc == 0)
		rc = put_db(l, &db);
	if (rc != 0)
		config_release_db(&db);
	return rc;
}

int
config_take_user(struct config_loader *l)
{
	struct config_user u = { 0 };
	int		   rc;

	if (strlen(l->at->key) > AUTHFILE_USER_MAX) {
		config_warn(l, "too long user name: %s", l->at->key);
		return 0;
	}
	rc = opt_init(&pooler_user_table, &u.opt, l->e);
	if (rc == 0)
		rc = take_pairs(l, &pooler_user_table, &u.opt);
	if (rc == 0 && (u.name = strdup(l->at->key)) == NULL)
		rc = config_no_memory(l->e);
	unset_zero(&u.opt.max_user_connections);
	unset_zero(&u.opt.max_user_client_connections);
	unset_zero64(&u.opt.query_timeout);
	unset_zero64(&u.opt.transaction_timeout);
	unset_zero64(&u.opt.idle_transaction_timeout);
	unset_zero64(&u.opt.client_idle_timeout);
	if (rc == 0)
		rc = put_user(l, &u);
	if (rc != 0)
		config_release_user(&u);
	return rc;
}
