/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/pool.h"

#include <string.h>

#include "common/err.h"
#include "tests/unit/unit.h"

static struct pool_limit db, user;

static void
setup(struct pool *p, uint32_t workers, int size)
{
	memset(&db, 0, sizeof(db));
	memset(&user, 0, sizeof(user));
	ck_assert_int_eq(pool_init(p, workers, &db, &user), 0);
	p->set.size = size;
	p->set.skew = 2000;
	p->set.login_retry = 15000000;
}

/* Opens a server that has logged in and is nowhere yet. */
static void
open_server(struct pool *p)
{
	struct pool_waiter w = { 0 };
	struct pool_order  o;

	pool_wait(p, &w, 0, 1, &o);
	ck_assert(o.connect);
	pool_unwait(p, &w);
	pool_connected(p, pool_epoch(p));
}

static void
close_servers(struct pool *p)
{
	while (p->servers > 0)
		pool_server_closed(p, pool_epoch(p));
	ck_assert_int_eq(db.used, 0);
	ck_assert_int_eq(user.used, 0);
	pool_release(p);
	ck_assert_int_eq(db.starved, 0);
}

/* What RECONNECT makes of a server that is in use, and of a login. */
START_TEST(servers_of_another_epoch)
{
	struct pool p;
	struct pool_waiter w = { 0 };
	struct pool_order o;
	unsigned	before;

	setup(&p, 1, 4);
	pool_wait(&p, &w, 0, 10, &o);
	ck_assert(o.connect);
	before = pool_epoch(&p);
	pool_connected(&p, before);
	pool_maintain(&p, false, 20, &o);
	ck_assert(o.connect);
	ck_assert_int_eq(pool_current_servers(&p), 1);
	pool_renew(&p);
	ck_assert_uint_ne(pool_epoch(&p), before);
	ck_assert_int_eq(pool_current_servers(&p), 0);
	ck_assert_int_eq(pool_usable_servers(&p), 1);
	/* A login that began before, and one that begins now. */
	pool_connected(&p, before);
	ck_assert_int_eq(pool_current_servers(&p), 0);
	pool_maintain(&p, false, 30, &o);
	ck_assert(o.connect);
	pool_connected(&p, pool_epoch(&p));
	ck_assert_int_eq(pool_current_servers(&p), 1);
	pool_server_closed(&p, before);
	pool_server_closed(&p, before);
	ck_assert_int_eq(pool_current_servers(&p), 1);
	pool_server_closed(&p, pool_epoch(&p));
	ck_assert_int_eq(pool_current_servers(&p), 0);
	pool_unwait(&p, &w);
	pool_release(&p);
}
END_TEST

START_TEST(idle_first_then_connect)
{
	struct pool	   p;
	struct pool_waiter w[3] = { 0 };
	struct pool_idler  s = { 0 };
	struct pool_order  o;
	uint64_t	   oldest;

	setup(&p, 1, 2);
	/* Not proven: one attempt at a time. */
	pool_wait(&p, &w[0], 0, 10, &o);
	ck_assert(o.connect && o.worker == 0 && o.idler == NULL);
	pool_wait(&p, &w[1], 0, 20, &o);
	ck_assert(!o.connect && o.worker == POOL_NO_WORKER);
	ck_assert_uint_eq(pool_waiting(&p, &oldest), 2);
	ck_assert_uint_eq(oldest, 10);
	pool_connected(&p, pool_epoch(&p));
	ck_assert_int_eq(pool_usable_servers(&p), 1);
	ck_assert_int_eq(pool_current_servers(&p), 1);
	pool_offer(&p, &s, 0, 30, &o);
	ck_assert_ptr_eq(o.waiter, &w[0]);
	/* Proven: the rest may be opened; then the pool is full. */
	pool_maintain(&p, false, 30, &o);
	ck_assert(o.connect && o.worker == 0);
	pool_wait(&p, &w[2], 0, 40, &o);
	ck_assert(!o.connect);
	pool_offer(&p, &s, 0, 50, &o);
	ck_assert_ptr_eq(o.waiter, &w[1]);
	pool_offer(&p, &s, 0, 50, &o);
	ck_assert_ptr_eq(o.waiter, &w[2]);
	pool_offer(&p, &s, 0, 50, &o);
	ck_assert_ptr_null(o.waiter);
	pool_wait(&p, &w[0], 0, 60, &o);
	ck_assert_ptr_eq(o.idler, &s);
	ck_assert(!list_linked(&s.node) && !list_linked(&w[0].node));
	pool_connected(&p, pool_epoch(&p));
	close_servers(&p);
}
END_TEST

