/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/thin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/engine.h"
#include "common/err.h"

static const struct thin_verb verbs[] = {
#define VERB(name, fn, flags, args, options, help) \
	{ name, flags, args, help },
#include "archiver/verbs.def"
#undef VERB
};

const struct thin_verb *
thin_verb(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

void
thin_usage(void)
{
	size_t i;

	puts("homelab-archiver - archives, backs up and restores PostgreSQL\n\n"
	    "usage: homelab-archiver --stanza=NAME [--option=value ...] "
	    "VERB [argument ...]\n");
	for (i = 0; i < ARRAY_LEN(verbs); i++)
		printf("  %-16s %-6s %s\n", verbs[i].name, verbs[i].args,
		    verbs[i].help);
	puts("\nOptions are named as pgBackRest's and are read from "
	    "/etc/homelab/archiver.ini,\n--config=FILE, the environment "
	    "(HOMELAB_ARCHIVER_REPO1_PATH) and the command\nline. "
	    "\"homelab-archiver VERB --help\" lists those of a verb.");
}

int
thin_find(int n, const char *const *words)
{
	int i;

	for (i = 0; i < n; i++) {
		if (thin_verb(words[i]) != NULL)
			return i;
	}
	return -1;
}

static int
make_absolute(const char *path, char *out, size_t size, struct err *e)
{
	char cwd[2048];

	if (path[0] == '/') {
		if ((size_t)snprintf(out, size, "%s", path) < size)
			return 0;
	} else if (getcwd(cwd, sizeof(cwd)) == NULL) {
		return err_sys(e, errno, "no working directory");
	} else if ((size_t)snprintf(out, size, "%s/%s", cwd, path) < size) {
		return 0;
	}
	return err_set(e, ERR_USAGE, "the path %.100s... is too long", path);
}

static int
open_file(const struct thin_verb *verb, struct thin_file *f, struct err *e)
{
	if ((verb->flags & VERB_PUSH) != 0) {
		f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
		if (f->fd >= 0)
			return 0;
		return err_sys(e, errno, "cannot open %s", f->path);
	}
	snprintf(f->tmp, sizeof(f->tmp), "%s.homelab-%ld", f->path,
	    (long)getpid());
	unlink(f->tmp);
	f->fd = open(f->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (f->fd >= 0)
		return 0;
	err_sys(e, errno, "cannot create %s", f->tmp);
	f->tmp[0] = '\0';
	return e->code;
}

int
thin_open(const struct thin_verb *verb, int n, const char *const *words,
    struct thin_file *f, struct err *e)
{
	const char	*path = NULL;
	int		 i, args = 0, wanted, rc;

	f->fd = -1;
	f->tmp[0] = '\0';
	if ((verb->flags & (VERB_PUSH | VERB_GET)) == 0)
		return 0;
	for (i = 0; i < n; i++) {
		if (strncmp(words[i], "--", 2) != 0) {
			path = words[i];
			args++;
		} else if (strchr(words[i], '=') == NULL &&
		    strncmp(words[i], "--no-", 5) != 0) {
			err_set(e, ERR_USAGE, "option %s has no value",
			    words[i]);
			err_hint(e, "with %s options are written "
			    "--name=value", verb->name);
			return ERR_USAGE;
		}
	}
	wanted = (verb->flags & VERB_GET) != 0 ? 2 : 1;
	if (args != wanted) {
		err_set(e, ERR_USAGE, "%s needs %d argument%s, it got %d",
		    verb->name, wanted, wanted == 1 ? "" : "s", args);
		err_hint(e, "usage: homelab-archiver --stanza=NAME %s %s",
		    verb->name, verb->args);
		return ERR_USAGE;
	}
	rc = make_absolute(path, f->path, sizeof(f->path), e);
	return rc != 0 ? rc : open_file(verb, f, e);
}

int
thin_reopen(struct thin_file *f, struct err *e)
{
	if (f->fd >= 0)
		close(f->fd);
	unlink(f->tmp);
	f->fd = open(f->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return f->fd >= 0 ? 0 : err_sys(e, errno, "cannot create %s", f->tmp);
}

int
thin_close(struct thin_file *f, int rc, struct err *e)
{
	if (f->fd >= 0 && close(f->fd) != 0 && rc == 0)
		rc = err_sys(e, errno, "cannot write %s", f->path);
	f->fd = -1;
	if (f->tmp[0] == '\0')
		return rc;
	if (rc == 0 && rename(f->tmp, f->path) != 0)
		rc = err_sys(e, errno, "cannot create %s", f->path);
	if (rc != 0)
		unlink(f->tmp);
	f->tmp[0] = '\0';
	return rc;
}

int
thin_exit_status(const struct thin_verb *verb, int code, bool standby)
{
	if (code == 0)
		return 0;
	if ((verb->flags & VERB_GET) == 0)
		return err_exit_status(code);
	return code == ERR_ABSENT || standby ? 1 : 126;
}
