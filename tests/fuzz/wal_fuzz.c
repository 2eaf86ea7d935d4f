/* SPDX-License-Identifier: MIT */
/*
 * What PostgreSQL's files and WAL names say to the archiver: the first byte
 * of the input chooses the parser.
 */
#include "common/base.h"

#include <string.h>

#include "archiver/label.h"
#include "archiver/lineage.h"
#include "archiver/pgcontrol.h"
#include "archiver/segment.h"
#include "common/crc32c.h"
#include "common/err.h"
#include "tests/fuzz/fuzz.h"

static void
names(const char *text)
{
	struct segment_name n, again;
	enum label_type	type;
	char		out[SEGMENT_FILE_MAX], full[LABEL_MAX];
	char		lsn_text[LSN_MAX];
	uint64_t	lsn, lsn_again;

	if (segment_parse(text, &n) == 0) {
		FUZZ_CHECK(strcmp(n.file, text) == 0);
		for (uint32_t size = SEGMENT_SIZE_MIN;
		    n.kind == SEGMENT_FULL && size <= SEGMENT_SIZE_MAX &&
		    size != 0; size *= 2) {
			if (n.lo >= ((uint64_t)1 << 32) / size)
				continue;	/* no such name */
			segment_name_of(out, n.tli,
			    segment_number(&n, size), size);
			FUZZ_CHECK(strcmp(out, text) == 0);
		}
		FUZZ_CHECK(segment_parse(n.file, &again) == 0);
	}
	if (label_parse(text, &type, full)) {
		FUZZ_CHECK(strlen(text) < LABEL_MAX);
		FUZZ_CHECK(strncmp(text, full, strlen(full)) == 0);
	}
	if (lsn_parse(text, &lsn)) {
		lsn_format(lsn_text, lsn);
		FUZZ_CHECK(lsn_parse(lsn_text, &lsn_again) &&
		    lsn == lsn_again);
	}
	(void)lineage_leads_from(text, 1, 12345);
}

static void
wal_header(const uint8_t *bytes, size_t n)
{
	struct segment_name	name;
	struct segment_header	h;
	struct err		e = { 0 };

	if (segment_header_parse(bytes, n, &h, &e) < 0)
		return;
	FUZZ_CHECK(n >= SEGMENT_HEADER_LEN);
	FUZZ_CHECK(h.version >= 14 && h.version <= 18);
	if (segment_parse("000000010000000000000001", &name) == 0 &&
	    segment_check(&name, &h, h.size, &e) == 0) {
		FUZZ_CHECK(segment_size_is_legal(h.size));
		FUZZ_CHECK(h.page_addr == h.size);
	}
}

static void
label_file(const char *text, size_t n)
{
	struct backup_label l;
	struct err	e = { 0 };
	char		path[256];
	uint32_t	oid;
	size_t		at = 0, before;

	if (backup_label_parse(&l, text, n, &e) == 0)
		FUZZ_CHECK(memchr(l.wal_file, 0, sizeof(l.wal_file)) != NULL);
	for (;;) {
		before = at;
		if (tablespace_map_next(text, n, &at, &oid, path,
		    sizeof(path)) != 1)
			break;
		FUZZ_CHECK(at > before && at <= n);
		FUZZ_CHECK(memchr(path, 0, sizeof(path)) != NULL);
	}
}

/* The file's checksum, wherever this version has it, is put right. */
static void
control(const uint8_t *bytes, size_t n)
{
	static const size_t crc_at[] = { 288, 292, 296 };
	struct pgcontrol c;
	struct err	e = { 0 };
	uint8_t		file[PGCONTROL_SIZE] = { 0 };
	uint32_t	crc;

	memcpy(file, bytes, n < sizeof(file) ? n : sizeof(file));
	if (pgcontrol_parse(&c, bytes, n, &e) == 0)
		FUZZ_CHECK(n > crc_at[0]);
	for (size_t i = 0; i < ARRAY_LEN(crc_at); i++) {
		uint8_t copy[PGCONTROL_SIZE];

		memcpy(copy, file, sizeof(copy));
		crc = crc32c(0, copy, crc_at[i]);
		memcpy(copy + crc_at[i], &crc, sizeof(crc));
		if (pgcontrol_parse(&c, copy, sizeof(copy), &e) < 0)
			continue;
		FUZZ_CHECK(c.version >= 14 && c.version <= 18);
		FUZZ_CHECK(segment_size_is_legal(c.wal_segment_size));
		FUZZ_CHECK(pgcontrol_invalidate_checkpoint(copy, sizeof(copy),
		    &e) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	char	*text;

	if (n == 0)
		return 0;
	text = malloc(n);
	FUZZ_CHECK(text != NULL);
	memcpy(text, bytes + 1, n - 1);
	text[n - 1] = '\0';
	switch (bytes[0] % 4) {
	case 0:
		names(text);
		break;
	case 1:
		wal_header(bytes + 1, n - 1);
		break;
	case 2:
		label_file(text, n - 1);
		break;
	case 3:
		control(bytes + 1, n - 1);
		break;
	}
	free(text);
	return 0;
}
