/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pgcontrol.h"

#include <string.h>

#include "common/crc32c.h"
#include "common/err.h"

/* Where the fields are: equal from 14 to 18 but for the CRC. */
enum {
	OFF_SYSTEM_ID		= 0,
	OFF_CONTROL_VERSION	= 8,
	OFF_CATALOG_VERSION	= 12,
	OFF_STATE		= 16,
	OFF_CHECKPOINT		= 32,
	OFF_REDO		= 40,
	OFF_TIMELINE		= 48,
	OFF_MIN_RECOVERY	= 136,
	OFF_BLOCK_SIZE		= 216,
	OFF_RELSEG_BLOCKS	= 220,
	OFF_WAL_BLOCK_SIZE	= 224,
	OFF_WAL_SEGMENT_SIZE	= 228,
	OFF_CHECKSUM_VERSION	= 252
};

/*
 * 14, 15 and 16 share a control version; only the catalog version of the
 * release tells them apart. 18 put a flag in front of the nonce that is in
 * front of the CRC.
 */
static const struct {
	uint32_t	control_version;
	uint32_t	catalog_version;
	uint32_t	crc_offset;
	int		version;
} layouts[] = {
	{ 1300, 202107181, 288, 14 },
	{ 1300, 202209061, 288, 15 },
	{ 1300, 202307071, 288, 16 },
	{ 1700, 202406281, 288, 17 },
	{ 1800, 202506291, 292, 18 },
};

/* In segment 0, which never exists, behind the page header it must clear. */
#define INVALID_CHECKPOINT	40u

static uint32_t
get32(const unsigned char *p, size_t at)
{
	uint32_t	v;

	memcpy(&v, p + at, sizeof(v));
	return v;
}

static uint64_t
get64(const unsigned char *p, size_t at)
{
	uint64_t	v;

	memcpy(&v, p + at, sizeof(v));
	return v;
}

static bool
is_power_of_two(uint32_t v, uint32_t min, uint32_t max)
{
	return v >= min && v <= max && (v & (v - 1)) == 0;
}

/* Finds the layout; its index, or an error code. */
static int
find_layout(const unsigned char *p, size_t n, struct err *e)
{
	uint32_t	control, catalog;
	size_t		i;

	if (n < 512) {
		return err_set(e, ERR_FORMAT,
		    "pg_control is too short (%zu bytes)", n);
	}
	control = get32(p, OFF_CONTROL_VERSION);
	catalog = get32(p, OFF_CATALOG_VERSION);
	for (i = 0; i < ARRAY_LEN(layouts); i++) {
		if (layouts[i].control_version == control &&
		    layouts[i].catalog_version == catalog)
			return (int)i;
	}
	/* A small number in the upper half is the other byte order. */
	if (control != 0 && control % 65536 == 0) {
		return err_set(e, ERR_FORMAT,
		    "pg_control has the byte order of another machine");
	}
	err_set(e, ERR_NOT_YET,
	    "pg_control version %u, catalog version %u is not supported",
	    control, catalog);
	return err_hint(e, "supported are PostgreSQL 14, 15, 16, 17 and 18");
}

int
pgcontrol_parse(struct pgcontrol *c, const void *bytes, size_t n, struct err *e)
{
	const unsigned char *p = bytes;
	struct pgcontrol r = { 0 };
	uint32_t	crc_offset;
	int		i;

	i = find_layout(p, n, e);
	if (i < 0)
		return i;
	crc_offset = layouts[i].crc_offset;
	if (crc32c(0, p, crc_offset) != get32(p, crc_offset))
		return err_set(e, ERR_CHECKSUM, "pg_control has a wrong CRC");
	r.version = layouts[i].version;
	r.system_id = get64(p, OFF_SYSTEM_ID);
	r.control_version = get32(p, OFF_CONTROL_VERSION);
	r.catalog_version = get32(p, OFF_CATALOG_VERSION);
	r.state = (enum pgcontrol_state)get32(p, OFF_STATE);
	r.checkpoint = get64(p, OFF_CHECKPOINT);
	r.redo = get64(p, OFF_REDO);
	r.timeline = get32(p, OFF_TIMELINE);
	r.min_recovery = get64(p, OFF_MIN_RECOVERY);
	r.block_size = get32(p, OFF_BLOCK_SIZE);
	r.relseg_blocks = get32(p, OFF_RELSEG_BLOCKS);
	r.wal_block_size = get32(p, OFF_WAL_BLOCK_SIZE);
	r.wal_segment_size = get32(p, OFF_WAL_SEGMENT_SIZE);
	r.checksum_version = get32(p, OFF_CHECKSUM_VERSION);
	if (!is_power_of_two(r.block_size, 1024, 32768) ||
	    !is_power_of_two(r.wal_segment_size, 1u << 20, 1u << 30) ||
	    r.relseg_blocks == 0) {
		return err_set(e, ERR_FORMAT, "pg_control has impossible sizes"
		    " (block %u, relation segment %u, WAL segment %u)",
		    r.block_size, r.relseg_blocks, r.wal_segment_size);
	}
	*c = r;
	return 0;
}

int
pgcontrol_invalidate_checkpoint(void *bytes, size_t n, struct err *e)
{
	unsigned char	*p = bytes;
	struct pgcontrol c;
	uint64_t	checkpoint = INVALID_CHECKPOINT;
	uint32_t	crc, crc_offset;
	int		rc;

	rc = pgcontrol_parse(&c, bytes, n, e);
	if (rc != 0)
		return rc;
	rc = find_layout(p, n, e);
	if (rc < 0)
		return rc;
	crc_offset = layouts[rc].crc_offset;
	memcpy(p + OFF_CHECKPOINT, &checkpoint, sizeof(checkpoint));
	crc = crc32c(0, p, crc_offset);
	memcpy(p + crc_offset, &crc, sizeof(crc));
	return 0;
}
