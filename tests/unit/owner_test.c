/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/owner.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"

static char dir[64], file[80];

static void
make(void)
{
	FILE	*f;

	snprintf(dir, sizeof(dir), "/tmp/homelab-unit.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/f", dir);
	f = fopen(file, "w");
	ck_assert_ptr_nonnull(f);
	fclose(f);
}

static void
unmake(void)
{
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(hint)
{
	struct passwd	*pw = getpwuid(geteuid());
	struct err	 e = { 0 };
	char		 missing[128], want[300], me[64];

	make();
	snprintf(me, sizeof(me), "%lu", (unsigned long)geteuid());
	if (pw != NULL)
		snprintf(me, sizeof(me), "%s", pw->pw_name);
	ck_assert_int_eq(chmod(file, 0440), 0);
	err_set(&e, ERR_ACCESS, "no");
	ck_assert_int_eq(owner_hint(&e, file), ERR_ACCESS);
	snprintf(want, sizeof(want), "this runs as user %s, and %s belongs to "
	    "%s, mode 440: run it as the owner, or correct owner and mode",
	    me, file, me);
	ck_assert_str_eq(e.hint, want);
	/* What is not there: the nearest that is. */
	ck_assert_int_eq(chmod(dir, 0700), 0);
	snprintf(missing, sizeof(missing), "%s/a/b/c", dir);
	owner_hint(&e, missing);
	snprintf(want, sizeof(want), "%s belongs to", dir);
	ck_assert_ptr_nonnull(strstr(e.hint, want));
	ck_assert_ptr_nonnull(strstr(e.hint, "mode 700"));
	ck_assert_int_eq(owner_error(&e, EACCES, "open", file), ERR_ACCESS);
	snprintf(want, sizeof(want), "cannot open %s: Permission denied", file);
	ck_assert_str_eq(e.msg, want);
	ck_assert_ptr_nonnull(strstr(e.hint, "mode 440"));
	ck_assert_int_eq(owner_error(&e, ENOSPC, "open", file), ERR_NOSPACE);
	ck_assert_ptr_null(strstr(e.hint, "mode 440"));
	owner_hint(&e, "/no-such-directory-at-all/x");
	ck_assert_ptr_nonnull(strstr(e.hint, "and / belongs to root"));
	unmake();
}
END_TEST

/* Only root gives files away, and only root becomes somebody. */
START_TEST(others)
{
	struct err	e = { 0 };
	struct stat	st;
	char		name[OWNER_NAME_MAX] = "?";
	uid_t		wanted = geteuid();

	make();
	if (geteuid() == 0) {
		wanted = 65534;
		ck_assert_int_eq(chown(dir, wanted, 65534), 0);
	}
	owner_inherit(file);
	ck_assert_int_eq(stat(file, &st), 0);
	ck_assert_uint_eq(st.st_uid, wanted);
	owner_inherit("relative");
	owner_inherit("/");
	if (geteuid() != 0) {
		ck_assert_int_eq(owner_become(file, name, &e), 0);
		ck_assert_str_eq(name, "");
	} else {
		/* Nothing to become: the directory above is root's. */
		ck_assert_int_eq(owner_become("/no-such-directory", name, &e),
		    0);
		ck_assert_str_eq(name, "");
		ck_assert_uint_eq(geteuid(), 0);
	}
	unmake();
}
END_TEST

/* In a process of its own: there is no way back. */
START_TEST(become)
{
	struct err	e = { 0 };
	char		name[OWNER_NAME_MAX] = "", missing[128];

	if (geteuid() != 0)
		return;
	make();
	ck_assert_int_eq(chown(dir, 65534, 65534), 0);
	ck_assert_int_eq(chmod(dir, 0755), 0);
	snprintf(missing, sizeof(missing), "%s/x/y", dir);
	ck_assert_int_eq(owner_become(missing, name, &e), 0);
	ck_assert_str_ne(name, "");
	ck_assert_uint_eq(geteuid(), 65534);
	ck_assert_int_ne(setuid(0), 0);
	unmake();
}
END_TEST

UNIT_MAIN("owner", hint, others, become)
