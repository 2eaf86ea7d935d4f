/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/pollers.h"

/* One end: counts its events and adds up what it gets. */
struct end {
	struct poller_conn conn;
	struct end	  *peer;	/* DATA is relayed to it; or NULL */
	size_t		   events[PE_ERROR + 1];
	size_t		   bytes;
	uint64_t	   sum;
	int		   fd;		/* ours */
	int		   far;		/* the test's end of the socket */
	bool		   stop_at_data;
	bool		   detach_at_data;
	struct end	  *wakes;	/* started when this one gets DATA */
};

static uint64_t
add_up(uint64_t sum, const char *bytes, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)bytes[i];
	return sum;
}

static void
on_event(struct poller_conn *c, enum poller_event ev, struct lent *l,
    const char *bytes, size_t n)
{
	struct end *e = container_of(c, struct end, conn);

	ck_assert_uint_eq(e->events[PE_ERROR], 0);
	ck_assert_uint_eq(e->events[PE_EOF], 0);
	e->events[ev]++;
	if (ev == PE_DATA) {
		ck_assert_uint_gt(n, 0);
		e->bytes += n;
		e->sum = add_up(e->sum, bytes, n);
		if (e->peer != NULL)
			ck_assert_int_eq(poller_send_lent(&e->peer->conn, l,
			    bytes, n), 0);
		if (e->stop_at_data)
			poller_recv_stop(c);
		if (e->wakes != NULL) {
			poller_poke(&e->wakes->conn);
			poller_recv_start(&e->wakes->conn);
		}
		if (e->detach_at_data)
			poller_detach(c);
	}
	if (e->peer != NULL && e->peer->peer == NULL) {
		/* e relays to peer: nothing comes back. */
		ck_assert(ev != PE_BLOCKED && ev != PE_DRAINED);
	}
}

/* The destination of a relay stops its source while it is blocked. */
static struct end *source_of;

static void
on_destination(struct poller_conn *c, enum poller_event ev, struct lent *l,
    const char *bytes, size_t n)
{
	on_event(c, ev, l, bytes, n);
	if (ev == PE_BLOCKED)
		poller_recv_stop(&source_of->conn);
	else if (ev == PE_DRAINED)
		poller_recv_start(&source_of->conn);
}

static void
open_end(struct poller *p, struct end *e, poller_fn *fn)
{
	int sv[2];

	memset(e, 0, sizeof(*e));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    sv), 0);
	e->fd = sv[0];
	e->far = sv[1];
	ck_assert_int_eq(poller_attach(p, &e->conn, e->fd, false, fn), 0);
}

static void
close_end(struct end *e)
{
	poller_detach(&e->conn);
	close(e->fd);
	if (e->far >= 0)
		close(e->far);
}

static void
turn(struct poller *p)
{
	ck_assert_int_eq(poller_turn(p, 0, NULL, NULL), 0);
}

static void
put(struct end *e, const char *s)
{
	ck_assert_int_eq(write(e->far, s, strlen(s)), (ssize_t)strlen(s));
}

START_TEST(data_eof_in_order)
{
	struct poller *p = new_poller();
	struct end e;
	char	 big[200000];
	ssize_t	 n;

	open_end(p, &e, on_event);
	poller_recv_start(&e.conn);
	put(&e, "hello");
	turn(p);
	ck_assert_uint_eq(e.bytes, 5);
	turn(p);
	ck_assert_uint_eq(e.events[PE_DATA], 1);
	/* More than READS_A_TURN buffers, and the end behind it. */
	memset(big, 'x', sizeof(big));
	n = write(e.far, big, sizeof(big));
	ck_assert_int_gt(n, (ssize_t)(6 * LENT_SIZE));
	close(e.far);
	e.far = -1;
	/* epoll takes four buffers a turn; io_uring the first time all that
	 * the socket holds, from then on one. */
	if (test_io == POLLER_EPOLL) {
		turn(p);
		ck_assert_uint_le(e.bytes, 5 + 4 * LENT_SIZE);
		ck_assert_uint_eq(e.events[PE_EOF], 0);
	}
	while (e.events[PE_EOF] == 0)
		turn(p);
	ck_assert_uint_eq(e.bytes, 5 + (size_t)n);
	turn(p);
	ck_assert_int_eq(poller_send_copy(&e.conn, "x", 1), 0);
	turn(p);
	close_end(&e);
	poller_free(p);
}
END_TEST

