/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/thin_ask.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/engine.h"
#include "common/buf.h"
#include "common/ctlclient.h"
#include "common/err.h"
#include "common/frame.h"

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

static void
write_request(struct buf *b, const struct engine_call *call,
    const char *config)
{
	size_t	start = frame_begin(b, FRAME_REQUEST);
	int	i;

	frame_add(b, "version", HOMELAB_VERSION);
	frame_add(b, "verb", call->verb);
	frame_add(b, "config", config);
	if (call->path != NULL)
		frame_add(b, "path", call->path);
	for (i = 0; i < call->argc; i++)
		frame_add(b, "arg", call->argv[i]);
	frame_end(b, start);
}

static void
take_verdict(const struct frame *f, int *code, struct err *e)
{
	const char *msg = frame_get(f, "msg"), *hint = frame_get(f, "hint");

	*code = (int)frame_get_int(f, "code");
	if (*code == 0)
		return;
	err_set(e, *code, "%s", msg == NULL ? err_text(*code) : msg);
	err_hint(e, "%s", hint == NULL ? "" : hint);
}

/* Reads frames up to the verdict. 0 or why there is none. */
static int
await(struct ctlclient *c, bool *declined, int *code, struct err *e)
{
	struct frame	f;
	const char	*text;
	int64_t		limit, due = ctlclient_clock() + ASK_ACCEPT_US;
	int		rc;

	while ((rc = ctlclient_receive(c, &f, due, e)) == 0) {
		text = frame_get(&f, "text");
		switch (f.type) {
		case FRAME_ACCEPTED:
			limit = frame_get_int(&f, "timeout_us");
			due = limit == 0 ? 0 :
			    ctlclient_clock() + limit + GRACE_US;
			break;
		case FRAME_OUTPUT:
			fputs(text == NULL ? "" : text, stdout);
			break;
		case FRAME_WARNING:
			fprintf(stderr, "homelab-archiver: %s\n",
			    text == NULL ? "" : text);
			break;
		case FRAME_VERDICT:
			*declined = frame_get_int(&f, "declined") != 0;
			take_verdict(&f, code, e);
			return 0;
		case FRAME_PROGRESS:
		case FRAME_REQUEST:
			break;
		}
	}
	return rc;
}

enum ask_result
ask_daemon(const struct engine_call *call, unsigned flags, int *code,
    struct err *e)
{
	struct ctlclient c;
	struct buf	 request = { 0 };
	const char	*config, *named;
	char		 path[256];
	bool		 declined = false;
	int64_t		 due = ctlclient_clock() + ASK_ACCEPT_US;
	int		 rc;

	if (!ask_is_allowed(call->argc, call->argv, call->env, &config, &named))
		return ASK_NOT;
	if (*named != '\0')
		snprintf(path, sizeof(path), "%s", named);
	else
		socket_of_file(config, path, sizeof(path));
	if (ctlclient_connect(&c, path, due, e) != 0)
		return ASK_NOT;
	write_request(&request, call, config);
	*code = 0;
	rc = ctlclient_send(&c, &request, call->fd, due, e);
	if (rc == 0)
		rc = await(&c, &declined, code, e);
	buf_release(&request);
	ctlclient_close(&c);
	if (rc == 0 && !declined)
		return ASK_DONE;
	if (rc == 0)
		return ASK_NOT;
	if ((flags & (VERB_PUSH | VERB_GET)) != 0)
		return ASK_SILENT;
	err_hint(e, "the daemon at %s may still be at it: look at its log",
	    path);
	*code = rc;
	return ASK_DONE;
}
