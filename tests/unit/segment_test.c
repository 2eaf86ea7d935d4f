/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/segment.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/err.h"

START_TEST(names)
{
	static const struct {
		const char *file;
		enum segment_kind kind;
	} good[] = {
		{ "0000000100000002000000FF", SEGMENT_FULL },
		{ "0000000100000002000000FF.partial", SEGMENT_PARTIAL },
		{ "00000002.history", SEGMENT_HISTORY },
		{ "0000000100000002000000FF.00000028.backup", SEGMENT_BACKUP },
	};
	static const char *const bad[] = { "", "1", "00000001",
	    "0000000100000002000000F", "0000000100000002000000FFF",
	    "0000000100000002000000ff", "000000000000000200000001",
	    "00000002.histor", "00000002.history2", "00000000.history",
	    "0000000100000002000000FF.Partial",
	    "0000000100000002000000FF.0000028.backup", "../../etc/passwd",
	    "0000000100000002000000FF.00000028.backupp" };
	struct segment_name n;
	size_t i;

	for (i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_int_eq(segment_parse(good[i].file, &n), 0);
		ck_assert_int_eq(n.kind, good[i].kind);
		ck_assert_str_eq(n.file, good[i].file);
	}
	ck_assert_uint_eq(n.tli, 1);
	ck_assert_uint_eq(n.hi, 2);
	ck_assert_uint_eq(n.lo, 0xFF);
	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_int_eq(segment_parse(bad[i], &n), ERR_FORMAT);
}
END_TEST

static void
make(unsigned char h[SEGMENT_HEADER_LEN], uint16_t magic, uint64_t addr,
    uint32_t size)
{
	uint16_t info = 2;
	uint64_t id = 77;

	memset(h, 0, SEGMENT_HEADER_LEN);
	memcpy(h, &magic, 2);
	memcpy(h + 2, &info, 2);
	memcpy(h + 8, &addr, 8);
	memcpy(h + 24, &id, 8);
	memcpy(h + 32, &size, 4);
}

START_TEST(headers)
{
	static const uint16_t magics[] = { 0xD10D, 0xD110, 0xD113, 0xD116,
	    0xD118 };
	unsigned char	bytes[SEGMENT_HEADER_LEN];
	struct segment_header h;
	struct segment_name n;
	struct err	e = { 0 };
	size_t		i;

	for (i = 0; i < ARRAY_LEN(magics); i++) {
		make(bytes, magics[i], 0, 1u << 20);
		ck_assert_int_eq(segment_header_parse(bytes, sizeof(bytes), &h,
		    &e), 0);
		ck_assert_int_eq(h.version, 14 + (int)i);
		ck_assert_uint_eq(h.system_id, 77);
	}
	make(bytes, 0xD106, 0, 1u << 20);
	ck_assert_int_eq(segment_header_parse(bytes, sizeof(bytes), &h, &e),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg, "its magic number D106 is not that of WAL of "
	    "PostgreSQL 14 to 18");
	ck_assert_int_eq(segment_header_parse(bytes, 39, &h, &e), ERR_FORMAT);
	make(bytes, 0xD110, 0, 1u << 20);
	bytes[2] = 0;
	ck_assert_int_eq(segment_header_parse(bytes, sizeof(bytes), &h, &e),
	    ERR_FORMAT);

	ck_assert_int_eq(segment_parse("000000010000000200000003", &n), 0);
	make(bytes, 0xD110, (UINT64_C(2) << 32) + (3u << 24), 1u << 24);
	ck_assert_int_eq(segment_header_parse(bytes, sizeof(bytes), &h, &e), 0);
	ck_assert_int_eq(segment_check(&n, &h, 1u << 24, &e), 0);
	ck_assert_int_eq(segment_check(&n, &h, 1u << 23, &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "000000010000000200000003 has 8388608 bytes, "
	    "its header says 16777216");
	h.page_addr -= 1u << 24;
	ck_assert_int_eq(segment_check(&n, &h, 1u << 24, &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg,
	    "000000010000000200000003 holds the WAL of address 2/2000000");
	h.size = 3000000;
	ck_assert_int_eq(segment_check(&n, &h, 3000000, &e), ERR_FORMAT);
	h.size = 1u << 31;
	ck_assert_int_eq(segment_check(&n, &h, 1u << 31, &e), ERR_FORMAT);
	/* There is no fourth segment of 1 GiB in 4 GiB beyond the fourth. */
	ck_assert_int_eq(segment_parse("000000010000000200000004", &n), 0);
	h.size = 1u << 30;
	h.page_addr = UINT64_C(3) << 32;
	ck_assert_int_eq(segment_check(&n, &h, 1u << 30, &e), ERR_FORMAT);
}
END_TEST

START_TEST(numbers)
{
	static const struct {
		const char	*name;
		uint32_t	 size;
		const char	*next;
	} samples[] = {
		{ "0000000100000000000000FF", 1u << 24,
		    "000000010000000100000000" },
		{ "00000002000000AB00000003", 1u << 30,
		    "00000002000000AC00000000" },
		{ "00000002000000AB00000003", 1u << 20,
		    "00000002000000AB00000004" },
		{ "0000000100000000000000FF", 1u << 20,
		    "000000010000000000000100" },
	};
	struct segment_name n;
	char	out[SEGMENT_FILE_MAX];
	size_t	i;

	for (i = 0; i < ARRAY_LEN(samples); i++) {
		uint32_t size = samples[i].size;

		ck_assert_int_eq(segment_parse(samples[i].name, &n), 0);
		ck_assert_str_eq(segment_name_of(out, n.tli,
		    segment_number(&n, size), size), samples[i].name);
		ck_assert_str_eq(segment_name_of(out, n.tli,
		    segment_number(&n, size) + 1, size), samples[i].next);
	}
	ck_assert(segment_size_is_legal(1u << 20));
	ck_assert(segment_size_is_legal(1u << 30));
	ck_assert(!segment_size_is_legal(1u << 19));
	ck_assert(!segment_size_is_legal(UINT64_C(1) << 31));
	ck_assert(!segment_size_is_legal(3u << 20));
	ck_assert(!segment_size_is_legal(0));
}
END_TEST

UNIT_MAIN("segment", names, headers, numbers)
