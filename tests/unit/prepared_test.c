/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/prepared.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

START_TEST(equal_text_is_one_statement)
{
	struct ps_table t;
	struct ps_statement *a, *b, *c, *d, *e;
	char	name[PS_NAME_LEN], other[PS_NAME_LEN];

	ps_table_init(&t, 42);
	a = ps_get(&t, 0, "SELECT $1\0\0\0\0\x17", 14, 1);
	b = ps_get(&t, 0, "SELECT $1\0\0\0\0\x17", 14, 1);
	c = ps_get(&t, 0, "SELECT $1\0\0\0\0\x19", 14, 1);
	d = ps_get(&t, 0, "SELECT $1", 10, 0);
	ck_assert_ptr_eq(a, b);
	ck_assert_uint_eq(a->refs, 2);
	ck_assert_uint_eq(a->query_len, 10);
	/* Other types, or none: other statements under other names. */
	ck_assert_ptr_ne(a, c);
	ck_assert_ptr_ne(a, d);
	ps_server_name(&a->digest, name);
	ck_assert_uint_eq(strlen(name), PS_NAME_LEN - 1);
	ck_assert_int_eq(strncmp(name, "homelab_", 8), 0);
	ps_server_name(&c->digest, other);
	ck_assert_str_ne(name, other);
	ck_assert_uint_eq(t.statements.count, 3);
	/* Nor is it the same with other settings. */
	e = ps_get(&t, 7, "SELECT $1", 10, 0);
	ck_assert_ptr_ne(e, d);
	ck_assert(!digest_equal(&e->digest, &d->digest));
	ps_unref(e);
	ps_unref(a);
	ck_assert_uint_eq(t.statements.count, 3);
	ps_unref(b);
	ps_unref(c);
	ps_unref(d);
	ps_unref(NULL);
	ps_table_release(&t);
}
END_TEST

/* Statements whose hash values are made equal are told apart by their text. */
START_TEST(collisions)
{
	struct ps_table t;
	struct ps_statement *a, *b;

	ps_table_init(&t, 1);
	a = ps_get(&t, 0, "A", 2, 0);
	b = ps_get(&t, 0, "B", 2, 0);
	hash_remove(&t.statements, &b->node);
	ck_assert_int_eq(hash_add(&t.statements, &b->node, a->node.hash), 0);
	ck_assert_ptr_eq(ps_get(&t, 0, "A", 2, 0), a);
	ps_unref(a);
	ps_unref(a);
	ps_unref(b);
	ps_table_release(&t);
}
END_TEST

START_TEST(names)
{
	struct ps_table	 t;
	struct ps_map	 m = { 0 };
	struct ps_entry	*e, *parked;
	char	name[20];
	int	i;

	ps_table_init(&t, 9);
	ck_assert_ptr_null(ps_map_find(&m, "s"));
	for (i = 0; i < 5000; i++) {
		struct ps_statement *s = ps_get(&t, 0, i % 2 == 0 ? "X" : "Y", 2,
		    0);

		snprintf(name, sizeof(name), "s%d", i);
		ck_assert_ptr_nonnull(ps_map_add(&m, name, s));
	}
	ck_assert_uint_eq(t.statements.count, 2);
	ck_assert_uint_eq(ps_map_count(&m), 5000);
	e = ps_map_find(&m, "s4711");
	ck_assert_str_eq(e->name, "s4711");
	ck_assert_str_eq(e->statement->text, "Y");
	/* Closed, and put back because the Close failed. */
	parked = ps_entry_ref(e);
	ps_map_take(&m, e);
	ps_map_take(&m, e);
	ck_assert_ptr_null(ps_map_find(&m, "s4711"));
	ck_assert_int_eq(ps_map_put_back(&m, parked), 0);
	ck_assert_ptr_eq(ps_map_find(&m, "s4711"), e);
	ck_assert_int_eq(ps_map_put_back(&m, parked), 0);
	ck_assert_uint_eq(e->refs, 2);
	/* What never came to be, or was deallocated, does not come back. */
	ps_map_take(&m, e);
	e->gone = true;
	ck_assert_int_eq(ps_map_put_back(&m, e), 0);
	ck_assert_ptr_null(ps_map_find(&m, "s4711"));
	e->gone = false;
	ck_assert_int_eq(ps_map_put_back(&m, e), 0);
	/* A parked entry keeps its statement when the map is gone. */
	ps_map_take(&m, e);
	ps_map_release(&m);
	ck_assert_uint_eq(t.statements.count, 1);
	ps_entry_unref(parked);
	ps_entry_unref(NULL);
	ps_table_release(&t);
}
END_TEST

