/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/registry.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/err.h"
#include "tests/unit/config_load.h"

static struct registry	    reg;
static struct params_names *names;

static void
begin(const struct config *c)
{
	names = params_names_new();
	ck_assert_ptr_nonnull(names);
	ck_assert_int_eq(registry_init(&reg, 2, names, &err), 0);
	ck_assert_int_eq(registry_apply(&reg, c, &err), 0);
}

static void
end(void)
{
	registry_release(&reg);
	params_names_free(names);
}

static struct dbpool *
pool_of(const char *db_name, const char *user_name)
{
	struct database *db = registry_database(&reg, db_name);
	struct user	*u = registry_user(&reg, user_name);

	ck_assert_ptr_nonnull(db);
	ck_assert_ptr_nonnull(u);
	return registry_pool(&reg, db, u);
}

START_TEST(what_is_configured_is_there)
{
	struct config *c = must_load("[databases]\na = host=/x\nb =\n"
	    "[pgbouncer]\n");

	begin(c);
	ck_assert_str_eq(registry_database(&reg, "a")->name, "a");
	ck_assert_ptr_nonnull(registry_find_database(&reg, "b"));
	ck_assert_ptr_null(registry_database(&reg, "c"));
	ck_assert(registry_database(&reg, "pgbouncer")->admin);
	ck_assert_ptr_eq(registry_user(&reg, "ann"),
	    registry_user(&reg, "ann"));
	end();
	config_free(c);
}
END_TEST

START_TEST(the_star_makes_databases)
{
	struct config	*c = must_load("[databases]\n* = host=/x\n"
			    "[pgbouncer]\nautodb_idle_timeout = 10\n");
	struct database *db;

	begin(c);
	ck_assert_ptr_null(registry_find_database(&reg, "any"));
	db = registry_database(&reg, "any");
	ck_assert_ptr_nonnull(db);
	ck_assert(db->automatic);
	ck_assert_ptr_eq(registry_find_database(&reg, "any"), db);
	ck_assert(!registry_has_garbage(&reg, 1 * 1000000));
	ck_assert(!registry_has_garbage(&reg, 10 * 1000000));
	ck_assert(registry_has_garbage(&reg, 11 * 1000000));
	registry_sweep(&reg, 11 * 1000000);
	ck_assert_ptr_null(registry_find_database(&reg, "any"));
	end();
	config_free(c);
}
END_TEST

START_TEST(one_pool_for_a_pair_with_its_settings)
{
	struct config *c = must_load("[databases]\na = pool_size=3 "
	    "pool_mode=statement\nb =\n[users]\nann = pool_size=7\n"
	    "[pgbouncer]\nquery_timeout = 2\ndefault_pool_size = 5\n"
	    "max_db_connections = 9\n");
	struct dbpool *p;

	begin(c);
	p = pool_of("a", "bob");
	ck_assert_ptr_eq(pool_of("a", "bob"), p);
	ck_assert_int_eq(atomic_load(&p->refs), 2);
	ck_assert_int_eq(p->core.set.size, 3);
	ck_assert_int_eq(p->mode, POOL_MODE_STATEMENT);
	ck_assert_uint_eq(p->times.query, 2000000);
	ck_assert_int_eq(p->db->servers.max, 9);
	/* The user's own value comes first. */
	ck_assert_int_eq(pool_of("a", "ann")->core.set.size, 7);
	ck_assert_int_eq(pool_of("b", "bob")->core.set.size, 5);
	end();
	config_free(c);
}
END_TEST

START_TEST(a_reload_changes_what_is_there)
{
	struct config *c = must_load("[databases]\na = host=/x\nb = host=/x\n"
	    "[pgbouncer]\n");
	struct config *n = must_load("[databases]\na = host=/y\n"
	    "[pgbouncer]\ndefault_pool_size = 2\n");
	struct dbpool *a, *b;

	begin(c);
	a = pool_of("a", "ann");
	b = pool_of("b", "ann");
	a->welcome.known = true;
	ck_assert_int_eq(registry_apply(&reg, n, &err), 0);
	/* Another host: its servers are of an old epoch, and so is what they
	 * had said. */
	ck_assert_uint_eq(pool_epoch(&a->core), 1);
	ck_assert(!a->welcome.known);
	ck_assert_int_eq(a->core.set.size, 2);
	ck_assert_ptr_null(b->db->conf);
	ck_assert_ptr_null(registry_find_database(&reg, "b"));
	/* Still referred to, so it stays; then it goes. */
	registry_sweep(&reg, 1);
	ck_assert_uint_eq(list_count(&reg.pools), 2);
	dbpool_unref(b);
	ck_assert(registry_has_garbage(&reg, 2));
	registry_sweep(&reg, 2);
	ck_assert_uint_eq(list_count(&reg.pools), 1);
	ck_assert_uint_eq(list_count(&reg.databases), 2);
	dbpool_unref(a);
	end();
	config_free(c);
	config_free(n);
}
END_TEST

