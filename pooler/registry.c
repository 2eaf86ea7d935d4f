/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/registry.h"

#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"

static uint64_t
hash_of(const char *name)
{
	struct digest d;
	uint64_t h;

	digest_of_seeded(0, name, strlen(name), &d);
	memcpy(&h, d.bytes, sizeof(h));
	return h;
}

/* ---- finding and making; all with the lock held ---- */

static struct database *
find_database(struct registry *r, const char *name)
{
	struct hash_node *n;

	HASH_FOREACH_MATCH(n, &r->db_index, hash_of(name)) {
		struct database *db = container_of(n, struct database, node);

		if (strcmp(db->name, name) == 0)
			return db;
	}
	return NULL;
}

static void
free_database(struct registry *r, struct database *db)
{
	hash_remove(&r->db_index, &db->node);
	list_remove(&r->databases, &db->list_node);
	free(db->name);
	free(db);
}

static void
settle_database(struct registry *r, struct database *db)
{
	db->servers.max = config_max_db_connections(r->config, db->conf);
	db->max_clients = config_max_db_client_connections(r->config, db->conf);
}

static struct database *
make_database(struct registry *r, const char *name,
    const struct config_db *conf)
{
	struct database *db = calloc(1, sizeof(*db));

	if (db == NULL)
		return NULL;
	db->name = strdup(name);
	if (db->name == NULL ||
	    hash_add(&r->db_index, &db->node, hash_of(name)) != 0) {
		free(db->name);
		free(db);
		return NULL;
	}
	db->conf = conf;
	list_init(&db->pools);
	list_append(&r->databases, &db->list_node);
	if (r->config != NULL)
		settle_database(r, db);
	return db;
}

static struct user *
find_user(struct registry *r, const char *name)
{
	struct hash_node *n;

	HASH_FOREACH_MATCH(n, &r->user_index, hash_of(name)) {
		struct user *u = container_of(n, struct user, node);

		if (strcmp(u->name, name) == 0)
			return u;
	}
	return NULL;
}

static void
settle_user(struct registry *r, struct user *u)
{
	u->conf = config_find_user(r->config, u->name);
	u->servers.max = config_max_user_connections(r->config, u->conf);
	u->max_clients = config_max_user_client_connections(r->config, u->conf);
}

static struct user *
make_user(struct registry *r, const char *name)
{
	struct user *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->name = strdup(name);
	if (u->name == NULL ||
	    hash_add(&r->user_index, &u->node, hash_of(name)) != 0) {
		free(u->name);
		free(u);
		return NULL;
	}
	list_append(&r->users, &u->list_node);
	if (r->config != NULL)
		settle_user(r, u);
	return u;
}

/* ---- pools ---- */

static uint64_t
usec(int64_t t)
{
	return t > 0 ? (uint64_t)t : 0;
}

static void
settle_pool(struct registry *r, struct dbpool *p)
{
	const struct config	 *c = r->config;
	const struct config_db	 *db = p->db->conf;
	const struct config_user *u = p->user->conf;
	struct pool_settings	 *set = &p->core.set;
	enum pool_mode		  mode = p->db->admin ? POOL_MODE_STATEMENT :
	    config_pool_mode(c, db, u);

	/* In session mode statements have their clients' own names, which
	 * nobody else may come upon: such servers are not kept. */
	if ((p->mode == POOL_MODE_SESSION) != (mode == POOL_MODE_SESSION))
		pool_renew(&p->core);
	p->mode = mode;
	set->size = config_pool_size(c, db, u);
	set->min_size = p->db->admin ? 0 : config_min_pool_size(c, db);
	set->reserve_size = config_reserve_pool_size(c, db, u);
	set->reserve_timeout = usec(c->opt.reserve_pool_timeout);
	set->login_retry = usec(c->opt.server_login_retry);
	set->skew = usec(c->opt.handover_skew);
	set->round_robin = c->opt.server_round_robin;
	p->times.server_lifetime = usec(config_server_lifetime(c, db));
	p->times.query_wait = usec(config_query_wait_timeout(c, db, u));
	p->times.query = usec(config_query_timeout(c, u));
	p->times.transaction = usec(config_transaction_timeout(c, u));
	p->times.idle_transaction = usec(config_idle_transaction_timeout(c, u));
	p->times.client_idle = usec(config_client_idle_timeout(c, u));
}