static struct digest
digest_no(unsigned i)
{
	struct digest d = { { 0 } };

	/* The first half, which is hashed, is the same for four of them. */
	d.bytes[0] = (unsigned char)(i / 4);
	d.bytes[15] = (unsigned char)i;
	return d;
}

START_TEST(least_recently_used)
{
	struct ps_set s;
	struct digest d, out;
	enum ps_trust was;
	unsigned i;

	ps_set_init(&s);
	ck_assert(!ps_set_evict(&s, &out, &was));
	for (i = 0; i < 8; i++) {
		d = digest_no(i);
		ck_assert(!ps_set_use(&s, &d));
		ck_assert_int_eq(ps_set_add(&s, &d, PS_SURE), 0);
	}
	/* 0 and 7 are used again, 3 is forgotten: 1 2 4 5 6 0 7 remain. */
	d = digest_no(0);
	ck_assert(ps_set_use(&s, &d));
	d = digest_no(7);
	ck_assert(ps_set_use(&s, &d));
	d = digest_no(3);
	ps_set_remove(&s, &d);
	ps_set_remove(&s, &d);
	ck_assert(!ps_set_use(&s, &d));
	ck_assert_uint_eq(ps_set_count(&s), 7);
	for (i = 0; i < 6; i++) {
		static const unsigned order[] = { 1, 2, 4, 5, 6, 0 };

		ck_assert(ps_set_evict(&s, &out, &was));
		d = digest_no(order[i]);
		ck_assert(digest_equal(&d, &out));
	}
	ck_assert_uint_eq(ps_set_count(&s), 1);
	ps_set_release(&s);
}
END_TEST

/* A statement parsed behind a SET, and what is heard of that afterwards. */
START_TEST(trust)
{
	struct ps_set s;
	struct digest d[4];
	enum ps_trust was;
	unsigned i;

	ps_set_init(&s);
	for (i = 0; i < 4; i++)
		d[i] = digest_no(i);
	ck_assert_int_eq(ps_set_add(&s, &d[0], PS_BEHIND), 0);
	ck_assert_int_eq(ps_set_add(&s, &d[1], PS_SURE), 0);
	ck_assert_int_eq(ps_set_add(&s, &d[2], PS_BEHIND), 0);
	ck_assert(ps_set_use(&s, &d[0]));
	ps_set_remove(&s, &d[2]);
	ck_assert_uint_eq(s.behind, 1);
	ps_set_judge(&s, PS_STALE);
	ck_assert_uint_eq(s.behind, 0);
	/* The server has it, but nobody can use it. */
	ck_assert(!ps_set_use(&s, &d[0]));
	ck_assert_uint_eq(ps_set_count(&s), 2);
	ck_assert(ps_set_take(&s, &d[0], &was));
	ck_assert_int_eq(was, PS_STALE);
	ck_assert(!ps_set_take(&s, &d[0], &was));
	ck_assert(ps_set_use(&s, &d[1]));
	ck_assert_int_eq(ps_set_add(&s, &d[3], PS_BEHIND), 0);
	ps_set_judge(&s, PS_SURE);
	ps_set_judge(&s, PS_STALE);
	ck_assert(ps_set_use(&s, &d[3]));
	ps_set_release(&s);
}
END_TEST

UNIT_MAIN("prepared", equal_text_is_one_statement, collisions, names,
    least_recently_used, trust)