START_TEST(skew)
{
	struct pool	   p;
	struct pool_waiter mine = { 0 }, other = { 0 };
	struct pool_idler  s = { 0 };
	struct pool_order  o;
	uint64_t	   since;

	setup(&p, 2, 1);
	open_server(&p);
	/* Older by exactly the skew: the own one is served; by more: not. */
	for (since = 5000; since <= 5001; since++) {
		pool_wait(&p, &other, 1, 3000, &o);
		pool_wait(&p, &mine, 0, since, &o);
		pool_offer(&p, &s, 0, 9000, &o);
		ck_assert_ptr_eq(o.waiter, since == 5000 ? &mine : NULL);
		ck_assert_uint_eq(o.worker, since == 5000 ? POOL_NO_WORKER : 1);
		pool_unwait(&p, &other);
		pool_unwait(&p, &mine);
		pool_unwait(&p, &mine);
	}
	/* With nobody of its own it goes to the oldest elsewhere at once. */
	pool_wait(&p, &other, 1, 9000, &o);
	pool_offer(&p, &s, 0, 9000, &o);
	ck_assert(o.worker == 1 && o.idler == &s && o.waiter == NULL);
	pool_offer(&p, &s, 1, 9001, &o);
	ck_assert_ptr_eq(o.waiter, &other);
	close_servers(&p);
}
END_TEST

/* Two idle servers elsewhere, a full pool: both waiters get one. */
START_TEST(asks_for_all_that_are_idle)
{
	struct pool	   p;
	struct pool_waiter w[3] = { 0 };
	struct pool_idler  s[2] = { 0 };
	struct pool_order  o;
	int		   i;

	setup(&p, 2, 2);
	open_server(&p);
	open_server(&p);
	pool_offer(&p, &s[0], 1, 10, &o);
	pool_offer(&p, &s[1], 1, 10, &o);
	for (i = 0; i < 3; i++) {
		pool_wait(&p, &w[i], 0, 20, &o);
		ck_assert_uint_eq(o.worker, i < 2 ? 1 : POOL_NO_WORKER);
		ck_assert(!o.connect);
	}
	for (i = 0; i < 2; i++) {
		pool_asked(&p, 1, 30, &o);
		ck_assert(o.idler != NULL && o.worker == 0);
		pool_offer(&p, o.idler, 0, 30, &o);
		ck_assert_ptr_eq(o.waiter, &w[i]);
	}
	pool_unwait(&p, &w[2]);
	close_servers(&p);
}
END_TEST

/* The worker that was asked lost its server: another one is asked. */
START_TEST(asks_the_next)
{
	struct pool	   p;
	struct pool_waiter w = { 0 }, quick = { 0 };
	struct pool_idler  s[2] = { 0 };
	struct pool_order  o;

	setup(&p, 3, 2);
	open_server(&p);
	open_server(&p);
	pool_offer(&p, &s[0], 1, 10, &o);
	pool_offer(&p, &s[1], 2, 10, &o);
	pool_wait(&p, &w, 0, 20, &o);
	ck_assert_uint_eq(o.worker, 1);
	pool_wait(&p, &quick, 1, 21, &o);
	ck_assert_ptr_eq(o.idler, &s[0]);
	pool_asked(&p, 1, 22, &o);
	ck_assert(o.idler == NULL && !o.connect && o.worker == 2);
	pool_asked(&p, 2, 23, &o);
	ck_assert(o.idler == &s[1] && o.worker == 0);
	pool_unwait(&p, &w);
	close_servers(&p);
}
END_TEST