START_TEST(stopped)
{
	struct poller *p = new_poller();
	struct end e;

	open_end(p, &e, on_event);
	put(&e, "abc");
	turn(p);
	ck_assert_uint_eq(e.events[PE_DATA], 0);
	poller_recv_start(&e.conn);
	e.stop_at_data = true;
	turn(p);
	ck_assert_uint_eq(e.bytes, 3);
	put(&e, "def");
	turn(p);
	ck_assert_uint_eq(e.bytes, 3);
	/* A hangup is told while stopped; data and end come when started. */
	close(e.far);
	e.far = -1;
	turn(p);
	ck_assert_uint_eq(e.events[PE_HANGUP], 1);
	e.stop_at_data = false;
	poller_recv_start(&e.conn);
	turn(p);
	turn(p);
	ck_assert_uint_eq(e.bytes, 6);
	ck_assert_uint_eq(e.events[PE_EOF], 1);
	close_end(&e);
	poller_free(p);
}
END_TEST

/* Data and end of file in one edge, and the owner stops at the data. */
START_TEST(stopped_with_the_end_behind)
{
	struct poller *p = new_poller();
	struct end e;

	open_end(p, &e, on_event);
	poller_recv_start(&e.conn);
	e.stop_at_data = true;
	put(&e, "abc");
	close(e.far);
	e.far = -1;
	turn(p);
	ck_assert_uint_eq(e.bytes, 3);
	ck_assert_uint_eq(e.events[PE_HANGUP], 1);
	close_end(&e);
	poller_free(p);
}
END_TEST

START_TEST(detach_inside)
{
	struct poller *p = new_poller();
	struct end a, b;

	open_end(p, &a, on_event);
	open_end(p, &b, on_event);
	poller_recv_start(&a.conn);
	poller_recv_start(&b.conn);
	a.detach_at_data = true;
	put(&a, "1");
	put(&b, "2");
	turn(p);
	put(&a, "3");
	turn(p);
	ck_assert_uint_eq(a.bytes, 1);
	ck_assert_uint_eq(b.bytes, 1);
	poller_detach(&a.conn);
	ck_assert_int_eq(poller_attach(p, &a.conn, a.fd, false, on_event), 0);
	a.detach_at_data = false;
	poller_recv_start(&a.conn);
	turn(p);
	ck_assert_uint_eq(a.bytes, 2);
	close_end(&a);
	close_end(&b);
	poller_free(p);
}
END_TEST

/* A poke asked for by another's callback comes before any more data. */
START_TEST(poke)
{
	struct poller *p = new_poller();
	struct end a, b;

	open_end(p, &a, on_event);
	open_end(p, &b, on_event);
	poller_poke(&b.conn);
	turn(p);
	ck_assert_uint_eq(b.events[PE_POKED], 0);
	poller_recv_start(&a.conn);
	a.wakes = &b;
	put(&a, "x");
	turn(p);
	turn(p);
	ck_assert_uint_eq(b.events[PE_POKED], 1);
	turn(p);
	ck_assert_uint_eq(b.events[PE_POKED], 1);
	close_end(&a);
	close_end(&b);
	poller_free(p);
}
END_TEST

/* Nothing, not even a poke, comes behind the last event. */
START_TEST(quiet_after_the_end)
{
	struct poller *p = new_poller();
	struct end e;
	int	i;

	open_end(p, &e, on_event);
	poller_recv_start(&e.conn);
	/* Ready by a poke when the write of the same turn fails. */
	poller_poke(&e.conn);
	ck_assert_int_eq(poller_send_copy(&e.conn, "x", 1), 0);
	close(e.far);
	e.far = -1;
	for (i = 0; i < 5; i++)
		turn(p);
	ck_assert_uint_eq(e.events[PE_ERROR] + e.events[PE_EOF], 1);
	close_end(&e);
	poller_free(p);
}
END_TEST

