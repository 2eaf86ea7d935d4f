/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/ahead.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"

static char		base[64];
static atomic_int	pushed, failing, slow;

static int
push(void *arg, const char *path, bool (*cancelled)(void *), void *carg,
    struct err *e)
{
	(void)arg;
	(void)path;
	while (atomic_load(&slow) && !cancelled(carg))
		usleep(1000);
	if (atomic_load(&failing))
		return err_set(e, ERR_STORE, "no store");
	atomic_fetch_add(&pushed, 1);
	return 0;
}

static bool
never(void *arg)
{
	(void)arg;
	return false;
}

static int
make(const char *name)
{
	char path[160];
	int  fd;

	snprintf(path, sizeof(path), "%s/pg_wal/%s", base, name);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, "wal", 3), 3);
	return fd;
}

static void
ready(const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/pg_wal/archive_status/%s.ready", base,
	    name);
	close(open(path, O_RDWR | O_CREAT, 0600));
}

static bool
wait_pushed(int wanted)
{
	int i;

	for (i = 0; i < 200000 && atomic_load(&pushed) < wanted; i++)
		usleep(1000);
	return atomic_load(&pushed) == wanted;
}

#define A	"000000010000000000000001"
#define B	"000000010000000000000002"

START_TEST(life)
{
	struct ahead	*a;
	struct err	 e = { 0 };
	char		 cmd[128];
	int		 fa, fb;

	snprintf(base, sizeof(base), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(base));
	snprintf(cmd, sizeof(cmd), "mkdir -p %s/pg_wal/archive_status", base);
	ck_assert_int_eq(system(cmd), 0);
	fa = make(A);
	fb = make(B);
	ready(A);
	ready("rubbish");
	ck_assert_int_eq(ahead_start(&a, base, 2, push, NULL, &e), 0);
	ck_assert(wait_pushed(1));
	usleep(20000);
	ck_assert(ahead_claim(a, A, fa, 200000000, never, NULL));
	/* Another file under the same name is not done. */
	ck_assert_int_eq(write(fa, "more", 4), 4);
	ck_assert(!ahead_claim(a, A, fa, 1000000, never, NULL));
	ahead_release(a, A);
	/* One that nobody announced; then one that fails. */
	ck_assert(!ahead_claim(a, B, fb, 1000000, never, NULL));
	ahead_release(a, B);
	atomic_store(&failing, 1);
	ready(B);
	usleep(200000);
	ck_assert(!ahead_claim(a, B, fb, 1000000, never, NULL));
	ahead_release(a, B);
	/* One that is under way when it ends. */
	atomic_store(&slow, 1);
	ready("000000010000000000000003");
	close(make("000000010000000000000003"));
	usleep(50000);
	ahead_stop(a);
	ahead_stop(NULL);
	close(fa);
	close(fb);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", base);
	ck_assert_int_eq(system(cmd), 0);
}
END_TEST

UNIT_MAIN("ahead", life)