START_TEST(failures)
{
	struct pool	   p;
	struct pool_waiter w[2] = { 0 };
	struct pool_order  o;
	char		   text[8];

	setup(&p, 1, 5);
	pool_wait(&p, &w[0], 0, 100, &o);
	pool_connect_failed(&p, 100, "28P01", "no such password");
	ck_assert(pool_failing(&p, 101, text, sizeof(text), false));
	ck_assert_str_eq(text, "no such");
	/* No attempt before the retry, then one. */
	pool_maintain(&p, false, 15000099, &o);
	ck_assert(!o.connect);
	pool_maintain(&p, false, 15000100, &o);
	ck_assert(o.connect);
	ck_assert(!pool_failing(&p, 15000101, text, sizeof(text), true));
	/* Not reached: told only to who wants any failure. */
	pool_connect_failed(&p, 15000200, "", "refused");
	ck_assert(!pool_failing(&p, 15000201, text, sizeof(text), false));
	ck_assert(pool_failing(&p, 15000201, text, sizeof(text), true));
	pool_forget_failure(&p);
	ck_assert(!pool_failing(&p, 15000201, text, sizeof(text), true));
	pool_wait(&p, &w[1], 0, 15000201, &o);
	ck_assert(o.connect);
	pool_connected(&p, pool_epoch(&p));
	ck_assert(!pool_failing(&p, 15000202, text, sizeof(text), true));
	pool_unwait(&p, &w[0]);
	pool_unwait(&p, &w[1]);
	close_servers(&p);
}
END_TEST

START_TEST(reserve)
{
	struct pool	   p;
	struct pool_waiter w[3] = { 0 };
	struct pool_order  o;

	setup(&p, 1, 1);
	p.set.reserve_size = 1;
	p.set.reserve_timeout = 5000;
	open_server(&p);
	pool_wait(&p, &w[0], 0, 10000, &o);
	ck_assert(!o.connect);
	pool_maintain(&p, false, 14999, &o);
	ck_assert(!o.connect);
	/* A worker whose turn began before the client came. */
	pool_maintain(&p, false, 9999, &o);
	ck_assert(!o.connect);
	pool_maintain(&p, false, 15000, &o);
	ck_assert(o.connect && o.from_reserve);
	pool_connected(&p, pool_epoch(&p));
	pool_wait(&p, &w[1], 0, 20000, &o);
	pool_maintain(&p, false, 90000, &o);
	ck_assert(!o.connect);
	ck_assert_uint_eq(p.reserve_used, 1);
	pool_unwait(&p, &w[0]);
	pool_unwait(&p, &w[1]);
	close_servers(&p);
}
END_TEST

START_TEST(shared_limit_and_starvation)
{
	struct pool	   a, b;
	struct pool_waiter w = { 0 }, v = { 0 };
	struct pool_idler  s = { 0 };
	struct pool_limit  other_user = { 0 };
	struct pool_order  o;

	setup(&a, 1, 10);
	db.max = 1;
	ck_assert_int_eq(pool_init(&b, 1, &db, &other_user), 0);
	open_server(&a);
	pool_wait(&b, &w, 0, 10, &o);
	ck_assert(!o.connect);
	ck_assert_int_eq(db.starved, 1);
	ck_assert_int_eq(other_user.used, 0);
	/* Its own waiters come first; then the place is given up. */
	pool_wait(&a, &v, 0, 11, &o);
	ck_assert(!o.connect);
	pool_offer(&a, &s, 0, 12, &o);
	ck_assert_ptr_eq(o.waiter, &v);
	pool_offer(&a, &s, 0, 13, &o);
	ck_assert(o.close && !list_linked(&s.node));
	pool_server_closed(&a, pool_epoch(&a));
	pool_maintain(&b, false, 14, &o);
	ck_assert(o.connect);
	ck_assert_int_eq(db.starved, 0);
	pool_connect_failed(&b, 15, "", NULL);
	pool_unwait(&b, &w);
	pool_release(&b);
	close_servers(&a);
}
END_TEST