static void
free_pool(struct registry *r, struct dbpool *p)
{
	struct stats_sum sum = { 0 };
	uint32_t i;

	for (i = 0; i < r->workers; i++)
		stats_sum_add(&sum, &p->stats[i]);
	stats_sum_plus(&p->db->retired, &sum);
	list_remove(&r->pools, &p->list_node);
	list_remove(&p->db->pools, &p->db_node);
	pool_release(&p->core);
	params_release(r->names, &p->welcome.params);
	buf_release(&p->welcome.parameters);
	auth_credentials_release(&p->creds);
	pthread_mutex_destroy(&p->lock);
	free(p->stats);
	free(p);
}

static struct dbpool *
make_pool(struct registry *r, struct database *db, struct user *u)
{
	struct dbpool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->stats = calloc(r->workers, sizeof(*p->stats));
	if (p->stats == NULL ||
	    pool_init(&p->core, r->workers, &db->servers, &u->servers) != 0) {
		free(p->stats);
		free(p);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	p->db = db;
	p->user = u;
	list_append(&r->pools, &p->list_node);
	list_append(&db->pools, &p->db_node);
	settle_pool(r, p);
	atomic_store(&p->core.held, !db->admin &&
	    (atomic_load(&db->paused) || atomic_load(&r->held)));
	return p;
}

static const char *
configured_secret(const struct dbpool *p, const struct config *c, bool *forced)
{
	const struct config_db *db = p->db->conf;
	const struct authfile_secret *s = config_find_secret(c, p->user->name);

	*forced = db != NULL && db->opt.user != NULL &&
	    strcmp(db->opt.user, p->user->name) == 0;
	if (*forced && db->opt.password != NULL)
		return db->opt.password;
	return s != NULL ? s->secret : NULL;
}

void
dbpool_follow_secret(struct dbpool *p, const struct config *c)
{
	bool	forced;
	const char *secret = configured_secret(p, c, &forced);
	struct digest d;

	pthread_mutex_lock(&p->lock);
	if (secret == NULL) {
		p->has_said = false;
		/* Who logged in by another way may have left his own. */
		if (forced)
			p->have_creds = false;
	} else {
		digest_of_seeded(0, secret, strlen(secret), &d);
		/* A SCRAM secret without a client's proof opens nothing: what
		 * there is may still do. */
		if ((!p->has_said || !digest_equal(&p->said, &d)) &&
		    (!p->have_creds || auth_kind_of(secret) != AUTH_KIND_SCRAM))
			p->have_creds =
			    auth_credentials_set(&p->creds, secret) == 0;
		p->said = d;
		p->has_said = p->have_creds;
	}
	pthread_mutex_unlock(&p->lock);
}

/* ---- the interface ---- */

int
registry_init(struct registry *r, uint32_t workers, struct params_names *names,
    struct err *e)
{
	memset(r, 0, sizeof(*r));
	r->workers = workers;
	r->names = names;
	list_init(&r->databases);
	list_init(&r->users);
	list_init(&r->pools);
	pthread_mutex_init(&r->lock, NULL);
	r->admin = make_database(r, CONFIG_ADMIN_DB, NULL);
	if (r->admin == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r->admin->admin = true;
	return 0;
}

void
registry_release(struct registry *r)
{
	struct list_node *n;

	while ((n = list_first(&r->pools)) != NULL)
		free_pool(r, container_of(n, struct dbpool, list_node));
	while ((n = list_first(&r->databases)) != NULL)
		free_database(r, container_of(n, struct database, list_node));
	while ((n = list_pop(&r->users)) != NULL) {
		struct user *u = container_of(n, struct user, list_node);

		free(u->name);
		free(u);
	}
	hash_release(&r->db_index);
	hash_release(&r->user_index);
	pthread_mutex_destroy(&r->lock);
}

/* Servers of the database are replaced, what they reported is forgotten. */
static void
replace_servers(struct registry *r, struct database *db)
{
	struct list_node *n, *tmp;

	LIST_FOREACH(n, tmp, &db->pools) {
		struct dbpool *p = container_of(n, struct dbpool, db_node);

		pool_renew(&p->core);
		pthread_mutex_lock(&p->lock);
		p->welcome.known = false;
		buf_clear(&p->welcome.parameters);
		params_release(r->names, &p->welcome.params);
		pthread_mutex_unlock(&p->lock);
		pool_forget_failure(&p->core);
	}
}

static void
on_change(void *arg, enum config_change what, const char *name,
    const struct config_db *before UNUSED, const struct config_db *after UNUSED)
{
	struct registry *r = arg;
	struct list_node *n, *tmp;

	if (what != CONFIG_RECONNECT)
		return;
	LIST_FOREACH(n, tmp, &r->databases) {
		struct database *db = container_of(n, struct database,
		    list_node);

		if (strcmp(db->name, name) == 0 ||
		    (db->automatic && strcmp(name, "*") == 0))
			replace_servers(r, db);
	}
}

static bool
mostly_scram(const struct config *c)
{
	size_t	i, scram = 0;

	for (i = 0; i < c->n_secrets; i++)
		scram += c->secrets[i].kind == AUTHFILE_SCRAM;
	return 2 * scram > c->n_secrets;
}

int
registry_apply(struct registry *r, const struct config *c, struct err *e)
{
	const struct config *old = r->config;
	struct list_node *n, *tmp;
	size_t	i;

	pthread_mutex_lock(&r->lock);
	for (i = 0; i < c->n_dbs; i++) {
		const char *name = c->dbs[i].name;

		if (find_database(r, name) == NULL &&
		    make_database(r, name, NULL) == NULL) {
			pthread_mutex_unlock(&r->lock);
			return err_set(e, ERR_NOMEM, "out of memory");
		}
	}
	r->config = c;
	r->mostly_scram = mostly_scram(c);
	LIST_FOREACH(n, tmp, &r->databases) {
		struct database *db = container_of(n, struct database,
		    list_node);

		if (db->admin) {
			settle_database(r, db);
			continue;
		}
		db->conf = config_find_db(c, db->name);
		if (db->conf != NULL)
			db->automatic = false;
		else if (db->automatic)
			db->conf = c->fallback;
		if (db->conf != NULL)
			settle_database(r, db);
	}
	LIST_FOREACH(n, tmp, &r->users)
		settle_user(r, container_of(n, struct user, list_node));
	LIST_FOREACH(n, tmp, &r->pools) {
		struct dbpool *p = container_of(n, struct dbpool, list_node);

		if (p->db->conf != NULL || p->db->admin)
			settle_pool(r, p);
		dbpool_follow_secret(p, c);
		pool_forget_failure(&p->core);
	}
	if (old != NULL)
		config_diff(old, c, on_change, r);
	pthread_mutex_unlock(&r->lock);
	return 0;
}

struct database *
registry_find_database(struct registry *r, const char *name)
{
	struct database *db;

	pthread_mutex_lock(&r->lock);
	db = find_database(r, name);
	if (db != NULL && db->conf == NULL && !db->admin)
		db = NULL;
	pthread_mutex_unlock(&r->lock);
	return db;
}

struct database *
registry_database(struct registry *r, const char *name)
{
	struct database *db;

	pthread_mutex_lock(&r->lock);
	db = find_database(r, name);
	if ((db == NULL || (db->conf == NULL && !db->admin)) &&
	    r->config->fallback != NULL) {
		if (db == NULL)
			db = make_database(r, name, r->config->fallback);
		if (db != NULL) {
			db->conf = r->config->fallback;
			db->automatic = true;
			settle_database(r, db);
			log_info("registered new auto-database: %s", name);
		}
	}
	if (db != NULL && db->conf == NULL && !db->admin)
		db = NULL;
	pthread_mutex_unlock(&r->lock);
	return db;
}

struct user *
registry_user(struct registry *r, const char *name)
{
	struct user *u;

	pthread_mutex_lock(&r->lock);
	u = find_user(r, name);
	if (u == NULL)
		u = make_user(r, name);
	pthread_mutex_unlock(&r->lock);
	return u;
}

struct user *
registry_find_user(struct registry *r, const char *name)
{
	struct user *u;

	pthread_mutex_lock(&r->lock);
	u = find_user(r, name);
	pthread_mutex_unlock(&r->lock);
	return u;
}

struct dbpool *
registry_pool(struct registry *r, struct database *db, struct user *u)
{
	struct list_node *n, *tmp;
	struct dbpool	 *found = NULL;

	pthread_mutex_lock(&r->lock);
	LIST_FOREACH(n, tmp, &db->pools) {
		struct dbpool *p = container_of(n, struct dbpool, db_node);

		if (p->user == u) {
			found = p;
			break;
		}
	}
	if (found == NULL)
		found = make_pool(r, db, u);
	if (found != NULL)
		dbpool_ref(found);
	pthread_mutex_unlock(&r->lock);
	return found;
}

void
dbpool_ref(struct dbpool *p)
{
	atomic_fetch_add(&p->refs, 1);
}

void
dbpool_unref(struct dbpool *p)
{
	int before = atomic_fetch_sub(&p->refs, 1);

	assert(before > 0);
	(void)before;
}

/* ---- sweeping ---- */

static bool
is_gone(const struct database *db)
{
	return db->conf == NULL && !db->admin;
}

static bool
is_over(uint64_t *since, uint64_t timeout, uint64_t now)
{
	if (*since == 0)
		*since = now;
	return timeout != 0 && now - *since >= timeout;
}

static bool
pool_is_garbage(const struct registry *r, struct dbpool *p, uint64_t now)
{
	if (atomic_load(&p->refs) > 0) {
		p->unused_since = 0;
		return false;
	}
	return is_gone(p->db) || is_over(&p->unused_since,
	    usec(r->config->opt.pool_idle_timeout), now);
}

static bool
database_is_garbage(const struct registry *r, struct database *db, uint64_t now)
{
	if (db->admin || atomic_load(&db->clients) > 0 ||
	    !list_empty(&db->pools)) {
		db->unused_since = 0;
		return false;
	}
	if (is_gone(db))
		return true;
	return db->automatic && is_over(&db->unused_since,
	    usec(r->config->opt.autodb_idle_timeout), now);
}

bool
registry_has_garbage(struct registry *r, uint64_t now)
{
	struct list_node *n, *tmp;
	bool	garbage = false;

	pthread_mutex_lock(&r->lock);
	LIST_FOREACH(n, tmp, &r->pools) {
		if (pool_is_garbage(r, container_of(n, struct dbpool,
		    list_node), now))
			garbage = true;
	}
	LIST_FOREACH(n, tmp, &r->databases) {
		if (database_is_garbage(r, container_of(n, struct database,
		    list_node), now))
			garbage = true;
	}
	pthread_mutex_unlock(&r->lock);
	return garbage;
}

void
registry_sweep(struct registry *r, uint64_t now)
{
	struct list_node *n, *tmp;

	pthread_mutex_lock(&r->lock);
	LIST_FOREACH(n, tmp, &r->pools) {
		struct dbpool *p = container_of(n, struct dbpool, list_node);

		if (!pool_is_garbage(r, p, now))
			continue;
		if (!is_gone(p->db))
			log_info("cleaning up idle pool for user %s on db %s "
			    "because: pool idle timeout (age= %us)",
			    p->user->name, p->db->name,
			    (unsigned)((now - p->unused_since) / 1000000));
		free_pool(r, p);
	}
	LIST_FOREACH(n, tmp, &r->databases) {
		struct database *db = container_of(n, struct database,
		    list_node);

		if (!database_is_garbage(r, db, now))
			continue;
		log_warning("dropping database '%s' as it does not exist "
		    "anymore or inactive auto-database", db->name);
		free_database(r, db);
	}
	pthread_mutex_unlock(&r->lock);
}
