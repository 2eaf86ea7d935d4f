/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/ctlask.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/ctlclient.h"
#include "common/err.h"
#include "common/frame.h"

/* How often who waits is asked whether to give up. */
#define SLICE_US	INT64_C(200000)

static void
write_request(struct buf *b, const struct ctlask *ask)
{
	size_t	start = frame_begin(b, FRAME_REQUEST);
	int	i;

	frame_add(b, "version", HOMELAB_VERSION);
	frame_add(b, "verb", ask->verb);
	frame_add(b, "config", ask->config);
	if (ask->path != NULL)
		frame_add(b, "path", ask->path);
	for (i = 0; i < ask->argc; i++)
		frame_add(b, "arg", ask->argv[i]);
	frame_end(b, start);
}

static const char *
word(const struct frame *f, const char *key)
{
	const char *value = frame_get(f, key);

	return value == NULL ? "" : value;
}

static enum ctlask_result
take_verdict(const struct frame *f, int *code, struct err *e)
{
	const char *msg = frame_get(f, "msg");

	if (frame_get_int(f, "declined") != 0)
		return CTLASK_NOT;
	*code = (int)frame_get_int(f, "code");
	if (*code != 0) {
		err_set(e, *code, "%s", msg == NULL ? err_text(*code) : msg);
		err_hint(e, "%s", word(f, "hint"));
	}
	return CTLASK_DONE;
}

/* The next frame, unless the caller gives up. */
static int
receive(struct ctlclient *c, const struct ctlask *ask, struct frame *f,
    int64_t due, struct err *e)
{
	struct err why = { 0 };
	int64_t	slice;
	int	rc;

	if (ask->cancelled == NULL)
		return ctlclient_receive(c, f, due, e);
	do {
		if (ask->cancelled(ask->arg))
			return err_set(e, ERR_CANCELLED, "not waited for");
		slice = clock_us() + SLICE_US;
		if (due != 0)
			slice = MIN(slice, due);
		rc = ctlclient_receive(c, f, slice, &why);
	} while (rc == ERR_TIMEOUT && slice != due);
	/* The end of a slice is no error to anybody. */
	if (rc != 0 && e != NULL)
		*e = why;
	return rc;
}

/* Reads frames up to the verdict. */
static enum ctlask_result
listen_to(struct ctlclient *c, const struct ctlask *ask, int *code,
    struct err *e)
{
	struct frame	f;
	bool		accepted = false;
	int64_t		limit, due = clock_us() + CTLASK_ACCEPT_US;

	while ((*code = receive(c, ask, &f, due, e)) == 0) {
		switch (f.type) {
		case FRAME_ACCEPTED:
			accepted = true;
			limit = frame_get_int(&f, "timeout_us");
			due = limit == 0 ? 0 :
			    clock_us() + limit + ask->grace_us;
			break;
		case FRAME_OUTPUT:
			ask->output(ask->arg, word(&f, "text"));
			break;
		case FRAME_WARNING:
			ask->warn(ask->arg, word(&f, "text"));
			break;
		case FRAME_PROGRESS:
			ask->progress(ask->arg, word(&f, "what"),
			    frame_get_int(&f, "done"),
			    frame_get_int(&f, "total"));
			break;
		case FRAME_VERDICT:
			return take_verdict(&f, code, e);
		case FRAME_REQUEST:
			break;
		}
	}
	return accepted || *code == ERR_CANCELLED ? CTLASK_LOST :
	    CTLASK_SILENT;
}

enum ctlask_result
ctlask(const struct ctlask *ask, int *code, struct err *e)
{
	struct ctlclient c;
	struct buf	request = { 0 };
	int64_t		due = clock_us() + CTLASK_ACCEPT_US;
	enum ctlask_result result = CTLASK_SILENT;

	*code = 0;
	if (ctlclient_connect(&c, ask->socket, due, e) != 0)
		return CTLASK_NOT;
	write_request(&request, ask);
	*code = ctlclient_send(&c, &request, ask->fd, due, e);
	if (*code == 0)
		result = listen_to(&c, ask, code, e);
	buf_release(&request);
	ctlclient_close(&c);
	return result;
}