START_TEST(held_and_round_robin)
{
	struct pool	   p;
	struct pool_waiter w = { 0 };
	struct pool_idler  s[2] = { 0 };
	struct pool_order  o;
	uint32_t	   whose = 7;
	int		   turn;

	setup(&p, 1, 2);
	ck_assert_uint_eq(pool_oldest_idle(&p, &whose), UINT64_MAX);
	open_server(&p);
	open_server(&p);
	for (turn = 0; turn < 2; turn++) {
		p.set.round_robin = turn == 1;
		pool_offer(&p, &s[0], 0, 10, &o);
		pool_offer(&p, &s[1], 0, 20, &o);
		ck_assert_uint_eq(pool_oldest_idle(&p, &whose), 10);
		ck_assert_uint_eq(whose, 0);
		pool_wait(&p, &w, 0, 30, &o);
		ck_assert_ptr_eq(o.idler, &s[turn == 1 ? 0 : 1]);
		pool_offer(&p, o.idler, 0, 40, &o);
		ck_assert_ptr_eq(pool_take_oldest(&p, 0), &s[turn]);
		ck_assert(pool_take(&p, &s[1 - turn], 0));
		ck_assert(!pool_take(&p, &s[1 - turn], 0));
		ck_assert_ptr_null(pool_take_oldest(&p, 0));
	}
	/* Held: nobody is served and nothing opened; afterwards it is. */
	p.held = true;
	pool_offer(&p, &s[0], 0, 50, &o);
	pool_wait(&p, &w, 0, 60, &o);
	ck_assert(o.idler == NULL && !o.connect);
	p.held = false;
	ck_assert(pool_take(&p, &s[0], 0));
	pool_offer(&p, &s[0], 0, 70, &o);
	ck_assert_ptr_eq(o.waiter, &w);
	close_servers(&p);
}
END_TEST

START_TEST(min_size)
{
	struct pool	  p;
	struct pool_order o;
	int		  i;

	setup(&p, 1, 5);
	p.set.min_size = 3;
	pool_maintain(&p, false, 1, &o);
	ck_assert(!o.connect);
	for (i = 0; i < 3; i++) {
		pool_maintain(&p, true, 1, &o);
		ck_assert(o.connect && o.worker == POOL_NO_WORKER);
		pool_connected(&p, pool_epoch(&p));
	}
	pool_maintain(&p, true, 1, &o);
	ck_assert(!o.connect);
	close_servers(&p);
}
END_TEST

/* ---- a simulation ---- */

#define WORKERS		3
#define CLIENTS		24
#define SERVERS		5

enum where { CLOSED, OPENING, BUSY, IDLE, MOVING };

struct sim {
	struct pool	   p;
	struct pool_waiter w[CLIENTS];
	uint64_t	   since[CLIENTS];
	bool		   waits[CLIENTS];
	struct pool_idler  s[SERVERS];
	enum where	   where[SERVERS];
	uint32_t	   at[SERVERS];
	size_t		   asks[WORKERS];
	uint64_t	   now;
	unsigned	   seed;
};

static unsigned
rnd(struct sim *m, unsigned n)
{
	m->seed = m->seed * 1103515245u + 12345u;
	return (m->seed >> 16) % n;
}

static void
serve(struct sim *m, struct pool_waiter *w, size_t server, uint32_t worker)
{
	size_t	c = (size_t)(w - m->w), i;

	ck_assert(m->waits[c] && w->worker == worker);
	m->waits[c] = false;
	/* Nobody much older was passed over by this offer. */
	for (i = 0; i < CLIENTS; i++)
		if (m->waits[i])
			ck_assert_uint_ge(m->since[i] + m->p.set.skew,
			    m->since[c]);
	m->where[server] = BUSY;
	m->at[server] = worker;
}

