/* SPDX-License-Identifier: MIT */
/*
 * object - what every object of a repository opens with.
 *
 * OBJECT_HEADER_SIZE bytes, integers big-endian, so that an object can be
 * verified alone, without a catalogue and without its name:
 *
 *	 0  8  "HLABOBJ\n"
 *	 8  2  format version, 1
 *	10  1  kind of content (enum object_kind)
 *	11  1  compression of the payload (enum filter_kind)
 *	12  4  key id; 0 = not encrypted, the only value so far
 *	16 32  salt; zero where nothing is encrypted
 *	48  8  size of the content, as it was before compression
 *	56  8  size of the payload, which is all that follows the header
 *	64 16  digest (XXH3-128) of the content
 *	80  8  digest of the 80 bytes before, its first half
 *
 * Calling sequence to write: object_header_encode() before a payload made
 * with a filter, or object_pack() for content in memory. To read:
 * object_reader_init(), object_reader_feed() (which is a store_sink),
 * object_reader_finish(), object_reader_release(); or object_unpack().
 */
#ifndef ARCHIVER_OBJECT_H
#define ARCHIVER_OBJECT_H

#include "common/base.h"

#include "archiver/filter.h"
#include "common/digest.h"

struct buf;
struct err;

#define OBJECT_HEADER_SIZE	88
#define OBJECT_SALT_LEN		32

/* On disk: the numbers never change their meaning. */
enum object_kind {
	OBJECT_WAL = 1,		/* a segment */
	OBJECT_WAL_FILE = 2,	/* history, backup label, partial segment */
	OBJECT_STANZA = 3,	/* the claim of a cluster */
	OBJECT_PACK = 4,
	OBJECT_MANIFEST = 5,
	OBJECT_INTENT = 6,
	OBJECT_TOMBSTONE = 7
};

struct object_header {
	enum object_kind kind;
	enum filter_kind filter;
	uint32_t	 key_id;
	unsigned char	 salt[OBJECT_SALT_LEN];
	uint64_t	 plain_size;
	uint64_t	 stored_size;
	struct digest	 digest;
};

void	object_header_encode(const struct object_header *,
	    unsigned char out[OBJECT_HEADER_SIZE]);

/*
 * ERR_FORMAT: too short, no object of ours, a damaged header. ERR_NOT_YET: a
 * newer format, compression or encryption that this build does not know.
 */
int	object_header_decode(struct object_header *, const void *bytes,
	    size_t n, struct err *e) MUST_CHECK;

/*
 * Appends header and payload for n bytes of content to out. level 0 is the
 * default. ERR_NOMEM.
 */
int	object_pack(enum object_kind kind, enum filter_kind filter, int level,
	    const void *bytes, size_t n, struct buf *out, struct err *e)
	    MUST_CHECK;

/*
 * Checks an object that is whole in memory and appends its content to out.
 * ERR_FORMAT and ERR_CHECKSUM: it is damaged (or of another kind), and out
 * holds what it held.
 */
int	object_unpack(enum object_kind kind, const void *bytes, size_t n,
	    struct buf *out, struct err *e) MUST_CHECK;

/* An object that arrives piece by piece. Members are private. */
struct object_reader {
	enum object_kind kind;
	struct object_header header;	/* valid once have_header */
	bool		 have_header;
	unsigned char	 head[OBJECT_HEADER_SIZE];
	size_t		 head_len;
	uint64_t	 stored, plain;	/* bytes seen */
	struct filter	*filter;
	struct digest_stream *digest;
	filter_sink	*sink;
	void		*arg;
};

/* Content goes to the sink before it is known to be good: see finish. */
int	object_reader_init(struct object_reader *, enum object_kind kind,
	    filter_sink *sink, void *arg, struct err *e) MUST_CHECK;
int	object_reader_feed(void *reader, const void *bytes, size_t n,
	    struct err *e) MUST_CHECK;

/* 0: everything came, and its digest is right. ERR_FORMAT, ERR_CHECKSUM. */
int	object_reader_finish(struct object_reader *, struct err *e) MUST_CHECK;
void	object_reader_release(struct object_reader *);

#endif /* ARCHIVER_OBJECT_H */
