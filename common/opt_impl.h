/* SPDX-License-Identifier: MIT */
/*
 * opt_impl - how opt.c and opt_show.c reach the member of an option.
 *
 * Internal to common/opt*.c.
 */
#ifndef COMMON_OPT_IMPL_H
#define COMMON_OPT_IMPL_H

#include "common/base.h"

#include "common/opt.h"

union opt_member {
	void			*any;
	bool			*b;
	int			*i;
	unsigned		*u;
	int64_t			*i64;
	char			**str;
	struct opt_list		*list;
};

/* Readers do not write through it; the qualifier ends here. */
static inline union opt_member
opt_member(const struct opt *o, const void *values)
{
	union opt_member m;

	m.any = (char *)(uintptr_t)values + o->offset;
	return m;
}

#endif /* COMMON_OPT_IMPL_H */
