/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/stream.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/err.h"
#include "common/tls.h"
#include "tests/unit/pollers.h"

/* Two streams of ours against each other, plain or under TLS. */

struct end {
	struct stream	stream;
	size_t		events[SE_ERROR + 1];
	size_t		bytes, stop_after;
	uint64_t	sum;
	bool		stopped;
	bool		restart_inside;
};

static struct poller *p;
static struct end a, b;
static char dir[] = "/tmp/stream_test.XXXXXX";
static struct tls_context *accepting, *connecting;

static uint64_t
add_up(uint64_t sum, const char *bytes, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)bytes[i];
	return sum;
}

static void
on_stream(struct stream *s, enum stream_event ev, struct lent *l UNUSED,
    const char *bytes, size_t n)
{
	struct end *e = container_of(s, struct end, stream);

	ck_assert(!e->stopped || ev != SE_DATA);
	e->events[ev]++;
	if (ev != SE_DATA)
		return;
	ck_assert_uint_gt(n, 0);
	e->bytes += n;
	e->sum = add_up(e->sum, bytes, n);
	if (e->stop_after != 0 && e->bytes >= e->stop_after) {
		e->stopped = true;
		stream_recv_stop(s);
		if (e->restart_inside) {
			e->stopped = false;
			stream_recv_start(s);
		}
	}
}

static void
turns(int n)
{
	while (n-- > 0)
		ck_assert_int_eq(poller_turn(p, 0, NULL, NULL), 0);
}

static void
open_pair(void)
{
	int sv[2];

	p = new_poller();
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
	    sv), 0);
	ck_assert_int_eq(stream_open(&a.stream, p, sv[0], on_stream), 0);
	ck_assert_int_eq(stream_open(&b.stream, p, sv[1], on_stream), 0);
}

static void
close_pair(void)
{
	stream_close(&a.stream);
	stream_close(&a.stream);
	stream_abort(&b.stream);
	poller_free(p);		/* asserts that all lent buffers are back */
}

static void
make_contexts(void)
{
	static char key[64], cert[64];
	struct tls_settings s = { .side = TLS_ACCEPT, .key_file = key,
	    .cert_file = cert };
	struct tls_settings c = { .side = TLS_CONNECT };
	struct err e;
	char	   command[400];

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(key, sizeof(key), "%s/key", dir);
	snprintf(cert, sizeof(cert), "%s/crt", dir);
	snprintf(command, sizeof(command), "openssl req -x509 -newkey ec "
	    "-pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=x "
	    "-keyout %s -out %s 2>/dev/null", key, cert);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(tls_context_new(&s, &accepting, &e), 0);
	ck_assert_int_eq(tls_context_new(&c, &connecting, &e), 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void
start_tls(void)
{
	make_contexts();
	open_pair();
	ck_assert_int_eq(stream_start_tls(&a.stream, accepting, true, NULL),
	    0);
	ck_assert_int_eq(stream_start_tls(&b.stream, connecting, false, NULL),
	    0);
	turns(10);
	ck_assert_uint_eq(a.events[SE_TLS_READY], 1);
	ck_assert_uint_eq(b.events[SE_TLS_READY], 1);
}

static void
end_tls(void)
{
	close_pair();
	tls_context_unref(accepting);
	tls_context_unref(connecting);
}

/* Sends n bytes from b to a, in pieces of odd sizes; returns their sum. */
static uint64_t
pour(size_t n)
{
	static char piece[7001];
	uint64_t    sum = 0;
	size_t	    part, i;

	for (i = 0; i < sizeof(piece); i++)
		piece[i] = (char)(i * 13);
	while (n > 0) {
		part = MIN(n, sizeof(piece));
		sum = add_up(sum, piece, part);
		ck_assert_int_eq(stream_send_copy(&b.stream, piece, part), 0);
		n -= part;
	}
	return sum;
}

START_TEST(plain_moves_between_pollers)
{
	struct poller *other = new_poller();

	open_pair();
	stream_recv_start(&a.stream);
	ck_assert_int_eq(stream_send_copy(&b.stream, "one", 3), 0);
	ck_assert(!stream_leave(&b.stream));
	turns(2);
	ck_assert_uint_eq(a.bytes, 3);
	ck_assert(stream_leave(&a.stream));
	ck_assert_int_eq(stream_send_copy(&b.stream, "two", 3), 0);
	turns(2);
	ck_assert_int_eq(stream_join(&a.stream, other), 0);
	ck_assert_int_eq(poller_turn(other, 0, NULL, NULL), 0);
	ck_assert_uint_eq(a.bytes, 3);
	stream_recv_start(&a.stream);
	ck_assert_int_eq(poller_turn(other, 0, NULL, NULL), 0);
	ck_assert_uint_eq(a.bytes, 6);
	close_pair();
	poller_free(other);
}
END_TEST

START_TEST(tls_carries_all)
{
	uint64_t want;
	int	 i;

	start_tls();
	want = pour(3000000);
	for (i = 0; i < 5000 && a.bytes < 3000000; i++)
		turns(1);
	ck_assert_uint_eq(a.bytes, 3000000);
	ck_assert_uint_eq(a.sum, want);
	ck_assert_uint_eq(b.events[SE_BLOCKED], 1);
	ck_assert_uint_eq(b.events[SE_DRAINED], 1);
	/* With close_notify, then the end. */
	stream_close(&b.stream);
	turns(3);
	ck_assert_uint_eq(a.events[SE_EOF], 1);
	ck_assert_uint_eq(a.events[SE_ERROR], 0);
	end_tls();
}
END_TEST

/* Stopped in the middle of what was decrypted: no byte comes meanwhile. */
START_TEST(tls_stop_and_start)
{
	uint64_t want;
	int	 i;

	start_tls();
	want = pour(400000);
	for (i = 0; i < 5000 && a.bytes < 400000; i++) {
		a.stop_after = a.bytes + 1;
		a.restart_inside = i % 3 == 0;
		turns(2);
		a.stopped = false;
		stream_recv_start(&a.stream);
	}
	ck_assert_uint_eq(a.bytes, 400000);
	ck_assert_uint_eq(a.sum, want);
	/* Cut without close_notify. */
	stream_abort(&b.stream);
	turns(3);
	ck_assert_uint_eq(a.events[SE_EOF] + a.events[SE_ERROR], 1);
	end_tls();
}
END_TEST

/* What is not TLS breaks the handshake, and the peer is told by an alert. */
START_TEST(tls_rubbish)
{
	make_contexts();
	open_pair();
	ck_assert_int_eq(stream_start_tls(&a.stream, accepting, true, NULL),
	    0);
	stream_recv_start(&b.stream);
	ck_assert_int_eq(stream_send_copy(&b.stream,
	    "\x16\x03\x01\x00\x05rubbish in a record", 24), 0);
	turns(3);
	ck_assert_uint_eq(a.events[SE_ERROR], 1);
	ck_assert_uint_gt(strlen(stream_error(&a.stream)), 0);
	ck_assert_uint_gt(b.bytes, 0);
	end_tls();
}
END_TEST

UNIT_MAIN_POLLERS("stream", plain_moves_between_pollers, tls_carries_all,
    tls_stop_and_start, tls_rubbish)
