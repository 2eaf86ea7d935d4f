/* SPDX-License-Identifier: MIT */
/*
 * repo - the repositories of a configuration, opened; keys of WAL in them.
 *
 * A list from the first line of code: WAL goes to all of them, reads take
 * the first that has a good copy.
 */
#ifndef ARCHIVER_REPO_H
#define ARCHIVER_REPO_H

#include "common/base.h"

#include "archiver/store.h"

struct digest;
struct err;
struct segment_name;
struct settings;

struct repo {
	int		 number;	/* 1 for repo1 */
	bool		 required;
	bool		 local;		/* a directory: listing costs nothing */
	int64_t		 io_timeout;	/* of one request, microseconds */
	struct store	*store;
};

/*
 * Opens every configured repository; nothing is connected to yet. `out` has
 * room for SETTINGS_REPO_MAX. ERR_CONFIG with a hint. On success the caller
 * ends with repos_close().
 */
int	repos_open(const struct settings *, struct repo *out, size_t *n,
	    struct err *) MUST_CHECK;
void	repos_close(struct repo *, size_t n);

/*
 * The key of a WAL file, or (digest NULL) what all keys of that name begin
 * with. `out` has STORE_KEY_MAX bytes.
 */
char	*repo_key_wal(char *out, const char *stanza, uint64_t system_id,
	    const struct segment_name *, const struct digest *);

/*
 * Whether the stanza belongs to this cluster (version 0: any version). 0;
 * ERR_MISMATCH with a hint if not, or if nobody claimed it; the store's.
 */
int	repo_check_claim(const struct repo *, const char *stanza,
	    uint64_t system_id, int version, const struct store_limits *,
	    struct err *) MUST_CHECK;

#endif /* ARCHIVER_REPO_H */
