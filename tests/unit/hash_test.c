/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/hash.h"

#include "tests/unit/unit.h"

struct item {
	struct hash_node node;
	int		 key;
	bool		 in;
};

static struct item *
find(const struct hash *t, uint64_t h, int key)
{
	struct hash_node *n;

	HASH_FOREACH_MATCH(n, t, h) {
		struct item *i = container_of(n, struct item, node);

		ck_assert_uint_eq(n->hash, h);
		if (i->key == key)
			return i;
	}
	return NULL;
}

/* Many keys of few hash values: chains are walked, and only their own. */
START_TEST(against_a_reference)
{
	static struct item items[500];
	struct hash t = { 0 };
	unsigned seed = 3;
	int	 step, i;
	size_t	 count = 0;

	for (i = 0; i < 500; i++)
		items[i].key = i;
	ck_assert_ptr_null(hash_first(&t, 5));
	ck_assert_ptr_null(hash_any(&t));
	for (step = 0; step < 200000; step++) {
		struct item *it;
		uint64_t h;

		seed = seed * 1103515245u + 12345u;
		it = &items[(seed >> 16) % 500];
		h = (uint64_t)(it->key % 37) << 3;
		if (it->in) {
			ck_assert_ptr_eq(find(&t, h, it->key), it);
			hash_remove(&t, &it->node);
			count--;
		} else {
			ck_assert_int_eq(hash_add(&t, &it->node, h), 0);
			count++;
		}
		it->in = !it->in;
		ck_assert_ptr_eq(find(&t, h, it->key), it->in ? it : NULL);
		ck_assert_uint_eq(t.count, count);
		ck_assert_int_eq(hash_any(&t) != NULL, count > 0);
	}
	while (hash_any(&t) != NULL)
		hash_remove(&t, hash_any(&t));
	ck_assert_uint_eq(t.count, 0);
	hash_release(&t);
}
END_TEST

/* Taking all out is one walk: a million would not end if it were not. */
START_TEST(empties_in_one_walk)
{
	const size_t n = 1000000;
	struct hash_node *nodes = calloc(n, sizeof(*nodes)), *node;
	struct hash t = { 0 };
	size_t	i;

	for (i = 0; i < n; i++)
		ck_assert_int_eq(hash_add(&t, &nodes[i], i * 0x9e3779b9u), 0);
	for (i = 0; (node = hash_any(&t)) != NULL; i++)
		hash_remove(&t, node);
	ck_assert_uint_eq(i, n);
	/* And what is added in front of the walk is found. */
	ck_assert_int_eq(hash_add(&t, &nodes[0], 0), 0);
	ck_assert_ptr_eq(hash_any(&t), &nodes[0]);
	hash_remove(&t, &nodes[0]);
	hash_release(&t);
	free(nodes);
}
END_TEST

UNIT_MAIN("hash", against_a_reference, empties_in_one_walk)
