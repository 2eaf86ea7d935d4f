/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/connect.h"

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <unistd.h>

#include "common/err.h"
#include "common/pgquery.h"
#include "common/text.h"
#include "homelabctl/cli.h"
#include "homelabctl/interrupt.h"

#define CONNECT_US	(10 * TEXT_USEC_PER_SEC)
#define QUERY_US	(30 * TEXT_USEC_PER_SEC)

static const struct pgquery_limits usual = { QUERY_US, interrupt_came, NULL };

static bool
switches_user(const char *user)
{
	return geteuid() == 0 && user != NULL && user[0] != '\0';
}

static int
find_user(const char *user, struct passwd **pw, struct err *e)
{
	*pw = getpwnam(user);
	if (*pw != NULL)
		return 0;
	err_set(e, ERR_CONFIG, "system_user: there is no user %s", user);
	return err_hint(e, "set system_user in homelabctl.ini to the user "
	    "that PostgreSQL runs as");
}

int
connect_check_user(const struct cli *cli, struct err *e)
{
	struct passwd *pw;

	return switches_user(cli->opt.system_user) ?
	    find_user(cli->opt.system_user, &pw, e) : 0;
}

/* A process has one effective user, whichever thread connects. */
static pthread_mutex_t euid_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * The server believes the kernel about who connects ("peer"), and root is
 * rarely a role there.
 */
static int
connect_as(const char *user, struct pgquery **out,
    const struct pgquery_target *t, const struct pgquery_limits *l,
    struct err *e)
{
	struct passwd *pw;
	int	rc;

	if (!switches_user(user))
		return pgquery_connect(out, t, l, e);
	rc = find_user(user, &pw, e);
	if (rc != 0)
		return rc;
	if (seteuid(pw->pw_uid) != 0)
		return err_sys(e, errno, "cannot become %s", user);
	rc = pgquery_connect(out, t, l, e);
	if (seteuid(0) != 0) {
		if (rc == 0)
			pgquery_close(*out);
		return err_sys(e, errno, "cannot become root again");
	}
	return rc;
}

static int
connect_to(const char *user, struct pgquery **out,
    const struct pgquery_target *t, const struct pgquery_limits *l,
    struct err *e)
{
	struct pgquery_limits login = *l;
	int	rc;

	login.timeout_us = MIN(l->timeout_us, CONNECT_US);
	pthread_mutex_lock(&euid_lock);
	rc = user == NULL ? pgquery_connect(out, t, &login, e) :
	    connect_as(user, out, t, &login, e);
	pthread_mutex_unlock(&euid_lock);
	if (rc == 0)
		pgquery_set_limits(*out, l);
	return rc;
}

int
connect_server(const struct cli *cli, struct pgquery **out, struct err *e)
{
	struct pgquery_target t = {
		.host = cli->opt.postgres_socket_dir,
		.port = cli->opt.postgres_port,
		.user = cli->opt.postgres_user,
		.database = cli->opt.postgres_database,
		.application = "homelabctl", .encoding = "UTF8",
	};
	int	rc = connect_to(cli->opt.system_user, out, &t, &usual, e);

	if (rc != 0 && e->hint[0] == '\0')
		err_hint(e, "is it running, and are postgres_socket_dir, "
		    "postgres_port and postgres_user in homelabctl.ini right?");
	return rc;
}

int
connect_pooler(const struct cli *cli, struct pgquery **out,
    const struct pgquery_limits *l, struct err *e)
{
	struct pgquery_target t = {
		.host = cli->opt.pooler_socket_dir,
		.port = cli->opt.pooler_port,
		.user = "pgbouncer", .database = "pgbouncer",
		.application = "homelabctl", .console = true,
	};
	int	rc = connect_to(NULL, out, &t, l != NULL ? l : &usual, e);

	return rc == 0 ? 0 : err_hint(e, "is the pooler running, are pooler_socket_dir and "
	    "pooler_port in homelabctl.ini right, and are you root or the "
	    "pooler's user?");
}