static void
offer(struct sim *m, size_t i)
{
	struct pool_order o;

	pool_offer(&m->p, &m->s[i], m->at[i], m->now, &o);
	if (o.waiter != NULL) {
		serve(m, o.waiter, i, m->at[i]);
	} else if (o.worker != POOL_NO_WORKER) {
		m->where[i] = MOVING;
		m->at[i] = o.worker;
	} else {
		ck_assert(!o.close);
		m->where[i] = IDLE;
	}
}

static void
obey(struct sim *m, const struct pool_order *o)
{
	size_t	i;

	if (o->connect) {
		for (i = 0; m->where[i] != CLOSED; i++)
			ck_assert_uint_lt(i, SERVERS);
		m->where[i] = OPENING;
		m->at[i] = o->worker;
	} else if (o->worker != POOL_NO_WORKER) {
		m->asks[o->worker]++;
	}
}

static void
client_comes(struct sim *m, size_t c)
{
	struct pool_order o;
	uint32_t worker = rnd(m, WORKERS);
	size_t	 s;

	m->since[c] = m->now;
	pool_wait(&m->p, &m->w[c], worker, m->now, &o);
	if (o.idler != NULL) {
		s = (size_t)(o.idler - m->s);
		ck_assert(m->where[s] == IDLE && m->at[s] == worker);
		m->where[s] = BUSY;
		return;
	}
	m->waits[c] = true;
	obey(m, &o);
}

static void
server_steps(struct sim *m, size_t i)
{
	struct pool_order o;

	switch (m->where[i]) {
	case OPENING:
		if (rnd(m, 5) == 0) {
			pool_connect_failed(&m->p, m->now, "", "x");
			m->where[i] = CLOSED;
		} else {
			pool_connected(&m->p, pool_epoch(&m->p));
			offer(m, i);
		}
		break;
	case BUSY:
	case IDLE:
		if (rnd(m, 6) > 0) {
			if (m->where[i] == BUSY)
				offer(m, i);
			return;
		}
		if (m->where[i] == IDLE)
			ck_assert(pool_take(&m->p, &m->s[i], m->at[i]));
		pool_server_closed(&m->p, pool_epoch(&m->p));
		m->where[i] = CLOSED;
		break;
	case MOVING:
		offer(m, i);
		return;
	case CLOSED:
		return;
	}
	pool_maintain(&m->p, false, m->now, &o);
	obey(m, &o);
}

static void
worker_asked(struct sim *m, uint32_t w)
{
	struct pool_order o;
	size_t	i;

	if (m->asks[w] == 0)
		return;
	m->asks[w]--;
	pool_asked(&m->p, w, m->now, &o);
	if (o.idler == NULL) {
		obey(m, &o);
		return;
	}
	i = (size_t)(o.idler - m->s);
	ck_assert(m->where[i] == IDLE && m->at[i] == w);
	m->where[i] = MOVING;
	m->at[i] = o.worker;
}

static void
check(struct sim *m)
{
	size_t	waiting = 0, servers = 0, connecting = 0, idle = 0, orders = 0;
	size_t	i;

	for (i = 0; i < CLIENTS; i++)
		waiting += m->waits[i];
	for (i = 0; i < SERVERS; i++) {
		servers += m->where[i] != CLOSED;
		connecting += m->where[i] == OPENING;
		idle += m->where[i] == IDLE;
		orders += m->where[i] == MOVING || m->where[i] == OPENING;
	}
	for (i = 0; i < WORKERS; i++)
		orders += m->asks[i];
	ck_assert_uint_eq(m->p.waiting, waiting);
	ck_assert_int_eq(m->p.servers, (int)servers);
	ck_assert_int_eq(m->p.connecting, (int)connecting);
	ck_assert_int_eq(db.used, (int)servers);
	/* No lost wake-up: idle servers are promised to those who wait. */
	ck_assert_uint_ge(orders, MIN(waiting, idle));
	/* Somebody waits, there is room: something is under way. */
	if (waiting > 0 && servers < SERVERS && m->p.retry_at == 0)
		ck_assert_uint_gt(orders, 0);
}

