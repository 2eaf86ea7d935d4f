/* SPDX-License-Identifier: MIT */
/*
 * relay - walks through a stream of messages and lets most of them pass.
 *
 * Only a message's header is looked at; what its owner does not want to see
 * is forwarded as it arrives, piece by piece, however long the message is.
 * The owner's `judge` decides each message by its header or, where it asks
 * for more, by a prefix that is then contiguous. Consecutive forwarded bytes
 * of one lent buffer leave as one piece. Pure: no sockets, no clock; bytes
 * go out through `emit`.
 * Invariant: bytes are emitted in the order in which they came; who wants to
 * send something of its own in between calls relay_sync() first.
 * Calling sequence: relay_init(), relay_feed() for each piece,
 * relay_release().
 */
#ifndef POOLER_RELAY_H
#define POOLER_RELAY_H

#include "common/base.h"
#include "common/buf.h"

struct lent;

/* What is to become of a message. */
enum relay_fate {
	FATE_FORWARD,	/* it passes */
	FATE_DROP,	/* it is swallowed */
	FATE_REWRITTEN,	/* its first msg.skip bytes are swallowed (the owner
			 * has sent something else), the rest passes */
	FATE_NEED,	/* judge again when msg.need bytes are there */
	FATE_LATER,	/* not now: relay_feed() returns in front of it */
	FATE_BAD,	/* not the protocol: relay_feed() returns RELAY_BAD */
	FATE_CLOSED	/* the owner is gone: relay_feed() returns at once */
};

/* The message being judged. Its bytes are valid during the call only. */
struct relay_msg {
	uint8_t		 type;
	uint32_t	 len;	/* the whole message: 1 + its length word */
	const char	*bytes;	/* from the type byte on */
	size_t		 have;	/* contiguous bytes at hand, 5..len */
	size_t		 need;	/* out: FATE_NEED; more than have, <= len */
	size_t		 skip;	/* out: FATE_REWRITTEN; 5..have */
	bool		 notify; /* out: call `done` behind its last byte */
};

struct relay;

struct relay_ops {
	enum relay_fate	(*judge)(struct relay *, struct relay_msg *);
	/* Passes n bytes on; lent is NULL when they must be copied. */
	int		(*emit)(struct relay *, struct lent *,
			    const char *bytes, size_t n);
	/*
	 * A message judged with `notify` has been emitted or dropped wholly.
	 * Returns false if the owner is gone.
	 */
	bool		(*done)(struct relay *, uint8_t type);
};

/* Embedded in its owner. */
struct relay {
	const struct relay_ops *ops;
	struct buf	 held;		/* a beginning that waits for more */
	size_t		 held_need;	/* for so many bytes; 0: nothing held */
	struct lent	*run_lent;	/* what passes, not yet emitted */
	const char	*run_start;
	size_t		 run_n;
	uint32_t	 remain;	/* of the present message, not yet seen */
	uint32_t	 max;		/* longest body accepted */
	uint8_t		 type;
	bool		 dropping;
	bool		 notify;
};

enum relay_result {
	RELAY_OK,	/* all bytes were consumed */
	RELAY_LATER,	/* *consumed were; feed the rest again later */
	RELAY_CLOSED,	/* the owner is gone; touch nothing */
	RELAY_BAD	/* not the protocol, too long, or no memory */
};

void	 relay_init(struct relay *, const struct relay_ops *, uint32_t max);
void	 relay_release(struct relay *);

/*
 * Feeds n bytes that lie in `lent` (NULL: anywhere, they will be copied).
 * *consumed is set for RELAY_OK and RELAY_LATER. With n == 0 it judges again
 * what is held, after RELAY_LATER.
 */
enum relay_result relay_feed(struct relay *, struct lent *lent,
	    const char *bytes, size_t n, size_t *consumed) MUST_CHECK;

/*
 * Emits what has passed so far. Returns what emit() returned. To be called,
 * in judge() and elsewhere, before something else is sent the same way.
 */
int	 relay_sync(struct relay *) MUST_CHECK;

/* True between two messages: nothing is held or under way. */
bool	 relay_at_boundary(const struct relay *);

/* True while a message that was judged is still passing or being dropped. */
bool	 relay_in_message(const struct relay *);

#endif /* POOLER_RELAY_H */
