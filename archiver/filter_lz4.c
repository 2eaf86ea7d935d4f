/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/filter.h"

#include <lz4frame.h>
#include <string.h>

#include "common/err.h"

/* What one call of LZ4F is given at most; bounds the output buffer. */
#define CHUNK	((size_t)256 << 10)

struct lz4 {
	struct filter	 base;
	LZ4F_cctx	*c;
	LZ4F_dctx	*d;
	LZ4F_preferences_t prefs;
	bool		 begun;
	bool		 ended;		/* the frame that is expanded */
	char		*out;
	size_t		 room;
};

static int
emit(struct lz4 *z, size_t n, struct err *e)
{
	if (LZ4F_isError(n))
		return err_set(e, ERR_FORMAT, "lz4: %s", LZ4F_getErrorName(n));
	return n == 0 ? 0 : z->base.sink(z->base.arg, z->out, n, e);
}

static int
begin(struct lz4 *z, struct err *e)
{
	if (z->begun)
		return 0;
	z->begun = true;
	return emit(z, LZ4F_compressBegin(z->c, z->out, z->room, &z->prefs), e);
}

static int
compress_feed(struct filter *f, const void *bytes, size_t n, struct err *e)
{
	struct lz4	*z = container_of(f, struct lz4, base);
	const char	*p = bytes;
	size_t		 k;
	int		 rc = begin(z, e);

	for (; rc == 0 && n > 0; p += k, n -= k) {
		k = MIN(n, CHUNK);
		rc = emit(z, LZ4F_compressUpdate(z->c, z->out, z->room, p, k,
		    NULL), e);
	}
	return rc;
}

static int
compress_finish(struct filter *f, struct err *e)
{
	struct lz4	*z = container_of(f, struct lz4, base);
	int		 rc = begin(z, e);

	if (rc == 0)
		rc = emit(z, LZ4F_compressEnd(z->c, z->out, z->room, NULL), e);
	return rc;
}

static int
expand_feed(struct filter *f, const void *bytes, size_t n, struct err *e)
{
	struct lz4	*z = container_of(f, struct lz4, base);
	const char	*p = bytes;
	size_t		 in, got, left;
	int		 rc;

	while (n > 0) {
		if (z->ended)
			return err_set(e, ERR_FORMAT,
			    "lz4: bytes behind the end of the frame");
		in = n;
		got = z->room;
		left = LZ4F_decompress(z->d, z->out, &got, p, &in, NULL);
		if (LZ4F_isError(left))
			return emit(z, left, e);
		z->ended = left == 0;
		rc = emit(z, got, e);
		if (rc != 0)
			return rc;
		p += in;
		n -= in;
	}
	return 0;
}

static int
expand_finish(struct filter *f, struct err *e)
{
	struct lz4 *z = container_of(f, struct lz4, base);

	if (!z->ended)
		return err_set(e, ERR_FORMAT, "lz4: the frame ends too early");
	return 0;
}

static void
lz4_free(struct filter *f)
{
	struct lz4 *z = container_of(f, struct lz4, base);

	LZ4F_freeCompressionContext(z->c);
	LZ4F_freeDecompressionContext(z->d);
	free(z->out);
	free(z);
}

static const struct filter_ops compress_ops = {
	compress_feed, compress_finish, lz4_free
};
static const struct filter_ops expand_ops = {
	expand_feed, expand_finish, lz4_free
};

int
filter_lz4_new(struct filter **out, bool expand, int level, struct err *e)
{
	struct lz4	*z = calloc(1, sizeof(*z));
	LZ4F_errorCode_t bad;

	if (z == NULL)
		return err_set(e, ERR_NOMEM, "no memory for lz4");
	z->prefs.compressionLevel = level;
	z->prefs.frameInfo.blockSizeID = LZ4F_max256KB;
	z->base.ops = expand ? &expand_ops : &compress_ops;
	z->room = expand ? CHUNK : LZ4F_compressBound(CHUNK, &z->prefs);
	z->out = malloc(z->room);
	bad = expand ? LZ4F_createDecompressionContext(&z->d, LZ4F_VERSION) :
	    LZ4F_createCompressionContext(&z->c, LZ4F_VERSION);
	if (z->out == NULL || LZ4F_isError(bad)) {
		lz4_free(&z->base);
		return err_set(e, ERR_NOMEM, "no memory for lz4");
	}
	*out = &z->base;
	return 0;
}
