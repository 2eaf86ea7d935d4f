/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"

/* xlp_info: the page begins a segment, so its header is the long one. */
#define LONG_HEADER	0x0002

static const struct {
	uint16_t	magic;
	int		version;
} magics[] = {
	{ 0xD10D, 14 }, { 0xD110, 15 }, { 0xD113, 16 }, { 0xD116, 17 },
	{ 0xD118, 18 }
};

/* n upper-case hexadecimal digits. */
static bool
parse_hex(const char *s, int n, uint32_t *out)
{
	uint32_t v = 0;

	for (; n > 0; n--, s++) {
		if (*s >= '0' && *s <= '9')
			v = v << 4 | (uint32_t)(*s - '0');
		else if (*s >= 'A' && *s <= 'F')
			v = v << 4 | (uint32_t)(*s - 'A' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

int
segment_parse(const char *file, struct segment_name *out)
{
	struct segment_name n = { .kind = SEGMENT_FULL };
	uint32_t	offset;
	size_t		len = strlen(file);

	if (len >= sizeof(n.file))
		return ERR_FORMAT;
	memcpy(n.file, file, len);
	if (len < 8 || !parse_hex(file, 8, &n.tli) || n.tli == 0)
		return ERR_FORMAT;
	if (strcmp(file + 8, ".history") == 0) {
		n.kind = SEGMENT_HISTORY;
		*out = n;
		return 0;
	}
	if (len < SEGMENT_NAME_LEN || !parse_hex(file + 8, 8, &n.hi) ||
	    !parse_hex(file + 16, 8, &n.lo))
		return ERR_FORMAT;
	if (strcmp(file + SEGMENT_NAME_LEN, ".partial") == 0)
		n.kind = SEGMENT_PARTIAL;
	else if (len == SEGMENT_NAME_LEN + 16 && file[24] == '.' &&
	    parse_hex(file + 25, 8, &offset) &&
	    strcmp(file + 33, ".backup") == 0)
		n.kind = SEGMENT_BACKUP;
	else if (len != SEGMENT_NAME_LEN)
		return ERR_FORMAT;
	*out = n;
	return 0;
}

bool
segment_size_is_legal(uint64_t size)
{
	return size >= SEGMENT_SIZE_MIN && size <= SEGMENT_SIZE_MAX &&
	    (size & (size - 1)) == 0;
}

uint64_t
segment_number(const struct segment_name *name, uint32_t size)
{
	return name->hi * ((UINT64_C(1) << 32) / size) + name->lo;
}

char *
segment_name_of(char *out, uint32_t tli, uint64_t number, uint32_t size)
{
	uint64_t per_hi = (UINT64_C(1) << 32) / size;

	snprintf(out, SEGMENT_FILE_MAX, "%08" PRIX32 "%08" PRIX32 "%08" PRIX32,
	    tli, (uint32_t)(number / per_hi), (uint32_t)(number % per_hi));
	return out;
}

int
segment_header_parse(const void *bytes, size_t n, struct segment_header *out,
    struct err *e)
{
	const unsigned char *p = bytes;
	struct segment_header h = { 0 };
	uint16_t	info;
	size_t		i;

	if (n < SEGMENT_HEADER_LEN)
		return err_set(e, ERR_FORMAT,
		    "it is no WAL segment: only %zu bytes", n);
	memcpy(&h.magic, p, 2);
	memcpy(&info, p + 2, 2);
	memcpy(&h.tli, p + 4, 4);
	memcpy(&h.page_addr, p + 8, 8);
	memcpy(&h.system_id, p + 24, 8);
	memcpy(&h.size, p + 32, 4);
	for (i = 0; i < ARRAY_LEN(magics); i++) {
		if (magics[i].magic == h.magic)
			h.version = magics[i].version;
	}
	if (h.version == 0) {
		err_set(e, ERR_FORMAT, "its magic number %04X is not that of "
		    "WAL of PostgreSQL 14 to 18", h.magic);
		err_hint(e, "is the file damaged, or PostgreSQL newer than "
		    "this program?");
		return ERR_FORMAT;
	}
	if ((info & LONG_HEADER) == 0)
		return err_set(e, ERR_FORMAT,
		    "its first page is not the first of a segment");
	*out = h;
	return 0;
}

int
segment_check(const struct segment_name *name, const struct segment_header *h,
    uint64_t file_size, struct err *e)
{
	uint64_t addr;

	if (!segment_size_is_legal(h->size))
		return err_set(e, ERR_FORMAT, "%s states a segment size of %"
		    PRIu32 " bytes", name->file, h->size);
	if (file_size != h->size)
		return err_set(e, ERR_FORMAT, "%s has %" PRIu64 " bytes, its "
		    "header says %" PRIu32, name->file, file_size, h->size);
	addr = ((uint64_t)name->hi << 32) + (uint64_t)name->lo * h->size;
	if (name->lo >= (UINT64_C(1) << 32) / h->size || addr != h->page_addr) {
		err_set(e, ERR_FORMAT, "%s holds the WAL of address %" PRIX32
		    "/%" PRIX32, name->file, (uint32_t)(h->page_addr >> 32),
		    (uint32_t)h->page_addr);
		err_hint(e, "it was renamed or recycled; do not archive it by "
		    "hand");
		return ERR_FORMAT;
	}
	return 0;
}
