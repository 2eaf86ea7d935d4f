/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/admin_impl.h"

#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "pooler/control.h"
#include "pooler/table.h"
#include "pooler/version.h"

/* ---- DATABASES ---- */

static int
by_database_name(const void *a, const void *b)
{
	struct database *const *x = a;
	struct database *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Those that exist, by name; NULL without memory. */
static struct database **
list_databases(struct control *p, size_t *n_out)
{
	struct database	**all;
	struct list_node *n, *tmp;
	size_t		  count = 0;

	pthread_mutex_lock(&p->shared.registry.lock);
	all = calloc(list_count(&p->shared.registry.databases) + 1,
	    sizeof(struct database *));
	LIST_FOREACH(n, tmp, &p->shared.registry.databases) {
		struct database *db = container_of(n, struct database,
		    list_node);

		if (all != NULL && (db->conf != NULL || db->admin))
			all[count++] = db;
	}
	pthread_mutex_unlock(&p->shared.registry.lock);
	if (all != NULL)
		qsort(all, count, sizeof(struct database *), by_database_name);
	*n_out = count;
	return all;
}

static void
put_console(struct table *t, const struct control *p)
{
	int64_t lifetime = config_server_lifetime(p->shared.config, NULL);

	table_text(t, NULL);
	table_int(t, p->shared.port);
	table_text(t, CONFIG_ADMIN_DB);
	table_text(t, CONFIG_ADMIN_DB);
	table_int(t, 2);		/* as PgBouncer says; there is none */
	table_int(t, 0);
	table_int(t, 0);
	table_int(t, lifetime / 1000000);
	table_text(t, options_pool_mode_name(POOL_MODE_STATEMENT));
	table_text(t, NULL);
}

static void
put_entry(struct table *t, const struct config *c, const struct database *db)
{
	const struct config_db	*conf = db->conf;
	const struct db_options *o = &conf->opt;

	table_text(t, o->host);
	table_int(t, o->port == OPT_UNSET ? CONFIG_DEFAULT_PORT : o->port);
	table_text(t, o->dbname != NULL ? o->dbname : db->name);
	table_text(t, o->user);
	table_int(t, config_pool_size(c, conf, NULL));
	table_int(t, config_min_pool_size(c, conf));
	table_int(t, config_reserve_pool_size(c, conf, NULL));
	table_int(t, config_server_lifetime(c, conf) / 1000000);
	table_text(t, o->pool_mode == OPT_UNSET ? NULL :
	    options_pool_mode_name((enum pool_mode)o->pool_mode));
	table_text(t, conf->n_hosts < 2 ? NULL :
	    options_load_balance_name(o->load_balance_hosts == OPT_UNSET ?
	    LOAD_BALANCE_ROUND_ROBIN :
	    (enum load_balance)o->load_balance_hosts));
}

static void
show_databases(struct admin_request *r)
{
	struct control	 *p = r->control;
	struct database **all;
	struct table	  t;
	size_t		  i, n;

	all = list_databases(p, &n);
	if (all == NULL) {
		admin_error(r, "no mem");
		return;
	}
	table_begin(&t, &r->ask.answer, "s:name s:host i:port s:database "
	    "s:force_user i:pool_size i:min_pool_size i:reserve_pool_size "
	    "i:server_lifetime s:pool_mode s:load_balance_hosts "
	    "i:max_connections i:current_connections i:max_client_connections "
	    "i:current_client_connections i:paused i:disabled");
	for (i = 0; i < n; i++) {
		struct database *db = all[i];

		table_row(&t);
		table_text(&t, db->name);
		if (db->admin)
			put_console(&t, p);
		else
			put_entry(&t, p->shared.config, db);
		table_int(&t, db->servers.max);
		table_int(&t, atomic_load(&db->servers.used));
		table_int(&t, db->max_clients);
		table_int(&t, atomic_load(&db->clients));
		table_int(&t, atomic_load(&db->paused));
		table_int(&t, atomic_load(&db->disabled));
	}
	table_end(&t, "SHOW");
	free(all);
	admin_done(r, NULL);
}

/* ---- USERS ---- */

static int
by_text(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	return strcmp(*x, *y);
}

const char **
admin_list_users(struct control *p, size_t *n_out)
{
	const struct config *c = p->shared.config;
	const char	   **all;
	struct list_node    *n, *tmp;
	size_t		     i, count = 0, kept = 0;

	pthread_mutex_lock(&p->shared.registry.lock);
	all = calloc(list_count(&p->shared.registry.users) + c->n_users +
	    c->n_secrets + 1, sizeof(char *));
	if (all != NULL) {
		LIST_FOREACH(n, tmp, &p->shared.registry.users)
			all[count++] = container_of(n, struct user,
			    list_node)->name;
		for (i = 0; i < c->n_users; i++)
			all[count++] = c->users[i].name;
		for (i = 0; i < c->n_secrets; i++)
			all[count++] = c->secrets[i].user;
		qsort(all, count, sizeof(char *), by_text);
		for (i = 0; i < count; i++) {
			if (kept == 0 || strcmp(all[i], all[kept - 1]) != 0)
				all[kept++] = all[i];
		}
	}
	pthread_mutex_unlock(&p->shared.registry.lock);
	*n_out = kept;
	return all;
}

/* A number right-aligned in nine places, as PgBouncer shows it. */
static void
put_padded(struct table *t, int n)
{
	char	text[16] = "";

	if (n != OPT_UNSET)
		snprintf(text, sizeof(text), "%9d", n);
	table_text(t, text);
}

static void
show_users(struct admin_request *r)
{
	struct control	    *p = r->control;
	const struct config *c = p->shared.config;
	const char	   **all;
	struct table	     t;
	size_t		     i, n;

	all = admin_list_users(p, &n);
	if (all == NULL) {
		admin_error(r, "no mem");
		return;
	}
	table_begin(&t, &r->ask.answer, "s:name s:pool_size s:reserve_pool_size "
	    "s:pool_mode i:max_user_connections i:current_connections "
	    "i:max_user_client_connections i:current_client_connections");
	for (i = 0; i < n; i++) {
		const struct config_user *conf = config_find_user(c, all[i]);
		struct user *u = registry_find_user(&p->shared.registry, all[i]);

		table_row(&t);
		table_text(&t, all[i]);
		put_padded(&t, conf != NULL ? conf->opt.pool_size : OPT_UNSET);
		put_padded(&t, conf != NULL ? conf->opt.reserve_pool_size :
		    OPT_UNSET);
		table_text(&t, conf == NULL || conf->opt.pool_mode ==
		    OPT_UNSET ? NULL : options_pool_mode_name(
		    (enum pool_mode)conf->opt.pool_mode));
		table_int(&t, config_max_user_connections(c, conf));
		table_int(&t, u == NULL ? 0 : atomic_load(&u->servers.used));
		table_int(&t, config_max_user_client_connections(c, conf));
		table_int(&t, u == NULL ? 0 : atomic_load(&u->clients));
	}
	table_end(&t, "SHOW");
	free(all);
	admin_done(r, NULL);
}

/* ---- CONFIG, STATE, VERSION, HELP ---- */

#define OPTIONS_MAX	256

static void
show_config(struct admin_request *r)
{
	const struct opt *all[OPTIONS_MAX];
	size_t	     i, n = options_in_show_order(all, OPTIONS_MAX);
	struct buf   value = { 0 };
	struct table t;

	assert(n <= OPTIONS_MAX);
	table_begin(&t, &r->ask.answer, "s:key s:value s:default s:changeable");
	for (i = 0; i < n; i++) {
		const void *o = &r->control->shared.config->opt;

		buf_clear(&value);
		opt_show(&pooler_option_table, all[i], o, &value);
		table_row(&t);
		table_text(&t, all[i]->name);
		table_text(&t, opt_is_set(all[i], o) ? buf_cstr(&value) :
		    NULL);
		table_text(&t, all[i]->def);
		table_text(&t, all[i]->flags & OPT_RELOAD ? "yes" : "no");
	}
	table_end(&t, "SHOW");
	buf_release(&value);
	admin_done(r, NULL);
}

static void
put_state(struct table *t, const char *key, bool yes)
{
	table_row(t);
	table_text(t, key);
	table_text(t, yes ? "yes" : "no");
}

static void
show_state(struct admin_request *r)
{
	bool	paused = atomic_load(&r->control->shared.paused);
	bool	holding = atomic_load(&r->control->shared.holding);
	struct table t;

	table_begin(&t, &r->ask.answer, "s:key s:value");
	put_state(&t, "active", !paused && !holding);
	put_state(&t, "paused", paused);
	put_state(&t, "holding", holding);
	table_end(&t, "SHOW");
	admin_done(r, NULL);
}

static void
show_version(struct admin_request *r)
{
	struct table t;

	table_begin(&t, &r->ask.answer, "s:version");
	table_row(&t);
	table_text(&t, POOLER_VERSION);
	table_end(&t, "SHOW");
	admin_done(r, NULL);
}

#define HELP_WIDTH	60

static void
show_help(struct admin_request *r)
{
	struct buf text = { 0 };
	size_t	   i, line = HELP_WIDTH;

	for (i = 0; i < admin_n_shows; i++) {
		const char *name = admin_shows[i].help;

		if (name == NULL)
			continue;
		if (line + strlen(name) > HELP_WIDTH) {
			buf_append_str(&text, "\n\tSHOW ");
			line = 0;
		} else {
			buf_append_str(&text, "|");
		}
		buf_append_str(&text, name);
		line += strlen(name) + 1;
	}
	buf_append_str(&text, "\n\tSET key = arg");
	for (i = 0; i < admin_n_ops; i++)
		buf_printf(&text, "\n\t%s", admin_ops[i].help);
	admin_notice(r, "Console usage", buf_cstr(&text));
	buf_release(&text);
	admin_done(r, "SHOW");
}

/* ---- what there is nothing of ---- */

static void
show_empty(struct admin_request *r, const char *columns)
{
	struct table t;

	table_begin(&t, &r->ask.answer, columns);
	table_end(&t, "SHOW");
	admin_done(r, NULL);
}

static void
show_peers(struct admin_request *r)
{
	show_empty(r, "i:peer_id s:host i:port i:pool_size");
}

static void
show_peer_pools(struct admin_request *r)
{
	show_empty(r, "i:peer_id i:cl_active_cancel_req "
	    "i:cl_waiting_cancel_req i:sv_active_cancel i:sv_login");
}

static void
show_dns_hosts(struct admin_request *r)
{
	show_empty(r, "s:hostname q:ttl s:addrs");
}

static void
show_dns_zones(struct admin_request *r)
{
	show_empty(r, "s:zonename q:serial i:count");
}

/* ---- what drivers ask every server ---- */

static void
show_setting(struct admin_request *r)
{
	static const char *const values[][2] = {
		{ "client_encoding", "UTF-8" },
		{ "default_transaction_isolation", "read committed" },
		{ "standard_conforming_strings", "on" },
		{ "datestyle", "ISO" },
		{ "timezone", "GMT" },
	};
	struct table t;
	char	     column[64];
	size_t	     i;

	for (i = 0; i < ARRAY_LEN(values); i++) {
		if (!text_equal_nocase(r->words.arg, values[i][0]))
			continue;
		snprintf(column, sizeof(column), "s:%s", values[i][0]);
		table_begin(&t, &r->ask.answer, column);
		table_row(&t);
		table_text(&t, values[i][1]);
		table_end(&t, "SHOW");
		admin_done(r, NULL);
		return;
	}
	admin_bad_command(r);
}

const struct admin_entry admin_shows[] = {
	{ "help", show_help, false, "HELP" },
	{ "config", show_config, false, "CONFIG" },
	{ "databases", show_databases, false, "DATABASES" },
	{ "pools", admin_show_pools, false, "POOLS" },
	{ "clients", admin_show_clients, false, "CLIENTS" },
	{ "servers", admin_show_servers, false, "SERVERS" },
	{ "users", show_users, false, "USERS" },
	{ "version", show_version, false, "VERSION" },
	{ "state", show_state, false, "STATE" },
	{ "workers", admin_show_workers, false, "WORKERS" },
	{ "sockets", admin_show_sockets, false, "SOCKETS" },
	{ "active_sockets", admin_show_active_sockets, false,
	    "ACTIVE_SOCKETS" },
	{ "lists", admin_show_lists, false, "LISTS" },
	{ "mem", admin_show_mem, false, "MEM" },
	{ "stats", admin_show_stats, false, "STATS" },
	{ "stats_totals", admin_show_stats_totals, false, "STATS_TOTALS" },
	{ "stats_averages", admin_show_stats_averages, false,
	    "STATS_AVERAGES" },
	{ "totals", admin_show_totals, false, "TOTALS" },
	{ "peers", show_peers, false, "PEERS" },
	{ "peer_pools", show_peer_pools, false, "PEER_POOLS" },
	{ "dns_hosts", show_dns_hosts, false, "DNS_HOSTS" },
	{ "dns_zones", show_dns_zones, false, "DNS_ZONES" },
	{ "client_encoding", show_setting, false, NULL },
	{ "default_transaction_isolation", show_setting, false, NULL },
	{ "standard_conforming_strings", show_setting, false, NULL },
	{ "datestyle", show_setting, false, NULL },
	{ "timezone", show_setting, false, NULL },
};
const size_t admin_n_shows = ARRAY_LEN(admin_shows);
