/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/options.h"

#include <string.h>

static const struct opt_choice options_pool_modes[] = {
	{ "session", POOL_MODE_SESSION, false },
	{ "transaction", POOL_MODE_TRANSACTION, false },
	{ "statement", POOL_MODE_STATEMENT, false },
	{ NULL, 0, false }
};

static const struct opt_choice options_auth_types[] = {
	{ "any", AUTH_TYPE_ANY, false },
	{ "trust", AUTH_TYPE_TRUST, false },
	{ "plain", AUTH_TYPE_PLAIN, false },
	{ "md5", AUTH_TYPE_MD5, false },
	{ "scram-sha-256", AUTH_TYPE_SCRAM, false },
	{ "cert", AUTH_TYPE_CERT, true },
	{ "hba", AUTH_TYPE_HBA, true },
	{ "pam", AUTH_TYPE_PAM, true },
	{ "ldap", AUTH_TYPE_LDAP, true },
	{ NULL, 0, false }
};

static const struct opt_choice options_sslmodes[] = {
	{ "disable", SSLMODE_DISABLE, false },
	{ "allow", SSLMODE_ALLOW, false },
	{ "prefer", SSLMODE_PREFER, false },
	{ "require", SSLMODE_REQUIRE, false },
	{ "verify-ca", SSLMODE_VERIFY_CA, false },
	{ "verify-full", SSLMODE_VERIFY_FULL, false },
	{ NULL, 0, false }
};

static const struct opt_choice options_load_balances[] = {
	{ "round-robin", LOAD_BALANCE_ROUND_ROBIN, false },
	{ "disable", LOAD_BALANCE_DISABLE, false },
	{ NULL, 0, false }
};

/* The value is the place in this list: log_open() takes the word. */
static const struct opt_choice options_facilities[] = {
	{ "auth", 0, false }, { "authpriv", 1, false },
	{ "daemon", 2, false }, { "user", 3, false },
	{ "local0", 4, false }, { "local1", 5, false },
	{ "local2", 6, false }, { "local3", 7, false },
	{ "local4", 8, false }, { "local5", 9, false },
	{ "local6", 10, false }, { "local7", 11, false },
	{ NULL, 0, false }
};

static const struct opt_choice options_io_backends[] = {
	{ "auto", IO_BACKEND_AUTO, false },
	{ "epoll", IO_BACKEND_EPOLL, false },
	{ "io_uring", IO_BACKEND_URING, false },
	{ NULL, 0, false }
};

#define OPT_GROUP(title) OPT_GROUP_ROW(title)

static const struct opt option_rows[] = {
#define OPT(kind, name, def, min, max, flags, help) \
	OPT_ROW(struct options, kind, name, def, min, max, flags, help)
#define OPT_ENUM(name, def, choices, flags, help) \
	OPT_ENUM_ROW(struct options, name, def, choices, flags, help)
#include "pooler/options.def"
#undef OPT
#undef OPT_ENUM
};

static const struct opt db_rows[] = {
#define OPT(kind, name, def, min, max, flags, help) \
	OPT_ROW(struct db_options, kind, name, def, min, max, flags, help)
#define OPT_ENUM(name, def, choices, flags, help) \
	OPT_ENUM_ROW(struct db_options, name, def, choices, flags, help)
#include "pooler/db_options.def"
#undef OPT
#undef OPT_ENUM
};

static const struct opt user_rows[] = {
#define OPT(kind, name, def, min, max, flags, help) \
	OPT_ROW(struct user_options, kind, name, def, min, max, flags, help)
#define OPT_ENUM(name, def, choices, flags, help) \
	OPT_ENUM_ROW(struct user_options, name, def, choices, flags, help)
#include "pooler/user_options.def"
#undef OPT
#undef OPT_ENUM
};

const struct opt_table pooler_option_table = OPT_TABLE("pgbouncer", NULL,
    option_rows, struct options, OPT_PGBOUNCER);
const struct opt_table pooler_db_table = OPT_TABLE("databases", NULL,
    db_rows, struct db_options, OPT_PGBOUNCER);
const struct opt_table pooler_user_table = OPT_TABLE("users", NULL,
    user_rows, struct user_options, OPT_PGBOUNCER);

const char *
options_pool_mode_name(enum pool_mode mode)
{
	return options_pool_modes[mode].word;
}

const char *
options_load_balance_name(enum load_balance mode)
{
	return options_load_balances[mode].word;
}

const char *
options_facility_name(int facility)
{
	return options_facilities[facility].word;
}

static int
compare_rows(const void *a, const void *b)
{
	const struct opt *const *x = a;
	const struct opt *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

size_t
options_in_show_order(const struct opt **out, size_t max)
{
	const struct opt *o;
	size_t		  n = 0;

	OPT_FOREACH(o, &pooler_option_table) {
		if (strcmp(o->name, "suspend_timeout") == 0)
			continue;
		if (n < max)
			out[n] = o;
		n++;
	}
	qsort(out, MIN(n, max), sizeof(*out), compare_rows);
	return n;
}