/* A send that fails does not take away what the peer has said before. */
START_TEST(last_words)
{
	struct poller *p = new_poller();
	struct end e;
	int	i;

	open_end(p, &e, on_event);
	/* Unread bytes make the far end's close a reset. */
	ck_assert_int_eq(poller_send_copy(&e.conn, "x", 1), 0);
	turn(p);
	ck_assert_int_eq(write(e.far, "why", 3), 3);
	close(e.far);
	e.far = -1;
	ck_assert_int_eq(poller_send_copy(&e.conn, "y", 1), 0);
	for (i = 0; i < 5; i++)
		turn(p);
	ck_assert_uint_eq(e.events[PE_DEAF], 1);
	ck_assert_uint_eq(e.events[PE_ERROR] + e.events[PE_EOF], 0);
	ck_assert_uint_eq(e.bytes, 0);
	/* Dropped, without another word. */
	ck_assert_int_eq(poller_send_copy(&e.conn, "z", 1), 0);
	ck_assert_uint_eq(poller_pending(&e.conn), 0);
	poller_recv_start(&e.conn);
	for (i = 0; i < 5; i++)
		turn(p);
	ck_assert_uint_eq(e.bytes, 3);
	ck_assert_uint_eq(e.events[PE_DEAF], 1);
	ck_assert_uint_eq(e.events[PE_ERROR] + e.events[PE_EOF], 1);
	close_end(&e);
	poller_free(p);
}
END_TEST

/* BLOCKED and DRAINED come once each, however much is queued between. */
START_TEST(slow_reader)
{
	struct poller *p = new_poller();
	struct end e;
	char	 piece[10000], in[65536];
	uint64_t want = 0, got = 0;
	size_t	 total = 0, have = 0;
	ssize_t	 n;
	int	 i;

	open_end(p, &e, on_event);
	for (i = 0; i < 100; i++) {
		memset(piece, 'a' + i % 26, sizeof(piece));
		want = add_up(want, piece, sizeof(piece));
		total += sizeof(piece);
		ck_assert_int_eq(poller_send_copy(&e.conn, piece,
		    sizeof(piece)), 0);
		turn(p);
	}
	ck_assert_uint_eq(e.events[PE_BLOCKED], 1);
	ck_assert_uint_eq(e.events[PE_DRAINED], 0);
	ck_assert_uint_gt(poller_pending(&e.conn), 0);
	while (have < total) {
		n = read(e.far, in, sizeof(in));
		if (n > 0) {
			got = add_up(got, in, (size_t)n);
			have += (size_t)n;
		}
		turn(p);
	}
	ck_assert_uint_eq(got, want);
	ck_assert_uint_eq(e.events[PE_BLOCKED], 1);
	ck_assert_uint_eq(e.events[PE_DRAINED], 1);
	close_end(&e);
	poller_free(p);
}
END_TEST

/* Small copies share buffers; what was half sent is not overwritten. */
START_TEST(copies_fill_up)
{
	struct poller	   *p = new_poller();
	struct poller_stats st;
	struct end e;
	char	in[20000];
	int	i;

	open_end(p, &e, on_event);
	for (i = 0; i < 1000; i++)
		ck_assert_int_eq(poller_send_copy(&e.conn, "0123456789", 10),
		    0);
	poller_get_stats(p, &st);
	ck_assert_uint_eq(st.lent_out, 1);
	ck_assert_uint_eq(st.segs_out, 1);
	turn(p);
	ck_assert_int_eq(read(e.far, in, sizeof(in)), 10000);
	for (i = 0; i < 10000; i++)
		ck_assert_int_eq(in[i], '0' + i % 10);
	poller_get_stats(p, &st);
	ck_assert_uint_eq(st.lent_out, 0);
	close_end(&e);
	poller_free(p);
}
END_TEST

/* Two conns, 64 MiB from one far end to the other, the reader in bursts. */
START_TEST(relay)
{
	struct poller *p = new_poller();
	struct poller_stats st;
	struct end a, b;
	static char block[65536], in[300000];
	const size_t total = (size_t)64 << 20;
	size_t	 fed = 0, have = 0, i, worst = 0;
	uint64_t want = 0, got = 0;
	ssize_t	 n;
	unsigned step = 0;

	open_end(p, &a, on_event);
	open_end(p, &b, on_destination);
	a.peer = &b;
	source_of = &a;
	poller_recv_start(&a.conn);
	for (i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 7 + i / 251);
	while (have < total) {
		step++;
		n = write(a.far, block, MIN(sizeof(block), total - fed));
		if (n > 0) {
			want = add_up(want, block, (size_t)n);
			fed += (size_t)n;
		}
		turn(p);
		poller_get_stats(p, &st);
		worst = MAX(worst, st.lent_out);
		/* Asleep for 31 turns of 32. */
		if (step % 32 != 0)
			continue;
		while ((n = read(b.far, in, sizeof(in))) > 0) {
			got = add_up(got, in, (size_t)n);
			have += (size_t)n;
		}
	}
	ck_assert_uint_eq(have, total);
	ck_assert_uint_eq(got, want);
	ck_assert_uint_gt(b.events[PE_BLOCKED], 1);
	turn(p);
	ck_assert_uint_eq(b.events[PE_BLOCKED], b.events[PE_DRAINED]);
	/* Memory is bounded by what one turn of the source reads. */
	ck_assert_uint_le(worst, 8);
	close_end(&a);
	close_end(&b);
	poller_free(p);
}
END_TEST

