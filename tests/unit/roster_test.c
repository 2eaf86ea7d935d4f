/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/roster.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/served.h"
#include "common/buf.h"
#include "common/err.h"

static char	base[64], config[96];
static struct roster *roster;
static struct buf changes;
static struct err e;

/* Writes the file; "%s" stands for the directory. */
static void
write_file(const char *text)
{
	FILE	*f = fopen(config, "w");
	const char *at;

	for (; (at = strstr(text, "%s")) != NULL; text = at + 2)
		fprintf(f, "%.*s%s", (int)(at - text), text, base);
	fputs(text, f);
	fclose(f);
}

static void
begin(const char *text)
{
	snprintf(base, sizeof(base), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(config, sizeof(config), "%s/archiver.ini", base);
	write_file(text);
	memset(&e, 0, sizeof(e));
}

static void
end(void)
{
	char cmd[96];

	roster_close(roster);
	roster = NULL;
	buf_release(&changes);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	ck_assert_int_eq(system(cmd), 0);
}

#define GLOBAL	"[global]\nlock-path = %s/lock\nrepo1-path = %s/repo\n" \
		"socket-path = %s/sock\n"

/* What a reload says of a file. */
static const char *
reload(const char *text)
{
	static char said[2000];
	const char *from, *at;

	write_file(text);
	buf_clear(&changes);
	memset(&e, 0, sizeof(e));
	if (roster_reload(roster, &changes, &e) != 0)
		return e.msg;
	/* The directory is X. */
	said[0] = '\0';
	for (from = buf_cstr(&changes); (at = strstr(from, base)) != NULL;
	    from = at + strlen(base))
		snprintf(said + strlen(said), sizeof(said) - strlen(said),
		    "%.*sX", (int)(at - from), from);
	snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s", from);
	return said;
}

/* True if the stanza is this very one. */
static bool
is_served(const char *name, const struct served *st)
{
	struct served *now = roster_find(roster, name);

	if (now != NULL)
		served_release(now);
	return now == st;
}

START_TEST(reloads)
{
	struct served	*one, *two;

	begin(GLOBAL "[one]\n[two]\n");
	ck_assert_int_eq(roster_open(&roster, config, &e), 0);
	one = roster_find(roster, "one");
	two = roster_find(roster, "two");
	ck_assert_str_eq(served_name(one), "one");
	ck_assert(is_served("three", NULL));
	ck_assert(is_served(NULL, NULL));

	ck_assert_str_eq(reload(GLOBAL "# a remark\n[two]\n[one]\n"), "");
	ck_assert(is_served("one", one));

	/* A file that is wrong changes nothing, however late it is found. */
	ck_assert_ptr_nonnull(strstr(reload(GLOBAL
	    "[one]\narchive-timeout = 5s\n[two]\nnonsense = 1\n"),
	    "archiver.ini:8: unknown option \"nonsense\""));
	ck_assert(is_served("one", one));
	ck_assert_ptr_nonnull(strstr(reload(GLOBAL "[one]\n[two]\n"
	    "repo1-type = s3\n"), "repo1-s3-endpoint is not set"));
	ck_assert_ptr_nonnull(strstr(reload(GLOBAL), "has no stanza"));
	ck_assert(is_served("two", two));

	/* One changes, one stays, one is new. */
	ck_assert_str_eq(reload(GLOBAL "[one]\narchive-timeout = 5s\n"
	    "pg1-port = 5433\n[two]\n[three]\n"),
	    "stanza one: archive-timeout: 1m -> 5s\n"
	    "stanza one: pg1-port: 5432 -> 5433\nstanza three: new\n");
	ck_assert(!is_served("one", one));
	ck_assert(!is_served("one", NULL));
	ck_assert(is_served("two", two));
	ck_assert(!is_served("three", NULL));
	ck_assert_int_eq(served_push_timeout(one), 60000000);
	served_release(one);
	one = roster_find(roster, "one");
	ck_assert_int_eq(served_push_timeout(one), 5000000);
	ck_assert_int_eq(served_get_timeout(one), 60000000);
	served_release(one);

	/* A setting of one command; secrets stay secret. */
	ck_assert_str_eq(reload(GLOBAL "[one]\narchive-timeout = 5s\n"
	    "pg1-port = 5433\nrepo2-path = %s/b\nrepo2-s3-key = hush\n"
	    "[two]\n[two:archive-get]\nprocess-max = 9\n"),
	    "stanza one: repo2: new\n"
	    "stanza one: repo2-path: /var/lib/homelab-archiver -> X/b\n"
	    "stanza one: repo2-s3-key: (unset) -> ****\n"
	    "stanza two: process-max: 2 -> 9\n"
	    "stanza three: not served any more\n");
	served_release(two);
	end();
}
END_TEST

START_TEST(fixed)
{
	begin(GLOBAL "[one]\n");
	ck_assert_int_eq(roster_open(&roster, config, &e), 0);
	ck_assert_str_eq(reload("[global]\nlock-path = %s/lock\n"
	    "repo1-path = %s/repo\nsocket-path = %s/other\n[one]\n"),
	    "socket-path has changed and has to wait for a restart\n"
	    "stanza one: socket-path: X/sock -> X/other\n");
	/* The lock that is held stays where it is. */
	ck_assert_str_eq(reload("[global]\nlock-path = %s/lock2\n"
	    "repo1-path = %s/repo\nsocket-path = %s/sock\n[one]\n"),
	    "lock-path has changed and has to wait for a restart\n"
	    "stanza one: socket-path: X/other -> X/sock\n"
	    "stanza one: lock-path: X/lock -> X/lock2\n");
	end();
}
END_TEST

/* The lock of a stanza that is replaced is held all the time. */
START_TEST(locks)
{
	struct roster *other = NULL;
	char	file[96];

	begin(GLOBAL "[one]\n[two]\n");
	ck_assert_int_eq(roster_open(&roster, config, &e), 0);
	ck_assert_int_eq(roster_open(&other, config, &e), ERR_LOCKED);
	reload(GLOBAL "process-max = 3\n[one]\n");
	ck_assert_int_eq(roster_open(&other, config, &e), ERR_LOCKED);
	/* Another daemon took the one that was given up: nothing changes. */
	snprintf(file, sizeof(file), "%s/two.ini", base);
	ck_assert_int_eq(rename(config, file), 0);
	write_file(GLOBAL "[two]\n");
	ck_assert_int_eq(roster_open(&other, config, &e), 0);
	reload(GLOBAL "process-max = 4\n[one]\n[two]\n");
	ck_assert_int_eq(e.code, ERR_LOCKED);
	ck_assert(is_served("two", NULL));
	roster_close(other);
	ck_assert_str_eq(reload(GLOBAL "process-max = 4\n[one]\n[two]\n"),
	    "stanza one: process-max: 3 -> 4\nstanza two: new\n");
	end();
	begin(GLOBAL);
	ck_assert_int_eq(roster_open(&roster, config, &e), ERR_CONFIG);
	end();
}
END_TEST

UNIT_MAIN("roster", reloads, fixed, locks)
