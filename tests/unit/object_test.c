/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/object.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"

#define N	300000

static void
fill(char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		p[i] = (char)(i % 4096 < 1024 ? i * 7919 >> 3 : 0);
}

START_TEST(round_trip)
{
	static const size_t sizes[] = { 0, 1, 4096, N };
	static const enum filter_kind kinds[] = { FILTER_NONE, FILTER_LZ4 };
	char		*plain = malloc(N);
	struct buf	 obj = { 0 }, out = { 0 };
	struct err	 e = { 0 };
	size_t		 i, k;

	fill(plain, N);
	for (k = 0; k < ARRAY_LEN(kinds); k++) {
		for (i = 0; i < ARRAY_LEN(sizes); i++) {
			buf_clear(&obj);
			buf_clear(&out);
			ck_assert_int_eq(object_pack(OBJECT_WAL, kinds[k], 0,
			    plain, sizes[i], &obj, &e), 0);
			ck_assert_int_eq(object_unpack(OBJECT_WAL,
			    buf_bytes(&obj), buf_len(&obj), &out, &e), 0);
			ck_assert_uint_eq(buf_len(&out), sizes[i]);
			if (sizes[i] > 0)
				ck_assert_mem_eq(buf_bytes(&out), plain,
				    sizes[i]);
			if (kinds[k] == FILTER_LZ4 && sizes[i] == N)
				ck_assert_uint_lt(buf_len(&obj), N / 2);
		}
	}
	buf_release(&obj);
	buf_release(&out);
	free(plain);
}
END_TEST

/*
 * No flipped bit gives other content, and no cut goes unnoticed. (A flipped
 * bit may be harmless: one in the distance of a match within zeros.)
 */
START_TEST(damage)
{
	char		 plain[3000];
	struct buf	 obj = { 0 }, out = { 0 };
	struct err	 e = { 0 };
	size_t		 i;

	fill(plain, sizeof(plain));
	ck_assert_int_eq(object_pack(OBJECT_PACK, FILTER_LZ4, 0, plain,
	    sizeof(plain), &obj, &e), 0);
	buf_append(&out, "x", 1);
	for (i = 0; i < buf_len(&obj); i++) {
		obj.data[i] = (char)(obj.data[i] ^ 4);
		if (object_unpack(OBJECT_PACK, obj.data, buf_len(&obj), &out,
		    &e) == 0) {
			ck_assert_uint_ge(i, OBJECT_HEADER_SIZE);
			ck_assert_mem_eq(buf_bytes(&out) + 1, plain,
			    sizeof(plain));
			buf_truncate(&out, 1);
		}
		obj.data[i] = (char)(obj.data[i] ^ 4);
		ck_assert_int_ne(object_unpack(OBJECT_PACK, obj.data, i, &out,
		    &e), 0);
		ck_assert_uint_eq(buf_len(&out), 1);
	}
	buf_append(&obj, "y", 1);
	ck_assert_int_eq(object_unpack(OBJECT_PACK, obj.data, buf_len(&obj),
	    &out, &e), ERR_CHECKSUM);
	buf_release(&obj);
	buf_release(&out);
}
END_TEST

START_TEST(messages)
{
	unsigned char	head[OBJECT_HEADER_SIZE];
	struct object_header h = { .kind = OBJECT_WAL, .filter = FILTER_NONE };
	struct buf	out = { 0 };
	struct err	e = { 0 };
	struct digest	d;

	ck_assert_int_eq(object_unpack(OBJECT_WAL, "abc", 3, &out, &e),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg, "the object has only 3 bytes");
	memset(head, 'x', sizeof(head));
	ck_assert_int_eq(object_unpack(OBJECT_WAL, head, sizeof(head), &out,
	    &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "this is not an object of homelab-archiver");
	object_header_encode(&h, head);
	ck_assert_int_eq(object_unpack(OBJECT_PACK, head, sizeof(head), &out,
	    &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg,
	    "the object is of kind 1, not 4: it was swapped");
	ck_assert_int_eq(object_unpack(OBJECT_WAL, head, sizeof(head), &out,
	    &e), ERR_CHECKSUM);
	ck_assert_str_eq(e.msg, "the object is damaged: its digest is wrong");
	head[9] = 2;
	digest_of(NULL, head, 80, &d);
	memcpy(head + 80, d.bytes, 8);
	ck_assert_int_eq(object_unpack(OBJECT_WAL, head, sizeof(head), &out,
	    &e), ERR_NOT_YET);
	ck_assert_str_eq(e.msg,
	    "the object has format 2, this program knows 1");
	h.filter = (enum filter_kind)9;
	object_header_encode(&h, head);
	ck_assert_int_eq(object_unpack(OBJECT_WAL, head, sizeof(head), &out,
	    &e), ERR_NOT_YET);
	ck_assert_str_eq(e.msg, "compression 9 is not supported yet");
	h.filter = FILTER_NONE;
	h.key_id = 1;
	object_header_encode(&h, head);
	ck_assert_int_eq(object_unpack(OBJECT_WAL, head, sizeof(head), &out,
	    &e), ERR_NOT_YET);
	buf_release(&out);
}
END_TEST

/* Byte by byte is the same as at once. */
static int
collect(void *arg, const void *bytes, size_t n, struct err *e)
{
	(void)e;
	buf_append(arg, bytes, n);
	return 0;
}

START_TEST(piecemeal)
{
	char		 plain[5000];
	struct object_reader r;
	struct buf	 obj = { 0 }, out = { 0 };
	struct err	 e = { 0 };
	size_t		 i;

	fill(plain, sizeof(plain));
	ck_assert_int_eq(object_pack(OBJECT_WAL, FILTER_LZ4, 3, plain,
	    sizeof(plain), &obj, &e), 0);
	ck_assert_int_eq(object_reader_init(&r, OBJECT_WAL, collect, &out, &e),
	    0);
	for (i = 0; i < buf_len(&obj); i++)
		ck_assert_int_eq(object_reader_feed(&r, obj.data + i, 1, &e),
		    0);
	ck_assert_int_eq(object_reader_finish(&r, &e), 0);
	object_reader_release(&r);
	ck_assert_uint_eq(buf_len(&out), sizeof(plain));
	ck_assert_mem_eq(buf_bytes(&out), plain, sizeof(plain));
	buf_release(&obj);
	buf_release(&out);
}
END_TEST

UNIT_MAIN("object", round_trip, damage, messages, piecemeal)
