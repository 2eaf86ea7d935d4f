/* SPDX-License-Identifier: MIT */
/*
 * manifest - the list of what one backup holds.
 *
 * Written last: a backup is complete when, and only when, its manifest is
 * in the repository. It grows with files, never with pages: a file's line
 * refers to its block map (pagemap.h), which lies in a pack.
 *
 * Text, one item a line, so that a person can read it in an emergency.
 * Fields are separated by one blank; blanks, control bytes, '%' and bytes
 * above 126 in a path are written %XX. Format 1:
 *
 *	homelab-manifest 1
 *	h <key> <value>			a fact of struct manifest
 *	d <mode> <path>			a directory; parents come first
 *	t <oid> <link or -> [name]	a tablespace: where its link points,
 *					'-' when it lies in the data directory
 *	f <size> <mtime> <mode> <digest> <where> <bad> <path>
 *	e <digest>			XXH3-128 of all lines before
 *
 * mtime is in seconds since 1970, mode octal, <where> one of
 *	-				no bytes at all
 *	r:<pack>:<offset>:<stored>	one run; <digest> is that of the run
 *	m:<pack>:<offset>:<stored>:<digest>	its map, as encoded; the
 *					digest here is of the encoded map
 * with @<label> appended when it is another backup's. <digest> of a file of
 * several runs is that of its runs' digests one after the other. <bad> lists
 * pages whose checksum was wrong ("12,15-17"), '-' for none.
 *
 * Unknown keys of `h` are ignored, unknown line types are an error. Pure;
 * the parser is safe on any input.
 */
#ifndef ARCHIVER_MANIFEST_H
#define ARCHIVER_MANIFEST_H

#include "common/base.h"
#include "common/digest.h"

#include "archiver/label.h"

struct buf;
struct err;

#define MANIFEST_PATH_MAX	4096	/* of a path, with the NUL */
#define MANIFEST_RUN_MAX	33

enum manifest_where {
	MANIFEST_EMPTY,
	MANIFEST_RUN,
	MANIFEST_MAP
};

struct manifest_range {
	uint32_t	first;		/* block in the file */
	uint32_t	count;
};

struct manifest_file {
	char		*path;		/* relative to the data directory */
	char		*backup;	/* label of another backup, or NULL */
	struct manifest_range *bad;
	uint32_t	 bad_count;
	uint32_t	 mode;
	uint64_t	 size;		/* bytes */
	int64_t		 mtime;
	struct digest	 digest;
	enum manifest_where where;
	uint32_t	 pack;
	uint64_t	 offset;
	uint64_t	 stored;
	struct digest	 map_digest;
};

struct manifest_directory {
	char		*path;
	uint32_t	 mode;
};

struct manifest_tablespace {
	uint32_t	 oid;
	char		*target;	/* NULL: a directory in pg_tblspc */
	char		*name;		/* as in SQL; NULL if not known */
};

/* All strings are the manifest's own. Times are microseconds since 1970. */
struct manifest {
	char		 label[LABEL_MAX];
	char		 run[MANIFEST_RUN_MAX];	/* random, of the packs' keys */
	char		*prior;			/* label, NULL for a full */
	uint64_t	 system_id;
	int		 pg_version;		/* major */
	uint32_t	 control_version;
	uint32_t	 catalog_version;
	uint32_t	 block_size;
	uint32_t	 relseg_blocks;
	uint32_t	 wal_segment_size;
	bool		 checksums;		/* pages carry them */
	bool		 checked;		/* and they were looked at */
	bool		 from_standby;
	uint64_t	 start_lsn;
	uint64_t	 stop_lsn;
	uint32_t	 start_timeline;
	uint32_t	 stop_timeline;
	int64_t		 start_time;
	int64_t		 copy_time;	/* when reading of files began */
	int64_t		 stop_time;
	char		*archiver_version;
	char		*host;
	char		*owner;		/* "user:group" of the data directory */
	uint64_t	 size;		/* sum of the files' sizes */
	uint64_t	 stored;	/* bytes in the packs of this backup */
	uint32_t	 packs;		/* numbered from 0 */
	struct manifest_directory *dirs;
	size_t		 dir_count, dir_room;
	struct manifest_tablespace *spaces;
	size_t		 space_count, space_room;
	struct manifest_file *files;
	size_t		 file_count, file_room;
};

void	manifest_init(struct manifest *m);
void	manifest_release(struct manifest *m);

/*
 * Append an item and return it for filling, NULL without memory. Strings
 * are copied; target and name may be NULL. Valid until the next call.
 */
struct manifest_directory *manifest_add_directory(struct manifest *m,
	    const char *path) MUST_CHECK;
struct manifest_tablespace *manifest_add_tablespace(struct manifest *m,
	    uint32_t oid, const char *target, const char *name) MUST_CHECK;
struct manifest_file *manifest_add_file(struct manifest *m,
	    const char *path) MUST_CHECK;

/*
 * Notes that a block's checksum is wrong; neighbours become one range.
 * Blocks come in ascending order. Returns 0 or ERR_NOMEM.
 */
int	manifest_add_bad(struct manifest_file *f, uint32_t block) MUST_CHECK;

/* Drops files without a path: those that vanished while they were read. */
void	manifest_drop_vanished(struct manifest *m);

/* Sets one of the strings (m->host, ...) to a copy. 0 or ERR_NOMEM. */
int	manifest_set(char **member, const char *value) MUST_CHECK;

/* Appends the text; check buf_failed(). */
void	manifest_encode(const struct manifest *m, struct buf *out);

/*
 * Parses the whole text. On success the caller ends *m with
 * manifest_release(). ERR_FORMAT with the line's number, ERR_CHECKSUM when
 * the digest at the end is wrong, ERR_NOT_YET for another format, ERR_NOMEM.
 * A path that is absolute, has "..", or is not below the data directory is
 * ERR_FORMAT: what comes out of a repository names places to write to.
 */
int	manifest_decode(struct manifest *m, const char *text, size_t n,
	    struct err *e) MUST_CHECK;

/* The file with this path, NULL if there is none; files are not sorted. */
struct manifest_file *manifest_find(const struct manifest *m,
	    const char *path);

/* The number of blocks with wrong checksums, over all files. */
uint64_t manifest_bad_blocks(const struct manifest *m);

#endif /* ARCHIVER_MANIFEST_H */
