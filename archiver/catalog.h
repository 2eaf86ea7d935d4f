/* SPDX-License-Identifier: MIT */
/*
 * catalog - which backups and which WAL a repository holds for a stanza.
 *
 * There is no index file: what exists is what listing shows, and nothing is
 * ever overwritten, so the catalog cannot be out of date, torn, or locked
 * against a store that keeps objects immutable. Keys below the repository's
 * root:
 *
 *	<stanza>/id/<system-id>-<version>
 *	<stanza>/wal/<system-id>/<tli>/<hi>/<segment>-<digest>
 *	<stanza>/backup/<label>/<run>/data/<n>		packs
 *	<stanza>/backup/<label>/<run>/intent-<n>	while it runs
 *	<stanza>/backup/<label>/manifest-<run>		the commit
 *	<stanza>/backup/<label>/tombstone		expire's first step
 *
 * <run> is random, so two hosts that begin a backup in the same second
 * never mix their packs. If a label has two manifests, the one whose backup
 * started first counts, as the manifests say, and the other is reported.
 */
#ifndef ARCHIVER_CATALOG_H
#define ARCHIVER_CATALOG_H

#include "common/base.h"

#include "archiver/label.h"
#include "archiver/manifest.h"
#include "archiver/object.h"
#include "archiver/store.h"

struct buf;
struct err;

#define CATALOG_KEY_MAX	512

/* A stanza in a repository. Everything is borrowed. */
struct catalog {
	struct store	*store;
	const char	*stanza;
	struct store_limits limits;	/* of each request */
	int		 repo;		/* its number: 1 for repo1 */
	bool		 required;	/* it may not be left out */
};

/* A label that was seen under backup/. */
struct catalog_backup {
	char	label[LABEL_MAX];
	char	run[MANIFEST_RUN_MAX];	/* of its manifest; "" if none */
	bool	committed;		/* it has a manifest */
	bool	tombstone;
	bool	doubled;		/* and a second manifest */
};

/* All of them, in order of labels, which is the order of time. */
struct catalog_list {
	struct catalog_backup *backups;
	size_t	 count, room;
};

/* Each writes a key and returns it. */
char	*catalog_key_pack(const struct catalog *c, char out[CATALOG_KEY_MAX],
	    const char *label, const char *run, uint32_t number);
char	*catalog_key_intent(const struct catalog *c, char out[CATALOG_KEY_MAX],
	    const char *label, const char *run, uint32_t number);
char	*catalog_key_tombstone(const struct catalog *c,
	    char out[CATALOG_KEY_MAX], const char *label);

/*
 * Lists the backups. On success the caller ends the list with
 * catalog_list_release(). Errors are the store's; a repository without any
 * is an empty list.
 */
int	catalog_list(const struct catalog *c, struct catalog_list *l,
	    struct err *e) MUST_CHECK;
void	catalog_list_release(struct catalog_list *l);

/* NULL if there is none. */
const struct catalog_backup *catalog_find(const struct catalog_list *l,
	    const char *label);

/*
 * Reads a manifest; on success the caller ends it with manifest_release().
 * ERR_NOT_FOUND with a hint, ERR_CHECKSUM, what manifest_decode() returns;
 * ERR_MISMATCH if it says it is another backup's.
 */
int	catalog_load(const struct catalog *c, const struct catalog_backup *b,
	    struct manifest *m, struct err *e) MUST_CHECK;

/* Stores a manifest. Until this succeeds the backup does not exist. */
int	catalog_commit(const struct catalog *c, const struct manifest *m,
	    struct err *e) MUST_CHECK;

/*
 * Stores an object with its header in front. A pack is stored as it is,
 * because its blocks are compressed already and are read one by one; all
 * others are compressed.
 */
int	catalog_put(const struct catalog *c, enum object_kind kind,
	    const char *key, const void *bytes, size_t n, struct err *e)
	    MUST_CHECK;

/*
 * Reads n bytes of the content of a pack from `offset`. ERR_NOT_FOUND,
 * ERR_FORMAT when the pack ends before, the store's.
 */
int	catalog_read_pack(const struct catalog *c, const char *label,
	    const char *run, uint32_t number, uint64_t offset, size_t n,
	    void *out, struct err *e) MUST_CHECK;

/*
 * The moment (microseconds since 1970) that an intent or a tombstone names;
 * 0 if it cannot be read. Its text is appended to `text`, which may be NULL.
 */
int64_t	catalog_stamp(const struct catalog *c, enum object_kind kind,
	    const char *key, struct buf *text);

/*
 * Whether a run has any pack in the repository. 1, 0, or an error of the
 * store.
 */
int	catalog_has_run(const struct catalog *c, const char *label,
	    const char *run, struct err *e) MUST_CHECK;

/* Reads and verifies a whole object and appends its content to `out`. */
int	catalog_get(const struct catalog *c, enum object_kind kind,
	    const char *key, struct buf *out, struct err *e) MUST_CHECK;

/*
 * Whether a WAL segment (its 24 digits) of a cluster is in the repository.
 * 1, 0, or an error of the store.
 */
int	catalog_has_wal(const struct catalog *c, uint64_t system_id,
	    const char *segment, struct err *e) MUST_CHECK;

/*
 * Calls each() for every WAL object of a cluster: segment name (24 digits;
 * "" for history, backup and partial files) and its key. Stops at the first
 * result that is not 0 and returns it.
 */
int	catalog_each_wal(const struct catalog *c, uint64_t system_id,
	    int (*each)(void *arg, const char *segment,
	    const struct store_entry *entry), void *arg, struct err *e)
	    MUST_CHECK;

#endif /* ARCHIVER_CATALOG_H */