START_TEST(simulation)
{
	struct sim *m = calloc(1, sizeof(*m));
	struct pool_order o;
	size_t	i;
	int	step;

	setup(&m->p, WORKERS, SERVERS);
	m->p.set.login_retry = 0;
	m->p.set.skew = 20;
	m->seed = 11;
	for (step = 0; step < 500000; step++) {
		/* Calm and storms take turns. */
		bool storm = step % 1000 < 300;

		m->now = (uint64_t)step + 1;
		i = rnd(m, CLIENTS);
		switch (rnd(m, storm ? 4 : 12)) {
		case 0:
		case 1:
			if (!m->waits[i])
				client_comes(m, i);
			break;
		case 2:
			if (m->waits[i] && rnd(m, 8) == 0) {
				pool_unwait(&m->p, &m->w[i]);
				m->waits[i] = false;
			}
			break;
		case 3:
		case 4:
			worker_asked(m, rnd(m, WORKERS));
			break;
		default:
			server_steps(m, rnd(m, SERVERS));
			break;
		}
		/* The clock of the retry: what a worker does now and then. */
		if (m->p.retry_at != 0) {
			pool_maintain(&m->p, false, m->now, &o);
			obey(m, &o);
		}
		check(m);
	}
	for (i = 0; i < CLIENTS; i++)
		if (m->waits[i])
			pool_unwait(&m->p, &m->w[i]);
	for (i = 0; i < SERVERS; i++)
		if (m->where[i] == OPENING)
			pool_connected(&m->p, pool_epoch(&m->p));
	close_servers(&m->p);
	free(m);
}
END_TEST

/* ---- threads: for the thread sanitizer ---- */

struct storm {
	struct pool	*pool;
	uint32_t	 worker;
	unsigned	 seed;
};

static void *
storm_thread(void *arg)
{
	struct storm	  *t = arg;
	struct pool_waiter w = { 0 };
	struct pool_idler *own = calloc(4, sizeof(*own));
	struct pool_order  o;
	uint64_t	   now, oldest;
	size_t		   have = 0;

	/* Servers do not move here: each thread keeps what it has opened. */
	for (now = 1; now < 30000; now++) {
		t->seed = t->seed * 1103515245u + 12345u;
		pool_wait(t->pool, &w, t->worker, now, &o);
		ck_assert_int_le(atomic_load(&db.used), db.max);
		if (o.idler == NULL)
			pool_unwait(t->pool, &w);
		if (o.connect && have < 4 && (t->seed >> 20) % 4 != 0) {
			pool_connected(t->pool, pool_epoch(t->pool));
			have++;
		} else if (o.connect) {
			pool_connect_failed(t->pool, now, "28000", "no");
			pool_forget_failure(t->pool);
		}
		if (have > 0 && (t->seed >> 18) % 3 == 0) {
			have--;
			pool_server_closed(t->pool, pool_epoch(t->pool));
		}
		(void)pool_waiting(t->pool, &oldest);
		(void)pool_usable_servers(t->pool);
	}
	while (have-- > 0)
		pool_server_closed(t->pool, pool_epoch(t->pool));
	free(own);
	return NULL;
}

START_TEST(threads)
{
	struct pool  p;
	struct storm t[4];
	pthread_t    id[4];
	uint32_t     i;

	setup(&p, 4, 0);
	db.max = 5;
	for (i = 0; i < 4; i++) {
		t[i] = (struct storm){ &p, i, 17 * i + 1 };
		ck_assert_int_eq(pthread_create(&id[i], NULL, storm_thread,
		    &t[i]), 0);
	}
	for (i = 0; i < 4; i++)
		pthread_join(id[i], NULL);
	ck_assert_int_eq(p.servers, 0);
	close_servers(&p);
}
END_TEST

UNIT_MAIN("pool", idle_first_then_connect, skew, asks_for_all_that_are_idle,
    asks_the_next, failures, reserve, shared_limit_and_starvation,
    held_and_round_robin, min_size, servers_of_another_epoch,
    simulation, threads)
