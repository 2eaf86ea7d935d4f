/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/list.h"
#include "tests/unit/unit.h"

struct item {
	int		 value;
	struct list_node node;
};

static int
value_of(const struct list_node *n)
{
	return n == NULL ? -1 :
	    container_of((struct list_node *)(uintptr_t)n, struct item, node)->value;
}

START_TEST(order_and_count)
{
	struct item	i[3] = { { 0, { 0, 0 } }, { 1, { 0, 0 } }, { 2, { 0, 0 } } };
	struct list	l;

	list_init(&l);
	ck_assert(list_empty(&l));
	ck_assert_ptr_null(list_first(&l));
	ck_assert_ptr_null(list_last(&l));
	ck_assert_ptr_null(list_pop(&l));
	list_append(&l, &i[1].node);
	list_append(&l, &i[2].node);
	list_prepend(&l, &i[0].node);
	ck_assert_uint_eq(list_count(&l), 3);
	ck_assert_int_eq(value_of(list_first(&l)), 0);
	ck_assert_int_eq(value_of(list_next(&l, &i[0].node)), 1);
	ck_assert_int_eq(value_of(list_last(&l)), 2);
	ck_assert_ptr_null(list_next(&l, &i[2].node));
	list_remove(&l, &i[1].node);
	ck_assert(!list_linked(&i[1].node));
	ck_assert(list_linked(&i[2].node));
	ck_assert_int_eq(value_of(list_pop(&l)), 0);
	ck_assert_int_eq(value_of(list_pop(&l)), 2);
	ck_assert(list_empty(&l));
}
END_TEST

START_TEST(removal_while_walking)
{
	struct item	  i[5];
	struct list	  l;
	struct list_node *n, *tmp;
	int		  k, sum = 0;

	list_init(&l);
	for (k = 0; k < 5; k++) {
		i[k].value = k;
		i[k].node.next = i[k].node.prev = NULL;
		list_append(&l, &i[k].node);
	}
	LIST_FOREACH(n, tmp, &l) {
		sum += value_of(n);
		if (value_of(n) % 2 == 0)
			list_remove(&l, n);
	}
	ck_assert_int_eq(sum, 10);
	ck_assert_uint_eq(list_count(&l), 2);
	ck_assert_int_eq(value_of(list_first(&l)), 1);
	ck_assert_int_eq(value_of(list_last(&l)), 3);
}
END_TEST

UNIT_MAIN("list", order_and_count, removal_while_walking)