static const char *
secret_of(struct dbpool *p)
{
	return p->have_creds ? buf_cstr(&p->creds.text) : "none";
}

/* Clients that stay logged in get servers by the new password. */
START_TEST(a_password_is_followed)
{
	struct config *c = must_load("[databases]\na =\n"
	    "f = user=bob password=one\n[pgbouncer]\n");
	struct config *n = must_load("[databases]\na =\n"
	    "f = user=bob password=two\n[pgbouncer]\n");
	struct config *none = must_load("[databases]\na =\n"
	    "f = user=bob\n[pgbouncer]\n");
	struct dbpool *a, *f;

	begin(c);
	a = pool_of("a", "ann");
	f = pool_of("f", "bob");
	dbpool_follow_secret(a, c);
	dbpool_follow_secret(f, c);
	ck_assert_str_eq(secret_of(a), "none");
	ck_assert_str_eq(secret_of(f), "one");
	/* What a client's login has brought stays, until it is changed. */
	ck_assert_int_eq(auth_credentials_set(&a->creds, "typed"), 0);
	a->have_creds = true;
	ck_assert_int_eq(auth_credentials_set(&f->creds, "typed"), 0);
	dbpool_follow_secret(f, c);
	ck_assert_str_eq(secret_of(f), "typed");
	ck_assert_int_eq(registry_apply(&reg, n, &err), 0);
	ck_assert_str_eq(secret_of(a), "typed");
	ck_assert_str_eq(secret_of(f), "two");
	ck_assert_int_eq(registry_apply(&reg, none, &err), 0);
	ck_assert_str_eq(secret_of(f), "none");
	dbpool_unref(a);
	dbpool_unref(f);
	end();
	config_free(c);
	config_free(n);
	config_free(none);
}
END_TEST

START_TEST(a_removed_database_comes_back)
{
	struct config *c = must_load("[databases]\na =\n[pgbouncer]\n");
	struct config *n = must_load("[databases]\nz =\n[pgbouncer]\n");
	struct database *db;

	begin(c);
	db = registry_database(&reg, "a");
	ck_assert_int_eq(registry_apply(&reg, n, &err), 0);
	ck_assert_ptr_null(registry_database(&reg, "a"));
	ck_assert_int_eq(registry_apply(&reg, c, &err), 0);
	ck_assert_ptr_eq(registry_database(&reg, "a"), db);
	end();
	config_free(c);
	config_free(n);
}
END_TEST

/* What a freed pool had counted stays with its database. */
START_TEST(totals_never_run_backwards)
{
	struct config *c = must_load("[databases]\na =\n[pgbouncer]\n"
	    "pool_idle_timeout = 1\n");
	struct dbpool *p;

	begin(c);
	p = pool_of("a", "ann");
	stats_add(&p->stats[0].query_count, 3);
	stats_add(&p->stats[1].query_count, 4);
	dbpool_unref(p);
	ck_assert(!registry_has_garbage(&reg, 1000000));
	ck_assert(registry_has_garbage(&reg, 2000001));
	registry_sweep(&reg, 2000001);
	ck_assert_uint_eq(list_count(&reg.pools), 0);
	ck_assert_uint_eq(registry_database(&reg, "a")->retired.query_count, 7);
	end();
	config_free(c);
}
END_TEST

START_TEST(pools_made_during_a_pause_are_held)
{
	struct config *c = must_load("[databases]\na =\nb =\n[pgbouncer]\n");

	begin(c);
	atomic_store(&registry_database(&reg, "a")->paused, true);
	ck_assert(atomic_load(&pool_of("a", "ann")->core.held));
	ck_assert(!atomic_load(&pool_of("b", "ann")->core.held));
	atomic_store(&reg.held, true);
	ck_assert(atomic_load(&pool_of("b", "bob")->core.held));
	ck_assert(!atomic_load(&pool_of("pgbouncer", "ann")->core.held));
	end();
	config_free(c);
}
END_TEST

UNIT_MAIN("registry", what_is_configured_is_there, the_star_makes_databases,
    one_pool_for_a_pair_with_its_settings, a_reload_changes_what_is_there,
    a_password_is_followed, a_removed_database_comes_back,
    totals_never_run_backwards,
    pools_made_during_a_pause_are_held)
