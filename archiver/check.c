/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/check.h"

#include <string.h>

#include "archiver/await.h"
#include "archiver/catalog.h"
#include "archiver/pgfiles.h"
#include "archiver/pgserver.h"
#include "archiver/stanza.h"
#include "common/err.h"

static int
check_server(const struct catalog *c, size_t n, const struct pgserver *s,
    const char *pgdata, struct err *e)
{
	struct pgcontrol control;
	size_t	i;
	int	rc;

	rc = pgfiles_read_control(pgdata, &control, NULL, e);
	if (rc == 0)
		rc = pgserver_check_directory(s, pgdata, control.system_id, e);
	if (rc == 0)
		rc = pgserver_check_archiving(s, e);
	for (i = 0; rc == 0 && i < n; i++) {
		rc = store_check(c[i].store, s->wal_segment_size,
		    &c[i].limits, e);
		if (rc == 0)
			rc = stanza_check(&c[i], control.system_id,
			    control.version, e);
	}
	return rc;
}

int
check_run(const struct catalog *c, size_t n, const struct check_request *req,
    struct check_result *result, struct err *e)
{
	struct await	 a = { .timeout = req->archive_timeout,
	    .cancelled = req->cancelled, .arg = req->arg };
	struct pgquery_limits limits = { req->db_timeout, req->cancelled,
	    req->arg };
	struct pgquery	*q;
	struct pgserver	 s;
	size_t		 i;
	int		 rc;

	memset(result, 0, sizeof(*result));
	rc = pgserver_connect(&q, &req->server, &limits, e);
	if (rc != 0)
		return rc;
	rc = pgserver_init(&s, q, e);
	if (rc == 0)
		rc = check_server(c, n, &s, req->pgdata, e);
	if (rc == 0 && s.in_recovery) {
		result->standby = true;
		goto out;
	}
	if (rc == 0) {
		a.server = &s;
		await_begin(&a);
		rc = pgserver_switch_wal(&s, result->segment, e);
	}
	for (i = 0; rc == 0 && i < n; i++) {
		rc = await_segment(&a, &c[i], result->segment, e);
		if (rc != 0)
			err_wrap(e, "%s", store_name(c[i].store));
	}
out:
	pgquery_close(q);
	return rc;
}
