/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/object.h"

#include <inttypes.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"

#define VERSION	1

static const char magic[8] = "HLABOBJ\n";

/* Offsets of the header's parts; see object.h. */
enum {
	AT_VERSION = 8, AT_KIND = 10, AT_FILTER = 11, AT_KEY_ID = 12,
	AT_SALT = 16, AT_PLAIN = 48, AT_STORED = 56, AT_DIGEST = 64,
	AT_CHECK = 80
};

static void
put_be(unsigned char *p, int n, uint64_t v)
{
	for (; n > 0; v >>= 8)
		p[--n] = (unsigned char)v;
}

static uint64_t
get_be(const unsigned char *p, int n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

void
object_header_encode(const struct object_header *h,
    unsigned char out[OBJECT_HEADER_SIZE])
{
	struct digest check;

	memcpy(out, magic, sizeof(magic));
	put_be(out + AT_VERSION, 2, VERSION);
	out[AT_KIND] = (unsigned char)h->kind;
	out[AT_FILTER] = (unsigned char)h->filter;
	put_be(out + AT_KEY_ID, 4, h->key_id);
	memcpy(out + AT_SALT, h->salt, OBJECT_SALT_LEN);
	put_be(out + AT_PLAIN, 8, h->plain_size);
	put_be(out + AT_STORED, 8, h->stored_size);
	memcpy(out + AT_DIGEST, h->digest.bytes, DIGEST_LEN);
	digest_of(NULL, out, AT_CHECK, &check);
	memcpy(out + AT_CHECK, check.bytes, 8);
}

int
object_header_decode(struct object_header *h, const void *bytes, size_t n,
    struct err *e)
{
	const unsigned char *p = bytes;
	struct digest	     check;

	if (n < OBJECT_HEADER_SIZE)
		return err_set(e, ERR_FORMAT, "the object has only %zu bytes",
		    n);
	if (memcmp(p, magic, sizeof(magic)) != 0)
		return err_set(e, ERR_FORMAT,
		    "this is not an object of homelab-archiver");
	digest_of(NULL, p, AT_CHECK, &check);
	if (memcmp(p + AT_CHECK, check.bytes, 8) != 0)
		return err_set(e, ERR_FORMAT,
		    "the object's header is damaged");
	if (get_be(p + AT_VERSION, 2) != VERSION) {
		err_set(e, ERR_NOT_YET, "the object has format %d, this "
		    "program knows %d", (int)get_be(p + AT_VERSION, 2), VERSION);
		err_hint(e, "use the version that wrote it");
		return ERR_NOT_YET;
	}
	h->kind = (enum object_kind)p[AT_KIND];
	h->filter = (enum filter_kind)p[AT_FILTER];
	h->key_id = (uint32_t)get_be(p + AT_KEY_ID, 4);
	if (h->key_id != 0)
		return err_set(e, ERR_NOT_YET,
		    "encrypted objects are not supported yet");
	memcpy(h->salt, p + AT_SALT, OBJECT_SALT_LEN);
	h->plain_size = get_be(p + AT_PLAIN, 8);
	h->stored_size = get_be(p + AT_STORED, 8);
	memcpy(h->digest.bytes, p + AT_DIGEST, DIGEST_LEN);
	return 0;
}

static int
append(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct buf *out = arg;

	buf_append(out, bytes, n);
	if (buf_failed(out))
		return err_set(e, ERR_NOMEM, "no memory for an object");
	return 0;
}

int
object_pack(enum object_kind kind, enum filter_kind filter, int level,
    const void *bytes, size_t n, struct buf *out, struct err *e)
{
	struct object_header h = { .kind = kind, .filter = filter };
	struct filter	*f = NULL;
	size_t		 start = buf_len(out);
	unsigned char	 head[OBJECT_HEADER_SIZE] = { 0 };
	int		 rc;

	h.plain_size = n;
	digest_of(NULL, bytes, n, &h.digest);
	rc = append(out, head, sizeof(head), e);
	if (rc == 0)
		rc = filter_new(&f, filter, false, level, append, out, e);
	if (rc == 0)
		rc = filter_feed(f, bytes, n, e);
	if (rc == 0)
		rc = filter_finish(f, e);
	filter_free(f);
	if (rc != 0)
		return rc;
	h.stored_size = buf_len(out) - start - sizeof(head);
	object_header_encode(&h, head);
	memcpy(out->data + out->off + start, head, sizeof(head));
	return 0;
}

/* Content on its way to the caller's sink. */
static int
count_plain(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct object_reader *r = arg;

	r->plain += n;
	if (r->plain > r->header.plain_size)
		return err_set(e, ERR_CHECKSUM,
		    "the object holds more than the %" PRIu64
		    " bytes its header states", r->header.plain_size);
	digest_stream_add(r->digest, bytes, n);
	return r->sink(r->arg, bytes, n, e);
}

int
object_reader_init(struct object_reader *r, enum object_kind kind,
    filter_sink *sink, void *arg, struct err *e)
{
	memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->sink = sink;
	r->arg = arg;
	r->digest = digest_stream_new(NULL);
	if (r->digest == NULL)
		return err_set(e, ERR_NOMEM, "no memory for a digest");
	return 0;
}

static int
take_header(struct object_reader *r, struct err *e)
{
	int rc;

	rc = object_header_decode(&r->header, r->head, r->head_len, e);
	if (rc != 0)
		return rc;
	if (r->header.kind != r->kind)
		return err_set(e, ERR_FORMAT,
		    "the object is of kind %d, not %d: it was swapped",
		    (int)r->header.kind, (int)r->kind);
	r->have_header = true;
	return filter_new(&r->filter, r->header.filter, true, 0, count_plain, r,
	    e);
}

int
object_reader_feed(void *reader, const void *bytes, size_t n, struct err *e)
{
	struct object_reader *r = reader;
	const char	     *p = bytes;
	size_t		      k;
	int		      rc;

	if (!r->have_header) {
		k = MIN(n, OBJECT_HEADER_SIZE - r->head_len);
		memcpy(r->head + r->head_len, p, k);
		r->head_len += k;
		p += k;
		n -= k;
		if (r->head_len < OBJECT_HEADER_SIZE)
			return 0;
		rc = take_header(r, e);
		if (rc != 0)
			return rc;
	}
	r->stored += n;
	if (r->stored > r->header.stored_size)
		return err_set(e, ERR_CHECKSUM,
		    "the object is longer than its header states");
	return filter_feed(r->filter, p, n, e);
}

int
object_reader_finish(struct object_reader *r, struct err *e)
{
	struct digest digest;
	int	      rc;

	if (!r->have_header)
		return object_header_decode(&r->header, r->head, r->head_len,
		    e);
	if (r->stored != r->header.stored_size)
		return err_set(e, ERR_CHECKSUM, "the object is cut: %" PRIu64
		    " of %" PRIu64 " bytes", r->stored, r->header.stored_size);
	rc = filter_finish(r->filter, e);
	if (rc != 0)
		return rc;
	digest_stream_get(r->digest, &digest);
	if (r->plain != r->header.plain_size ||
	    !digest_equal(&digest, &r->header.digest))
		return err_set(e, ERR_CHECKSUM,
		    "the object is damaged: its digest is wrong");
	return 0;
}

void
object_reader_release(struct object_reader *r)
{
	filter_free(r->filter);
	digest_stream_free(r->digest);
	memset(r, 0, sizeof(*r));
}

int
object_unpack(enum object_kind kind, const void *bytes, size_t n,
    struct buf *out, struct err *e)
{
	struct object_reader r;
	size_t	start = buf_len(out);
	int	rc;

	rc = object_reader_init(&r, kind, append, out, e);
	if (rc == 0)
		rc = object_reader_feed(&r, bytes, n, e);
	if (rc == 0)
		rc = object_reader_finish(&r, e);
	object_reader_release(&r);
	if (rc != 0 && !buf_failed(out))
		buf_truncate(out, start);
	return rc;
}
