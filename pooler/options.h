/* SPDX-License-Identifier: MIT */
/*
 * options - the pooler's option tables.
 *
 * struct options has one member per key of section [pgbouncer], under the
 * key's own name; options.def is the list. struct db_options and struct
 * user_options are the same for the pairs of a line of [databases] and
 * [users], where an unset value (OPT_UNSET, OPT_UNSET64, NULL) means "as
 * the section above says". Life cycle and queries: common/opt.h. Whoever
 * needs an option is passed a `const struct options *`, part of a config
 * snapshot (pooler/config.h); there is no global.
 */
#ifndef POOLER_OPTIONS_H
#define POOLER_OPTIONS_H

#include "common/base.h"

#include <limits.h>

#include "common/opt.h"

enum pool_mode {
	POOL_MODE_SESSION,
	POOL_MODE_TRANSACTION,
	POOL_MODE_STATEMENT
};

enum auth_type {
	AUTH_TYPE_ANY,
	AUTH_TYPE_TRUST,
	AUTH_TYPE_PLAIN,
	AUTH_TYPE_MD5,
	AUTH_TYPE_SCRAM,
	/* Known, and refused when set: not supported yet. */
	AUTH_TYPE_CERT,
	AUTH_TYPE_HBA,
	AUTH_TYPE_PAM,
	AUTH_TYPE_LDAP
};

/* In order of strictness. */
enum sslmode {
	SSLMODE_DISABLE,
	SSLMODE_ALLOW,
	SSLMODE_PREFER,
	SSLMODE_REQUIRE,
	SSLMODE_VERIFY_CA,
	SSLMODE_VERIFY_FULL
};

enum load_balance {
	LOAD_BALANCE_ROUND_ROBIN,	/* the next host for each connection */
	LOAD_BALANCE_DISABLE		/* the next host after a failure */
};

enum io_backend {
	IO_BACKEND_AUTO,
	IO_BACKEND_EPOLL,
	IO_BACKEND_URING		/* refused at start where there is none */
};

#define OPT(kind, name, def, min, max, flags, help) OPT_CTYPE_##kind name;
#define OPT_ENUM(name, def, choices, flags, help) OPT_CTYPE_ENUM name;
#define OPT_GROUP(title)

struct options {
#include "pooler/options.def"
};

struct db_options {
#include "pooler/db_options.def"
};

struct user_options {
#include "pooler/user_options.def"
};

#undef OPT
#undef OPT_ENUM
#undef OPT_GROUP

extern const struct opt_table pooler_option_table;	/* [pgbouncer] */
extern const struct opt_table pooler_db_table;		/* [databases] */
extern const struct opt_table pooler_user_table;	/* [users] */

/* The words of the enums, for SHOW. Static storage. */
const char *options_pool_mode_name(enum pool_mode);
const char *options_load_balance_name(enum load_balance);
const char *options_facility_name(int facility);	/* for log_open() */

/*
 * The options in the order of SHOW CONFIG's rows, which is that of the
 * bytes of their names; without suspend_timeout, which is only accepted.
 * Writes at most max pointers and returns how many there are. The columns:
 * name; opt_show(), NULL unless opt_is_set(); the text o->def as it is; and
 * "yes" if o->flags has OPT_RELOAD, else "no".
 */
size_t	options_in_show_order(const struct opt **out, size_t max);

#endif /* POOLER_OPTIONS_H */
