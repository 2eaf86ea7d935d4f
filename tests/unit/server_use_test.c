/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/server.h"

#include <string.h>

#include "common/wire.h"
#include "pooler/client.h"
#include "tests/unit/unit.h"

/* Server and client, linked in transaction mode, nothing under way. */
static void
link_pair(struct server *s, struct client *c)
{
	memset(s, 0, sizeof(*s));
	memset(c, 0, sizeof(*c));
	requests_init(&s->requests);
	s->mode = POOL_MODE_TRANSACTION;
	s->tx = WIRE_TX_IDLE;
	s->client = c;
	c->server = s;
	c->state = CLIENT_ACTIVE;
}

static void
ask(struct server *s, uint8_t type)
{
	struct request r = { .kind = REQUEST_FORWARD, .type = type };

	ck_assert_int_eq(requests_push(&s->requests, &r), 0);
}

static void
answer(struct server *s, uint8_t type)
{
	struct reply rep;

	ck_assert_int_eq(requests_reply(&s->requests, type, &rep), 0);
	ck_assert(rep.completes);
}

START_TEST(pin_messages)
{
	struct server s;
	struct client c;

	link_pair(&s, &c);
	ck_assert_int_eq(server_pin(&s), PIN_NONE);
	c.relay.remain = 1;
	ck_assert_int_eq(server_pin(&s), PIN_MESSAGE);
	c.relay.remain = 0;
	s.relay.remain = 1;
	ck_assert_int_eq(server_pin(&s), PIN_MESSAGE);
	s.relay.remain = 0;
	/* A message that waits whole goes to whichever server comes next. */
	c.relay.held_need = 5;
	ck_assert_int_eq(server_pin(&s), PIN_NONE);
}
END_TEST

START_TEST(pin_requests)
{
	struct server s;
	struct client c;

	link_pair(&s, &c);
	ask(&s, WIRE_FE_PARSE);
	ck_assert_int_eq(server_pin(&s), PIN_ANSWERS);
	/* A Flush had it answered early: a Sync is owed. */
	answer(&s, WIRE_BE_PARSE_COMPLETE);
	ck_assert_int_eq(server_pin(&s), PIN_BATCH);
	ask(&s, WIRE_FE_SYNC);
	ck_assert_int_eq(server_pin(&s), PIN_ANSWERS);
	answer(&s, WIRE_BE_READY);
	ck_assert_int_eq(server_pin(&s), PIN_NONE);
	/* A message of the client's waits for the last answer. */
	c.settling = true;
	ck_assert_int_eq(server_pin(&s), PIN_ANSWERS);
	requests_release(&s.requests);
}
END_TEST

START_TEST(pin_transaction)
{
	struct server s;
	struct client c;

	link_pair(&s, &c);
	s.tx = WIRE_TX_OPEN;
	ck_assert_int_eq(server_pin(&s), PIN_TRANSACTION);
	s.tx = WIRE_TX_FAILED;
	ck_assert_int_eq(server_pin(&s), PIN_TRANSACTION);
	s.mode = POOL_MODE_STATEMENT;
	s.tx = WIRE_TX_IDLE;
	ck_assert_int_eq(server_pin(&s), PIN_NONE);
}
END_TEST

START_TEST(pin_session)
{
	struct server s;
	struct client c;

	link_pair(&s, &c);
	s.mode = POOL_MODE_SESSION;
	ck_assert_int_eq(server_pin(&s), PIN_SESSION);
	c.state = CLIENT_AUTH_QUERY;
	ck_assert_int_eq(server_pin(&s), PIN_NONE);
}
END_TEST

UNIT_MAIN("server_use", pin_messages, pin_requests, pin_transaction,
    pin_session)