static atomic_uint answered;
static struct poller *wake_poller;

/* Wakes, and waits until that was noticed: one lost wake stops it. */
static void *
waker(void *arg UNUSED)
{
	unsigned i;

	for (i = 1; i <= 100000; i++) {
		poller_wake(wake_poller);
		if (i % 3 == 0)
			poller_wake(wake_poller);
	}
	atomic_store(&answered, 1);
	poller_wake(wake_poller);
	return NULL;
}

START_TEST(wakes_are_not_lost)
{
	pthread_t id[2];
	int	  round, i;

	wake_poller = new_poller();
	for (round = 0; round < 3; round++) {
		atomic_store(&answered, 0);
		for (i = 0; i < 2; i++)
			ck_assert_int_eq(pthread_create(&id[i], NULL, waker,
			    NULL), 0);
		while (atomic_load(&answered) == 0)
			ck_assert_int_eq(poller_turn(wake_poller, -1, NULL,
			    NULL), 0);
		for (i = 0; i < 2; i++)
			pthread_join(id[i], NULL);
		/* The set is as responsive afterwards as before. */
		turn(wake_poller);
		poller_wake(wake_poller);
		ck_assert_int_eq(poller_turn(wake_poller, -1, NULL, NULL), 0);
	}
	poller_free(wake_poller);
}
END_TEST

/* What comes while it moves is for its new poller; nothing is lost. */
START_TEST(leave_with_bytes_on_the_way)
{
	struct poller *p = new_poller(), *q = new_poller();
	struct end e;
	size_t	i, sent = 0;
	char	c;

	open_end(p, &e, on_event);
	for (i = 0; i < 200; i++) {
		struct poller *to = e.conn.poller == p ? q : p;

		poller_recv_start(&e.conn);
		turn(e.conn.poller);
		c = (char)('a' + i % 26);
		ck_assert_int_eq(write(e.far, &c, 1), 1);
		sent++;
		if (i % 3 == 0)
			turn(e.conn.poller);
		/* Received and not delivered: it stays and gets them. */
		while (!poller_leave(&e.conn))
			turn(e.conn.poller);
		if (i % 2 == 0) {
			ck_assert_int_eq(write(e.far, &c, 1), 1);
			sent++;
		}
		ck_assert_int_eq(poller_attach(to, &e.conn, e.fd, false,
		    on_event), 0);
		turn(to == q ? p : q);
	}
	poller_recv_start(&e.conn);
	for (i = 0; i < 5; i++)
		turn(e.conn.poller);
	ck_assert_uint_eq(e.bytes, sent);
	close_end(&e);
	poller_free(p);
	poller_free(q);
}
END_TEST

/* A conn may leave, and be attached again, inside a callback. */
static struct poller *leave_to;

static void
on_leaving(struct poller_conn *c, enum poller_event ev, struct lent *l,
    const char *bytes, size_t n)
{
	on_event(c, ev, l, bytes, n);
	if (ev == PE_DATA && leave_to != NULL && poller_leave(c)) {
		ck_assert_int_eq(poller_attach(leave_to, c, c->fd, false,
		    on_event), 0);
		poller_recv_start(c);
		leave_to = NULL;
	}
}

START_TEST(leave_inside)
{
	struct poller *p = new_poller(), *q = new_poller();
	struct end e;

	open_end(p, &e, on_leaving);
	poller_recv_start(&e.conn);
	leave_to = q;
	put(&e, "1");
	turn(p);
	ck_assert_ptr_eq(e.conn.poller, q);
	put(&e, "2");
	turn(p);
	ck_assert_uint_eq(e.bytes, 1);
	turn(q);
	ck_assert_uint_eq(e.bytes, 2);
	close_end(&e);
	poller_free(p);
	poller_free(q);
}
END_TEST

