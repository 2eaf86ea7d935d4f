/* SPDX-License-Identifier: MIT */
/*
 * label - names of backups, and the two files that PostgreSQL's stop
 * function returns.
 *
 * A label is pgBackRest's: 20251123-020000F for a full backup and, for one
 * that depends on it, the full's label, '_', its own time and D or I. The
 * time is UTC, so labels never run backwards when the clock is put back in
 * autumn, and labels in order of strcmp() are in order of time.
 *
 * backup_label and tablespace_map are stored and restored byte for byte;
 * parsing only reads facts out of them. Pure.
 */
#ifndef ARCHIVER_LABEL_H
#define ARCHIVER_LABEL_H

#include "common/base.h"

#include <time.h>

struct err;

#define LABEL_MAX	48	/* with the NUL; the longest has 33 bytes */

enum label_type {
	LABEL_FULL = 'F',
	LABEL_DIFF = 'D',
	LABEL_INCR = 'I'
};

/* Writes the label of a full backup taken at `t`. */
void	label_full(char out[LABEL_MAX], time_t t);

/*
 * True if the string is a label. Says its type and, for D and I, the label
 * of the full backup it belongs to (its own else); both may be NULL.
 */
bool	label_parse(const char *label, enum label_type *type,
	    char full[LABEL_MAX]);

/* "full", "diff" or "incr". */
const char *label_type_text(enum label_type type);

/* What backup_label says. */
struct backup_label {
	uint64_t	start_lsn;	/* redo of the start checkpoint */
	uint64_t	checkpoint_lsn;
	uint32_t	timeline;	/* START TIMELINE */
	bool		from_standby;
	bool		streamed;	/* BACKUP METHOD: streamed */
	char		wal_file[32];	/* the segment that holds start_lsn */
};

/*
 * Reads the text of a backup_label (n bytes, no NUL needed). ERR_FORMAT
 * when a line that recovery needs is missing or malformed, or when it
 * belongs to an incremental of pg_basebackup (INCREMENTAL FROM).
 */
int	backup_label_parse(struct backup_label *l, const char *text, size_t n,
	    struct err *e) MUST_CHECK;

/*
 * Steps through a tablespace_map: `*pos` starts as 0 and is the place to go
 * on from. Returns 1 with the oid and the path (unescaped, NUL-terminated,
 * in `path` of `size` bytes), 0 at the end, ERR_FORMAT for a line that is
 * malformed or longer than `size`.
 */
int	tablespace_map_next(const char *text, size_t n, size_t *pos,
	    uint32_t *oid, char *path, size_t size) MUST_CHECK;

/*
 * Appends a line to a map in `out`, with PostgreSQL's escapes. Returns the
 * bytes written, 0 if they do not fit into `size`. No NUL is written.
 */
size_t	tablespace_map_format(char *out, size_t size, uint32_t oid,
	    const char *path);

/*
 * Reads an LSN as PostgreSQL prints it ("1/6A000028"): 1 to 8 hexadecimal
 * digits on each side. The whole string must be one.
 */
bool	lsn_parse(const char *text, uint64_t *lsn);

#define LSN_MAX		20
/* Prints an LSN as PostgreSQL does. Returns out. */
char	*lsn_format(char out[LSN_MAX], uint64_t lsn);

#endif /* ARCHIVER_LABEL_H */
