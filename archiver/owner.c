/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"

/* The user's name, or his number where he has none. */
static char *
name_of(uid_t uid, char out[OWNER_NAME_MAX])
{
	struct passwd	pw, *found = NULL;
	char		text[4096];

	(void)getpwuid_r(uid, &pw, text, sizeof(text), &found);
	if (found != NULL)
		snprintf(out, OWNER_NAME_MAX, "%s", pw.pw_name);
	else
		snprintf(out, OWNER_NAME_MAX, "%lu", (unsigned long)uid);
	return out;
}

/* Cuts the last part of a path off; false if nothing is left. */
static bool
cut(char *path)
{
	char	*slash = strrchr(path, '/');

	if (slash == NULL || path[1] == '\0')
		return false;
	slash[slash == path] = '\0';
	return true;
}

/* The path itself, or what is above it, as far as it can be seen. */
static bool
look(char *path, struct stat *st)
{
	do {
		if (stat(path, st) == 0)
			return true;
	} while (cut(path));
	return false;
}

int
owner_become(const char *path, char name[OWNER_NAME_MAX], struct err *e)
{
	struct stat	st;
	char		seen[4096];
	gid_t		group;
	struct passwd	pw, *found = NULL;
	char		text[4096];

	name[0] = '\0';
	snprintf(seen, sizeof(seen), "%s", path);
	if (geteuid() != 0 || !look(seen, &st) || st.st_uid == 0)
		return 0;
	name_of(st.st_uid, name);
	(void)getpwuid_r(st.st_uid, &pw, text, sizeof(text), &found);
	group = found != NULL ? pw.pw_gid : st.st_gid;
	if ((found != NULL ? initgroups(pw.pw_name, group) :
	    setgroups(0, NULL)) != 0 || setgid(group) != 0 ||
	    setuid(st.st_uid) != 0)
		return err_sys(e, errno, "cannot become user %s", name);
	return 0;
}

void
owner_inherit(const char *path)
{
	struct stat	st;
	char		dir[4096];

	if (geteuid() != 0 ||
	    (size_t)snprintf(dir, sizeof(dir), "%s", path) >= sizeof(dir) ||
	    !cut(dir) || stat(dir, &st) != 0 || st.st_uid == 0)
		return;
	(void)!lchown(path, st.st_uid, st.st_gid);
}

int
owner_hint(struct err *e, const char *path)
{
	struct stat	st;
	char		seen[4096], me[OWNER_NAME_MAX], owner[OWNER_NAME_MAX];

	snprintf(seen, sizeof(seen), "%s", path);
	if (!look(seen, &st))
		return e->code;
	return err_hint(e, "this runs as user %s, and %.300s belongs to %s, "
	    "mode %03o: run it as the owner, or correct owner and mode",
	    name_of(geteuid(), me), seen, name_of(st.st_uid, owner),
	    (unsigned)st.st_mode & 07777);
}

int
owner_error(struct err *e, int errnum, const char *what, const char *path)
{
	int	rc = err_sys(e, errnum, "cannot %s %s", what, path);

	if (errnum == EACCES || errnum == EPERM)
		owner_hint(e, path);
	return rc;
}