/* More sockets speak in one turn than there are buffers waiting. */
START_TEST(crowd)
{
	enum { CROWD = 700 };
	static struct end e[CROWD];
	struct poller *p = new_poller();
	struct poller_stats st;
	size_t	i, round, got;

	for (i = 0; i < CROWD; i++) {
		open_end(p, &e[i], on_event);
		poller_recv_start(&e[i].conn);
	}
	turn(p);
	for (round = 1; round <= 3; round++) {
		for (i = 0; i < CROWD; i++)
			put(&e[i], "hello");
		for (got = 0; got < CROWD * 5 * round; ) {
			turn(p);
			for (got = i = 0; i < CROWD; i++)
				got += e[i].bytes;
		}
		/* Each answers; all leave in one turn. */
		for (i = 0; i < CROWD; i++)
			ck_assert_int_eq(poller_send_copy(&e[i].conn,
			    "answer", 6), 0);
		turn(p);
		for (i = 0; i < CROWD; i++) {
			char in[16];

			ck_assert_int_eq(read(e[i].far, in, sizeof(in)), 6);
		}
	}
	/* All end at once: more events than anything fetches in one go. */
	for (i = 0; i < CROWD; i++) {
		put(&e[i], "bye");
		close(e[i].far);
		e[i].far = -1;
	}
	for (got = 0; got < CROWD; ) {
		turn(p);
		for (got = i = 0; i < CROWD; i++)
			got += e[i].events[PE_EOF];
	}
	for (i = 0; i < CROWD; i++) {
		ck_assert_uint_eq(e[i].bytes, 18);
		close_end(&e[i]);
	}
	turn(p);
	poller_get_stats(p, &st);
	ck_assert_uint_eq(st.conns, 0);
	ck_assert_uint_eq(st.lent_out, 0);
	ck_assert_uint_eq(st.segs_out, 0);
	poller_free(p);
}
END_TEST

/* The peer of a socket that we closed hears of it by the next turn. */
START_TEST(closing_is_seen)
{
	struct poller *p = new_poller();
	struct end e, queued;
	char	 in[8];
	static char big[1 << 20];

	open_end(p, &e, on_event);
	open_end(p, &queued, on_event);
	poller_recv_start(&e.conn);
	ck_assert_int_eq(poller_send_copy(&queued.conn, big, sizeof(big)), 0);
	while (queued.events[PE_BLOCKED] == 0)
		turn(p);
	poller_detach(&e.conn);
	close(e.fd);
	/* With output under way, too. */
	poller_detach(&queued.conn);
	close(queued.fd);
	turn(p);
	ck_assert_int_eq(read(e.far, in, sizeof(in)), 0);
	while (read(queued.far, big, sizeof(big)) > 0)
		;
	ck_assert_int_eq(read(queued.far, in, sizeof(in)), 0);
	close(e.far);
	close(queued.far);
	poller_free(p);
}
END_TEST

/* A send that unblocks a peer is noticed though nothing else happens. */
START_TEST(drained_without_other_events)
{
	struct poller *p = new_poller();
	struct end e;
	static char big[1 << 20];
	int	 i;

	open_end(p, &e, on_event);
	ck_assert_int_eq(poller_send_copy(&e.conn, big, sizeof(big)), 0);
	while (e.events[PE_BLOCKED] == 0)
		turn(p);
	for (i = 0; e.events[PE_DRAINED] == 0; i++) {
		ck_assert_int_lt(i, 10000);
		while (read(e.far, big, sizeof(big)) > 0)
			;
		/* Waits as long as it takes, which must not be for ever. */
		ck_assert_int_eq(poller_turn(p, 600000, NULL, NULL), 0);
	}
	ck_assert_uint_eq(e.events[PE_BLOCKED], 1);
	close_end(&e);
	poller_free(p);
}
END_TEST

static size_t watched;

static void
on_watched(struct poller_watch *w UNUSED)
{
	watched++;
}

