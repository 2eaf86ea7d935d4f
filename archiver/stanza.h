/* SPDX-License-Identifier: MIT */
/*
 * stanza - which cluster a stanza of a repository belongs to.
 *
 * The claim is an object, id/<system-id>-<version>, that is written once. A
 * cluster without a claim is refused, so that a clone with an inherited
 * archive_command, or a wrong --stanza, cannot mix two histories.
 * stanza-upgrade adds a claim after pg_upgrade; the old one stays, because
 * its backups do.
 */
#ifndef ARCHIVER_STANZA_H
#define ARCHIVER_STANZA_H

#include "common/base.h"

struct catalog;
struct err;

#define STANZA_CLAIMS_MAX	64

struct stanza_claim {
	uint64_t	system_id;
	int		version;	/* PostgreSQL's major */
};

struct stanza_claims {
	struct stanza_claim claim[STANZA_CLAIMS_MAX];	/* oldest first */
	size_t		 count;
};

/* Reads the claims; none is not an error. The store's errors. */
int	stanza_list(const struct catalog *c, struct stanza_claims *claims,
	    struct err *e) MUST_CHECK;

/*
 * Claims the stanza for a cluster. 0 also when it is claimed by this very
 * cluster already; ERR_MISMATCH with a hint when by another.
 */
int	stanza_create(const struct catalog *c, uint64_t system_id, int version,
	    struct err *e) MUST_CHECK;

/*
 * Adds a claim to a stanza that has one: after pg_upgrade, which makes a
 * new system identifier. ERR_NOT_FOUND without a first one.
 */
int	stanza_upgrade(const struct catalog *c, uint64_t system_id,
	    int version, struct err *e) MUST_CHECK;

/*
 * Whether this cluster may use the stanza. ERR_NOT_FOUND: nobody claimed
 * it; ERR_MISMATCH: others did. Both with a hint.
 */
int	stanza_check(const struct catalog *c, uint64_t system_id, int version,
	    struct err *e) MUST_CHECK;

#endif /* ARCHIVER_STANZA_H */
