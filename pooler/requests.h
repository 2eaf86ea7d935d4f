/* SPDX-License-Identifier: MIT */
/*
 * requests - what a server was asked, in order, and who hears the answer.
 *
 * Every message of a client that will be answered leaves one entry here:
 *
 *   FORWARD  the client sent it, the reply goes to the client
 *   SKIP     we sent it, the reply is swallowed
 *   FAKE     it was never sent; we answer when its turn comes
 *   DOOMED   we sent something that must fail in its place; the owner
 *            replaces the error's text by ours if it is the one that was
 *            aimed at, and else it is the client's as it is
 *
 * Everything the pooler does behind a client's back is built from these;
 * nothing else invents replies. Rules kept here:
 *  - SKIP swallows success only. An error to a message that we injected is
 *    the client's: it stands in place of the reply to the message that
 *    caused it. (An entry with `internal` set belongs to no client message,
 *    its error is ours.)
 *  - An error in the extended protocol drops all entries up to the next
 *    Sync, FAKE ones included; the owner undoes the statement maps for each,
 *    newest first. Without a Sync in the queue the server now ignores
 *    everything until one: see requests_ignoring().
 *  - An error in a simple Query drops nothing.
 *  - A FAKE at the head is answered at once: the owner calls requests_fake()
 *    after each push and after each completed reply.
 *
 *  - A Sync between the data of a COPY is *stray*: PostgreSQL ignores it, but
 *    answers it if the COPY has failed before it, and where that was only
 *    PostgreSQL knows. After the failure the queue is in doubt until a reply
 *    to something later has come; the owner asks for one (Close of what
 *    there is not, and Sync; in front of it another Sync if the server ignores
 *    everything else).
 *    A Sync right behind the Execute or the Query that copies is *passed over*
 *    and no stray: there is no data before it that could be wrong. But the
 *    COPY can fail before it reads anything (a cancel, a trigger of the
 *    statement), so after an error it is one.
 *
 * Pure. Calling sequence: requests_init(), requests_push() for what is sent,
 * requests_reply() for what is received, requests_release().
 */
#ifndef POOLER_REQUESTS_H
#define POOLER_REQUESTS_H

#include "common/base.h"
#include "common/digest.h"

struct ps_entry;
struct ps_statement;

enum request_kind {
	REQUEST_FORWARD,
	REQUEST_SKIP,
	REQUEST_FAKE,
	REQUEST_DOOMED
};

/* Why we injected a SKIP; the owner is told when it has succeeded. */
enum request_why {
	WHY_NONE,		/* a client's message */
	WHY_PREPARE,		/* a statement the server lacked */
	WHY_PARAMS,		/* SET of tracked parameters */
	WHY_CHECK,		/* server_check_query */
	WHY_RESET,		/* server_reset_query */
	WHY_CONNECT,		/* connect_query */
	WHY_AUTH,		/* auth_query */
	WHY_CLEANUP		/* Sync or ROLLBACK after a vanished client */
};

/*
 * One entry. `type` is the message's type byte, which says what reply ends
 * it. The queue never looks into the pointers and the digest; it keeps them
 * for undoing what an error drops, and who takes an entry out owns them.
 */
struct request {
	uint8_t		 kind;
	uint8_t		 type;		/* Q F P B D E C S */
	uint8_t		 why;
	bool		 internal;	/* its error is not the client's */
	bool		 named;		/* P, C: of a statement with a name */
	bool		 sets_unnamed;	/* P, C, Q: changes the client's */
	bool		 moves_unnamed;	/* ... and the server's; SKIP: that only */
	uint8_t		 was_unnamed;	/* moves_unnamed: the server's before,
					 * an enum unnamed_state */
	uint8_t		 trust;		/* of `digest`, an enum ps_trust */
	bool		 copy_data;	/* CopyData was sent right behind it, */
	uint32_t	 copy_ends;	/* so many CopyDone and CopyFail, for
					 * COPYs to come */
	struct ps_entry	*entry;		/* what it did to the client's names:
					 * P added, C took out; counted */
	struct ps_statement *unnamed;	/* sets_unnamed: what it was before */
	const char	*sqlstate;	/* DOOMED: the error that it should
					 * have; static text */
	char		*text;		/* DOOMED: our message, owned */
	struct digest	 digest;	/* of the named statement; what it did
					 * to the server's set: P added, a
					 * SKIP C took out. moves_unnamed: of
					 * was_unnamed */
};