/* Level-triggered: told again while nobody reads. */
START_TEST(watch)
{
	struct poller *p = new_poller();
	struct poller_watch w = { .fn = on_watched };
	int	 pipefd[2];
	char	 c;

	ck_assert_int_eq(pipe(pipefd), 0);
	w.fd = pipefd[0];
	ck_assert_int_eq(poller_watch_add(p, &w), 0);
	turn(p);
	ck_assert_uint_eq(watched, 0);
	ck_assert_int_eq(write(pipefd[1], "x", 1), 1);
	turn(p);
	turn(p);
	turn(p);
	ck_assert_uint_eq(watched, 3);
	ck_assert_int_eq(read(pipefd[0], &c, 1), 1);
	turn(p);
	ck_assert_uint_eq(watched, 3);
	poller_watch_remove(p, &w);
	ck_assert_int_eq(write(pipefd[1], "x", 1), 1);
	turn(p);
	ck_assert_uint_eq(watched, 3);
	ck_assert_int_eq(poller_watch_add(p, &w), 0);
	turn(p);
	ck_assert_uint_eq(watched, 4);
	close(pipefd[0]);
	close(pipefd[1]);
	poller_free(p);
}
END_TEST

/* A source that has much is received from in large parts, and in the middle
 * of one its owner may do anything. */
enum act { ACT_STOP, ACT_LEAVE, ACT_DETACH };
static enum act act;
static unsigned act_after;
static struct poller *pair[2];

static void
on_much(struct poller_conn *c, enum poller_event ev, struct lent *l,
    const char *bytes, size_t n)
{
	struct poller *other = c->poller == pair[0] ? pair[1] : pair[0];

	on_event(c, ev, l, bytes, n);
	if (ev != PE_DATA)
		return;
	switch (act) {
	case ACT_STOP:
		poller_recv_stop(c);
		break;
	case ACT_LEAVE:
		if (poller_leave(c))
			ck_assert_int_eq(poller_attach(other, c, c->fd, false,
			    on_much), 0);
		break;
	case ACT_DETACH:
		if (--act_after == 0)
			poller_detach(c);
		break;
	}
}

/* As much as its socket takes. Returns how many bytes that were. */
static size_t
put_much(struct end *e, size_t n, uint64_t *sum)
{
	static char block[50000];
	size_t	i, all = 0;
	ssize_t	part;

	for (i = 0; i < sizeof(block); i++)
		block[i] = (char)(n >> (i % 3 * 8));
	while (all < n && (part = write(e->far, block,
	    MIN(n - all, sizeof(block)))) > 0) {
		*sum = add_up(*sum, block, (size_t)part);
		all += (size_t)part;
	}
	return all;
}

static void
get_much(enum act what)
{
	const size_t total = (size_t)8 << 20;
	struct end e;
	uint64_t want = 0;
	size_t	 sent = 0;
	int	 i;

	act = what;
	open_end(pair[0], &e, on_much);
	for (i = 0; e.bytes < total; i++) {
		ck_assert_int_lt(i, 100000);
		sent += put_much(&e, total - sent, &want);
		poller_recv_start(&e.conn);
		turn(pair[0]);
		turn(pair[1]);
	}
	ck_assert_uint_eq(e.bytes, total);
	ck_assert_uint_eq(e.sum, want);
	close_end(&e);
}

START_TEST(much_from_one)
{
	struct poller_stats st;
	struct end e;
	uint64_t sum = 0;
	unsigned i;
	int	 k;

	pair[0] = new_poller();
	pair[1] = new_poller();
	get_much(ACT_STOP);
	get_much(ACT_LEAVE);
	act = ACT_DETACH;
	for (i = 1; i < 12; i++) {
		act_after = i;
		open_end(pair[0], &e, on_much);
		poller_recv_start(&e.conn);
		turn(pair[0]);
		for (k = 0; e.conn.poller != NULL; k++) {
			ck_assert_int_lt(k, 1000);
			(void)put_much(&e, 1 << 20, &sum);
			turn(pair[0]);
		}
		ck_assert_uint_eq(e.events[PE_DATA], i);
		close_end(&e);
		turn(pair[0]);
		poller_get_stats(pair[0], &st);
		ck_assert_uint_eq(st.lent_out, 0);
		ck_assert_uint_eq(st.segs_out, 0);
	}
	poller_free(pair[0]);
	poller_free(pair[1]);
}
END_TEST

UNIT_MAIN_POLLERS("poller", data_eof_in_order, stopped,
    stopped_with_the_end_behind, detach_inside, poke,
    quiet_after_the_end, last_words, slow_reader, copies_fill_up, relay,
    wakes_are_not_lost, leave_with_bytes_on_the_way, leave_inside, crowd,
    closing_is_seen, drained_without_other_events, watch,
    much_from_one)
