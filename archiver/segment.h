/* SPDX-License-Identifier: MIT */
/*
 * segment - names of WAL files, and what a segment says of itself. Pure.
 *
 * A segment's name is 24 hexadecimal digits: timeline, then the two halves
 * of its number; how many segments share a "high" half depends on the
 * segment size (0x100000000 / size). The long header of a segment's first
 * page (PostgreSQL, access/xlog_internal.h) names cluster, size and address,
 * so that a recycled, misnamed or foreign segment is found.
 */
#ifndef ARCHIVER_SEGMENT_H
#define ARCHIVER_SEGMENT_H

#include "common/base.h"

struct err;

#define SEGMENT_NAME_LEN	24
#define SEGMENT_FILE_MAX	64	/* any file of pg_wal that we store */
#define SEGMENT_HEADER_LEN	40	/* the long page header */
#define SEGMENT_SIZE_MIN	((uint32_t)1 << 20)
#define SEGMENT_SIZE_MAX	((uint32_t)1 << 30)

enum segment_kind {
	SEGMENT_FULL,		/* 24 digits */
	SEGMENT_PARTIAL,	/* 24 digits, ".partial" */
	SEGMENT_HISTORY,	/* 8 digits, ".history" */
	SEGMENT_BACKUP		/* 24 digits, ".", 8 digits, ".backup" */
};

struct segment_name {
	char		  file[SEGMENT_FILE_MAX]; /* as it was */
	enum segment_kind kind;
	uint32_t	  tli;
	uint32_t	  hi, lo;	/* 0 for a history file */
};

/* ERR_FORMAT for anything that PostgreSQL does not archive. */
int	segment_parse(const char *file, struct segment_name *out) MUST_CHECK;

/*
 * The number of a segment, counted from the first of WAL, and its name by
 * timeline and number; `out` has SEGMENT_FILE_MAX bytes. `size` is that of
 * the segments, a power of two from SEGMENT_SIZE_MIN to SEGMENT_SIZE_MAX.
 */
bool	segment_size_is_legal(uint64_t size);
uint64_t segment_number(const struct segment_name *, uint32_t size);
char	*segment_name_of(char *out, uint32_t tli, uint64_t number,
	    uint32_t size);

/* What the first page says. */
struct segment_header {
	uint16_t	magic;
	int		version;	/* PostgreSQL's major */
	uint32_t	tli;		/* of the page, may be a parent's */
	uint64_t	page_addr;
	uint64_t	system_id;
	uint32_t	size;		/* as stated: segment_check() judges */
};

/*
 * Reads the first page's header in the byte order of this machine. At least
 * SEGMENT_HEADER_LEN bytes. ERR_FORMAT: no WAL, or a version we do not know.
 */
int	segment_header_parse(const void *bytes, size_t n,
	    struct segment_header *out, struct err *e) MUST_CHECK;

/*
 * Compares name, header and file size. ERR_FORMAT with a text that says
 * what does not fit.
 */
int	segment_check(const struct segment_name *,
	    const struct segment_header *, uint64_t file_size, struct err *e)
	    MUST_CHECK;

#endif /* ARCHIVER_SEGMENT_H */