struct requests {
	struct request	*ring;
	size_t		 cap;		/* a power of two, or 0 */
	size_t		 head;
	size_t		 count;
	size_t		 syncs;		/* entries of type S in the queue */
	bool		 ignoring;
	bool		 open;		/* see requests_need_sync() */
	bool		 answered;	/* the head, in part */
	bool		 data_ahead;	/* of its COPY, its end not sent */
	bool		 sync_ahead;	/* behind such data: a stray, perhaps */
	bool		 was_ignoring;	/* before we ended that for strays */
	uint32_t	 strays;	/* Syncs that may have an answer */
	uint32_t	 passed;	/* passed over by the head, if it works */
	bool		 in_doubt;	/* strays > 0, and their COPY has failed */
	size_t		 failing;	/* entries that requests_drop() owes, */
	size_t		 dropped;	/* and has handed out: still counted */
};

/* What a message of the server means for the queue. */
struct reply {
	bool		 swallow;	/* not for the client */
	bool		 completes;	/* `done` has left the queue */
	bool		 doomed;	/* with done.sqlstate: send done.text
					 * instead; free done.text in any case */
	bool		 failed;	/* call requests_drop() now */
	bool		 lost;		/* nobody knows what comes next: close it */
	struct request	 done;		/* head, as it was */
};

void	requests_init(struct requests *);

/* Frees the ring; the queue must be empty (asserted). */
void	requests_release(struct requests *);

/* Appends. Returns 0 or ERR_NOMEM. */
int	requests_push(struct requests *, const struct request *) MUST_CHECK;

static inline bool
requests_empty(const struct requests *q)
{
	return q->count == 0;
}

/* The i-th entry from the head, i < count. */
struct request *requests_at(const struct requests *, size_t i);

/*
 * True after an error in the extended protocol until the Sync that ends it
 * was pushed: PostgreSQL ignores every message but Sync, so the owner drops
 * them instead of queueing them.
 */
bool	requests_ignoring(const struct requests *);

/*
 * A message of this type came from the server. Returns 0, or ERR_PROTOCOL
 * when nothing that was asked can have this answer: close the server.
 */
int	requests_reply(struct requests *, uint8_t type, struct reply *)
	    MUST_CHECK;

/*
 * After reply.failed: takes the newest of the entries that the error drops
 * out of the queue. The owner undoes it and calls again until false; before
 * that it calls nothing else of this queue. The whole costs one step an entry.
 */
bool	requests_drop(struct requests *, struct request *out) MUST_CHECK;

/* Where an unanswered request lies, seen from the next one to be pushed. */
enum requests_place {
	REQUESTS_NOWHERE,
	REQUESTS_SAME_BATCH,
	REQUESTS_EARLIER_BATCH		/* a Sync was pushed behind it */
};

/*
 * Looks for the newest request that `match` says yes to. What the same batch
 * relies on is dropped together with it by an error; what a later batch
 * relies on may be missing when that is carried out. Of a long queue only the
 * newest REQUESTS_LOOK entries are looked at, and the rest is taken for a
 * match.
 */
#define REQUESTS_LOOK	256
enum requests_place requests_find(const struct requests *,
	    bool (*match)(const struct request *, const void *arg),
	    const void *arg);

/* Takes the head out if it is a FAKE: the owner answers it. */
bool	requests_fake(struct requests *, struct request *out) MUST_CHECK;

/* Takes the newest entry out, whatever it is: for a client that is gone. */
bool	requests_pop_newest(struct requests *, struct request *out)
	    MUST_CHECK;

/*
 * The server begins COPY FROM STDIN. It passes over the Syncs that were sent
 * right behind the Execute or the Query (libpq sends one before the data and
 * one behind it): they leave the queue; those with data before them are stray.
 * Returns false if the end of the data was sent
 * already, ahead of this, or another message, which ends the COPY, too: with
 * an error, unless it has failed before. Syncs behind that are answered.
 */
bool	requests_copy_in(struct requests *);

/* The client sends data, or CopyDone or CopyFail, ahead of the COPY that it
 * is for: Syncs behind the end count again. A Query may have several COPYs. */
void	requests_copy_data(struct requests *);
void	requests_copy_end(struct requests *);

/* A Sync may turn out to be stray. What comes behind it is not to be sent
 * before that is known. */
static inline bool
requests_sync_ahead(const struct requests *q)
{
	return q->sync_ahead && q->count > 0;
}

/* The client sends Sync between the data of the COPY. */
static inline void
requests_stray(struct requests *q)
{
	q->strays++;
}

/* True if there are strays: during the COPY, or in doubt behind it. */
static inline bool
requests_strays(const struct requests *q)
{
	return q->strays > 0;
}

/* Ahead of the Sync with which we end the ignoring because of strays. If none
 * of them had ended it, it goes on, for the client, when that is known. */
void	requests_end_ignoring(struct requests *);

/*
 * True if a Sync is owed: extended messages were sent after the last one,
 * whether or not they have been answered (a Flush has them answered early).
 * The server is then inside an implicit transaction, even with an empty queue
 * and "idle" as its last word, so it must not be given to somebody else.
 */
bool	requests_need_sync(const struct requests *);

#endif /* POOLER_REQUESTS_H */
