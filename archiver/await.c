/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/await.h"

#include <stdio.h>
#include <time.h>

#include "archiver/catalog.h"
#include "archiver/pgserver.h"
#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"

#define POLL_NS		100000000	/* between looks for the segment */
#define ASK_EVERY	10		/* looks between questions for why not */

/* PostgreSQL's: tries in a row, and the pause before the next. */
#define TRIES		3
#define PAUSE_US	(60 * TEXT_USEC_PER_SEC)

void
await_begin(struct await *a)
{
	struct err	ignored = { 0 };

	a->failures = 0;
	(void)!pgserver_archive_failures(a->server, &a->failures, &ignored);
}

/* Failures of archive_command since the wait began; 0 if nobody says. */
static int64_t
failures_since(const struct await *a)
{
	struct err	ignored = { 0 };
	int64_t		now;

	if (pgserver_archive_failures(a->server, &now, &ignored) != 0)
		return 0;
	return MAX(now - a->failures, 0);
}

static int
hint_log(struct err *e)
{
	return err_hint(e, "archive_command's own message is in PostgreSQL's "
	    "log; run it by hand for the oldest .ready file in "
	    "pg_wal/archive_status");
}

/* Whether the repository has room for one more segment. */
static int
check_room(const struct await *a, const struct catalog *c, struct err *e)
{
	struct err	why = { 0 };

	if (store_check(c->store, a->server->wal_segment_size, &c->limits,
	    &why) != ERR_NOSPACE)
		return 0;
	*e = why;
	return ERR_NOSPACE;
}

/* Why the segment cannot come any more; 0 if it still may. */
static int
ask_why_not(const struct await *a, const struct catalog *c,
    const char *segment, int64_t left, struct err *e)
{
	int64_t	failed;
	int	rc = check_room(a, c, e);

	if (rc != 0)
		return err_wrap(e, "WAL segment %s is not archived", segment);
	failed = failures_since(a);
	if (failed < TRIES || left > PAUSE_US)
		return 0;
	err_set(e, ERR_ARCHIVE, "WAL segment %s is not archived: "
	    "archive_command failed %lld times, and PostgreSQL waits a minute "
	    "before it tries again", segment, (long long)failed);
	return hint_log(e);
}

static int
time_is_up(const struct await *a, const struct catalog *c,
    const char *segment, struct err *e)
{
	char	shown[TEXT_NUMBER_MAX];
	int64_t	failed = failures_since(a);
	int	rc = check_room(a, c, e);

	if (rc != 0)
		return err_wrap(e, "WAL segment %s is not archived", segment);
	err_set(e, ERR_TIMEOUT, "WAL segment %s did not reach the repository "
	    "within %s", segment, text_print_time_short(a->timeout, shown));
	if (failed > 0) {
		err_set(e, ERR_TIMEOUT, "%s; archive_command failed %lld "
		    "times", e->msg, (long long)failed);
		return hint_log(e);
	}
	return err_hint(e, "pg_stat_archiver and the .ready files in "
	    "pg_wal/archive_status show how far behind archive_command is; "
	    "archive-timeout sets how long to wait");
}

int
await_segment(const struct await *a, const struct catalog *c,
    const char *segment, struct err *e)
{
	const struct timespec wait = { 0, POLL_NS };
	int64_t		due = clock_us() + a->timeout, left;
	int		looks, rc;

	for (looks = 1;; looks++) {
		rc = catalog_has_wal(c, a->server->system_id, segment, e);
		if (rc < 0)
			return err_wrap(e, "cannot look for WAL segment %s",
			    segment);
		if (rc > 0)
			return 0;
		if (a->cancelled != NULL && a->cancelled(a->arg))
			return err_set(e, ERR_CANCELLED, "cancelled");
		left = due - clock_us();
		if (left <= 0)
			return time_is_up(a, c, segment, e);
		if (!a->patient && looks % ASK_EVERY == 0) {
			rc = ask_why_not(a, c, segment, left, e);
			if (rc != 0)
				return rc;
		}
		nanosleep(&wait, NULL);
	}
}
