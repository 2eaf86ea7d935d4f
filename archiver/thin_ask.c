/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/thin_ask.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/engine.h"
#include "archiver/say.h"
#include "common/ctlask.h"
#include "common/err.h"
#include "common/progress.h"

#define CONFIG_DEFAULT	"/etc/homelab/archiver.ini"
#define SOCKET_DEFAULT	"/run/homelab/archiver.sock"
#define CONFIG_MAX	((size_t)256 << 10)

/* Beyond the daemon's own limit, for the way of its answer. */
#define GRACE_US	INT64_C(5000000)

static const char *
value_of(const char *word, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(word, prefix, n) == 0 ? word + n : NULL;
}

bool
ask_is_allowed(int n, const char *const *words, const char *const *env,
    const char **config, const char **socket)
{
	const char *value;
	int	    i;

	*config = CONFIG_DEFAULT;
	*socket = "";
	for (; env != NULL && *env != NULL; env++) {
		if ((value = value_of(*env, "HOMELAB_ARCHIVER_CONFIG=")) !=
		    NULL)
			*config = value;
		else if ((value = value_of(*env,
		    "HOMELAB_ARCHIVER_SOCKET_PATH=")) != NULL)
			*socket = value;
		else if (value_of(*env, "HOMELAB_ARCHIVER_") != NULL ||
		    value_of(*env, "PGBACKREST_") != NULL)
			return false;
	}
	for (i = 0; i < n; i++) {
		if (strncmp(words[i], "--", 2) != 0)
			continue;
		if ((value = value_of(words[i], "--config=")) != NULL)
			*config = value;
		else if ((value = value_of(words[i], "--socket-path=")) != NULL)
			*socket = value;
		/* It would be another program's word if a value followed. */
		else if (strchr(words[i], '=') == NULL)
			return false;
	}
	return true;
}

bool
ask_find_key(const char *text, const char *key, char *out, size_t size)
{
	size_t	len, klen = strlen(key);
	bool	global = false, found = false;

	for (; *text != '\0'; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		while (len > 0 && (*text == ' ' || *text == '\t')) {
			text++;
			len--;
		}
		if (*text == '[')
			global = strncmp(text, "[global]", 8) == 0;
		if (!global || len <= klen || strncmp(text, key, klen) != 0)
			continue;
		const char *v = text + klen, *end = text + len;

		while (v < end && (*v == ' ' || *v == '\t'))
			v++;
		if (v == end || *v++ != '=')
			continue;
		while (v < end && (*v == ' ' || *v == '\t'))
			v++;
		while (end > v && strchr(" \t\r", end[-1]) != NULL)
			end--;
		/* The last one counts, as it does for the parser. */
		if ((size_t)(end - v) < size) {
			snprintf(out, size, "%.*s", (int)(end - v), v);
			found = true;
		}
	}
	return found;
}

static void
socket_of_file(const char *config, char *out, size_t size)
{
	int	fd = open(config, O_RDONLY | O_CLOEXEC);
	char	*text = fd < 0 ? NULL : malloc(CONFIG_MAX);
	ssize_t	n = text == NULL ? -1 : read(fd, text, CONFIG_MAX - 1);

	if (n >= 0) {
		text[n] = '\0';
		if (!ask_find_key(text, "socket-path", out, size))
			n = -1;
	}
	if (n < 0)
		snprintf(out, size, "%s", SOCKET_DEFAULT);
	free(text);
	if (fd >= 0)
		close(fd);
}

enum ask_result
ask_daemon(const struct engine_call *call, unsigned flags, int *code,
    struct err *e)
{
	struct progress	bar;
	char		path[256];
	struct ctlask	ask = { .socket = path, .verb = call->verb,
	    .path = call->path, .argv = call->argv, .argc = call->argc,
	    .fd = call->fd, .grace_us = GRACE_US, .output = say_result,
	    .warn = say_warning, .progress = say_progress, .arg = &bar };
	const char	*named;
	enum ctlask_result result;

	if (!ask_is_allowed(call->argc, call->argv, call->env, &ask.config,
	    &named))
		return ASK_NOT;
	if (*named != '\0')
		snprintf(path, sizeof(path), "%s", named);
	else
		socket_of_file(ask.config, path, sizeof(path));
	progress_init(&bar, isatty(STDERR_FILENO) != 0);
	result = ctlask(&ask, code, e);
	progress_clear(&bar);
	if (result == CTLASK_DONE)
		return ASK_DONE;
	if (result == CTLASK_NOT)
		return ASK_NOT;
	if (result == CTLASK_SILENT || (flags & (VERB_PUSH | VERB_GET)) != 0)
		return ASK_SILENT;
	err_hint(e, "the daemon at %s may still be at it: look at its log",
	    path);
	return ASK_DONE;
}
