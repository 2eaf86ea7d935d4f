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

#include "tests/unit/unit.h"

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
	struct poller *p = poller_new();
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
	turn(p);
	ck_assert_uint_le(e.bytes, 5 + 4 * LENT_SIZE);
	ck_assert_uint_eq(e.events[PE_EOF], 0);
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
	struct poller *p = poller_new();
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
	struct poller *p = poller_new();
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
	struct poller *p = poller_new();
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
	/* It may join again, here or elsewhere: what waits is told anew. */
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
	struct poller *p = poller_new();
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
	struct poller *p = poller_new();
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

/* BLOCKED and DRAINED come once each, however much is queued between. */
START_TEST(slow_reader)
{
	struct poller *p = poller_new();
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
	struct poller	   *p = poller_new();
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
	struct poller *p = poller_new();
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
		/* Asleep for seven turns of eight. */
		if (step % 8 != 0)
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

	wake_poller = poller_new();
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

UNIT_MAIN("poller", data_eof_in_order, stopped,
    stopped_with_the_end_behind, detach_inside, poke,
    quiet_after_the_end, slow_reader, copies_fill_up, relay,
    wakes_are_not_lost)
