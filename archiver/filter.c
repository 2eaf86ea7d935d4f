/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/filter.h"

#include "common/err.h"

static int
none_feed(struct filter *f, const void *bytes, size_t n, struct err *e)
{
	return f->sink(f->arg, bytes, n, e);
}

static int
none_finish(struct filter *f, struct err *e)
{
	(void)f;
	(void)e;
	return 0;
}

static void
none_free(struct filter *f)
{
	free(f);
}

static const struct filter_ops none_ops = {
	none_feed, none_finish, none_free
};

int
filter_new(struct filter **out, enum filter_kind kind, bool expand, int level,
    filter_sink *sink, void *arg, struct err *e)
{
	struct filter	*f = NULL;
	int		 rc = 0;

	switch (kind) {
	case FILTER_NONE:
		f = calloc(1, sizeof(*f));
		if (f == NULL)
			return err_set(e, ERR_NOMEM, "no memory for a filter");
		f->ops = &none_ops;
		break;
	case FILTER_LZ4:
		rc = filter_lz4_new(&f, expand, level, e);
		break;
	default:
		rc = err_set(e, ERR_NOT_YET,
		    "compression %d is not supported yet", (int)kind);
		err_hint(e, "a newer version wrote this: use that one");
		break;
	}
	if (rc != 0)
		return rc;
	f->sink = sink;
	f->arg = arg;
	*out = f;
	return 0;
}

int
filter_feed(struct filter *f, const void *bytes, size_t n, struct err *e)
{
	return n == 0 ? 0 : f->ops->feed(f, bytes, n, e);
}

int
filter_finish(struct filter *f, struct err *e)
{
	return f->ops->finish(f, e);
}

void
filter_free(struct filter *f)
{
	if (f != NULL)
		f->ops->free(f);
}
